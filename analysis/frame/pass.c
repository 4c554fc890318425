/* One pass over a trace; see pass.h. */
#include "analysis/frame/pass.h"
#include "analysis/frame/timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The walk over the chunks, for `count` views. What it covers is noted in `result`, the first
 * view's, and copied to the others at the end. */
struct walk {
    struct pass *pass; /* the first view's, which says the range and the shard */
    size_t count, alive;
    struct trace *trace;
    struct trace_scan *scan;
    struct output *out;
    struct result *result;
    struct failure *failures;
    struct timeline clock;
    u64 *times; /* of the chunk's exits; NULL: no view wants any */
    struct before before;
    u64 next_exit; /* that a whole trace goes on with */
};

/* --- the subject ------------------------------------------------------------------------- */

u64 trace_identity(struct trace *trace)
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
        .format = m->version,
        .clock = m->clock,
        .finished = m->finished,
        .exits = trace_exits(trace),
        .count = m->count,
        .guest_ns = m->guest_ns,
        .identity = trace_identity(trace),
    };
    snprintf(subject->name, sizeof(subject->name), "%s", trace_path(trace));
    snprintf(subject->processor, sizeof(subject->processor), "%s", m->processor);
    snprintf(subject->host_cpu, sizeof(subject->host_cpu), "%s", m->host_cpu);
}

/* --- which chunks ------------------------------------------------------------------------ */

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
    if (w->pass->to.kind == POSITION_NONE) /* the last of them come with what is lost */
        r->range_chunks += trace_lost_chunks(w->trace);
    u64 from = r->range_chunks * (w->pass->shard - 1) / w->pass->shards;
    r->first_chunk = r->range_first_chunk + from;
    r->chunks = r->range_chunks * w->pass->shard / w->pass->shards - from;
}

/* --- slices ------------------------------------------------------------------------------ */

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

/* Ends one view and keeps its reason. */
static void drop(struct walk *w, size_t i, struct failure failure)
{
    w->failures[i] = failure;
    if (w->result[i].state)
        w->pass[i].view->end(w->result[i].state);
    w->result[i].state = NULL;
    w->alive--;
}

static void give(struct walk *w, const struct trace_batch *batch, size_t begin, size_t end)
{
    u64 stolen = w->clock.stolen;
    pass_time(w, batch, begin, end);
    struct slice slice = {
        .batch = batch,
        .begin = begin,
        .end = end,
        .times = w->times,
        .stolen = w->clock.stolen - stolen,
        .clock = w->result->subject.clock,
        .before = w->before,
    };
    for (size_t i = 0; i < w->count; i++) {
        if (!w->result[i].state)
            continue;
        struct failure failure = w->pass[i].view->take(w->result[i].state, &slice, w->out);
        if (failure.code)
            drop(w, i, failure);
    }
}

static void take_batch(struct walk *w, const struct trace_batch *batch)
{
    size_t begin, end;
    cut(&w->result->range, batch, &begin, &end);
    if (batch->first_exit != w->next_exit)
        w->before.kind = BEFORE_GAP;
    w->next_exit = batch->first_exit + batch->exits;
    timeline_chunk(&w->clock);
    pass_over(w, batch, 0, begin);
    give(w, batch, begin, end);
    if (end > begin && batch->exit.rows)
        remember(w, batch, end - 1);
    pass_time(w, batch, end, batch->exits);
}

/* --- chunks ------------------------------------------------------------------------------ */

/* What time passed in a chunk that cannot be read shows later. */
static void pass_gap(struct walk *w)
{
    w->before.kind = BEFORE_GAP;
    guest_time_lose(&w->clock.time);
}

static void note_damage(struct walk *w, const struct failure *failure)
{
    struct result *r = w->result;
    if (!r->damaged++)
        memcpy(r->damage, failure->text, sizeof(r->damage));
    pass_gap(w);
}

/* Reads a chunk that comes before those of the view. false: it is damaged. */
static bool look_over(struct walk *w, size_t chunk)
{
    struct trace_batch batch;
    if (trace_scan_read(w->scan, chunk, &batch).code) {
        pass_gap(w);
        return false;
    }
    timeline_chunk(&w->clock);
    pass_over(w, &batch, 0, batch.exits);
    w->next_exit = batch.first_exit + batch.exits;
    return true;
}

/* A shard cannot afford the whole way: it goes back to a chunk that shows the time. One where only
 * the guest's TSC does will do, but as the guest may have set that before, a surer one is looked
 * for a little further back. */
static size_t nearest_reading(struct walk *w, size_t chunk)
{
    enum { FURTHER = 16 };
    struct timeline fresh = w->clock;
    size_t by_tsc = 0; /* 0: none so far, or it is the start, where the time is known */
    bool sure = false;
    while (chunk > 0 && !sure && (!by_tsc || by_tsc - chunk < FURTHER)) {
        w->clock = fresh;
        guest_time_lose(&w->clock.time);
        bool shown = look_over(w, --chunk) && !w->clock.time.lost;
        sure = shown && !w->clock.time.by_tsc;
        by_tsc = shown && !by_tsc ? chunk : by_tsc;
    }
    if (!sure && chunk > 0)
        chunk = by_tsc;
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

/* A chunk of the range; those behind the last that the trace has were lost. */
static struct failure read_chunk(const struct walk *w, u64 chunk, struct trace_batch *batch)
{
    if (chunk >= trace_chunk_count(w->trace))
        return fail(BAD_INPUT, "%s", trace_damage(w->trace));
    return trace_scan_read(w->scan, (size_t)chunk, batch);
}

static struct failure walk_chunks(struct walk *w)
{
    struct trace_batch batch;
    const struct result *r = w->result;
    catch_up(w);
    w->result->by_tsc = w->clock.time.by_tsc;
    for (u64 chunk = r->first_chunk; w->alive && chunk < r->first_chunk + r->chunks; chunk++) {
        struct failure failure = read_chunk(w, chunk, &batch);
        if (failure.code == NO_SPACE)
            return failure;
        if (failure.code)
            note_damage(w, &failure);
        else
            take_batch(w, &batch);
    }
    w->result->tsc_written = w->clock.time.tsc_set;
    return NO_FAILURE;
}

/* --- the pass ---------------------------------------------------------------------------- */

/* true: somebody wants times. */
static bool wish(const struct walk *w, struct column_wishes *wishes)
{
    bool times = false;
    memset(wishes, 0, sizeof(*wishes));
    for (size_t i = 0; i < w->count; i++) {
        w->pass[i].view->wish(&w->pass[i].query, wishes);
        times |= w->pass[i].view->times;
    }
    if (times)
        guest_time_wish(&w->clock.time, wishes);
    return times;
}

static void begin_view(struct walk *w, size_t i)
{
    if (i)
        w->result[i] = w->result[0];
    w->pass[i].query.view = w->pass[i].view;
    w->pass[i].query.subject = &w->result[i].subject;
    w->result[i].state = w->pass[i].view->begin(&w->pass[i].query);
    if (!w->result[i].state)
        drop(w, i, fail(NO_SPACE, "no memory to analyse the trace"));
}

static struct failure prepare(struct walk *w)
{
    struct column_wishes wishes;
    for (size_t i = w->count; i-- > 0;) /* the first last: the others copy it without a state */
        begin_view(w, i);
    bool times = wish(w, &wishes);
    w->scan = trace_scan_new(w->trace, &wishes);
    w->times = times ? malloc(BLOCK_RECORDS_MAX * sizeof(u64)) : NULL;
    if (!w->scan || (times && !w->times))
        return fail(NO_SPACE, "no memory to analyse the trace");
    return NO_FAILURE;
}

/* What the walk covers holds for each view. */
static void share_coverage(struct walk *w)
{
    for (size_t i = 1; i < w->count; i++) {
        void *state = w->result[i].state;
        w->result[i] = w->result[0];
        w->result[i].state = state;
    }
}

static void tell_start(const struct pass *pass, const struct result *result, struct output *out)
{
    pass_tell_head(pass, result, out);
    pass->view->head(&pass->query, out);
}

static struct failure find_range(struct walk *w)
{
    struct result *result = w->result;
    describe(w->trace, &result->subject);
    timeline_begin(&w->clock, w->trace);
    ATTEMPT(position_resolve(w->trace, w->pass->from, w->pass->to, &result->range));
    choose_chunks(w);
    result->range_exits = result->range.last - result->range.first + 1; /* 0 for the empty 1..0 */
    return NO_FAILURE;
}

static struct failure walk(struct walk *w)
{
    ATTEMPT(find_range(w));
    struct failure failure = prepare(w);
    if (!failure.code && w->out && w->alive)
        tell_start(w->pass, w->result, w->out);
    if (!failure.code)
        failure = walk_chunks(w);
    for (size_t i = 0; failure.code && i < w->count; i++)
        drop(w, i, failure);
    share_coverage(w);
    trace_scan_free(w->scan);
    free(w->times);
    return failure;
}

static struct failure walk_trace(struct walk *w, const char *path)
{
    memset(w->result, 0, w->count * sizeof(*w->result));
    memset(w->failures, 0, w->count * sizeof(*w->failures));
    w->result->traces = 1;
    w->alive = w->count;
    ATTEMPT(trace_open_rest(path, &w->trace));
    struct failure failure = walk(w);
    trace_close(w->trace);
    return failure;
}

struct failure pass_run_all(struct pass passes[], size_t count, const char *path,
                            struct result results[], struct failure failures[])
{
    struct walk w = {.pass = passes, .count = count, .result = results, .failures = failures};
    return walk_trace(&w, path);
}

struct failure pass_run(struct pass *pass, const char *path, struct output *out,
                        struct result *result)
{
    struct failure failure;
    struct walk w = {.pass = pass, .count = 1, .out = out, .result = result, .failures = &failure};
    ATTEMPT(walk_trace(&w, path));
    return failure;
}
