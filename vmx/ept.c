/* Extended page tables; see ept.h. */
#include "vmx/ept.h"

enum { ENTRIES = 512, EPT_WRITE_BACK = 6 << 3, EPT_PAGE = 1 << 7, EPT_ACCESSED = 1 << 8, EPT_DIRTY = 1 << 9 };
enum { CAP_WALK_4 = 1 << 6, CAP_WRITE_BACK = 1 << 14, CAP_ACCESSED_DIRTY = 1 << 21 };
#define EPT_ADDRESS 0x000ffffffffff000ull

struct err ept_init(struct ept *ept, void *(*allocate)(u64 bytes), u64 capabilities)
{
    if (!(capabilities & CAP_WALK_4) || !(capabilities & CAP_WRITE_BACK))
        return ERR(UNSUPPORTED, "this processor's EPT has no 4-level walk or no write-back memory", 0, 0);
    if (!(capabilities & CAP_ACCESSED_DIRTY))
        return ERR(UNSUPPORTED, "this processor's EPT has no dirty bits: state hashes cannot be kept", 0, 0);
    ept->allocate = allocate;
    ept->accessed_dirty = true;
    ept->root = allocate(PAGE_SIZE);
    return ept->root ? NO_ERR : ERR(NO_SPACE, "no memory for the EPT root", 0, 0);
}

u64 ept_pointer(const struct ept *ept)
{
    enum { WRITE_BACK = 6, WALK_4 = 3 << 3, ACCESSED_DIRTY = 1 << 6 };
    return (u64)ept->root | WRITE_BACK | WALK_4 | (ept->accessed_dirty ? ACCESSED_DIRTY : 0);
}

static u32 index_at(u64 gpa, u32 level) /* level 3: PML4 ... 0: page table */
{
    return gpa >> (12 + 9 * level) & (ENTRIES - 1);
}

#define IN_THE_WAY "EPT mapping of %A by pages of %A meets pages of another size"

/* Makes tables down to the level of the leaf. */
static struct err entry_for(struct ept *ept, u64 gpa, u32 leaf_level, u64 **leaf)
{
    u64 *table = ept->root;
    for (u32 level = 3; level > leaf_level; level--) {
        u64 *entry = &table[index_at(gpa, level)];
        if (!*entry) {
            void *next = ept->allocate(PAGE_SIZE);
            if (!next)
                return ERR(NO_SPACE, "no memory for the EPT tables that map guest RAM at %A: give the carrier more", gpa, 0);
            *entry = (u64)next | EPT_ALL;
        } else if (*entry & EPT_PAGE) {
            return ERR(INTERNAL, IN_THE_WAY, gpa, PAGE_SIZE << 9 * leaf_level);
        }
        table = (u64 *)(*entry & EPT_ADDRESS);
    }
    *leaf = &table[index_at(gpa, leaf_level)];
    return NO_ERR;
}

struct err ept_map(struct ept *ept, u64 gpa, u64 hpa, u64 length, u64 page, enum ept_rights rights)
{
    u32 level = page == PAGE_SIZE ? 0 : page == BIT(21) ? 1 : 2;
    if (page != PAGE_SIZE << 9 * level || (gpa | hpa | length) & (page - 1))
        return ERR(INTERNAL, "EPT mapping of %A is not aligned to its page size %A, or there is no such size", gpa, page);
    for (u64 done = 0; done < length; done += page) {
        u64 *entry;
        TRY(entry_for(ept, gpa + done, level, &entry));
        if (level && *entry && !(*entry & EPT_PAGE))
            return ERR(INTERNAL, IN_THE_WAY, gpa + done, page);
        *entry = (hpa + done) | EPT_WRITE_BACK | (level ? EPT_PAGE : 0) | rights;
    }
    return NO_ERR;
}

struct err ept_map_memory(struct ept *ept, const struct memory *memory)
{
    u64 base = (u64)memory->base;
    TRY(ept_map(ept, 0, base, min_u64(memory->size, VGA_HOLE), PAGE_SIZE, EPT_ALL));
    if (memory->size > VGA_HOLE_END)
        TRY(ept_map(ept, VGA_HOLE_END, base + VGA_HOLE_END, memory->size - VGA_HOLE_END, PAGE_SIZE, EPT_ALL));
    return NO_ERR;
}

u64 *ept_leaf(const struct ept *ept, u64 gpa, u64 *page)
{
    u64 *table = ept->root;
    for (u32 level = 3;; level--) {
        u64 *entry = &table[index_at(gpa, level)];
        if (!*entry)
            return NULL;
        if (level == 0 || *entry & EPT_PAGE) {
            *page = PAGE_SIZE << 9 * level;
            return entry;
        }
        table = (u64 *)(*entry & EPT_ADDRESS);
    }
}

static void collect_table(u64 *table, struct memory *memory)
{
    for (u32 i = 0; i < ENTRIES; i++) {
        if (!(table[i] & EPT_DIRTY))
            continue;
        table[i] &= ~(u64)EPT_DIRTY;
        memory_mark_dirty(memory, (table[i] & EPT_ADDRESS) - (u64)memory->base, PAGE_SIZE);
    }
}

void ept_collect_dirty(struct ept *ept, struct memory *memory)
{
    for (u64 gpa = 0; gpa < memory->size; gpa += BIT(21)) {
        u64 page, *leaf = ept_leaf(ept, gpa == 0 ? 0 : gpa, &page);
        if (leaf && page == PAGE_SIZE)
            collect_table((u64 *)((u64)leaf & ~(PAGE_SIZE - 1)), memory);
    }
}
