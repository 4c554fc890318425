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
                   ACCESS_IMPLICIT =
                       1 << 8, /* the processor's own access to GDT, IDT, TSS: RFLAGS.AC does not
                                  lift SMAP; never together with USER, never in an error code */
};

struct paging {
    u64 cr0, cr3, cr4, efer;
    u64 rflags; /* AC, for SMAP */
};

struct translation {
    bool fault;
    u32 error_code; /* of the #PF, when fault */
    u64 gpa;
    u64 page_size; /* bytes of the mapping page: 4K, 2M, 4M or 1G */
};

/*
 * `gva` must be canonical (a non-canonical one is #GP or #SS, not #PF): the caller has checked.
 * Its upper half is ignored when EFER.LMA is 0. A and D are set only when the whole walk
 * succeeds, as Bochs does.
 * 4 MiB entries of 32-bit paging carry address bits 35:32 (PSE-36), as all silicon's do.
 * `access`: any of enum page_access; ACCESS_USER means CPL 3. `set_bits`: set A (and D on a
 * write) in the tables like the processor does. A table outside RAM reads as all ones.
 */
struct translation paging_walk(struct memory *, const struct paging *, u64 gva, u32 access,
                               bool set_bits);

#endif
