/* Raw records in memory; see log.h. */
#include "replay/log.h"
#include "core/mem.h"

union record log_scrap;

void log_hand_on(struct log *log)
{
    if (log->used)
        log->error = log->hand_on(log->context, log->buffer, log->used);
    if (log->error.code) { /* nothing more is kept */
        log->buffer = NULL;
        log->capacity = 0;
    }
    log->used = 0;
}

static bool refill(struct log_cursor *cursor)
{
    u32 length;
    while (!cursor->done && cursor->at == cursor->end) {
        cursor->done = !cursor->next_block(cursor, &cursor->at, &length);
        cursor->end = cursor->done ? cursor->at : cursor->at + length;
    }
    return !cursor->done;
}

/* A block comes from a file: a record must lie inside it whole, and its kind too. */
static u32 size_at(const struct log_cursor *cursor)
{
    u64 left = (u64)(cursor->end - cursor->at);
    u32 size = left < sizeof(u16) ? 0 : record_size(*(const u16 *)cursor->at);
    return size <= left ? size : 0;
}

const union record *log_peek(struct log_cursor *cursor)
{
    while (refill(cursor)) {
        const union record *record = (const union record *)cursor->at;
        u32 size = size_at(cursor);
        if (!size) {
            cursor->at = cursor->end; /* damaged: the rest of the block cannot be read */
            continue;
        }
        if (cursor->kinds & BIT(record->kind))
            return record;
        cursor->at += size;
    }
    return NULL;
}

void log_take(struct log_cursor *cursor)
{
    if (log_peek(cursor))
        cursor->at += size_at(cursor);
}
