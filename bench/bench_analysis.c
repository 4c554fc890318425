/*
 * Whole passes of `hindvisor analyze` over a trace: the one that BENCH_TRACE names, else one of
 * made-up records (bench_trace.c), written for the purpose. Items are exits.
 */
#include "analysis/frame/pass.h"
#include "bench/benchmarks.h"
#include "bench/made_up.h"
#include "bench/shim.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNKS = 20 };

static const struct question {
    const char *view, *show;
    u32 by;
} questions[] = {
    {"exits", "stats", 0},
    {"exits", "stats", 4},
    {"exits", "freq", 0},
    {"io", "stats", 0},
};

/* --- passes ------------------------------------------------------------------------------ */

/* When none is named; it goes away with this program. */
static const char *made_up_trace(void)
{
    static struct made_up_trace made;
    return made.path[0] || made_up_trace_write(&made, CHUNKS) ? made.path : NULL;
}

static void analyze(struct bench *b)
{
    const struct question *question = &questions[bench_argument(b)];
    const char *path = getenv("BENCH_TRACE");
    struct result result = {0};
    u64 exits = 0;
    path = path ? path : made_up_trace();
    while (path && bench_next(b)) {
        struct pass pass = {.view = view_find(question->view, question->show),
                            .query = {.by = question->by, .rows = NEVER},
                            .shard = 1,
                            .shards = 1};
        struct failure failure = pass_run(&pass, path, NULL, &result);
        if (failure.code) {
            bench_skip(b, failure.text);
            return;
        }
        pass.view->end(result.state);
        exits += result.range_exits;
    }
    if (!path)
        bench_skip(b, "cannot write a trace to /tmp");
    bench_items(b, exits);
}

void register_analysis_benchmarks(void)
{
    static char names[ARRAY_SIZE(questions)][64];
    for (u32 i = 0; i < ARRAY_SIZE(questions); i++) {
        const struct question *q = &questions[i];
        const struct view *view = view_find(q->view, q->show);
        snprintf(names[i], sizeof(names[i]), "analyze/%s/%s%s%s", q->view, q->show,
                 view->keys ? "/" : "", view->keys ? view->keys[q->by] : "");
        bench_register(names[i], analyze, i);
    }
}
