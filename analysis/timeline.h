/*
 * Guest time at each exit. The records of exits carry the guest count; guest time
 * (ns) is ahead of it by what was skipped: idle time, or time that noise stole. The
 * trace tells what time was skipped to after a HLT (idle records, from format version
 * 2 on), and shows guest time at every reading of the TSC (RDTSC, RDTSCP, MSR 0x10:
 * the value is guest ns plus the guest's own offset, which its writes of the
 * MSR tell) and, under --clock host, at each reading of the host's clock.
 *
 *   clock count   time(exit) = count + skipped, and `skipped` is what the last
 *                 idle record before this exit, or reading at or before it,
 *                 showed, plus arrivals of stolen time
 *   clock host    time(exit) = the last reading at or before this exit
 *
 * So the time of an exit is exact; without idle records, if nothing was skipped since the
 * last reading, and else too early. trace/guest_time.h says the same record by record.
 */
#ifndef ANALYSIS_TIMELINE_H
#define ANALYSIS_TIMELINE_H

#include "trace/batch.h"

/* What is carried from exit to exit; zeros at the trace's start. */
struct timeline {
    u32 clock;      /* enum clock_policy; the caller sets it */
    u64 skipped;    /* clock count: ns that guest time is ahead of the count */
    u64 reading;    /* clock host: the last reading */
    u64 tsc_offset; /* guest TSC - guest ns */
    u64 stolen;     /* ns in all that the world took (clock count, arrivals of time) */
    u64 pending; /* the same, of the last exit's arrivals: the next exit is the first to show it */
    size_t arrival, idle, clock_row; /* rows of those records that are due next */
    bool shown;                /* there has been a reading since the zeros */
    bool tsc_written;          /* the guest has set its TSC */
};

/* Adds the columns that timeline_walk() needs. */
void timeline_wish(u32 clock, struct column_wishes *);
/* Guest ns at the exits in rows [begin, end) of the batch, into times[begin] and on. Call for all
 * rows of a chunk in order, in one piece or more, then for the next chunk. */
void timeline_walk(struct timeline *, const struct trace_batch *, size_t begin, size_t end,
                   u64 *times);

#endif
