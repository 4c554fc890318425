/*
 * Guest RAM: one contiguous range from guest-physical 0, with the hole that
 * every PC has at 0xa0000-0xbffff (the VGA window, where nobody answers).
 * All accesses by the hypervisor go through here, so that they are bounds-checked
 * and seen by the state hash.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include "core/types.h"

#define VGA_HOLE 0xa0000ull
#define VGA_HOLE_END 0xc0000ull
#define MEMORY_MAX (1536ull << 20) /* below the PCI hole, with room for the carrier */

struct memory {
    u8 *base;       /* host address of guest-physical 0 */
    u64 size;       /* bytes, a multiple of 4 KiB, at most MEMORY_MAX */
    u64 *dirty;     /* one bit a page: written since the last memory_hash() */
    u64 *page_hash; /* hash of each page as of the last memory_hash() */
    u64 hash;       /* sum of page_hash */
    /* A processor that keeps decoded code: memory_write() tells it of writes to the pages that it
     * watches. NULL: nobody does. */
    const u8 *watched; /* one byte a page */
    void (*on_write)(u64 gpa, u64 length);
};

/* Bytes of bookkeeping (dirty bits and page hashes) that `size` bytes of RAM need. */
u64 memory_overhead(u64 size);
/* `base` must be zeroed; `overhead` holds memory_overhead(size) bytes, 8-byte aligned. */
void memory_init(struct memory *, void *base, u64 size, void *overhead);

/* Host address of [gpa, gpa+length) when all of it is RAM, else NULL. */
void *memory_at(const struct memory *, u64 gpa, u64 length);
bool memory_read(const struct memory *, u64 gpa, void *to, u64 length);    /* false: not RAM */
bool memory_write(struct memory *, u64 gpa, const void *from, u64 length); /* false: not RAM */
void memory_mark_dirty(struct memory *, u64 gpa, u64 length);

/* Hash of all RAM. Only pages marked dirty are read again; the caller marks
 * those that the guest wrote (EPT dirty bits) first. Clears the dirty bits. */
u64 memory_hash(struct memory *);

#endif
