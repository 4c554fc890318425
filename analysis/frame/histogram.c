/* Log-linear histograms; see histogram.h for the buckets and their error. */
#include "analysis/frame/histogram.h"
#include "analysis/frame/pack.h"

#include <stdlib.h>
#include <string.h>

enum { SPAN = 1 << HISTOGRAM_BITS, BUCKETS = HISTOGRAM_SPANS * SPAN };

/* Span 0 holds 0..127; span s > 0 holds 2^(s+6) .. 2^(s+7) - 1, 2^(s-1) values a bucket. */
static inline u32 span_of(u64 value)
{
    u32 log = 63 - (u32)__builtin_clzll(value | (SPAN - 1));
    return log - (HISTOGRAM_BITS - 1);
}

static inline u32 bucket_of(u64 value, u32 span)
{
    return (u32)(value >> (span ? span - 1 : 0)) & (SPAN - 1);
}

static u64 low_of(u32 span, u32 bucket)
{
    return span ? (u64)(SPAN | bucket) << (span - 1) : bucket;
}

static u64 high_of(u32 span, u32 bucket)
{
    return low_of(span, bucket) + (span ? BIT(span - 1) - 1 : 0);
}

static u64 *span_at(struct histogram *h, u32 span)
{
    if (!h->spans[span])
        h->spans[span] = calloc(SPAN, sizeof(u64));
    return h->spans[span];
}

bool histogram_add(struct histogram *h, u64 value, u64 times)
{
    u32 span = span_of(value);
    u64 *buckets = h->spans[span] ? h->spans[span] : span_at(h, span);
    if (!buckets)
        return false;
    buckets[bucket_of(value, span)] += times;
    h->min = h->count ? min_u64(h->min, value) : value;
    h->max = max_u64(h->max, value);
    h->count += times;
    h->sum += (u128)value * times;
    return true;
}

bool histogram_merge(struct histogram *h, const struct histogram *other)
{
    for (u32 span = 0; span < HISTOGRAM_SPANS; span++) {
        if (other->spans[span] && !span_at(h, span))
            return false;
    }
    for (u32 span = 0; span < HISTOGRAM_SPANS; span++) {
        for (u32 b = 0; other->spans[span] && b < SPAN; b++)
            h->spans[span][b] += other->spans[span][b];
    }
    if (other->count)
        h->min = h->count ? min_u64(h->min, other->min) : other->min;
    h->max = max_u64(h->max, other->max);
    h->count += other->count;
    h->sum += other->sum;
    return true;
}

void histogram_free(struct histogram *h)
{
    for (u32 span = 0; span < HISTOGRAM_SPANS; span++)
        free(h->spans[span]);
    *h = (struct histogram){0};
}

bool histogram_next(const struct histogram *h, u32 *cursor, struct bucket *out)
{
    for (; *cursor < BUCKETS; ++*cursor) {
        u32 span = *cursor / SPAN, b = *cursor % SPAN;
        u64 count = h->spans[span] ? h->spans[span][b] : 0;
        if (!count)
            continue;
        *out = (struct bucket){low_of(span, b), high_of(span, b), count};
        ++*cursor;
        return true;
    }
    return false;
}

u64 histogram_quantile(const struct histogram *h, u32 parts, u32 whole)
{
    u128 rank = ((u128)h->count * parts + whole - 1) / whole; /* samples at or below the answer */
    struct bucket bucket;
    u64 seen = 0;
    for (u32 cursor = 0; histogram_next(h, &cursor, &bucket);) {
        seen += bucket.count;
        if (seen >= rank)
            return max_u64(min_u64(bucket.high, h->max), h->min);
    }
    return 0;
}

u64 histogram_mean(const struct histogram *h)
{
    return h->count ? (u64)(h->sum / h->count) : 0;
}

/* --- in partial files --------------------------------------------------------------------- */

static u64 used_buckets(const struct histogram *h)
{
    struct bucket bucket;
    u64 used = 0;
    for (u32 cursor = 0; histogram_next(h, &cursor, &bucket);)
        used++;
    return used;
}

/* Sum, extremes, then for each bucket in use how many lie between it and the last one, and its
 * count. */
void histogram_save(const struct histogram *h, struct pack *pack)
{
    struct bucket bucket;
    u32 after = 0;
    pack_wide(pack, h->sum);
    pack_number(pack, h->min);
    pack_number(pack, h->max);
    pack_number(pack, used_buckets(h));
    for (u32 cursor = 0; histogram_next(h, &cursor, &bucket); after = cursor) {
        pack_number(pack, cursor - 1 - after);
        pack_number(pack, bucket.count);
    }
}

static void load_bucket(struct histogram *h, u64 index, u64 count, struct unpack *unpack)
{
    u64 *buckets = span_at(h, (u32)(index / SPAN));
    if (!buckets) {
        unpack_refuse(unpack, "there is no memory for a histogram");
        return;
    }
    buckets[index % SPAN] = count;
    if (!count || __builtin_add_overflow(h->count, count, &h->count))
        unpack_refuse(unpack, "a histogram's counts are impossible");
}

/* Are the extremes in the first and the last bucket, and is the sum between them? */
static bool is_plausible(const struct histogram *h)
{
    struct bucket bucket, first = {0}, last = {0};
    if (!h->count)
        return !h->min && !h->max && !h->sum;
    for (u32 cursor = 0; histogram_next(h, &cursor, &bucket); last = bucket)
        first = last.count ? first : bucket;
    return h->min >= first.low && h->min <= first.high && h->max >= last.low &&
           h->max <= last.high && h->min <= h->max && h->sum >= (u128)h->min * h->count &&
           h->sum <= (u128)h->max * h->count;
}

void histogram_load(struct histogram *h, struct unpack *unpack)
{
    *h = (struct histogram){0};
    h->sum = unpack_wide(unpack);
    h->min = unpack_number(unpack);
    h->max = unpack_number(unpack);
    u64 index = 0;
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 skip = unpack_number(unpack), count = unpack_number(unpack);
        if (skip >= BUCKETS - index) {
            unpack_refuse(unpack, "a histogram has too many buckets");
            return;
        }
        load_bucket(h, index + skip, count, unpack);
        index += skip + 1;
        if (index == BUCKETS && left > 1)
            unpack_refuse(unpack, "a histogram has too many buckets");
    }
    if (!unpack->wrong && !is_plausible(h))
        unpack_refuse(unpack, "a histogram's numbers do not agree");
}
