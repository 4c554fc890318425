/* One pass over a trace; see pass.h. */
#include "analysis/pass.h"
#include "analysis/timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The walk over the chunks. */
struct walk {
    const struct pass *pass;
    struct trace *trace;
    struct trace_scan *scan;
    struct output *out;
    struct result *result;
    struct timeline clock;
    u64 *times; /* of the chunk's exits; NULL: the view wants none */
    struct before before;
    u64 next_exit; /* that a whole trace goes on with */
};

/* --- the subject
 * ----------------------------------------------------------------------------------- */

static u64 identity(struct trace *trace)
{
    static char text[MANIFEST_MAX];
    size_t length = manifest_format(trace_manifest(trace), text, sizeof(text));
    u64 hash = XXH64(text, length, 0);
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct trace_totals totals = trace_totals(trace, s);
        u64 facts[] = {totals.exits, totals.records, totals.blocks, totals.bytes};
        hash = XXH64(facts, sizeof(facts), hash);
    }
    return hash;
}

static void describe(struct trace *trace, struct subject *subject)
{
    const struct manifest *m = trace_manifest(trace);
    *subject = (struct subject){
        .created = m->created,
        .tsc_hz = m->tsc_hz,
        .clock = m->clock,
        .finished = m->finished,
        .exits = trace_totals(trace, STREAM_OBSERVATION).exits,
        .count = m->count,
        .guest_ns = m->guest_ns,
        .identity = identity(trace),
    };
    snprintf(subject->name, sizeof(subject->name), "%s", trace_path(trace));
    snprintf(subject->processor, sizeof(subject->processor), "%s", m->processor);
    snprintf(subject->host_cpu, sizeof(subject->host_cpu), "%s", m->host_cpu);
}

/* --- which chunks
 * ----------------------------------------------------------------------------------- */

/* The first chunk that holds exit `exit` or a later one. */
static size_t chunk_of(struct trace *trace, u64 exit)
{
    size_t low = 0, high = trace_chunk_count(trace);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct trace_block chunk = trace_chunk_at(trace, middle);
        if (chunk.first_exit <= exit && exit - chunk.first_exit >= chunk.exits)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void choose_chunks(const struct walk *w)
{
    struct result *r = w->result;
    const struct exit_range *range = &r->range;
    r->range_first_chunk = range->first > range->last ? 0 : chunk_of(w->trace, range->first);
    u64 end = range->first > range->last ? 0 : chunk_of(w->trace, range->last) + 1;
    r->range_chunks = min_u64(end, trace_chunk_count(w->trace)) - r->range_first_chunk;
    u64 from = r->range_chunks * (w->pass->shard - 1) / w->pass->shards;
    r->first_chunk = r->range_first_chunk + from;
    r->chunks = r->range_chunks * w->pass->shard / w->pass->shards - from;
}

/* --- slices
 * ----------------------------------------------------------------------------------------- */

static u64 cell(const u64 *column, size_t row)
{
    return column ? column[row] : 0;
}

static void remember(struct walk *w, const struct trace_batch *batch, size_t row)
{
    const struct exit_columns *exits = &batch->exit;
    w->before = (struct before){
        .kind = BEFORE_EXIT,
        .reason = cell(exits->reason, row),
        .tsc_exit = cell(exits->tsc_exit, row),
        .tsc_entry = cell(exits->tsc_entry, row),
        .count = cell(exits->count, row),
        .time = cell(w->times, row),
    };
}

/* Rows of the batch that are in range. */
static void cut(const struct exit_range *range, const struct trace_batch *batch, size_t *begin,
                size_t *end)
{
    u64 first = batch->first_exit, rows = batch->exits;
    *begin = range->first > first ? min_u64(range->first - first, rows) : 0;
    *end = range->last < first ? 0 : min_u64(range->last - first, rows - 1) + 1;
    if (!rows || range->first > range->last)
        *begin = *end = 0;
    *end = max_u64(*begin, *end);
}

static void pass_time(struct walk *w, const struct trace_batch *batch, size_t begin, size_t end)
{
    if (w->times)
        timeline_walk(&w->clock, batch, begin, end, w->times);
}

/* Looks at exits that the view does not get, so that what comes next knows what was before. */
static void pass_over(struct walk *w, const struct trace_batch *batch, size_t begin, size_t end)
{
    pass_time(w, batch, begin, end);
    if (end > begin && batch->exit.rows)
        remember(w, batch, end - 1);
}

static struct failure give(struct walk *w, const struct trace_batch *batch, size_t begin,
                           size_t end)
{
    u64 stolen = w->clock.stolen;
    pass_time(w, batch, begin, end);
    struct slice slice = {
        .batch = batch,
        .begin = begin,
        .end = end,
        .times = w->times,
        .stolen = w->clock.stolen - stolen,
        .before = w->before,
    };
    return w->pass->view->take(w->result->state, &slice, w->out);
}

static struct failure take_batch(struct walk *w, const struct trace_batch *batch)
{
    size_t begin, end;
    cut(&w->result->range, batch, &begin, &end);
    if (batch->first_exit != w->next_exit)
        w->before.kind = BEFORE_GAP;
    w->next_exit = batch->first_exit + batch->exits;
    timeline_chunk(&w->clock);
    pass_over(w, batch, 0, begin);
    ATTEMPT(give(w, batch, begin, end));
    if (end > begin && batch->exit.rows)
        remember(w, batch, end - 1);
    pass_time(w, batch, end, batch->exits);
    return NO_FAILURE;
}

/* --- chunks
 * ------------------------------------------------------------------------------------------ */

static void note_damage(struct walk *w, const struct failure *failure)
{
    struct result *r = w->result;
    if (!r->damaged++)
        memcpy(r->damage, failure->text, sizeof(r->damage));
    w->before.kind = BEFORE_GAP;
}

/* Reads a chunk that comes before those of the view. false: it is damaged. */
static bool look_over(struct walk *w, size_t chunk)
{
    struct trace_batch batch;
    if (trace_scan_read(w->scan, chunk, &batch).code) {
        w->before.kind = BEFORE_GAP;
        return false;
    }
    timeline_chunk(&w->clock);
    pass_over(w, &batch, 0, batch.exits);
    w->next_exit = batch.first_exit + batch.exits;
    return true;
}

/* A shard cannot afford the whole way: it goes back to a chunk that shows the time. */
static size_t nearest_reading(struct walk *w, size_t chunk)
{
    struct timeline fresh = w->clock;
    while (chunk > 0) {
        w->clock = fresh;
        guest_time_lose(&w->clock.time);
        if (look_over(w, --chunk) && !w->clock.time.lost)
            break;
    }
    w->clock = fresh;
    if (chunk > 0)
        guest_time_lose(&w->clock.time);
    return chunk;
}

/* Learns what was before the view's first chunk: the last exit and, if times are wanted, the time.
 */
static void catch_up(struct walk *w)
{
    size_t first = w->result->first_chunk, chunk = first ? first - 1 : 0;
    if (w->times)
        chunk = w->pass->shards > 1 ? nearest_reading(w, first) : 0;
    for (; chunk < first; chunk++)
        look_over(w, chunk);
}

static struct failure walk_chunks(struct walk *w)
{
    struct trace_batch batch;
    const struct result *r = w->result;
    catch_up(w);
    for (u64 chunk = r->first_chunk; chunk < r->first_chunk + r->chunks; chunk++) {
        struct failure failure = trace_scan_read(w->scan, chunk, &batch);
        if (failure.code == NO_SPACE)
            return failure;
        if (failure.code)
            note_damage(w, &failure);
        else
            ATTEMPT(take_batch(w, &batch));
    }
    w->result->tsc_written = w->clock.time.tsc_set;
    return NO_FAILURE;
}

/* --- the pass
 * ---------------------------------------------------------------------------------------- */

static struct failure prepare(struct walk *w)
{
    const struct view *view = w->pass->view;
    struct column_wishes wishes = {{0}};
    view->wish(&w->pass->query, &wishes);
    if (view->times)
        guest_time_wish(&w->clock.time, &wishes);
    w->scan = trace_scan_new(w->trace, &wishes);
    w->times = view->times ? malloc(BLOCK_RECORDS_MAX * sizeof(u64)) : NULL;
    w->result->state = view->begin(&w->pass->query);
    if (!w->scan || !w->result->state || (view->times && !w->times))
        return fail(NO_SPACE, "no memory to analyse the trace");
    return NO_FAILURE;
}

static void tell_start(const struct pass *pass, const struct result *result, struct output *out)
{
    pass_tell_head(pass, result, out);
    pass->view->head(&pass->query, out);
}

static struct failure run(struct pass *pass, struct trace *trace, struct output *out,
                          struct result *result)
{
    struct walk w = {.pass = pass, .trace = trace, .out = out, .result = result};
    describe(trace, &result->subject);
    pass->query.subject = &result->subject;
    timeline_begin(&w.clock, trace_manifest(trace));
    ATTEMPT(position_resolve(trace, pass->from, pass->to, &result->range));
    choose_chunks(&w);
    result->range_exits = result->range.last - result->range.first + 1; /* 0 for the empty 1..0 */
    struct failure failure = prepare(&w);
    if (!failure.code && out)
        tell_start(pass, result, out);
    if (!failure.code)
        failure = walk_chunks(&w);
    if (failure.code && result->state) {
        pass->view->end(result->state);
        result->state = NULL;
    }
    trace_scan_free(w.scan);
    free(w.times);
    return failure;
}

struct failure pass_run(struct pass *pass, const char *path, struct output *out,
                        struct result *result)
{
    struct trace *trace;
    memset(result, 0, sizeof(*result));
    result->traces = 1;
    ATTEMPT(trace_open(path, &trace));
    struct failure failure = run(pass, trace, out, result);
    trace_close(trace);
    return failure;
}
