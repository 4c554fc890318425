/*
 * A view is one way to look at a trace: a row of the table in views.c. It wishes
 * for columns, takes the trace slice by slice into a state of its own, and turns
 * the state into rows of the output. States of neighbouring stretches merge into the
 * state of both, exactly: integers only, sums in u128.
 *
 * Who takes what: an exit owns the guest's run that led to it (from the entry before)
 * and its own handling (from its stamp to the entry after it). So stretches add up,
 * and a shard needs one fact from before its first exit: struct before. A view
 * whose events last longer than that (raised here, handled there) keeps what is
 * open at both ends in its state, and joins the ends in merge().
 */
#ifndef ANALYSIS_FRAME_VIEW_H
#define ANALYSIS_FRAME_VIEW_H

#include "analysis/frame/output.h"
#include "analysis/frame/pack.h"
#include "analysis/frame/position.h"
#include "trace/batch.h"
#include "trace/manifest.h"

/* Facts of the trace that views and reports need; they travel in partial files. */
struct subject {
    char name[512]; /* as the user named it */
    char processor[32], host_cpu[96];
    u64 created; /* seconds since 1970 */
    u64 tsc_hz;  /* of the host; 0: not known */
    u32 format;  /* version of the trace's; of several traces the oldest */
    u32 clock;   /* enum clock_policy */
    u32 finished;
    u64 exits, count, guest_ns; /* totals */
    u64 identity;               /* hash over the manifest and the lists of blocks */
};

struct sched_log; /* analysis/scheduler/events.h */
struct freq_keys; /* analysis/frame/freq.h */
struct view;

/* Words for guest addresses, from introspection. false: not known. */
struct symbolizer {
    /* "tick_handle_periodic+0x1f" */
    bool (*name)(const struct symbolizer *, u64 address, char *text, size_t size);
    /* "out dx, al": the instruction at the RIP of an exit. NULL: none is known. */
    bool (*instruction)(const struct symbolizer *, u64 rip, char *text, size_t size);
};

/* How to look. */
struct query {
    const struct view *view; /* the one that is asked; filled in with `subject` */
    u32 by;                  /* index into view->keys */
    u64 rows;      /* at most so many rows of tables that are sorted; the rest in one row */
    u64 interval;  /* guest ns, of freq */
    u64 intervals; /* at most so many (2 to INTERVALS_LIMIT), as long as that takes; 0: by
                      `interval` */
    const struct subject *subject;
    const struct symbolizer *symbols;  /* NULL: addresses stay numbers */
    const struct sched_log *scheduler; /* of views with `events`; NULL: there are none */
};

/* What came right before a slice. */
enum before_kind {
    BEFORE_START, /* nothing: the trace begins here, at count 0 and time 0 */
    BEFORE_EXIT,  /* an exit */
    BEFORE_GAP,   /* something that cannot be read */
};
struct before {
    enum before_kind kind;
    u64 reason, tsc_exit, tsc_entry, count, time; /* of that exit, as far as wished for */
};

/* A stretch of one chunk: the exits in range, in rows [begin, end) of batch->exit. Records of other
 * kinds belong to the slice if slice_has() their exit. */
struct slice {
    const struct trace_batch *batch;
    size_t begin, end;
    const u64 *times; /* guest ns of each exit row, if the view wants times, else NULL */
    u64 stolen;       /* guest ns among these that the world took (timeline.h) */
    u32 clock;        /* enum clock_policy */
    struct before before;
};

static inline bool slice_has(const struct slice *slice, u64 exit)
{
    u64 row = exit - slice->batch->first_exit;
    return row >= slice->begin && row < slice->end;
}

/* An exit whose entry never came (the run ended in it) has no latency. */
static inline bool exit_is_timed(u64 tsc_exit, u64 tsc_entry)
{
    return tsc_entry >= tsc_exit;
}

/* From exit to entry; 0 if there was none. */
static inline u64 exit_ticks(u64 tsc_exit, u64 tsc_entry)
{
    return exit_is_timed(tsc_exit, tsc_entry) ? tsc_entry - tsc_exit : 0;
}

struct view {
    const char *name;        /* "exits": first operand, and the JSON array's name */
    const char *show;        /* "stats", "top", "log", "freq" */
    const char *summary;     /* a line for --help */
    const char *const *keys; /* what --by takes, NULL-terminated; NULL: no choice */
    bool times;              /* wants slice->times */
    bool events;             /* wants query->scheduler */
    void (*wish)(const struct query *, struct column_wishes *);

    /* A state; NULL: no memory. */
    void *(*begin)(const struct query *);
    void (*end)(void *state);
    struct failure (*take)(void *state, const struct slice *, struct output *);
    /* Either the state is told at the end, and take() has no output (NULL); or head() begins a
     * table (OUTPUT_STREAM) and take() prints its rows as they come: a log; tell(), if there is one,
     * has its last rows. */
    void (*tell)(const void *state, const struct query *, struct output *);
    void (*head)(const struct query *, struct output *);

    /* NULL in views without a mergeable state. `next` is of the same query; `follows`: its stretch
     * begins where this one ends; else what is open at this end stays open. The state then ends
     * where `next` does. false: too many keys, or no memory. */
    bool (*merge)(void *state, const void *next, bool follows);
    void (*save)(const void *state, struct pack *);
    void (*load)(void *state, struct unpack *); /* into a new state */

    /* For the views' common frames, freq.h and log.h: the main table, and what is counted. */
    const struct column *columns;
    size_t column_count;
    const struct freq_keys *freq;
};

/* Finds a view; NULL `show`: its first row. NULL: there is none. */
const struct view *view_find(const char *name, const char *show);
/* All rows, NULL-terminated. */
extern const struct view *const views[];

#endif
