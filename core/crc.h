/*
 * CRC-32C by the instruction of SSE4.2, which works in general registers. The
 * project's running hash: registers at exits, pages, device state, chunks.
 */
#ifndef CORE_CRC_H
#define CORE_CRC_H

#include "core/types.h"

static inline u32 crc32c_u64(u32 crc, u64 value)
{
    u64 wide = crc;
    __asm__("crc32q %1, %0" : "+r"(wide) : "rm"(value));
    return (u32)wide;
}

/* The same, kept in 64 bits of which the instruction clears the upper half: no
 * conversion between two steps. */
static inline u64 crc32c_step(u64 crc, const u64 *word)
{
    __asm__("crc32q %1, %0" : "+r"(crc) : "m"(*word));
    return crc;
}

static inline u32 crc32c_u8(u32 crc, u8 value)
{
    __asm__("crc32b %1, %0" : "+r"(crc) : "rm"(value));
    return crc;
}

typedef u64 unaligned_u64 __attribute__((aligned(1), may_alias));

/* Eight bytes at a time, then the rest; neither inverted before nor after. */
static inline u32 crc32c(u32 crc, const void *data, u64 length)
{
    const u8 *bytes = data;
    for (; length >= 8; length -= 8, bytes += 8)
        crc = crc32c_u64(crc, *(const unaligned_u64 *)bytes);
    for (; length; length--, bytes++)
        crc = crc32c_u8(crc, *bytes);
    return crc;
}

/* Two words to one, for hashes whose parts are counted separately (splitmix64's finisher). */
static inline u64 mix64(u64 x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

#endif
