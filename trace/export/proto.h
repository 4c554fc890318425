/*
 * Protocol Buffers' wire format (protobuf.dev, "Encoding"), the half that
 * writes: messages of bounded size, built in memory and nested by hand.
 */
#ifndef TRACE_EXPORT_PROTO_H
#define TRACE_EXPORT_PROTO_H

#include "core/types.h"

#include <string.h>

enum { PROTO_MAX = 8 << 10 }; /* more than any one message of ours takes */

struct proto {
    u32 used;
    bool cut; /* it did not fit; what is in it is of no use */
    u8 bytes[PROTO_MAX];
};

static inline void proto_bytes(struct proto *p, const void *bytes, size_t length)
{
    if (length > PROTO_MAX - p->used) {
        p->cut = true;
        return;
    }
    memcpy(p->bytes + p->used, bytes, length);
    p->used += (u32)length;
}

static inline void proto_varint(struct proto *p, u64 value)
{
    u8 bytes[10];
    u32 length = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[length++] = (u8)(value | 0x80);
    bytes[length++] = (u8)value;
    proto_bytes(p, bytes, length);
}

/* A number, wire type 0. Negative ones are sign-extended to 64 bits, as int32 and int64 want. */
static inline void proto_number(struct proto *p, u32 field, u64 value)
{
    proto_varint(p, field << 3);
    proto_varint(p, value);
}

/* Text or bytes, wire type 2. */
static inline void proto_text(struct proto *p, u32 field, const char *text)
{
    size_t length = strlen(text);
    proto_varint(p, field << 3 | 2);
    proto_varint(p, length);
    proto_bytes(p, text, length);
}

static inline void proto_message(struct proto *p, u32 field, const struct proto *message)
{
    p->cut |= message->cut;
    proto_varint(p, field << 3 | 2);
    proto_varint(p, message->used);
    proto_bytes(p, message->bytes, message->used);
}

static inline void proto_clear(struct proto *p)
{
    p->used = 0;
    p->cut = false;
}

#endif
