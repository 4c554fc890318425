/*
 * Fuzzes the page walk: the input is the control registers, an address and the first
 * pages of RAM. Whatever the tables say, the walk ends, stays inside RAM, changes
 * nothing but accessed and dirty bits, and answers the same again after setting them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/paging.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { RAM = 16 * 4096 };

struct input {
    u64 cr0, cr3, cr4, efer, rflags, gva;
    u32 access, fill;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Tables of random bytes hardly ever point at each other: addresses are cut to fit RAM,
 * unless the input asks for wild ones, and the input is repeated over all pages. */
static void fill(u8 *ram, const u8 *data, size_t size, bool wild)
{
    for (u32 i = 0; i < RAM / 8; i++) {
        u64 entry = 0;
        for (u32 j = 0; j < 8 && size; j++)
            entry |= (u64)data[(i * 8 + j) % size] << (8 * j);
        entry = wild ? entry : ((entry & 0xffe) | 1) | (entry & (RAM - 1) & ~0xfffull);
        memcpy(ram + 8 * i, &entry, 8);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static u8 ram[RAM] __attribute__((aligned(4096))), before[RAM];
    static u64 overhead[64];
    struct input in;
    struct memory memory;
    if (size < sizeof(in) || memory_overhead(RAM) > sizeof(overhead))
        return 0;
    memcpy(&in, data, sizeof(in));
    memset(ram, 0, RAM);
    memory_init(&memory, ram, RAM, overhead);
    fill(ram, data + sizeof(in), size - sizeof(in), in.fill & 1);
    memcpy(before, ram, RAM);
    struct paging p = {in.cr0, in.fill & 2 ? in.cr3 & (RAM - 1) : in.cr3, in.cr4, in.efer,
                       in.rflags};
    u32 access = in.access & (ACCESS_WRITE | ACCESS_USER | ACCESS_FETCH);
    struct translation dry = paging_walk(&memory, &p, in.gva, access, false);
    require(!memcmp(before, ram, RAM));
    struct translation wet = paging_walk(&memory, &p, in.gva, access, true);
    for (u32 i = 0; i < RAM; i++)
        require(!((before[i] ^ ram[i]) & ~0x60));
    require(dry.fault == wet.fault && dry.error_code == wet.error_code && dry.gpa == wet.gpa);
    require(wet.fault || wet.page_size >= PAGE_SIZE);
    require(!wet.fault || !memcmp(before, ram, RAM));
    return 0;
}
