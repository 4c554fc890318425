/*
 * What went on when, over guest time, in bounded memory: bands of spans. Spans are exact as long as
 * all of them fit; where they do not, neighbours that together take no longer than the grain
 * become one, and the grain grows until they do. Amounts are never lost.
 */
#ifndef ANALYSIS_REPORT_SPANS_H
#define ANALYSIS_REPORT_SPANS_H

#include "core/types.h"

#include <stdio.h>

struct span {
    u64 start, end; /* guest ns; start < end */
    u64 amount;     /* of whatever the band is about: of time, at most end - start */
};

struct band {
    struct span *spans; /* in order, apart from each other */
    size_t count, capacity;
};

struct spans {
    struct band *bands;
    u32 band_count;
    size_t total, limit; /* spans of all bands */
    u64 grain;           /* guest ns; 1: all spans are exact */
};

/* The limit is at least the number of bands. false: no memory, and nothing to free. */
bool spans_new(struct spans *, u32 bands, size_t limit);
void spans_free(struct spans *);

/* Spans of a band come by their start; what lies before the end of the last one counts as its.
 * false: no memory. */
bool spans_add(struct spans *, u32 band, struct span);
/* Time during which at least one of several things went on: they come by their end, and may
 * overlap. */
bool spans_cover(struct spans *, u32 band, u64 start, u64 end);

/* Amounts in `count` equal parts of the time from `low` to `high`: those of a span are spread
 * evenly over it. */
void band_columns(const struct band *, double low, double high, double *columns, u32 count);
/* As text: for each span its distance from the end of the one before, times two, and one more if
 * the amount is not its length; its length; then that amount. Numbers have digits of 5 bits, the
 * lowest first, each a character of base 64, with bit 5 set if more follow. */
void band_write(FILE *, const struct band *);

#endif
