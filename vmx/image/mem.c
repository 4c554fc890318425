/*
 * The four memory functions that GCC calls in freestanding code, made of string
 * instructions: eight bytes at a time, then the rest. Under Bochs a repeated
 * string instruction is also by far the fastest loop. Overlap and sizes as in
 * C11 7.24.
 */
#define CORE_MEM_FUNCTIONS
#include "core/mem.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    void *target = to;
    size_t words = n / 8, rest = n % 8;

    __asm__ volatile("rep movsq" : "+D"(target), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

static void copy_down(u8 *to, const u8 *from, size_t n)
{
    while (n--)
        to[n] = from[n];
}

void *memmove(void *to, const void *from, size_t n)
{
    bool overlaps = (u8 *)to > (const u8 *)from && (u8 *)to < (const u8 *)from + n;

    if (!overlaps)
        return memcpy(to, from, n);
    copy_down(to, from, n);
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *target = to;
    u64 pattern = (u8)byte * 0x0101010101010101ull;
    size_t words = n / 8, rest = n % 8;

    __asm__ volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *left = a, *right = b;

    for (size_t i = 0; i < n; i++) {
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    }
    return 0;
}
