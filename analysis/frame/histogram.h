/*
 * A log-linear histogram of u64 values that merges exactly: integer counts in
 * buckets whose bounds are the same everywhere. Values below 2^HISTOGRAM_BITS have
 * a bucket each; above, each power of two is cut into 2^HISTOGRAM_BITS equal buckets.
 * So a bucket is never wider than 1/128 of its values: a percentile is at most
 * 0.79 % above the sample that it stands for, and never below. Count, sum, minimum
 * and maximum are exact.
 *
 * Memory: an array of 1 KiB for each power of two that occurs.
 */
#ifndef ANALYSIS_FRAME_HISTOGRAM_H
#define ANALYSIS_FRAME_HISTOGRAM_H

#include "core/types.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

enum {
    HISTOGRAM_BITS = 7,
    HISTOGRAM_SPANS = 64 - HISTOGRAM_BITS + 1, /* of 2^HISTOGRAM_BITS buckets each */
};

/* Zeros are an empty one. */
struct histogram {
    u64 count;
    u128 sum;
    u64 min, max;                /* 0 while empty */
    u64 *spans[HISTOGRAM_SPANS]; /* NULL: no value lies there */
};

/* false: no memory; the histogram is as before. times > 0. */
bool histogram_add(struct histogram *, u64 value, u64 times);
bool histogram_merge(struct histogram *, const struct histogram *other);
void histogram_free(struct histogram *);

/* The smallest bucket bound that at least `parts` of `whole` samples do not exceed (p99.9:
 * 999, 1000), cut to [min, max]; 0 when empty. */
u64 histogram_quantile(const struct histogram *, u32 parts, u32 whole);
/* Rounded down; 0 when empty. */
u64 histogram_mean(const struct histogram *);

/* Buckets in ascending order: the next non-empty one at or after *cursor (start with 0); false:
 * no more. For plots. */
struct bucket {
    u64 low, high; /* both inclusive */
    u64 count;
};
bool histogram_next(const struct histogram *, u32 *cursor, struct bucket *);

struct pack;
struct unpack;
void histogram_save(const struct histogram *, struct pack *);
/* Into an empty histogram. What cannot be a histogram's numbers is refused (unpack_refuse()). */
void histogram_load(struct histogram *, struct unpack *);

#endif
