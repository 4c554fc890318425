/*
 * The integer types and the few macros that every room uses.
 * Freestanding: nothing here needs a C library.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

/* Bytes of somebody else's. */
struct bytes {
    const void *at;
    u64 length;
};

#define BIT(n) (1ull << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE 4096ull
#define NANOSECONDS 1000000000ull
#define NEVER UINT64_MAX /* a time or a count that does not come */

static inline u64 align_up(u64 value, u64 alignment) /* alignment: a power of two */
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline u32 max_u32(u32 a, u32 b)
{
    return a > b ? a : b;
}

static inline u64 min_u64(u64 a, u64 b)
{
    return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
    return a > b ? a : b;
}

#endif
