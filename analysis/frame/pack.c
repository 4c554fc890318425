/* Numbers and strings to bytes and back; see pack.h. */
#include "analysis/frame/pack.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE_BYTES = 19 }; /* of LEB128 for 128 bits */

void pack_bytes(struct pack *pack, const void *bytes, size_t length)
{
    if (pack->length + length > pack->capacity) {
        size_t capacity = (pack->length + length) * 2 + 256;
        u8 *data = realloc(pack->data, capacity);
        if (!data) {
            pack->failed = true;
            return;
        }
        pack->data = data;
        pack->capacity = capacity;
    }
    memcpy(pack->data + pack->length, bytes, length);
    pack->length += length;
}

void pack_wide(struct pack *pack, u128 value)
{
    u8 bytes[WIDE_BYTES];
    size_t length = 0;
    do {
        bytes[length++] = (u8)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
        value >>= 7;
    } while (value);
    pack_bytes(pack, bytes, length);
}

void pack_number(struct pack *pack, u64 value)
{
    pack_wide(pack, value);
}

/* 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
void pack_signed(struct pack *pack, s128 value)
{
    pack_wide(pack, (u128)value << 1 ^ (value < 0 ? ~(u128)0 : 0));
}

void pack_text(struct pack *pack, const char *text)
{
    size_t length = strlen(text);
    pack_number(pack, length);
    pack_bytes(pack, text, length);
}

/* --- reading -------------------------------------------------------------------------------- */

void unpack_refuse(struct unpack *unpack, const char *wrong)
{
    unpack->wrong = unpack->wrong ? unpack->wrong : wrong;
}

u128 unpack_wide(struct unpack *unpack)
{
    u128 value = 0;
    for (u32 i = 0; i < WIDE_BYTES && unpack->at < unpack->length && !unpack->wrong; i++) {
        u8 byte = unpack->data[unpack->at++];
        if (i == WIDE_BYTES - 1 && byte > 3)
            break;
        value |= (u128)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return value;
    }
    unpack_refuse(unpack, "a number is cut or too large");
    return 0;
}

s128 unpack_signed(struct unpack *unpack)
{
    u128 value = unpack_wide(unpack);
    return (s128)(value >> 1 ^ -(value & 1));
}

u64 unpack_number(struct unpack *unpack)
{
    u128 value = unpack_wide(unpack);
    if (value >> 64) {
        unpack_refuse(unpack, "a number is cut or too large");
        return 0;
    }
    return (u64)value;
}

size_t unpack_count(struct unpack *unpack)
{
    u64 count = unpack_number(unpack);
    if (count <= unpack->length - unpack->at)
        return (size_t)count;
    unpack_refuse(unpack, "it counts more than it holds");
    return 0;
}

void unpack_text(struct unpack *unpack, char *text, size_t size)
{
    size_t length = unpack_count(unpack);
    text[0] = 0;
    if (length >= size || memchr(unpack->data + unpack->at, 0, length)) {
        unpack_refuse(unpack, "a text is too long or holds a NUL");
        return;
    }
    memcpy(text, unpack->data + unpack->at, length);
    text[length] = 0;
    unpack->at += length;
}
