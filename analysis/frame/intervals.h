/*
 * Intervals of guest time whose length is found on the way: one pass, any trace, at
 * most so many. All begin as INTERVAL_FINEST; when a time does not fit, all double until
 * it does. Lengths are INTERVAL_FINEST times powers of two, so that what two shards have
 * counted adds up exactly, whatever their lengths.
 */
#ifndef ANALYSIS_FRAME_INTERVALS_H
#define ANALYSIS_FRAME_INTERVALS_H

#include "analysis/frame/pack.h"
#include "core/types.h"

/* ns; at most and at least so many intervals (with 2 the longest still holds any u64) */
enum { INTERVAL_FINEST = 1000, INTERVALS_LEAST = 2, INTERVALS_LIMIT = 4096 };

static inline bool intervals_are_possible(u64 intervals)
{
    return intervals >= INTERVALS_LEAST && intervals <= INTERVALS_LIMIT;
}

/* The length at which `time` falls into the first `intervals`; never shorter than `interval`. */
static inline u64 interval_for(u64 interval, u64 intervals, u64 time)
{
    while (time / interval >= intervals)
        interval *= 2;
    return interval;
}

/* Into *interval, which holds the first length. Lengths that cannot be are refused. */
void interval_load(u64 *interval, u64 intervals, struct unpack *);

#endif
