/* The I/O instructions, one line each. */
#ifndef VMX_IMAGE_PORTS_H
#define VMX_IMAGE_PORTS_H

#include "core/types.h"

static inline u8 port_read(u16 port)
{
    u8 value;

    __asm__ volatile("inb %w1, %b0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void port_write(u16 port, u8 value)
{
    __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port));
}

static inline void port_read_words(u16 port, void *to, u64 words)
{
    __asm__ volatile("rep insw" : "+D"(to), "+c"(words) : "d"(port) : "memory");
}

static inline void port_write_words(u16 port, const void *from, u64 words)
{
    __asm__ volatile("rep outsw" : "+S"(from), "+c"(words) : "d"(port) : "memory");
}

static inline void port_read_longs(u16 port, void *to, u64 longs)
{
    __asm__ volatile("rep insl" : "+D"(to), "+c"(longs) : "d"(port) : "memory");
}

static inline void port_write_longs(u16 port, const void *from, u64 longs)
{
    __asm__ volatile("rep outsl" : "+S"(from), "+c"(longs) : "d"(port) : "memory");
}

#endif
