/*
 * Scales of plots: from values to places between 0 and 1, ticks on the way, and
 * numbers with their unit. Any finite values may come; nothing here divides by zero.
 */
#ifndef ANALYSIS_REPORT_SCALE_H
#define ANALYSIS_REPORT_SCALE_H

#include "core/types.h"

struct scale {
    bool log;         /* by decades */
    double low, high; /* low < high; log: low > 0 */
};

/* A scale for values from `low` to `high`, made wider where it has no width. */
struct scale scale_of(bool log, double low, double high);
/* The same with its ends on ticks. */
struct scale scale_rounded(struct scale, u32 ticks);
/* 0 at `low`, 1 at `high`; what lies outside is on the edge. */
double scale_at(const struct scale *, double value);

/* Values for about `wanted` ticks in ascending order: multiples of 1, 2 or 5 times a power of ten;
 * on log scales powers of ten, or fewer of them; over two decades or less also 2 and 5 times them.
 */
enum { TICKS_MAX = 24 };
u32 scale_ticks(const struct scale *, u32 wanted, double ticks[TICKS_MAX]);

/* "12.5 ms", "340 ns", "1.2 k/s", "99.9 %", with a narrow no-break space before the unit. */
enum unit { UNIT_NS, UNIT_TICKS, UNIT_RATE, UNIT_PERCENT, UNIT_COUNT };
extern const char *const unit_names[]; /* by unit, as page.js knows them */
enum { QUANTITY = 32 };
const char *quantity(enum unit, double value, char text[QUANTITY]);

#endif
