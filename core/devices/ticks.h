/*
 * Guest time (ns) to ticks of a device's clock and back, exactly: whole seconds
 * and the rest apart, so that 64-bit arithmetic suffices for any time and for
 * any clock up to 4 GHz, and no error piles up.
 */
#ifndef CORE_DEVICES_TICKS_H
#define CORE_DEVICES_TICKS_H

#include "core/types.h"

/* Ticks of a clock of `hz` that have begun up to `now`: floor(now * hz / 1 s). */
static inline u64 ticks_at(u64 now, u32 hz)
{
    return now / NANOSECONDS * hz + now % NANOSECONDS * hz / NANOSECONDS;
}

/* The first ns at which ticks_at() is `tick`, or NEVER where 64 bits end. */
static inline u64 time_of_tick(u64 tick, u32 hz)
{
    u64 seconds = tick / hz;

    if (seconds >= NEVER / NANOSECONDS)
        return NEVER;
    return seconds * NANOSECONDS + (tick % hz * NANOSECONDS + hz - 1) / hz;
}

/* a + b, or NEVER where 64 bits end. */
static inline u64 add_time(u64 a, u64 b)
{
    return a > NEVER - b ? NEVER : a + b;
}

#endif
