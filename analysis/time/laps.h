/*
 * A trace as laps: what passed from one exit to the next, on the guest's clock and on
 * the host's. A lap belongs to the exit at its end; its host time is what the handling of the exit
 * at its beginning took, and what the guest ran then.
 *
 * The host's clock in ns is its TSC, from 0, converted and rounded down. So what passed between two
 * stamps may be off by 1 ns, but sums over laps are exact, whatever way a trace is cut into shards;
 * and the laps of traces from hosts of different speed add up as well.
 */
#ifndef ANALYSIS_TIME_LAPS_H
#define ANALYSIS_TIME_LAPS_H

#include "analysis/frame/view.h"

/* What the clocks of a trace are. */
struct clocks {
    u32 policy; /* of the guest's: enum clock_policy */
    u64 tsc_hz; /* of the host's; 0: not known, and its ns are not either */
};

/* Where time went, in ns or in ticks. */
struct parts {
    u128 guest;      /* it ran */
    u128 hypervisor; /* an exit was handled */
    u128 stolen;     /* the world took it (clock policy `count`) */
    u128 idle;       /* halted, or skipped while it was */
};

struct lap {
    size_t row;         /* of the exit at its end */
    u64 after;          /* reason of the exit at its beginning; not if `unknown` */
    bool unknown;       /* it begins with the trace or behind a gap: nothing passed that is known */
    u32 disordered;     /* stamps and counts that go back in it */
    struct parts ns;    /* on the guest's clock: they add up to what passed there */
    struct parts ticks; /* on the host's */
    s128 host_ns;       /* ... in ns; below 0 if its stamps go back */
};

u128 parts_sum(const struct parts *);
void parts_add(struct parts *, const struct parts *);
void parts_save(const struct parts *, struct pack *);
void parts_load(struct parts *, struct unpack *);

/* What the guest's clock gained on the host's in this lap: below 0 if it lost. */
static inline s128 lap_step(const struct lap *lap)
{
    return (s128)parts_sum(&lap->ns) - lap->host_ns;
}

struct clocks clocks_of(const struct query *);
/* Both, if they are of one kind; else what can be said of both. */
struct clocks clocks_merged(struct clocks, struct clocks);

/* A sum of ns that comes from a file: with those that are refused, no sum of the others overflows.
 */
void load_clock_sum(s128 *, struct unpack *);
/* `ahead` of `host_ns` in parts per billion, rounded down; false: that says nothing. */
bool drift_of(s128 ahead, s128 host_ns, s128 *drift);

/* The laps of a slice, one for each exit. */
struct lap_walk {
    const struct slice *slice;
    struct clocks clocks;
    size_t row; /* of the next exit */
    struct before before;
    u128 before_ns; /* host ns of its stamp */
    size_t arrival; /* row of the next one */
    u64 stolen;     /* after the exit before the slice */
};

void laps_wish(struct column_wishes *);
void laps_begin(struct lap_walk *, const struct slice *, struct clocks);
bool laps_next(struct lap_walk *, struct lap *);

#endif
