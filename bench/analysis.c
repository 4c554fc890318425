/*
 * How fast `hindvisor analyze` reads exits, and that its memory does not grow with the trace: whole
 * runs of the program over a made-up trace and over one ten times as long, in turns, so that a slow
 * moment of the machine falls on both. Exits a second of processor time, start and end included
 * (medians); and the most memory that was resident.
 *
 * usage: analysis ROUNDS HINDVISOR [OUT.json]; BENCH_TRACE: that trace instead, without its like
 * of ten times the length. Exit status 1: a limit is not kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/child.h"
#include "bench/made_up.h"
#include "trace/trace.h"

enum { ROUNDS_MAX = 32, CHUNKS = 256, TIMES_LONGER = 10, TROUBLE = 2 };

/* At least, of the first question on the long trace; and at most, of long to short. */
static const struct {
    double exits_a_second, memory_ratio;
} limits = {10e6, 1.25};

static const struct question {
    const char *name, *words[6];
} questions[] = {
    {"exits", {"exits"}},
    {"exits --by rip", {"exits", "--by", "rip"}},
    {"exits --show freq", {"exits", "--show", "freq", "--intervals", "1000"}},
    {"io", {"io"}},
    {"io --show freq", {"io", "--show", "freq", "--intervals", "1000"}},
    {"interrupts", {"interrupts"}},
};

enum { SHORT, LONG, LENGTHS };

struct side {
    const char *path;
    u64 exits;
    u64 times[ARRAY_SIZE(questions)][ROUNDS_MAX]; /* processor time, ns */
    u64 peak[ARRAY_SIZE(questions)];              /* bytes, of all rounds */
};

static struct side sides[LENGTHS];

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "analysis: %s: %s\n", what, why);
    exit(TROUBLE);
}

/* --- the traces ------------------------------------------------------------------------------- */

static void count_exits(struct side *side)
{
    struct trace *trace;
    struct failure failure = trace_open(side->path, &trace);
    if (failure.code)
        give_up(side->path, failure.text);
    side->exits = trace_exits(trace);
    trace_close(trace);
}

/* How many sides there are. */
static u32 choose_traces(void)
{
    static struct made_up_trace made[LENGTHS];
    u32 count = LENGTHS;
    sides[SHORT].path = getenv("BENCH_TRACE");
    if (sides[SHORT].path)
        count = 1;
    for (u32 s = 0; s < count; s++) {
        if (!sides[s].path && !made_up_trace_write(&made[s], s ? TIMES_LONGER * CHUNKS : CHUNKS))
            give_up("/tmp", "cannot write a trace there");
        sides[s].path = sides[s].path ? sides[s].path : made[s].path;
        count_exits(&sides[s]);
    }
    return count;
}

/* --- the runs --------------------------------------------------------------------------------- */

static void run_once(const char *program, u32 q, u32 round, struct side *side)
{
    const char *arguments[10] = {program, "analyze"};
    u32 count = 2;
    for (u32 i = 0; i < ARRAY_SIZE(questions[q].words) && questions[q].words[i]; i++)
        arguments[count++] = questions[q].words[i];
    arguments[count] = side->path;
    struct child_end end =
        child_run(&(struct child){.arguments = arguments, .log = "/dev/null", .limit = NEVER});
    if (end.status)
        give_up(questions[q].name, "hindvisor analyze failed");
    side->times[q][round] = end.times.processor;
    side->peak[q] = max_u64(side->peak[q], end.peak);
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

/* Exits a second, of the median. */
static double speed(const struct side *side, u32 q, u32 rounds)
{
    u64 sorted[ROUNDS_MAX];
    memcpy(sorted, side->times[q], rounds * sizeof(sorted[0]));
    qsort(sorted, rounds, sizeof(sorted[0]), compare);
    u64 median = sorted[rounds / 2] ? sorted[rounds / 2] : 1;
    return (double)side->exits * NANOSECONDS / (double)median;
}

static double memory_ratio(u32 q)
{
    return sides[LONG].exits ? (double)sides[LONG].peak[q] / (double)sides[SHORT].peak[q] : 1;
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool print_figures(u32 count, u32 rounds)
{
    bool over = speed(&sides[count - 1], 0, rounds) < limits.exits_a_second;
    printf("%-20s", "hindvisor analyze");
    for (u32 s = 0; s < count; s++)
        printf(" %12lu exits %7s", sides[s].exits, "");
    printf("\n");
    for (u32 q = 0; q < ARRAY_SIZE(questions); q++) {
        printf("%-20s", questions[q].name);
        for (u32 s = 0; s < count; s++)
            printf(" %8.2f M/s %8.1f MiB", speed(&sides[s], q, rounds) / 1e6,
                   (double)sides[s].peak[q] / (1 << 20));
        bool grows = memory_ratio(q) > limits.memory_ratio;
        printf("%s\n", grows ? "  GROWS" : "");
        over |= grows;
    }
    printf("limits: %.0f M exits a second of processor time (the first), memory %.2f times\n",
           limits.exits_a_second / 1e6, limits.memory_ratio);
    return over;
}

static void write_side(FILE *out, const struct side *side, u32 rounds)
{
    fprintf(out, "{\"exits\": %lu", side->exits);
    for (u32 q = 0; q < ARRAY_SIZE(questions); q++) {
        fprintf(out, ",\n  \"%s\": {\"peak_bytes\": %lu, \"processor_ns\": [", questions[q].name,
                side->peak[q]);
        for (u32 i = 0; i < rounds; i++)
            fprintf(out, "%s%lu", i ? ", " : "", side->times[q][i]);
        fprintf(out, "]}");
    }
    fprintf(out, "}");
}

static void write_json(const char *path, u32 count, u32 rounds)
{
    FILE *out = fopen(path, "w");
    if (!out)
        give_up(path, "cannot write it");
    fprintf(out, "{\"rounds\": %u, \"traces\": [\n ", rounds);
    for (u32 s = 0; s < count; s++) {
        fprintf(out, s ? ",\n " : "");
        write_side(out, &sides[s], rounds);
    }
    fprintf(out, "]}\n");
    if (fclose(out))
        give_up(path, "cannot write it");
}

int main(int argc, char **argv)
{
    int rounds = argc < 2 ? 0 : atoi(argv[1]);
    if (argc < 3 || argc > 4 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: %s ROUNDS HINDVISOR [OUT.json]\n", argv[0]);
        return TROUBLE;
    }
    u32 count = choose_traces();
    for (u32 round = 0; round < (u32)rounds; round++)
        for (u32 q = 0; q < ARRAY_SIZE(questions); q++)
            for (u32 s = 0; s < count; s++)
                run_once(argv[2], q, round, &sides[s]);
    bool over = print_figures(count, (u32)rounds);
    if (argc == 4)
        write_json(argv[3], count, (u32)rounds);
    return over;
}
