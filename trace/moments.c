/* See moments.h. */
#include "trace/moments.h"

struct failure moments_begin(struct moments *t, struct trace *trace, u64 from, u64 to)
{
    *t = (struct moments){.cursor = trace_cursor_merged(trace), .from = from, .to = to};
    guest_time_init(&t->time, trace_manifest(trace));
    guest_time_look_ahead(&t->time, trace);
    return t->cursor ? NO_FAILURE
                     : fail(NO_SPACE, "%.300s: no memory to read the trace", trace_path(trace));
}

void moments_end(struct moments *t)
{
    trace_cursor_free(t->cursor);
    t->cursor = NULL;
}

struct failure moments_failure(const struct moments *t)
{
    return trace_cursor_failure(t->cursor);
}

static bool comes_before_its_exit(const struct moments *t, const struct moment *moment)
{
    u32 kind = moment->record.kind;
    if (kind == REC_RAISE)
        return moment->exit >= t->exits;
    return kind == REC_STOP || kind == REC_CLOCK || kind == REC_TIMER;
}

/* Fills the queue up to a record whose time is known, which is then the time of all in it. */
static enum trace_step fill(struct moments *t)
{
    struct moment *last;
    t->held = t->next = 0;
    do {
        last = &t->queue[t->held];
        enum trace_step step = trace_next(t->cursor, &last->record);
        if (step != TRACE_RECORD && !(step == TRACE_END && t->held))
            return step;
        if (step == TRACE_END)
            break;
        last->exit = trace_cursor_exit(t->cursor);
        last->stream = trace_cursor_stream(t->cursor);
        guest_time_at(&t->time, &last->record);
        if (last->record.kind == REC_EXIT)
            t->exits = last->exit + 1;
        t->held++;
    } while (comes_before_its_exit(t, last) && t->held < MOMENTS_AHEAD);
    for (u32 i = 0; i < t->held; i++) {
        t->queue[i].ns = t->time.now;
        t->queue[i].exact = t->time.exact;
    }
    return TRACE_RECORD;
}

/* Records of one exit may lie a few records after the next exit's, never a block after. */
static bool is_past(const struct moments *t, u64 exit)
{
    enum { MARGIN = 64 };
    return t->to < NEVER - MARGIN && exit > t->to + MARGIN;
}

enum trace_step moments_next(struct moments *t, const struct moment **moment)
{
    for (;;) {
        enum trace_step step = t->next < t->held ? TRACE_RECORD : fill(t);
        if (step != TRACE_RECORD)
            return step;
        *moment = &t->queue[t->next++];
        if (is_past(t, (*moment)->exit))
            return TRACE_END;
        if ((*moment)->exit >= t->from && (*moment)->exit <= t->to)
            return TRACE_RECORD;
    }
}
