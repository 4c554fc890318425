/*
 * The Linux kernel in a guest's memory: its symbols and types, found with nothing but the guest's
 * own page tables and RAM. Linux 5.4 and later, x86-64, with and without randomised addresses.
 */
#ifndef ANALYSIS_GUEST_KERNEL_H
#define ANALYSIS_GUEST_KERNEL_H

#include "analysis/guest/symbols.h"
#include "analysis/guest/types.h"

struct kernel {
    struct symbols symbols;
    struct types types;
    bool has_types;
    char lacks[192];  /* why it has none */
    u64 text;         /* _text, as it is in memory */
    bool has_shift;   /* is it known? */
    i64 shift;        /* of _text from where it was linked: what KASLR added */
    char banner[128]; /* "Linux version 6.1.0-...", first line; "": not found */
};

/*
 * Looks at the guest's memory as it is now. On success the caller ends *kernel with kernel_free().
 * A kernel without types is a success (see `lacks`). An error says what is missing.
 */
struct failure kernel_find(struct memory *, const struct paging *, struct kernel *kernel);
void kernel_free(struct kernel *);

/* The BTF section in guest memory; NULL: there is none. Valid while the image is. */
const u8 *kernel_btf(const struct guest_image *, const struct symbols *, u64 *length);

#endif
