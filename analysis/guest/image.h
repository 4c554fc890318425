/*
 * Where the guest's kernel image is: what its page tables map in the part of the address space
 * that x86-64 Linux keeps for it (Documentation/arch/x86/x86_64/mm.rst), as a few ranges of guest
 * RAM that are contiguous in both address spaces. Guest memory is hostile: whatever the tables
 * say, a range is RAM from its first byte to its last.
 */
#ifndef ANALYSIS_GUEST_IMAGE_H
#define ANALYSIS_GUEST_IMAGE_H

#include "core/paging.h"
#include "trace/failure.h"

#define KERNEL_SPACE 0xffffffff80000000ull     /* __START_KERNEL_map */
#define KERNEL_SPACE_END 0xffffffffc0000000ull /* modules begin here */

struct guest_range {
    u64 linear;
    const u8 *at; /* in guest RAM */
    u64 length;
};

enum { IMAGE_RANGES = 128 };

struct guest_image {
    struct guest_range range[IMAGE_RANGES];
    u32 count;
};

/* An error: the guest is not in 64-bit mode, or maps nothing there. */
struct failure image_find(struct memory *, const struct paging *, struct guest_image *);

/* Guest RAM at [linear, linear + length), or NULL when not all of it is in one range. */
const u8 *image_at(const struct guest_image *, u64 linear, u64 length);

#endif
