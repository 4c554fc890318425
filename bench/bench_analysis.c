/*
 * Whole passes of `hindvisor analyze` over a trace: the one that BENCH_TRACE names, else one of
 * made-up records (bench_trace.c), written for the purpose. Items are exits.
 */
#include "analysis/frame/pass.h"
#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "trace/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- a trace when none is named ------------------------------------------------------------------
 */

static char made[] = "/tmp/hindvisor-bench-XXXXXX"; /* a directory with `trace` and `kernel` */
static char made_trace[64];

static void remove_made(void)
{
    static const char *const files[] = {"trace/manifest",
                                        "trace/kernel",
                                        "trace/inputs",
                                        "trace/observations",
                                        "trace",
                                        "kernel",
                                        ""};
    char path[96];
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", made, files[i]);
        remove(path);
    }
}

/* Each chunk goes on where the last one ended. */
static bool append_chunks(struct trace_writer *writer, union record *records, u32 count)
{
    static u8 raw[CHUNK_MAX];
    u64 counts = records[count - 1].exit.count, ticks = records[count - 1].exit.tsc_entry;
    bool good = true;
    for (u32 chunk = 0; good && chunk < CHUNKS; chunk++) {
        size_t length = 0;
        for (u32 i = 0; i < count; i++) {
            struct exit_record *exit = (struct exit_record *)memcpy(raw + length, &records[i],
                                                                    record_size(records[i].kind));
            exit->count += counts * chunk;
            exit->tsc_exit += ticks * chunk;
            exit->tsc_entry += ticks * chunk;
            length += record_size(records[i].kind);
        }
        good = !trace_append_chunk(writer, raw, length).code;
    }
    return good;
}

static const char *make_trace(void)
{
    struct manifest manifest = {.memory_size = 1 << 20, .clock = 0};
    struct trace_writer *writer;
    char kernel[64];
    u32 count;
    union record *records = bench_made_up(&count);
    if (made_trace[0])
        return made_trace;
    if (!mkdtemp(made))
        return NULL;
    atexit(remove_made);
    snprintf(kernel, sizeof(kernel), "%s/kernel", made);
    snprintf(made_trace, sizeof(made_trace), "%s/trace", made);
    FILE *file = fopen(kernel, "w");
    if (!file || fclose(file) ||
        trace_create(made_trace, &manifest, kernel, NULL, TRACE_SYNC_NEVER, &writer).code)
        return NULL;
    bool good = append_chunks(writer, records, count);
    return !trace_finish(writer).code && good ? made_trace : NULL;
}

/* --- passes
 * ---------------------------------------------------------------------------------------- */

static void analyze(struct bench *b)
{
    const struct question *question = &questions[bench_argument(b)];
    const char *path = getenv("BENCH_TRACE");
    struct result result = {0};
    u64 exits = 0;
    path = path ? path : make_trace();
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
