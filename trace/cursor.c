/*
 * Cursors: records one after the other, from one stream or from both. The order
 * of the merge is by exit number, then by the rank of the record's kind, then
 * inputs first; each stream's own order is never changed.
 */
#include "trace/reader.h"

#include <stdlib.h>
#include <string.h>

/* Walks one stream. */
struct walk {
    struct codec *codec;
    enum stream stream;
    size_t next_block; /* to be loaded when the records run out */
    const union record *records;
    size_t count, at;
    u64 next_exit; /* number of the next `exit` record */
};

struct trace_cursor {
    struct trace *trace;
    struct walk walks[STREAM_COUNT];
    u32 streams; /* bit s: walks[s] takes part */
    struct failure failure;
    u64 exit; /* of the record given last */
    enum stream stream;
    size_t block;
};

static struct trace_cursor *cursor_new(struct trace *trace, u32 streams)
{
    struct trace_cursor *cursor = calloc(1, sizeof(*cursor));
    if (!cursor)
        return NULL;
    cursor->trace = trace;
    cursor->streams = streams;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        cursor->walks[s].stream = s;
        if (!(streams >> s & 1))
            continue;
        cursor->walks[s].codec = codec_new();
        if (!cursor->walks[s].codec) {
            trace_cursor_free(cursor);
            return NULL;
        }
    }
    return cursor;
}

struct trace_cursor *trace_cursor(struct trace *trace, enum stream stream)
{
    return cursor_new(trace, 1u << stream);
}

struct trace_cursor *trace_cursor_merged(struct trace *trace)
{
    return cursor_new(trace, (1u << STREAM_COUNT) - 1);
}

void trace_cursor_free(struct trace_cursor *cursor)
{
    for (u32 s = 0; cursor && s < STREAM_COUNT; s++)
        codec_free(cursor->walks[s].codec);
    free(cursor);
}

/* --- seeking -------------------------------------------------------------------------- */

static void walk_to(struct walk *walk, size_t block)
{
    walk->next_block = block;
    walk->count = walk->at = 0;
}

void trace_seek_block(struct trace_cursor *cursor, size_t block)
{
    for (u32 s = 0; s < STREAM_COUNT; s++)
        walk_to(&cursor->walks[s], block);
}

void trace_seek_exit(struct trace_cursor *cursor, u64 exit)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        const struct stream_file *file = &cursor->trace->files[s];
        size_t low = 0, high = file->count;
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (file->entries[middle].first_exit <= exit)
                low = middle;
            else
                high = middle;
        }
        walk_to(&cursor->walks[s], low);
    }
}

/* --- records --------------------------------------------------------------------------- */

u64 record_exit(const union record *record, u64 number)
{
    switch (record->kind) {
    case REC_INJECTION:
        return record->injection.exit;
    case REC_TIMER:
        return record->timer.exit;
    case REC_IDLE:
        return record->idle.exit;
    case REC_RAISE:
        return record->raise.exit;
    case REC_CLOCK:
        return record->clock.exit;
    case REC_STOP:
        return record->stop.exit;
    case REC_ARRIVAL:
        return record->arrival.exit;
    case REC_STATE:
        return record->state.exit;
    case REC_END:
        return record->end.exit;
    default:
        return number;
    }
}

/* When, while an exit is handled, a record of this kind arises. A request of an interrupt may do so
 * before the exit's record, which is the walk's next one then, or behind it. */
static u32 rank(const struct walk *walk)
{
    static const u8 ranks[REC_KIND_LIMIT] = {
        [REC_STOP] = 0,    [REC_CLOCK] = 1, [REC_TIMER] = 1,     [REC_RAISE] = 1, [REC_EXIT] = 2,
        [REC_ARRIVAL] = 3, [REC_IDLE] = 3,  [REC_INJECTION] = 4, [REC_STATE] = 5, [REC_END] = 6,
    };
    const union record *record = &walk->records[walk->at];
    if (record->kind == REC_RAISE && record->raise.exit < walk->next_exit)
        return ranks[REC_IDLE];
    return ranks[record->kind];
}

/* Is there a record at walk->at? Loads blocks as needed. */
static enum trace_step fill(struct trace_cursor *cursor, struct walk *walk)
{
    struct stream_file *file = &cursor->trace->files[walk->stream];
    while (walk->at == walk->count) {
        if (walk->next_block >= file->count)
            return TRACE_END;
        cursor->failure =
            stream_read(file, walk->codec, walk->next_block, &walk->records, &walk->count);
        if (cursor->failure.code) {
            walk->count = walk->at = 0;
            return TRACE_ERROR;
        }
        walk->next_exit = file->entries[walk->next_block].first_exit;
        walk->at = 0;
        walk->next_block++;
    }
    return TRACE_RECORD;
}

/* Does the next record of `a` come before, or along with, the next of `b`? */
static bool comes_first(const struct walk *a, const struct walk *b)
{
    const union record *left = &a->records[a->at], *right = &b->records[b->at];
    u64 exit_left = record_exit(left, a->next_exit), exit_right = record_exit(right, b->next_exit);
    if (exit_left != exit_right)
        return exit_left < exit_right;
    return rank(a) <= rank(b);
}

static enum trace_step choose(struct trace_cursor *cursor, struct walk **chosen)
{
    *chosen = NULL;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct walk *walk = &cursor->walks[s];
        if (!(cursor->streams >> s & 1))
            continue;
        enum trace_step step = fill(cursor, walk);
        if (step == TRACE_ERROR)
            return TRACE_ERROR;
        if (step == TRACE_RECORD && (!*chosen || !comes_first(*chosen, walk)))
            *chosen = walk;
    }
    return *chosen ? TRACE_RECORD : TRACE_END;
}

enum trace_step trace_next(struct trace_cursor *cursor, union record *record)
{
    struct walk *walk;
    if (cursor->failure.code)
        return TRACE_ERROR;
    enum trace_step step = choose(cursor, &walk);
    if (step != TRACE_RECORD)
        return step;
    *record = walk->records[walk->at++];
    cursor->exit = record_exit(record, walk->next_exit);
    cursor->stream = walk->stream;
    cursor->block = walk->next_block - 1;
    walk->next_exit += record->kind == REC_EXIT;
    return TRACE_RECORD;
}

u64 trace_cursor_exit(const struct trace_cursor *cursor)
{
    return cursor->exit;
}

enum stream trace_cursor_stream(const struct trace_cursor *cursor)
{
    return cursor->stream;
}

size_t trace_cursor_block(const struct trace_cursor *cursor)
{
    return cursor->block;
}

struct failure trace_cursor_failure(const struct trace_cursor *cursor)
{
    return cursor->failure;
}
