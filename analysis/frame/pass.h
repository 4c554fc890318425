/*
 * One pass over a trace: opens it, finds the range, walks the chunks of one shard
 * and gives the view its slices. Memory does not depend on the trace's length.
 *
 * Damage in a chunk ends the pass there: what came before is kept, and the result says
 * what is missing and why. Several views may share a walk (pass_run_all()).
 */
#ifndef ANALYSIS_FRAME_PASS_H
#define ANALYSIS_FRAME_PASS_H

#include "analysis/frame/view.h"

struct pass {
    const struct view *view;
    struct query query; /* view and subject are filled in */
    struct bound from, to;
    u64 shard, shards; /* this one of so many, by chunks; 1, 1: the whole */
};

/* What a state covers. */
struct result {
    struct subject subject;
    u32 traces;              /* merged from so many */
    struct exit_range range; /* asked for */
    u64 range_exits;
    bool gaps;               /* merged from parts that do not follow each other */
    u64 first_chunk, chunks; /* seen, as block numbers, and those that the whole range takes */
    u64 range_first_chunk, range_chunks;
    bool tsc_written; /* the guest set its TSC in what was seen, */
    bool by_tsc;      /* and where it begins, nothing but that TSC told the time (timeline.h) */
    u64 damaged;      /* chunks that could not be read; */
    char damage[512]; /* the first one's reason */
    void *state;      /* the view's; the caller ends it */
};

/* A number that two traces do not share: over the manifest and the totals of the streams. */
u64 trace_identity(struct trace *);

/* `struct output`: for views that print as they go (view->head), else NULL. On failure there is
 * no state. The pass's query keeps a pointer into the result. */
struct failure pass_run(struct pass *, const char *path, struct output *, struct result *);
/* Several views in one walk over the range and shard of the first; none prints as it goes. A
 * view's own failure ends only that view: it has no state, and failures[i] says why. */
struct failure pass_run_all(struct pass passes[], size_t count, const char *path,
                            struct result results[], struct failure failures[]);

/* The head of the output (schema, trace, query, range), and what the view has to tell. */
void pass_tell_head(const struct pass *, const struct result *, struct output *);
void pass_tell(const struct pass *, const struct result *, struct output *);
/* Blocks of the range that the result does not cover. */
u64 result_missing(const struct result *);

#endif
