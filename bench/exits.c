/*
 * What a VM exit costs: ticks from the exit to the entry that follows, measured
 * under Bochs, where the TSC counts instructions, so that each figure is exact and
 * the same on every machine. A guest (bench/guest/exits.c) takes one kind of exit
 * over and over; one run records it, another only runs it.
 *
 * Recording: each exit's stamps are in its record. Not recording: nothing is kept
 * but the last exits in the report. They lack the entry's stamp, but ticks between two
 * exits are latency + guest count + a constant of the entry stub, which the recorded
 * run gives.
 *
 * usage: exits GUEST.elf [OUT.json]; exit status 1: some p99 is over its limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/run.h"
#include "core/types.h"
#include "vmx/exits.h"

enum { SAMPLES_MAX = 16384, WARM_UP = 64, GUEST_MEMORY = 16 << 20 };
enum { IO_IN = 1 << 3, EPT_WRITE = 1 << 1 };
#define APIC_EOI 0xfee000b0ull

/* `qualification`: its bits in `mask`; `address`: 0: any. */
static const struct kind {
    const char *title, *command;
    u32 reason;
    u64 mask, qualification, address;
    u32 limit; /* ticks; 0: none */
} kinds[] = {
    {"CPUID", "cpuid", EXIT_CPUID, 0, 0, 0, 300},
    {"RDTSC", "rdtsc", EXIT_RDTSC, 0, 0, 0, 250},
    {"OUT to the UART", "out", EXIT_IO_INSTRUCTION, 0xffff0000 | IO_IN, 0x3f8 << 16, 0, 500},
    {"IN from the UART", "in", EXIT_IO_INSTRUCTION, 0xffff0000, 0x3fd << 16, 0, 0},
    {"IN, nobody there", "in_nobody", EXIT_IO_INSTRUCTION, 0xffff0000, 0x1234 << 16, 0, 0},
    {"local APIC read, EPT violation", "apic_read", EXIT_EPT_VIOLATION, EPT_WRITE, 0, 0, 900},
    {"local APIC write, EPT violation", "apic_write", EXIT_EPT_VIOLATION, EPT_WRITE, EPT_WRITE, 0,
     900},
    {"local APIC EOI, EPT violation", "apic_ipi", EXIT_EPT_VIOLATION, EPT_WRITE, EPT_WRITE,
     APIC_EOI, 900},
    {"self-IPI by EPT violation, injected", "apic_ipi", EXIT_EPT_VIOLATION, EPT_WRITE, EPT_WRITE,
     0xfee00300, 0},
    {"x2APIC EOI, WRMSR", "x2apic_ipi", EXIT_MSR_WRITE, 0, 0, 0x80b, 0},
    {"x2APIC self-IPI, WRMSR, injected", "x2apic_ipi", EXIT_MSR_WRITE, 0, 0, 0x830, 0},
    {"RDMSR", "rdmsr", EXIT_MSR_READ, 0, 0, 0x1b, 0},
    {"WRMSR TSC deadline", "deadline", EXIT_MSR_WRITE, 0, 0, 0x6e0, 0},
    {"CR0 write", "cr0", EXIT_CR_ACCESS, 0, 0, 0, 0},
    {"HLT until its timer, injected", "hlt", EXIT_HLT, 0, 0, 0, 0},
};

struct samples {
    u32 count;
    u64 ticks[SAMPLES_MAX];
};

struct figures {
    u32 count;
    u64 min, p50, p99, max;
};

struct row {
    struct figures on, off;
};

/* The exit records of one run, in order. */
struct recorded {
    u32 count;
    struct exit_record exits[SAMPLES_MAX];
};

static struct failure collect(void *context, const void *payload, u32 length)
{
    struct recorded *r = context;
    const u8 *at = payload, *end = at + length;
    for (u32 size; at < end && (size = record_size(*(const u16 *)at)); at += size)
        if (*(const u16 *)at == REC_EXIT && r->count < SAMPLES_MAX)
            memcpy(&r->exits[r->count++], at, sizeof(r->exits[0]));
    return NO_FAILURE;
}

static bool matches(const struct kind *kind, const struct exit_record *exit)
{
    return exit->reason == kind->reason && !(exit->flags & EXIT_FLAG_HALTED) &&
           (exit->qualification & kind->mask) == kind->qualification &&
           (!kind->address || exit->address == kind->address);
}

/* A HLT lasts until the entry that ends it: the looks around belong to it. */
static u32 last_part(const struct exit_record *exits, u32 count, u32 i)
{
    while (i + 1 < count && exits[i + 1].flags & EXIT_FLAG_HALTED)
        i++;
    return i;
}

static void add_sample(struct samples *s, u64 ticks)
{
    if (s->count < SAMPLES_MAX)
        s->ticks[s->count++] = ticks;
}

/* Ticks around an entry that are neither the guest's nor a latency. */
static u64 stub_ticks(const struct recorded *r)
{
    const struct exit_record *a = &r->exits[WARM_UP];
    while (a[1].flags & EXIT_FLAG_HALTED)
        a++;
    return a[1].tsc_exit - a->tsc_entry - (a[1].count - a->count);
}

static void sample_recorded(const struct kind *kind, const struct recorded *r, struct samples *s)
{
    for (u32 i = WARM_UP; i + 1 < r->count; i++)
        if (matches(kind, &r->exits[i]))
            add_sample(s,
                       r->exits[last_part(r->exits, r->count, i)].tsc_entry - r->exits[i].tsc_exit);
}

static void sample_report(const struct kind *kind, const struct report *report, u64 stub,
                          struct samples *s)
{
    const struct exit_record *exits = report->last;
    for (u32 i = 0; i + 1 < report->last_count; i++) {
        u32 next = last_part(exits, report->last_count, i) + 1;
        if (matches(kind, &exits[i]) && next < report->last_count)
            add_sample(s, exits[next].tsc_exit - exits[i].tsc_exit -
                              (exits[next].count - exits[i].count) - stub);
    }
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static struct figures figures(struct samples *s, const char *title)
{
    if (!s->count)
        bench_check(fail(INTERNAL, "%s: the guest took no such exit", title));
    qsort(s->ticks, s->count, sizeof(s->ticks[0]), compare);
    return (struct figures){s->count, s->ticks[0], s->ticks[s->count / 2],
                            s->ticks[s->count * 99 / 100], s->ticks[s->count - 1]};
}

/* --- runs ------------------------------------------------------------------------ */

struct run {
    struct recorded recorded;
    struct report report; /* of the run that was not recorded */
};

static void run_both(const char *path, const char *command, struct run *run)
{
    struct bench_guest guest = {path, NULL, command, GUEST_MEMORY};
    struct carrier_outcome outcome;
    run->recorded.count = 0;
    bench_run(&guest, MODE_RECORD, (struct carrier_sink){&run->recorded, collect}, &outcome);
    if (outcome.report.end_detail || run->recorded.count <= 2 * WARM_UP)
        bench_check(fail(INTERNAL, "the guest did not run `%s`", command));
    bench_run(&guest, MODE_RUN, (struct carrier_sink){0}, &outcome);
    run->report = outcome.report;
}

static void measure(const char *path, struct row *rows)
{
    static struct run run;
    static struct samples on, off;
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!i || strcmp(kinds[i].command, kinds[i - 1].command) != 0)
            run_both(path, kinds[i].command, &run);
        on.count = off.count = 0;
        sample_recorded(&kinds[i], &run.recorded, &on);
        sample_report(&kinds[i], &run.report, stub_ticks(&run.recorded), &off);
        rows[i].on = figures(&on, kinds[i].title);
        rows[i].off = figures(&off, kinds[i].title);
    }
}

/* --- results --------------------------------------------------------------------- */

static bool over(const struct kind *kind, const struct row *row)
{
    return kind->limit && row->on.p99 > kind->limit;
}

static void print_table(const struct row *rows)
{
    printf("Ticks from exit to entry (one an instruction, under Bochs)\n");
    printf("%-36s %31s   %23s   %5s\n", "", "recording", "not recording", "");
    printf("%-36s %7s %7s %7s %7s   %7s %7s %7s   %5s\n", "exit", "min", "p50", "p99", "max", "min",
           "p50", "max", "limit");
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct figures *on = &rows[i].on, *off = &rows[i].off;
        printf("%-36s %7lu %7lu %7lu %7lu   %7lu %7lu %7lu", kinds[i].title, on->min, on->p50,
               on->p99, on->max, off->min, off->p50, off->max);
        if (kinds[i].limit)
            printf("   %5u%s", kinds[i].limit, over(&kinds[i], &rows[i]) ? "  OVER" : "");
        printf("\n");
    }
}

static void print_figures(FILE *out, const char *name, const struct figures *f)
{
    fprintf(out,
            "\"%s\": {\"samples\": %u, \"min\": %lu, \"p50\": %lu, \"p99\": %lu, \"max\": %lu}",
            name, f->count, f->min, f->p50, f->p99, f->max);
}

static void write_json(const char *path, const struct row *rows)
{
    FILE *out = fopen(path, "w");
    if (!out)
        bench_check(fail_errno("cannot write %s", path));
    fprintf(out, "{\"unit\": \"ticks\", \"carrier\": \"bochs\", \"exits\": [\n");
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        fprintf(out, "  {\"exit\": \"%s\", \"reason\": \"%s\", ", kinds[i].title,
                exit_reason_name(kinds[i].reason));
        print_figures(out, "recording", &rows[i].on);
        fprintf(out, ", ");
        print_figures(out, "not_recording", &rows[i].off);
        if (kinds[i].limit)
            fprintf(out, ", \"limit\": %u", kinds[i].limit);
        fprintf(out, "}%s\n", i + 1 < ARRAY_SIZE(kinds) ? "," : "");
    }
    fprintf(out, "]}\n");
    if (fclose(out))
        bench_check(fail_errno("cannot write %s", path));
}

int main(int argc, char **argv)
{
    static struct row rows[ARRAY_SIZE(kinds)];
    int result = 0;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s GUEST.elf [OUT.json]\n", argv[0]);
        return 2;
    }
    measure(argv[1], rows);
    print_table(rows);
    if (argc == 3)
        write_json(argv[2], rows);
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
        result |= over(&kinds[i], &rows[i]);
    return result;
}
