/*
 * Guest time at each exit of a chunk: merges the columns of the few records that time
 * follows from with the exits, and feeds them to trace/guest_time.h, which has the
 * rules.
 */
#ifndef ANALYSIS_FRAME_TIMELINE_H
#define ANALYSIS_FRAME_TIMELINE_H

#include "trace/guest_time.h"

/* What is carried from exit to exit. */
struct timeline {
    struct guest_time time;
    u64 stolen;  /* ns in all that the world took, up to the last exit (clock policy `count`) */
    u64 pending; /* the same after it: the next exit is the first to show it */
    size_t arrival, clock, idle; /* rows of those records that are due next */
};

/* At the trace's start. */
void timeline_begin(struct timeline *, struct trace *);
/* For each chunk in order: once timeline_chunk(), then all its rows in order, in one piece or
 * more: guest ns at the exits in rows [begin, end) go into times[begin] and on. The batch has the
 * columns of guest_time_wish(). */
void timeline_chunk(struct timeline *);
void timeline_walk(struct timeline *, const struct trace_batch *, size_t begin, size_t end,
                   u64 *times);

#endif
