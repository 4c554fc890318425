/*
 * Page walks over hand-made tables: every mode, page size and missing level, reserved
 * bits, the whole matrix of rights against the SDM's rules as sentences, error codes,
 * accessed and dirty bits.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu_model.h"
#include "core/paging.h"

enum { RAM = 1 << 20 };
enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, ALL = P | RW | US };
#define XD BIT(63)
#define WP BIT(16)
#define PG (BIT(31) | BIT(0))
#define PSE BIT(4)
#define PAE BIT(5)
#define SMEP BIT(20)
#define SMAP BIT(21)
#define LONG_MODE (BIT(10) | BIT(8)) /* EFER.LMA, LME */
#define NXE BIT(11)
#define AC BIT(18)

/* Tables, one below the other. */
enum { ROOT = 0x1000, SECOND = 0x2000, THIRD = 0x3000, FOURTH = 0x4000 };

static struct memory memory;

static void set_up(void)
{
    void *base = aligned_alloc(PAGE_SIZE, RAM), *overhead = calloc(1, memory_overhead(RAM));
    memset(base, 0, RAM);
    memory_init(&memory, base, RAM, overhead);
}

static void tear_down(void)
{
    free(memory.dirty);
    free(memory.base);
}

TestSuite(paging, .init = set_up, .fini = tear_down);

static void put(u64 where, u64 entry)
{
    cr_assert(memory_write(&memory, where, &entry, 8));
}

static void put32(u64 where, u32 entry)
{
    cr_assert(memory_write(&memory, where, &entry, 4));
}

static u64 get(u64 where)
{
    u64 entry = 0;
    memory_read(&memory, where, &entry, 8);
    return entry;
}

static const struct paging long_mode = {PG, ROOT, PAE, LONG_MODE | NXE, 0};
static const struct paging pae_mode = {PG, ROOT, PAE, NXE, 0};
static const struct paging plain_mode = {PG, ROOT, PSE, 0, 0};

static void expect_gpa(const struct paging *p, u64 gva, u64 gpa, u64 size)
{
    struct translation t = paging_walk(&memory, p, gva, 0, false);
    cr_expect(!t.fault, "%lx: fault %x", gva, t.error_code);
    cr_expect_eq(t.gpa, gpa, "%lx: gpa %lx, not %lx", gva, t.gpa, gpa);
    cr_expect_eq(t.page_size, size);
}

static void expect_fault(const struct paging *p, u64 gva, u32 access, u32 code)
{
    struct translation t = paging_walk(&memory, p, gva, access, true);
    cr_expect(t.fault, "%lx: no fault", gva);
    cr_expect_eq(t.error_code, code, "%lx: error %x, not %x", gva, t.error_code, code);
}

/* Four levels that map 0xffff800000000000 + 1 GiB + 2 MiB + 4 KiB's neighbours. */
#define HIGH 0xffff800000000000ull
static void map_long(u64 leaf)
{
    put(ROOT + 256 * 8, SECOND | ALL);
    put(SECOND + 1 * 8, THIRD | ALL);
    put(THIRD + 1 * 8, FOURTH | ALL);
    put(FOURTH + 1 * 8, leaf);
}
#define GVA (HIGH + (1ull << 30) + (2ull << 20) + 0x1000)

Test(paging, none)
{
    struct paging p = {.cr0 = 1};
    expect_gpa(&p, 0x12345678, 0x12345678, PAGE_SIZE);
    expect_gpa(&p, 0xabc00001234, 0x1234, PAGE_SIZE);
}

Test(paging, four_levels)
{
    map_long(0xabcde000 | ALL);
    expect_gpa(&long_mode, GVA + 0x123, 0xabcde123, PAGE_SIZE);
    put(THIRD + 1 * 8, 0xa00000 | PS | ALL);
    expect_gpa(&long_mode, GVA + 0x123, 0xa01123, 2 << 20);
    put(SECOND + 1 * 8, 0x80000000 | PS | ALL);
    expect_gpa(&long_mode, GVA + 0x123, 0x80201123, 1 << 30);
    struct paging flags_in_cr3 = long_mode;
    flags_in_cr3.cr3 |= 0x18; /* PWT, PCD */
    expect_gpa(&flags_in_cr3, GVA + 0x123, 0x80201123, 1 << 30);
}

Test(paging, four_levels_highest_address)
{
    map_long((BIT(CPU_PHYSICAL_BITS) - PAGE_SIZE) | ALL);
    expect_gpa(&long_mode, GVA + 0xfff, BIT(CPU_PHYSICAL_BITS) - 1, PAGE_SIZE);
}

Test(paging, pae)
{
    put(ROOT + 3 * 8, SECOND | P);
    put(SECOND + 511 * 8, THIRD | ALL);
    put(THIRD + 511 * 8, 0x9abcde000 | ALL);
    expect_gpa(&pae_mode, 0xfffffabc, 0x9abcdeabc, PAGE_SIZE);
    expect_gpa(&pae_mode, 0x1234fffffabc, 0x9abcdeabc, PAGE_SIZE); /* upper half ignored */
    put(SECOND + 511 * 8, 0x9a0000000 | PS | ALL);
    expect_gpa(&pae_mode, 0xfffffabc, 0x9a01ffabc, 2 << 20);
    struct paging low = pae_mode;
    low.cr3 = ROOT + 0x20; /* the root is 32 bytes, not a page */
    put(ROOT + 0x20, SECOND | P);
    put(SECOND, 0x600000 | PS | ALL);
    expect_gpa(&low, 0x1000, 0x601000, 2 << 20);
}

Test(paging, thirty_two_bits)
{
    put32(ROOT + 1023 * 4, SECOND | ALL);
    put32(SECOND + 1023 * 4, 0xabcde000 | ALL);
    expect_gpa(&plain_mode, 0xfffffabc, 0xabcdeabc, PAGE_SIZE);
    put32(ROOT + 4, 0xc0000000 | PS | ALL);
    expect_gpa(&plain_mode, 0x7ffabc, 0xc03ffabc, 4 << 20);
    put32(ROOT + 4, 0xc0000000 | 0xf << 13 | PS | ALL); /* PSE-36: address bits 35:32 */
    expect_gpa(&plain_mode, 0x7ffabc, 0xfc03ffabc, 4 << 20);
    struct paging no_pse = {PG, ROOT, 0, 0, 0};
    put32(ROOT + 4, SECOND | PS | ALL); /* without CR4.PSE, PS is ignored */
    put32(SECOND + 4, 0x5000 | ALL);
    expect_gpa(&no_pse, 0x401234, 0x5234, PAGE_SIZE);
}

Test(paging, missing_levels)
{
    static const u64 entries[] = {ROOT + 256 * 8, SECOND + 8, THIRD + 8, FOURTH + 8};
    for (u32 i = 0; i < 4; i++) {
        map_long(0x5000 | ALL);
        put(entries[i], get(entries[i]) & ~(u64)P);
        expect_fault(&long_mode, GVA, 0, 0);
        expect_fault(&long_mode, GVA, ACCESS_WRITE | ACCESS_USER, ACCESS_WRITE | ACCESS_USER);
        expect_fault(&long_mode, GVA, ACCESS_FETCH, ACCESS_FETCH);
        expect_fault(&long_mode, GVA, ACCESS_IMPLICIT, 0);
        put(entries[i], ~(u64)P); /* reserved bits of a missing entry do not matter */
        expect_fault(&long_mode, GVA, 0, 0);
    }
    expect_fault(&pae_mode, 0xfffffabc, 0, 0);
    expect_fault(&plain_mode, 0xfffffabc, ACCESS_WRITE, ACCESS_WRITE);
}

/* The bits that must be 0 in a present entry, one by one; all others must not matter. */
static void expect_reserved(const struct paging *p, u64 gva, u64 where, u32 bytes, u64 reserved)
{
    u64 good = bytes == 8 ? get(where) : get(where) & UINT32_MAX;
    u64 structural = BIT(0) | BIT(7) | (BIT(CPU_PHYSICAL_BITS) - PAGE_SIZE);
    for (u32 bit = 1; bit < 8 * bytes; bit++) {
        u64 entry = good | BIT(bit);
        if (entry == good || (structural & ~reserved) & BIT(bit))
            continue;
        bytes == 8 ? put(where, entry) : put32(where, (u32)entry);
        struct translation t = paging_walk(&memory, p, gva, ACCESS_WRITE, false);
        bool expected = reserved & BIT(bit);
        cr_expect_eq(t.fault, expected, "bit %u of %lx: fault %d", bit, good, t.fault);
        if (expected)
            cr_expect_eq(t.error_code, 1 | 8 | ACCESS_WRITE);
        bytes == 8 ? put(where, good) : put32(where, (u32)good);
    }
}

static u64 bits(u32 high, u32 low)
{
    return (BIT(high) | (BIT(high) - 1)) & ~(BIT(low) - 1);
}

Test(paging, reserved_bits_four_levels)
{
    const u64 beyond = bits(51, CPU_PHYSICAL_BITS);
    struct paging no_nx = long_mode;
    no_nx.efer = LONG_MODE;
    map_long(0x5000 | ALL);
    expect_reserved(&long_mode, GVA, ROOT + 256 * 8, 8, beyond | BIT(7));
    expect_reserved(&long_mode, GVA, SECOND + 8, 8, beyond);
    expect_reserved(&long_mode, GVA, THIRD + 8, 8, beyond);
    expect_reserved(&long_mode, GVA, FOURTH + 8, 8, beyond);
    expect_reserved(&no_nx, GVA, FOURTH + 8, 8, beyond | XD);
    expect_reserved(&no_nx, GVA, ROOT + 256 * 8, 8, beyond | XD | BIT(7));
    put(THIRD + 8, 0x600000 | PS | ALL);
    expect_reserved(&long_mode, GVA, THIRD + 8, 8, beyond | bits(20, 13));
    put(SECOND + 8, 0x40000000 | PS | ALL);
    expect_reserved(&no_nx, GVA, SECOND + 8, 8, beyond | bits(29, 13) | XD);
}

Test(paging, reserved_bits_pae)
{
    const u64 beyond = bits(62, CPU_PHYSICAL_BITS);
    put(ROOT, SECOND | P);
    put(SECOND, THIRD | ALL);
    put(THIRD, 0x5000 | ALL);
    expect_reserved(&pae_mode, 0, ROOT, 8, beyond | XD | bits(8, 5) | bits(2, 1));
    expect_reserved(&pae_mode, 0, SECOND, 8, beyond);
    expect_reserved(&pae_mode, 0, THIRD, 8, beyond);
    struct paging no_nx = pae_mode;
    no_nx.efer = 0;
    expect_reserved(&no_nx, 0, THIRD, 8, beyond | XD);
    put(SECOND, 0x600000 | PS | ALL);
    expect_reserved(&pae_mode, 0, SECOND, 8, beyond | bits(20, 13));
}

Test(paging, reserved_bits_32)
{
    put32(ROOT, SECOND | ALL);
    put32(SECOND, 0x5000 | ALL);
    expect_reserved(&plain_mode, 0, SECOND, 4, 0);
    put32(ROOT, 0x800000 | PS | ALL);
    expect_reserved(&plain_mode, 0, ROOT, 4, bits(21, CPU_PHYSICAL_BITS - 32 + 13));
}

/* SDM 4.6.1, its sentences one by one. `us`, `rw`, `xd`: what the whole path allows or forbids. */
static bool sdm_allows(const struct paging *p, u32 access, bool us, bool rw, bool xd)
{
    bool wp = p->cr0 & WP, smep = p->cr4 & SMEP, smap = p->cr4 & SMAP, nxe = p->efer & NXE;
    bool explicit_ac = p->rflags & AC && !(access & ACCESS_IMPLICIT);
    bool write = access & ACCESS_WRITE, fetch = access & ACCESS_FETCH;
    if (access & ACCESS_USER) {
        if (!us)
            return false; /* no user access to a supervisor-mode address */
        return fetch ? !(nxe && xd) : write ? rw : true;
    }
    if (fetch)
        return (us && smep) ? false : !(nxe && xd);
    if (us && smap && !explicit_ac)
        return false;
    return !write || !wp || rw;
}

static void check_rights(struct paging p, u64 leaf, u32 access)
{
    bool xd = leaf & XD && p.efer & NXE, us = leaf & US, rw = leaf & RW;
    struct translation t = paging_walk(&memory, &p, GVA, access, false);
    bool allowed = sdm_allows(&p, access, us, rw, xd);
    cr_assert_eq(t.fault, !allowed, "leaf %lx access %x cr0 %lx cr4 %lx efer %lx rflags %lx: %d",
                 leaf, access, p.cr0, p.cr4, p.efer, p.rflags, t.fault);
    u32 shown = access & (ACCESS_WRITE | ACCESS_USER | ACCESS_FETCH);
    if (!(p.cr4 & SMEP) && !(p.efer & NXE))
        shown &= ~(u32)ACCESS_FETCH;
    if (t.fault)
        cr_assert_eq(t.error_code, 1 | shown, "error %x", t.error_code);
}

Test(paging, every_right)
{
    static const u32 accesses[] = {0,
                                   ACCESS_WRITE,
                                   ACCESS_FETCH,
                                   ACCESS_USER,
                                   ACCESS_USER | ACCESS_WRITE,
                                   ACCESS_USER | ACCESS_FETCH,
                                   ACCESS_IMPLICIT,
                                   ACCESS_IMPLICIT | ACCESS_WRITE};
    for (u32 n = 0; n < 256; n++) {
        struct paging p = long_mode;
        p.cr0 |= n & 1 ? WP : 0;
        p.cr4 |= (n & 2 ? SMEP : 0) | (n & 4 ? SMAP : 0);
        p.rflags = n & 8 ? AC : 0;
        p.efer = LONG_MODE | (n & 16 ? NXE : 0);
        u64 leaf = 0x5000 | P | (n & 32 ? RW : 0) | (n & 64 ? US : 0) | (n & 128 ? XD : 0);
        if (leaf & XD && !(p.efer & NXE))
            continue; /* reserved */
        map_long(leaf);
        for (u32 i = 0; i < ARRAY_SIZE(accesses); i++)
            check_rights(p, leaf, accesses[i]);
    }
}

/* A right that one level takes away is gone, whichever level it is. */
Test(paging, rights_of_every_level)
{
    static const u64 entries[] = {ROOT + 256 * 8, SECOND + 8, THIRD + 8, FOURTH + 8};
    for (u32 i = 0; i < 4; i++) {
        map_long(0x5000 | ALL);
        put(entries[i], get(entries[i]) & ~(u64)US);
        expect_fault(&long_mode, GVA, ACCESS_USER, 1 | ACCESS_USER);
        put(entries[i], (get(entries[i]) | US) & ~(u64)RW);
        expect_fault(&long_mode, GVA, ACCESS_USER | ACCESS_WRITE, 1 | ACCESS_USER | ACCESS_WRITE);
        put(entries[i], get(entries[i]) | RW | XD);
        expect_fault(&long_mode, GVA, ACCESS_FETCH, 1 | ACCESS_FETCH);
        expect_gpa(&long_mode, GVA, 0x5000, PAGE_SIZE);
    }
}

Test(paging, pae_pointers_take_no_rights_away)
{
    put(ROOT, SECOND | P);
    put(SECOND, 0x600000 | PS | ALL);
    struct translation t = paging_walk(&memory, &pae_mode, 0, ACCESS_USER | ACCESS_WRITE, true);
    cr_expect(!t.fault && t.gpa == 0x600000);
    cr_expect_eq(get(ROOT), SECOND | P); /* nor have they an accessed bit */
    cr_expect_eq(get(SECOND), 0x600000 | PS | ALL | A | D);
}

Test(paging, fetch_bit_without_fetch_rights)
{
    put32(ROOT, 0x400000 | PS | P);
    expect_fault(&plain_mode, 0x1000, ACCESS_USER | ACCESS_FETCH, 1 | ACCESS_USER);
    struct paging smep = plain_mode;
    smep.cr4 |= SMEP;
    expect_fault(&smep, 0x1000, ACCESS_USER | ACCESS_FETCH, 1 | ACCESS_USER | ACCESS_FETCH);
}

Test(paging, accessed_and_dirty)
{
    map_long(0x5000 | P | US);
    paging_walk(&memory, &long_mode, GVA, 0, false);
    cr_expect_eq(get(FOURTH + 8), 0x5000 | P | US);
    memory_hash(&memory);
    paging_walk(&memory, &long_mode, GVA, 0, true);
    cr_expect_eq(get(ROOT + 256 * 8), SECOND | ALL | A);
    cr_expect_eq(get(SECOND + 8), THIRD | ALL | A);
    cr_expect_eq(get(THIRD + 8), FOURTH | ALL | A);
    cr_expect_eq(get(FOURTH + 8), 0x5000 | P | US | A);
    cr_expect_eq(memory.dirty[0], 0x1e, "the tables' pages are marked: %lx", memory.dirty[0]);
    paging_walk(&memory, &long_mode, GVA, ACCESS_WRITE, true);
    cr_expect_eq(get(THIRD + 8), FOURTH | ALL | A);
    cr_expect_eq(get(FOURTH + 8), 0x5000 | P | US | A | D);
    memory_hash(&memory);
    paging_walk(&memory, &long_mode, GVA, ACCESS_WRITE, true);
    cr_expect_eq(memory.dirty[0], 0, "nothing is written when nothing changes");
}

Test(paging, a_fault_changes_nothing)
{
    map_long(0x5000 | P);
    expect_fault(&long_mode, GVA, ACCESS_USER, 1 | ACCESS_USER);
    cr_expect_eq(get(ROOT + 256 * 8), SECOND | ALL);
    cr_expect_eq(get(FOURTH + 8), 0x5000 | P);
}

Test(paging, accessed_32)
{
    put32(ROOT, SECOND | ALL);
    put32(ROOT + 4, 0x77777770);
    put32(SECOND, 0x5000 | ALL);
    put32(SECOND + 4, 0x77777770);
    paging_walk(&memory, &plain_mode, 0, ACCESS_WRITE, true);
    cr_expect_eq(get(ROOT), 0x7777777000000000 | SECOND | ALL | A);
    cr_expect_eq(get(SECOND), 0x7777777000000000 | 0x5000 | ALL | A | D);
}

Test(paging, tables_outside_ram)
{
    struct paging p = long_mode;
    p.cr3 = 0x40000000;
    expect_fault(&p, GVA, 0, 1 | 8); /* all ones: present, reserved bits set */
    p.cr3 = VGA_HOLE;
    expect_fault(&p, GVA, 0, 1 | 8);
    struct paging plain = {PG, 0x40000000, 0, 0,
                           0}; /* 32-bit entries of all ones map the last page */
    expect_gpa(&plain, 0x1234, 0xfffff234, PAGE_SIZE);
}
