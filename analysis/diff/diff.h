/*
 * Compares two traces record by record. Both are read once, side by side, with a
 * window of records ahead on each side; memory does not depend on their length.
 *
 * Records are the same if all their fields are, but for the host's TSC
 * (differences of which are TIMING) and the exit's number once records are
 * missing on one side. Where they are not, the nearest place within the windows is
 * looked for from which on both sides agree again; without one the runs part.
 */
#ifndef ANALYSIS_DIFF_DIFF_H
#define ANALYSIS_DIFF_DIFF_H

#include "analysis/frame/histogram.h"
#include "trace/moments.h"

enum { DIFF_A, DIFF_B, DIFF_SIDES };

enum { DIFF_WINDOW = 256, DIFF_CONTEXT_MAX = 32 };

/* What a difference is, seen from A: B's record is missing, or it has one too many. */
#define DIFFERENCES(D)    \
    D(SAME, "same")       \
    D(TIMING, "timing")   \
    D(VALUE, "value")     \
    D(MISSING, "missing") \
    D(EXTRA, "extra")

#define D(name, text) DIFF_##name,
enum difference_kind { DIFFERENCES(D) DIFFERENCE_KINDS };
#undef D

extern const char *const difference_names[DIFFERENCE_KINDS];

enum { DIFF_REASONS = 128 }; /* exit reasons above are counted with the last */

/* What one trace holds, for the comparison of distributions. */
struct diff_totals {
    u64 records, last_ns;
    u64 exits; /* of the trace, with records or without (its observations may have been dropped) */
    u64 kinds[REC_KIND_LIMIT];
    struct histogram latencies[DIFF_REASONS]; /* exit to entry, host TSC ticks */
};

/* The first difference, with what is around it. */
struct diff_first {
    enum difference_kind kind; /* SAME: there is none */
    u32 before_count;
    struct moment before[DIFF_CONTEXT_MAX]; /* A's; oldest first */
    u32 next_count[DIFF_SIDES];             /* 0: that side has ended */
    struct moment next[DIFF_SIDES][DIFF_CONTEXT_MAX];
};

struct diff_result {
    struct diff_first first;               /* that is not timing only */
    struct diff_first first_timing;        /* `next` holds one record a side */
    u64 counts[DIFFERENCE_KINDS];          /* records; SAME: those that are */
    bool parted;                           /* from some difference on nothing was compared */
    struct diff_totals totals[DIFF_SIDES]; /* of the whole traces */
};

struct diff_options {
    u32 context; /* records shown on each side, at most DIFF_CONTEXT_MAX */
    void (*progress)(void *context, u64 exit, u64 of); /* may be NULL */
    void *progress_context;
};

/* Fills in *result, which diff_free() ends, also after a failure. */
struct failure diff_traces(struct trace *a, struct trace *b, const struct diff_options *,
                           struct diff_result *);
void diff_free(struct diff_result *);

#endif
