/*
 * Exit latency from two sides, of the guest that times itself (bench/guest/kinds.h):
 * inside, the guest ns between the two readings of its time stamp counter that enclose
 * a round; outside, the host's TSC ticks from exit to entry of all exits in between.
 * Both come from the records of one run under --clock host. Every sample is kept.
 */
#ifndef ANALYSIS_BENCH_EXIT_BENCH_H
#define ANALYSIS_BENCH_EXIT_BENCH_H

#include "bench/guest/kinds.h"
#include "trace/schema.h"

struct exit_samples {
    u32 count;
    u64 exits; /* between the readings, in all rounds */
    u64 inside[KIND_ROUNDS], outside[KIND_ROUNDS];
};

/* Zeros are the start. */
struct exit_bench {
    struct exit_samples kinds[EXIT_KIND_COUNT];
    u32 kind;    /* the one being taken, */
    bool begun;  /* ... if there is one */
    u32 round;   /* of it */
    bool open;   /* between two readings: */
    u64 reading; /* the first, */
    u64 ticks;   /* ... and what came since */
    u32 exits;
};

/* Takes a block of raw records, in order. */
void exit_bench_take(struct exit_bench *, const void *records, u32 length);
/* Was each kind taken as often as it should be? */
bool exit_bench_is_whole(const struct exit_bench *);
/* The smallest sample that at least `parts` of `whole` do not exceed. Sorts them. */
u64 exit_bench_quantile(u64 *samples, u32 count, u32 parts, u32 whole);

extern const char *const exit_kind_names[EXIT_KIND_COUNT], *const exit_kind_titles[EXIT_KIND_COUNT];

#endif
