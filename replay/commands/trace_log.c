/* A trace as a replay's log; see trace_log.h. */
#include "replay/commands/trace_log.h"

#include <stdlib.h>
#include <string.h>

enum { FEED_ROOM = 64 << 10 };

/* One cursor of the replayer's over one stream: records packed as the recorder wrote them. */
struct feed {
    struct log_cursor cursor;
    struct trace_cursor *from;
    observe_function *observe;
    u8 room[FEED_ROOM] __attribute__((aligned(8)));
};

struct trace_log {
    struct feed exits, values, events, notes;
};

static bool next_block(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct feed *feed = cursor->context;
    union record record;
    u32 used = 0;
    while (used + sizeof(record) <= FEED_ROOM && trace_next(feed->from, &record) == TRACE_RECORD) {
        memcpy(feed->room + used, &record, record_size(record.kind));
        used += record_size(record.kind);
    }
    *block = feed->room;
    *length = used;
    if (feed->observe)
        feed->observe(feed->room, used);
    return used != 0;
}

static bool open_feed(struct feed *feed, struct trace *trace, enum stream stream)
{
    feed->from = trace_cursor(trace, stream);
    feed->cursor = (struct log_cursor){.next_block = next_block, .context = feed};
    return feed->from;
}

struct failure trace_log_open(struct trace *trace, observe_function *observe,
                              struct trace_log **log, struct log_source *source)
{
    struct trace_log *l = *log = calloc(1, sizeof(*l));
    if (!l || !open_feed(&l->exits, trace, STREAM_OBSERVATION) ||
        !open_feed(&l->values, trace, STREAM_INPUT) ||
        !open_feed(&l->events, trace, STREAM_INPUT) ||
        !open_feed(&l->notes, trace, STREAM_OBSERVATION)) {
        trace_log_close(l);
        *log = NULL;
        return fail(NO_SPACE, "%.300s: no memory to read the trace", trace_path(trace));
    }
    l->exits.observe = l->events.observe = observe; /* the others read the same once more */
    bool compares = manifest_tells(trace_manifest(trace), REC_RAISE);
    *source = (struct log_source){&l->exits.cursor, &l->values.cursor, &l->events.cursor,
                                  compares ? &l->notes.cursor : NULL};
    return NO_FAILURE;
}

void trace_log_close(struct trace_log *log)
{
    if (log) {
        trace_cursor_free(log->exits.from);
        trace_cursor_free(log->values.from);
        trace_cursor_free(log->events.from);
        trace_cursor_free(log->notes.from);
    }
    free(log);
}
