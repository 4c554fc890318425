/*
 * 4-level page tables of a test guest (SDM 4.5). Everything is mapped onto itself;
 * guests change single entries to see what the processor makes of them.
 */
#include "tests/guests/lib/guest.h"

enum { POOL_PAGES = 160 };
static u8 pool[POOL_PAGES][4096] __attribute__((aligned(4096)));
static u32 pool_used;
static u64 *root;

void *page_alloc(void)
{
    if (pool_used == POOL_PAGES) {
        expect(false, "the guest's page pool suffices");
        finish();
    }
    return pool[pool_used++];
}

/* The table below `entry`; a large page of `size` bytes an entry below is split into one. */
static u64 *table_below(u64 *entry, u64 size)
{
    if ((*entry & PTE_P) && !(*entry & PTE_PS))
        return (u64 *)(*entry & 0xffffffffff000ull);
    u64 *table = page_alloc();
    if (*entry & PTE_P) {
        for (u64 i = 0; i < 512; i++)
            table[i] = (*entry & ~(u64)(size > 4096 ? 0 : PTE_PS)) + i * size;
    }
    *entry = (u64)table | PTE_P | PTE_W | PTE_U;
    return table;
}

u64 *paging_entry(u64 gva, u32 level)
{
    u64 *table = root;
    for (u32 l = 4; l > level; l--) {
        u64 *entry = &table[gva >> (12 + 9 * (l - 1)) & 511];
        table = table_below(entry, 1ull << (12 + 9 * (l - 2)));
    }
    return &table[gva >> (12 + 9 * (level - 1)) & 511];
}

void paging_map(u64 gva, u64 gpa, u64 flags)
{
    *paging_entry(gva, 1) = gpa | flags;
    invlpg((void *)gva);
}

void paging_own(void)
{
    root = page_alloc();
    for (u64 at = 0; at < 4ull << 30; at += 2ull << 20)
        *paging_entry(at, 2) = at | PTE_P | PTE_W | PTE_U | PTE_PS;
    write_cr3((u64)root);
}
