/*
 * Extended page tables (SDM 29.3): guest-physical to carrier-physical. Guest RAM is
 * mapped by 4 KiB pages so that dirty bits name single pages; 2 MiB and 1 GiB
 * mappings are there for whoever needs fewer tables. What is not mapped exits.
 */
#ifndef VMX_EPT_H
#define VMX_EPT_H

#include "core/err.h"
#include "core/memory.h"

struct ept {
    u64 *root;         /* PML4 table */
    void *(*allocate)(u64 bytes); /* zeroed, page-aligned, physical = virtual; NULL when full */
    bool accessed_dirty;          /* the processor sets A and D bits */
};

enum ept_rights { EPT_READ = 1, EPT_WRITE = 2, EPT_EXECUTE = 4, EPT_ALL = 7 };

struct err ept_init(struct ept *, void *(*allocate)(u64 bytes), u64 capabilities);
/* Maps [gpa, gpa+length) to hpa.. write-back, in pages of `page` bytes (4 KiB, 2 MiB or
 * 1 GiB); all three are multiples of `page`. Later mappings replace earlier ones of the same size. */
struct err ept_map(struct ept *, u64 gpa, u64 hpa, u64 length, u64 page, enum ept_rights);
/* Guest RAM without the VGA hole. */
struct err ept_map_memory(struct ept *, const struct memory *);
u64 ept_pointer(const struct ept *); /* SDM 25.6.11 */
/* The leaf that maps gpa, or NULL. *page: its size. */
u64 *ept_leaf(const struct ept *, u64 gpa, u64 *page);
/* Moves dirty bits into memory's and clears them: the caller must flush the EPT translations. */
void ept_collect_dirty(struct ept *, struct memory *);

#endif
