/* Extended page tables: what is mapped where, dirty bits, and what is refused. */
#include <criterion/criterion.h>

#include "tests/unit/hypervisor_rig.h"

enum { LEAF_DIRTY = 1 << 9, LEAF_ACCESSED = 1 << 8, LEAF_BIG = 1 << 7, WRITE_BACK = 6 << 3 };
#define CAN_ALL (BIT(6) | BIT(14) | BIT(21))
#define LEAF_ADDRESS 0x000ffffffffff000ull

static struct ept ept;
static struct memory memory;

static void set_up(void)
{
    rig_used = 0;
    ept = (struct ept){0};
    memory_init(&memory, rig_ram, RIG_RAM, rig_overhead);
    cr_assert_eq(ept_init(&ept, rig_allocate, CAN_ALL).code, OK);
}

TestSuite(ept, .init = set_up);

Test(ept, the_pointer_says_write_back_four_levels_dirty_bits)
{
    cr_assert_eq(ept_pointer(&ept), (u64)ept.root | 6 | 3 << 3 | 1 << 6);
    cr_assert_eq((u64)ept.root & (PAGE_SIZE - 1), 0);
}

Test(ept, each_missing_capability_is_refused)
{
    static const u64 bits[] = {BIT(6), BIT(14), BIT(21)};
    for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
        struct err e = ept_init(&ept, rig_allocate, CAN_ALL & ~bits[i]);
        cr_assert_eq(e.code, UNSUPPORTED, "%u", i);
        cr_assert_not_null(e.what);
    }
}

Test(ept, pages_of_each_size)
{
    static const u64 sizes[] = {PAGE_SIZE, BIT(21), BIT(30)};
    for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
        u64 size = sizes[i], gpa = BIT(39) * i + BIT(30) * 3, hpa = BIT(36) + BIT(30), page = 0;
        cr_assert_eq(ept_map(&ept, gpa, hpa, 2 * size, size, EPT_READ | EPT_EXECUTE).code, OK);
        u64 *leaf = ept_leaf(&ept, gpa + size + size / 2 + 5, &page);
        cr_assert_not_null(leaf);
        cr_assert_eq(page, size);
        cr_assert_eq(*leaf & LEAF_ADDRESS, hpa + size);
        cr_assert_eq(*leaf & ~LEAF_ADDRESS,
                     (u64)(EPT_READ | EPT_EXECUTE | WRITE_BACK | (i ? LEAF_BIG : 0)));
        cr_assert_null(ept_leaf(&ept, gpa + 2 * size, &page));
        cr_assert_null(ept_leaf(&ept, gpa - 1, &page));
    }
}

Test(ept, a_later_mapping_replaces_an_earlier_one)
{
    u64 page;
    ept_map(&ept, 0, 0x10000, PAGE_SIZE, PAGE_SIZE, EPT_ALL);
    ept_map(&ept, 0, 0x20000, PAGE_SIZE, PAGE_SIZE, EPT_READ);
    cr_assert_eq(*ept_leaf(&ept, 0, &page), 0x20000u | EPT_READ | WRITE_BACK);
}

/* A page in the way of another size is no table. */
Test(ept, another_size_in_the_way_is_refused)
{
    u64 page;
    cr_assert_eq(ept_map(&ept, 0, BIT(30), BIT(21), BIT(21), EPT_ALL).code, OK);
    cr_assert_eq(ept_map(&ept, 0x1000, 0x1000, PAGE_SIZE, PAGE_SIZE, EPT_ALL).code, INTERNAL);
    cr_assert_eq(ept_map(&ept, BIT(30), 0x1000, PAGE_SIZE, PAGE_SIZE, EPT_ALL).code, OK);
    cr_assert_eq(ept_map(&ept, BIT(30), BIT(21), BIT(21), BIT(21), EPT_ALL).code, INTERNAL);
    ept_leaf(&ept, BIT(30), &page);
    cr_assert_eq(page, PAGE_SIZE);
}

Test(ept, misalignment_is_refused)
{
    static const u64 sizes[] = {PAGE_SIZE, BIT(21), BIT(30)};
    for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
        u64 size = sizes[i], half = size / 2;
        cr_expect_eq(ept_map(&ept, half, 0, size, size, EPT_ALL).code, INTERNAL);
        cr_expect_eq(ept_map(&ept, 0, half, size, size, EPT_ALL).code, INTERNAL);
        cr_expect_eq(ept_map(&ept, 0, 0, half, size, EPT_ALL).code, INTERNAL);
    }
    cr_assert_eq(ept_map(&ept, 0, 0, 0x2000, 0x2000, EPT_ALL).code, INTERNAL,
                 "there are no 8 KiB pages");
}

static u32 pages_left;

static void *scarce(u64 bytes)
{
    return pages_left && pages_left-- ? rig_allocate(bytes) : NULL;
}

Test(ept, running_out_of_memory_is_reported)
{
    for (u32 pages = 0; pages < 4; pages++) {
        rig_used = 0;
        pages_left = pages;
        struct err e = ept_init(&ept, scarce, CAN_ALL);
        if (pages)
            e = ept_map(&ept, 0, 0, PAGE_SIZE, PAGE_SIZE, EPT_ALL);
        cr_assert_eq(e.code, NO_SPACE, "with %u pages", pages);
    }
    pages_left = 4;
    cr_assert_eq(ept_init(&ept, scarce, CAN_ALL).code, OK);
    cr_assert_eq(ept_map(&ept, 0, 0, PAGE_SIZE, PAGE_SIZE, EPT_ALL).code, OK);
    cr_assert_eq(ept_map_memory(&ept, &memory).code, NO_SPACE, "4 MiB need a second table");
}

static bool ram(u64 gpa)
{
    return gpa < RIG_RAM && !(gpa >= VGA_HOLE && gpa < VGA_HOLE_END);
}

Test(ept, guest_ram_is_mapped_but_for_the_hole)
{
    cr_assert_eq(ept_map_memory(&ept, &memory).code, OK);
    for (u64 gpa = 0; gpa < 2 * RIG_RAM; gpa += PAGE_SIZE) {
        u64 page, *leaf = ept_leaf(&ept, gpa, &page);
        if (leaf && !*leaf)
            leaf = NULL;
        cr_assert_eq(leaf != NULL, ram(gpa), "%lx", gpa);
        if (leaf)
            cr_assert_eq(*leaf, (u64)(rig_ram + gpa) | EPT_ALL | WRITE_BACK, "%lx", gpa);
    }
}

Test(ept, ram_that_ends_below_the_hole)
{
    memory_init(&memory, rig_ram, 0x80000, rig_overhead);
    cr_assert_eq(ept_map_memory(&ept, &memory).code, OK);
    u64 page;
    cr_assert_not_null(ept_leaf(&ept, 0x7f000, &page));
    cr_assert_null(ept_leaf(&ept, 0x80000, &page));
    cr_assert_null(ept_leaf(&ept, 0xc0000, &page));
}

static bool marked(u64 gpa)
{
    return memory.dirty[gpa / PAGE_SIZE / 64] >> (gpa / PAGE_SIZE % 64) & 1;
}

Test(ept, dirty_bits_are_collected_exactly)
{
    static const u64 written[] = {
        0, 0x1000, 0x9f000, 0xc0000, 0x1ff000, 0x200000, RIG_RAM - PAGE_SIZE};
    ept_map_memory(&ept, &memory);
    memory_hash(&memory);
    for (u32 i = 0; i < ARRAY_SIZE(written); i++) {
        u64 page;
        *ept_leaf(&ept, written[i], &page) |= LEAF_DIRTY | LEAF_ACCESSED;
    }
    ept_collect_dirty(&ept, &memory);
    for (u64 gpa = 0, at = 0; gpa < RIG_RAM; gpa += PAGE_SIZE) {
        bool wanted = at < ARRAY_SIZE(written) && written[at] == gpa;
        at += wanted;
        cr_assert_eq(marked(gpa), wanted, "%lx", gpa);
    }
}

Test(ept, collected_bits_are_gone_and_nothing_else_is)
{
    u64 page, *leaf;
    ept_map_memory(&ept, &memory);
    leaf = ept_leaf(&ept, 0x5000, &page);
    u64 before = *leaf;
    *leaf |= LEAF_DIRTY | LEAF_ACCESSED;
    ept_collect_dirty(&ept, &memory);
    cr_assert_eq(*leaf, before | LEAF_ACCESSED);
    memory_hash(&memory);
    ept_collect_dirty(&ept, &memory);
    cr_assert(!marked(0x5000));
}

Test(ept, a_write_that_was_collected_changes_the_hash)
{
    u64 page, before;
    ept_map_memory(&ept, &memory);
    before = memory_hash(&memory);
    rig_ram[0x5008] ^= 4; /* the guest, by its own store */
    cr_assert_eq(memory_hash(&memory), before);
    *ept_leaf(&ept, 0x5000, &page) |= LEAF_DIRTY;
    ept_collect_dirty(&ept, &memory);
    cr_assert_neq(memory_hash(&memory), before);
}
