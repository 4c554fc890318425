/* What was measured, as tables with targets on stdout, and all samples as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/peers.h"

#define MIB (1 << 20)
#define RAM (256ull * MIB)

static const char *const side_names[] = {
#define X(symbol, name, key) name,
    SIDES(X)
#undef X
};
static const char *const side_keys[] = {
#define X(symbol, name, key) key,
    SIDES(X)
#undef X
};

/* --- medians ------------------------------------------------------------------------------- */

enum what { WHOLE_WALL, WHOLE_PROCESSOR, WORK_WALL, WORK_PROCESSOR, PEAK };

static double value_of(const struct sample *s, enum what what)
{
    switch (what) {
    case WHOLE_WALL:
        return (double)s->whole.wall / 1e9;
    case WHOLE_PROCESSOR:
        return (double)s->whole.processor / 1e9;
    case WORK_WALL:
        return (double)s->work.wall / 1e9;
    case WORK_PROCESSOR:
        return (double)s->work.processor / 1e9;
    default:
        return (double)s->peak;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* 0: there is none. */
static double median(const struct series *series, enum what what)
{
    double sorted[ROUNDS_MAX];
    u32 n = series->count;
    for (u32 i = 0; i < n; i++)
        sorted[i] = value_of(&series->samples[i], what);
    qsort(sorted, n, sizeof(sorted[0]), compare);
    return n ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 : 0;
}

/* --- tables ---------------------------------------------------------------------------------- */

static void print_boot(const struct results *r, u32 rounds)
{
    printf("Boot of the stock kernel to userspace and power-off; medians of %u rounds\n", rounds);
    printf("%-24s %12s %12s %14s\n", "", "wall-clock", "processor", "peak memory");
    for (u32 side = 0; side < SIDE_COUNT; side++) {
        const struct series *s = &r->series[CASE_BOOT][side];
        if (s->count)
            printf("%-24s %10.2f s %10.2f s %10.0f MiB\n", side_names[side], median(s, WHOLE_WALL),
                   median(s, WHOLE_PROCESSOR), median(s, PEAK) / MIB);
    }
}

static void print_cell(const struct series *s, enum what what)
{
    if (s->count)
        printf(" %9.2f", median(s, what));
    else
        printf(" %9s", "-");
}

static void print_workloads(const struct results *r, const char *title, enum what what)
{
    printf("\nWorkloads, %s, seconds\n%-9s", title, "");
    static const char *const heads[] = {"QEMU",      "rr=record", "rr=replay",
                                        "no record", "record",    "replay"};
    for (u32 side = 0; side < SIDE_BOCHS; side++)
        printf(" %9s", heads[side]);
    printf("\n");
    for (u32 which = CASE_BOOT + 1; which < CASE_COUNT; which++) {
        if (!r->series[which][SIDE_RUN].count)
            continue;
        printf("%-9s", case_names[which]);
        for (u32 side = 0; side < SIDE_BOCHS; side++)
            print_cell(&r->series[which][side], what);
        printf("\n");
    }
}

/* --- targets ----------------------------------------------------------------------------- */

static bool verdict(const char *what, double measured, double target, bool at_least)
{
    bool met = at_least ? measured >= target : measured <= target;
    printf("%-46s %10.3f %8s %8.2f  %s\n", what, measured, at_least ? "at least" : "at most",
           target, met ? "met" : "MISSED");
    return !met;
}

static bool ratio(const struct results *r, const char *what, enum side a, enum side b,
                  enum what kind, double target)
{
    const struct series *x = &r->series[CASE_BOOT][a], *y = &r->series[CASE_BOOT][b];
    if (x->count && y->count)
        return verdict(what, median(x, kind) / median(y, kind), target, false);
    printf("%-46s not measured: %s failed\n", what, side_names[y->count ? a : b]);
    return true;
}

static bool print_times(const struct results *r)
{
    static const struct {
        const char *wall, *processor;
        enum side a, b;
        double target;
    } rows[] = {
        {"record : rr=record, wall-clock", "record : rr=record, processor time", SIDE_RECORD,
         SIDE_QEMU_RECORD, 0.8},
        {"replay : rr=replay, wall-clock", "replay : rr=replay, processor time", SIDE_REPLAY,
         SIDE_QEMU_REPLAY, 0.4},
        {"record : no record, wall-clock", "record : no record, processor time", SIDE_RECORD,
         SIDE_RUN, 1.05},
    };
    bool missed = false;
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        missed |= ratio(r, rows[i].wall, rows[i].a, rows[i].b, WHOLE_WALL, rows[i].target);
        missed |=
            ratio(r, rows[i].processor, rows[i].a, rows[i].b, WHOLE_PROCESSOR, rows[i].target);
    }
    return missed;
}

static double most_memory(const struct results *r)
{
    double most = 0;
    for (u32 side = SIDE_RUN; side <= SIDE_REPLAY; side++)
        for (u32 which = 0; which < CASE_COUNT; which++) {
            double peak = median(&r->series[which][side], PEAK);
            most = peak > most ? peak : most;
        }
    return most;
}

static bool print_targets(const struct results *r)
{
    double run = median(&r->series[CASE_BOOT][SIDE_RECORD], WHOLE_PROCESSOR);
    double wall = median(&r->series[CASE_BOOT][SIDE_RECORD], WHOLE_WALL);
    double millions = (double)r->instructions / 1e6, packed = (double)r->qemu_log_packed / 1024;
    printf("\n%-46s %10s %8s %8s\n", "Targets, on the boot", "measured", "", "target");
    bool missed = print_times(r);
    missed |= verdict("million instructions a second, wall-clock", millions / wall, 400, true);
    missed |= verdict("million instructions a second, processor time", millions / run, 400, true);
    missed |= verdict("input stream, KiB, against QEMU's log packed", (double)r->input_bytes / 1024,
                      packed, false);
    missed |= verdict("peak memory, MiB (guest RAM + 128)", most_memory(r) / MIB,
                      (double)(RAM / MIB + 128), false);
    missed |= verdict("start without recording, ms", median(&r->starts[SIDE_RUN], WHOLE_WALL) * 1e3,
                      50, false);
    missed |= verdict("start of a recording, ms", median(&r->starts[SIDE_RECORD], WHOLE_WALL) * 1e3,
                      50, false);
    printf("\nStart of QEMU: %.0f ms. Its log: %.1f MiB, after zstd -3 %.1f KiB.\n",
           median(&r->starts[SIDE_QEMU], WHOLE_WALL) * 1e3, (double)r->qemu_log_bytes / MIB,
           packed);
    return missed;
}

bool report_print(const struct results *r, u32 rounds)
{
    print_boot(r, rounds);
    print_workloads(r, "wall-clock", WORK_WALL);
    print_workloads(r, "processor time", WORK_PROCESSOR);
    return print_targets(r);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void write_sample(FILE *out, const struct sample *s)
{
    fprintf(out,
            "{\"wall_ns\": %lu, \"processor_ns\": %lu, \"work_wall_ns\": %lu, "
            "\"work_processor_ns\": %lu, \"peak_bytes\": %lu}",
            s->whole.wall, s->whole.processor, s->work.wall, s->work.processor, s->peak);
}

static void write_series(FILE *out, const struct series sides[SIDE_COUNT])
{
    const char *between = "";
    fprintf(out, "{");
    for (u32 side = 0; side < SIDE_COUNT; side++) {
        if (!sides[side].count)
            continue;
        fprintf(out, "%s\n  \"%s\": [", between, side_keys[side]);
        for (u32 i = 0; i < sides[side].count; i++) {
            fputs(i ? ",\n    " : "", out);
            write_sample(out, &sides[side].samples[i]);
        }
        fprintf(out, "]");
        between = ",";
    }
    fprintf(out, "}");
}

void report_json(const struct results *r, u32 rounds, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        exit(2);
    }
    fprintf(out, "{\"rounds\": %u, \"qemu\": \"%s\", \"instructions\": %lu,\n", rounds,
            r->qemu_version, r->instructions);
    fprintf(out, " \"input_bytes\": %lu, \"qemu_log_bytes\": %lu, \"qemu_log_packed_bytes\": %lu",
            r->input_bytes, r->qemu_log_bytes, r->qemu_log_packed);
    for (u32 which = 0; which < CASE_COUNT; which++) {
        fprintf(out, ",\n \"%s\": ", case_names[which]);
        write_series(out, r->series[which]);
    }
    fprintf(out, ",\n \"start\": ");
    write_series(out, r->starts);
    fprintf(out, "}\n");
    if (fclose(out)) {
        perror(path);
        exit(2);
    }
}
