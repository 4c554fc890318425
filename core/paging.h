/*
 * The guest's own page tables, walked in software: GVA -> GPA for every paging
 * mode (none, 32-bit, PAE, 4-level), with the rights of SDM 4.6 and the page-fault
 * error code of SDM 4.7. Sets accessed and dirty bits only when asked to.
 */
#ifndef CORE_PAGING_H
#define CORE_PAGING_H

#include "core/memory.h"

enum page_access { /* bits; also the page-fault error code's */
    ACCESS_WRITE = 1 << 1,
    ACCESS_USER = 1 << 2,
    ACCESS_FETCH = 1 << 4,
};

struct paging {
    u64 cr0, cr3, cr4, efer;
    u64 rflags; /* AC, for SMAP */
};

struct translation {
    bool fault;
    u32 error_code; /* of the #PF, when fault */
    u64 gpa;
    u64 page_size;  /* bytes of the mapping page: 4K, 2M, 4M or 1G */
};

/* `access`: any of enum page_access; ACCESS_USER means CPL 3. `set_bits`: set A (and D on a
 * write) in the tables like the processor does. A table outside RAM reads as all ones. */
struct translation paging_walk(struct memory *, const struct paging *, u64 gva, u32 access, bool set_bits);

#endif
