/*
 * Raw records in memory: the buffer that a recorder fills and hands on a block
 * at a time, and cursors that a replayer reads with. Where blocks go to and come
 * from is the owner's business (the image: trace disk; tests: an array).
 */
#ifndef REPLAY_LOG_H
#define REPLAY_LOG_H

#include "core/err.h"
#include "trace/wire.h"

struct log {
    u8 *buffer;    /* NULL: nothing is kept */
    u32 capacity;  /* 0 without a buffer */
    u32 used;
    /* Takes the buffer's content; the log is empty afterwards either way. */
    struct err (*hand_on)(void *context, const void *records, u32 length);
    void *context;
    struct err error; /* the first that hand_on gave; it sticks, and nothing more is kept */
};

/* Room that a block must still have for one more exit with all that may come with it. */
enum { LOG_EXIT_ROOM = 32 << 10 };

extern union record log_scrap;

/* A record of this kind at the end of the log, for the caller to fill in; valid until
 * log_hand_on(). Never NULL: a log that keeps nothing gives a scrap record. Inline, so
 * that its size is a constant. */
static inline void *log_append(struct log *log, enum record_kind kind)
{
    if (log->used + sizeof(union record) > log->capacity)
        return &log_scrap;
    u16 *record = (u16 *)(log->buffer + log->used);
    log->used += record_size(kind);
    *record = (u16)kind;
    return record;
}

static inline bool log_full(const struct log *log) /* time to end the block */
{
    return log->used + LOG_EXIT_ROOM > log->capacity && log->used;
}

void log_hand_on(struct log *);

/* Reads records of some kinds, in order, from a source of raw blocks. */
struct log_cursor {
    /* The next block: false when there is none. The block stays valid until the next call. */
    bool (*next_block)(struct log_cursor *, const u8 **block, u32 *length);
    void *context;
    u32 kinds; /* BIT(kind) of those wanted; others are skipped */
    const u8 *at, *end;
    bool done;
};

/* The next wanted record without taking it, NULL at the end. Alignment 8. */
const union record *log_peek(struct log_cursor *);
void log_take(struct log_cursor *);

#endif
