/*
 * What recording adds to a boot: the stock kernel to userspace and power-off,
 * recorded and only run, in turns, so that a slow moment of the machine falls on both.
 * Three ratios. Of carrier ticks, which is exact: Bochs's TSC counts instructions, and every
 * tick of a run is either the guest's or between an exit and its entry. Of processor time
 * (medians), Bochs's and our own, which packs the trace. Of wall-clock times: those of a machine
 * that has other work to do too say little, so they have no limit. Then the trace's size.
 *
 * usage: boot ROUNDS KERNEL INITRD [OUT.json]; exit status 1: over a limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/run.h"
#include "replay/commands/session.h"
#include "trace/trace.h"

enum { ROUNDS_MAX = 32 };
#define MEMORY (256ull << 20)
#define COMMAND_LINE "console=ttyS0"

/* The limits, in the units of struct figures. */
static const struct limits {
    double processor, ticks, bytes_per_exit;
    u64 input_bytes;
} limits = {1.10, 1.10, 6.0, 64 << 10};

struct side {
    u64 wall[ROUNDS_MAX];      /* ns */
    u64 processor[ROUNDS_MAX]; /* ns */
    u64 ticks;                 /* guest's and between exits and entries */
    u64 exits, count;
};

struct figures {
    struct side off, on;
    u64 input_bytes, bytes;
    double wall_ratio, processor_ratio, ticks_ratio, bytes_per_exit;
};

static u64 ticks_of(const struct report *report)
{
    u64 ticks = report->count;
    for (u32 i = 0; i < REASON_LIMIT; i++)
        ticks += report->latency_sum[i];
    return ticks;
}

static u64 time_of(struct timeval t)
{
    return (u64)t.tv_sec * NANOSECONDS + (u64)t.tv_usec * 1000;
}

/* Processor time of this program and of those that it has run so far, ns. */
static u64 processor_time(void)
{
    struct rusage own, children;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return time_of(own.ru_utime) + time_of(own.ru_stime) + time_of(children.ru_utime) +
           time_of(children.ru_stime);
}

static void keep(struct side *side, u32 round, const struct carrier_outcome *outcome, u64 started)
{
    const struct report *report = &outcome->report;
    side->wall[round] = outcome->wall;
    side->processor[round] = processor_time() - started;
    side->ticks = ticks_of(report);
    side->exits = report->exits;
    side->count = report->count;
}

static struct failure append(void *context, const void *payload, u32 length)
{
    return trace_append_chunk(context, payload, length);
}

static void measure_sizes(const char *path, struct figures *f)
{
    struct trace *trace;
    bench_check(trace_open(path, &trace));
    f->input_bytes = trace_totals(trace, STREAM_INPUT).bytes;
    f->bytes = f->input_bytes + trace_totals(trace, STREAM_OBSERVATION).bytes;
    trace_close(trace);
}

static void record_once(const struct bench_guest *guest, u32 round, struct figures *f)
{
    char directory[CARRIER_PATH], path[CARRIER_PATH];
    struct carrier_outcome outcome;
    struct trace_writer *writer;
    struct manifest manifest;
    u64 started = processor_time();
    bench_manifest(guest, &manifest);
    bench_check(session_directory(directory));
    session_join(path, directory, "trace");
    bench_check(
        trace_create(path, &manifest, guest->kernel, guest->initrd, TRACE_SYNC_FINISH, &writer));
    bench_run(guest, MODE_RECORD, (struct carrier_sink){writer, append}, &outcome);
    bench_check(trace_finish(writer));
    keep(&f->on, round, &outcome, started);
    measure_sizes(path, f);
    session_remove(path);
    session_remove(directory);
}

static void run_once(const struct bench_guest *guest, u32 round, struct figures *f)
{
    struct carrier_outcome outcome;
    u64 started = processor_time();
    bench_run(guest, MODE_RUN, (struct carrier_sink){0}, &outcome);
    keep(&f->off, round, &outcome, started);
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static double median(const u64 *times, u32 rounds) /* in seconds */
{
    u64 sorted[ROUNDS_MAX];
    memcpy(sorted, times, rounds * sizeof(times[0]));
    qsort(sorted, rounds, sizeof(sorted[0]), compare);
    return (double)(sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2e9;
}

static void measure(const struct bench_guest *guest, u32 rounds, struct figures *f)
{
    for (u32 i = 0; i < rounds; i++) {
        fprintf(stderr, "boot: round %u of %u\n", i + 1, rounds);
        run_once(guest, i, f);
        record_once(guest, i, f);
    }
    f->wall_ratio = median(f->on.wall, rounds) / median(f->off.wall, rounds);
    f->processor_ratio = median(f->on.processor, rounds) / median(f->off.processor, rounds);
    f->ticks_ratio = (double)f->on.ticks / (double)f->off.ticks;
    f->bytes_per_exit = (double)f->bytes / (double)f->on.exits;
}

static const char *mark(bool over)
{
    return over ? "  OVER" : "";
}

static bool print_figures(const struct figures *f, u32 rounds)
{
    bool processor = f->processor_ratio > limits.processor, ticks = f->ticks_ratio > limits.ticks;
    bool input = f->input_bytes > limits.input_bytes;
    bool bytes = f->bytes_per_exit > limits.bytes_per_exit;
    printf("Boot of the stock kernel under Bochs, %u times each\n", rounds);
    printf("%-28s %14s %14s %8s %8s\n", "", "not recorded", "recorded", "ratio", "limit");
    printf("%-28s %14lu %14lu %8.3f %8.2f%s\n", "carrier ticks", f->off.ticks, f->on.ticks,
           f->ticks_ratio, limits.ticks, mark(ticks));
    printf("%-28s %12.2f s %12.2f s %8.3f %8.2f%s\n", "processor time, median",
           median(f->off.processor, rounds), median(f->on.processor, rounds), f->processor_ratio,
           limits.processor, mark(processor));
    printf("%-28s %12.2f s %12.2f s %8.3f\n", "wall-clock, median", median(f->off.wall, rounds),
           median(f->on.wall, rounds), f->wall_ratio);
    printf("%-28s %14lu %14lu\n", "exits", f->off.exits, f->on.exits);
    printf("%-28s %14lu %14lu\n", "guest ticks", f->off.count, f->on.count);
    printf("%-28s %14s %14lu %8s %8lu%s\n", "input stream, bytes", "", f->input_bytes, "",
           limits.input_bytes, mark(input));
    printf("%-28s %14s %14.2f %8s %8.2f%s\n", "all streams, bytes an exit", "", f->bytes_per_exit,
           "", limits.bytes_per_exit, mark(bytes));
    return processor || ticks || input || bytes;
}

static void write_times(FILE *out, const char *name, const u64 *off, const u64 *on, u32 rounds)
{
    const u64 *sides[] = {off, on};
    fprintf(out, " \"%s\": {", name);
    for (u32 side = 0; side < 2; side++) {
        fprintf(out, side ? ", \"recorded\": [" : "\"not_recorded\": [");
        for (u32 i = 0; i < rounds; i++)
            fprintf(out, "%s%lu", i ? ", " : "", sides[side][i]);
        fprintf(out, "]");
    }
    fprintf(out, "},\n");
}

static void write_json(const char *path, const struct figures *f, u32 rounds)
{
    FILE *out = fopen(path, "w");
    if (!out)
        bench_check(fail_errno("cannot write %s", path));
    fprintf(out, "{\"carrier\": \"bochs\", \"rounds\": %u,\n", rounds);
    fprintf(out, " \"ticks_ratio\": %.4f, \"processor_ratio\": %.4f, \"wall_ratio\": %.4f,\n",
            f->ticks_ratio, f->processor_ratio, f->wall_ratio);
    fprintf(out, " \"ticks\": {\"not_recorded\": %lu, \"recorded\": %lu},\n", f->off.ticks,
            f->on.ticks);
    write_times(out, "processor_ns", f->off.processor, f->on.processor, rounds);
    write_times(out, "wall_ns", f->off.wall, f->on.wall, rounds);
    fprintf(out,
            " \"exits\": %lu, \"input_bytes\": %lu, \"bytes\": %lu, \"bytes_per_exit\": %.3f}\n",
            f->on.exits, f->input_bytes, f->bytes, f->bytes_per_exit);
    if (fclose(out))
        bench_check(fail_errno("cannot write %s", path));
}

int main(int argc, char **argv)
{
    static struct figures figures;
    int rounds = argc < 2 ? 0 : atoi(argv[1]);
    if (argc < 4 || argc > 5 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: %s ROUNDS KERNEL INITRD [OUT.json]\n", argv[0]);
        return 2;
    }
    struct bench_guest guest = {argv[2], argv[3], COMMAND_LINE, MEMORY};
    measure(&guest, (u32)rounds, &figures);
    bool over = print_figures(&figures, (u32)rounds);
    if (argc == 5)
        write_json(argv[4], &figures, (u32)rounds);
    return over;
}
