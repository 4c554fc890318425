/* Guest RAM: bounds, the VGA hole, and what the hash sees. */
#include "core/memory.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 2 << 20 };

static struct memory memory;

static void set_up(void)
{
    memory_init(&memory, aligned_alloc(PAGE_SIZE, SIZE), SIZE, malloc(memory_overhead(SIZE)));
    memset(memory.base, 0, SIZE);
}

static void tear_down(void)
{
    free(memory.base);
    free(memory.dirty);
}

TestSuite(memory, .init = set_up, .fini = tear_down);

Test(memory, only_ram_has_an_address)
{
    cr_assert_eq(memory_at(&memory, 0, SIZE - 1), NULL, "spans the hole");
    cr_assert_eq(memory_at(&memory, 0, VGA_HOLE), memory.base);
    cr_assert_eq(memory_at(&memory, 0, VGA_HOLE + 1), NULL);
    cr_assert_eq(memory_at(&memory, VGA_HOLE_END - 1, 2), NULL);
    cr_assert_eq(memory_at(&memory, VGA_HOLE, 1), NULL);
    cr_assert_eq(memory_at(&memory, VGA_HOLE_END, SIZE - VGA_HOLE_END), memory.base + VGA_HOLE_END);
    cr_assert_eq(memory_at(&memory, SIZE - 1, 1), memory.base + SIZE - 1);
    cr_assert_eq(memory_at(&memory, SIZE - 1, 2), NULL);
    cr_assert_eq(memory_at(&memory, SIZE, 1), NULL);
}

Test(memory, an_address_that_wraps_is_not_ram)
{
    cr_assert_eq(memory_at(&memory, UINT64_MAX, 2), NULL);
    cr_assert_eq(memory_at(&memory, UINT64_MAX - 7, 8), NULL);
    cr_assert_eq(memory_at(&memory, SIZE - 8, UINT64_MAX), NULL);
    cr_assert_eq(memory_at(&memory, PAGE_SIZE, UINT64_MAX - PAGE_SIZE + 2), NULL);
}

Test(memory, reads_what_was_written)
{
    u64 got = 0, value = 0x1122334455667788;

    cr_assert(memory_write(&memory, PAGE_SIZE - 4, &value, 8));
    cr_assert(memory_read(&memory, PAGE_SIZE - 4, &got, 8));
    cr_assert_eq(got, value);
    cr_assert_not(memory_write(&memory, SIZE - 4, &value, 8));
    cr_assert_not(memory_read(&memory, VGA_HOLE, &got, 8));
    cr_assert_eq(got, value, "a failed read leaves the buffer alone");
}

Test(memory, the_hash_at_first_is_the_hash_of_zeroes)
{
    u64 at_first = memory.hash;

    memory_mark_dirty(&memory, 0, SIZE);
    cr_assert_eq(memory_hash(&memory), at_first);
    cr_assert_neq(at_first, 0);
}

Test(memory, the_hash_sees_each_written_page)
{
    u64 before = memory_hash(&memory);
    u8 one = 1, zero = 0;

    memory_write(&memory, PAGE_SIZE - 1, &one, 1);
    u64 after = memory_hash(&memory);
    cr_assert_neq(after, before);
    cr_assert_eq(memory_hash(&memory), after, "nothing was written in between");

    memory_write(&memory, PAGE_SIZE - 1, &zero, 1);
    cr_assert_eq(memory_hash(&memory), before, "the same content has the same hash");

    u64 straddling = 0x0101010101010101;
    memory_write(&memory, 2 * PAGE_SIZE - 4, &straddling, 8);
    memory_hash(&memory);
    memory_mark_dirty(&memory, 0, SIZE);
    u64 full = memory.hash;
    cr_assert_eq(memory_hash(&memory), full, "both pages of a straddling write were marked");
}

Test(memory, only_dirty_pages_are_read)
{
    u64 before = memory_hash(&memory);

    memory.base[5 * PAGE_SIZE] = 1;
    cr_assert_eq(memory_hash(&memory), before);
    memory_mark_dirty(&memory, 5 * PAGE_SIZE, 1);
    cr_assert_neq(memory_hash(&memory), before);
}

Test(memory, pages_that_change_places_change_the_hash)
{
    u8 a = 1, b = 2;

    memory_write(&memory, 0, &a, 1);
    memory_write(&memory, PAGE_SIZE, &b, 1);
    u64 before = memory_hash(&memory);
    memory_write(&memory, 0, &b, 1);
    memory_write(&memory, PAGE_SIZE, &a, 1);
    cr_assert_neq(memory_hash(&memory), before);
}

Test(memory, qwords_that_change_places_change_the_hash)
{
    for (u64 i = 1; i < 4; i++) {
        u64 x = 7, zero = 0;
        memory_write(&memory, 0, &x, 8);
        u64 before = memory_hash(&memory);
        memory_write(&memory, 0, &zero, 8);
        memory_write(&memory, i * 8, &x, 8);
        cr_assert_neq(memory_hash(&memory), before, "qword 0 and qword %d", (int)i);
        memory_write(&memory, i * 8, &zero, 8);
    }
}

Test(memory, every_qword_counts)
{
    u64 before = memory_hash(&memory), one = 1, zero = 0;

    for (u64 at = 0; at < PAGE_SIZE; at += 8) {
        memory_write(&memory, at, &one, 8);
        cr_assert_neq(memory_hash(&memory), before, "offset %d", (int)at);
        memory_write(&memory, at, &zero, 8);
    }
    cr_assert_eq(memory_hash(&memory), before);
}

Test(memory, the_hole_is_not_hashed)
{
    u64 before = memory_hash(&memory);

    memory.base[VGA_HOLE] = 1;
    memory_mark_dirty(&memory, VGA_HOLE - 1, VGA_HOLE_END - VGA_HOLE + 2);
    cr_assert_eq(memory_hash(&memory), before);
}

Test(memory, marking_beyond_the_end_is_harmless)
{
    u64 before = memory_hash(&memory);

    memory_mark_dirty(&memory, SIZE - 1, UINT64_MAX);
    memory_mark_dirty(&memory, UINT64_MAX, UINT64_MAX);
    memory_mark_dirty(&memory, SIZE, 1);
    memory_mark_dirty(&memory, 0, 0);
    cr_assert_eq(memory.dirty[0], 0);
    cr_assert_eq(memory_hash(&memory), before);
}
