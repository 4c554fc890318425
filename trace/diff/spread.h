/*
 * How values are spread, in fixed memory: counts in buckets no wider than 1/32
 * of their values, so a quantile is at most 3.2 % above the sample that it stands
 * for and never below. Minimum and maximum are exact.
 */
#ifndef TRACE_DIFF_SPREAD_H
#define TRACE_DIFF_SPREAD_H

#include "core/types.h"

enum { SPREAD_BITS = 5, SPREAD_BUCKETS = (64 - SPREAD_BITS + 1) << SPREAD_BITS };

/* Zeros are an empty one. */
struct spread {
    u64 count, min, max;
    u64 buckets[SPREAD_BUCKETS];
};

/* Values below 2^BITS have a bucket each; each power of two above is cut into 2^BITS. */
static inline u32 spread_bucket(u64 value)
{
    if (value >> SPREAD_BITS == 0)
        return (u32)value;
    u32 shift = 63 - (u32)__builtin_clzll(value) - SPREAD_BITS;
    return (shift << SPREAD_BITS) + (u32)(value >> shift);
}

/* The largest value of a bucket. */
static inline u64 spread_bound(u32 bucket)
{
    if (bucket >> SPREAD_BITS == 0)
        return bucket;
    u32 shift = (bucket >> SPREAD_BITS) - 1;
    u64 low = (u64)(bucket - (shift << SPREAD_BITS)) << shift;
    return low + (1ull << shift) - 1;
}

static inline void spread_add(struct spread *s, u64 value)
{
    s->min = s->count ? min_u64(s->min, value) : value;
    s->max = max_u64(s->max, value);
    s->buckets[spread_bucket(value)]++;
    s->count++;
}

/* The smallest bound that at least `percent` of the values do not exceed; 0 when empty. */
static inline u64 spread_quantile(const struct spread *s, u32 percent)
{
    u64 wanted = s->count / 100 * percent + (s->count % 100 * percent + 99) / 100, seen = 0;
    for (u32 i = 0; s->count && i < SPREAD_BUCKETS; i++) {
        seen += s->buckets[i];
        if (seen >= wanted && seen)
            return max_u64(s->min, min_u64(spread_bound(i), s->max));
    }
    return 0;
}

#endif
