/* The I/O APIC: registers, edges, levels and their end (82093AA datasheet, section 3). */
#include "core/devices/ioapic.h"

#include <criterion/criterion.h>

enum { INDEX = 0x00, DATA = 0x10, EOI = 0x40 };
enum { LEVEL = 1 << 15, MASKED = 1 << 16, REMOTE_IRR = 1 << 14, LOGICAL = 1 << 11 };

static struct ioapic ioapic;

static void set_up(void)
{
    ioapic_reset(&ioapic);
}

TestSuite(ioapic, .init = set_up);

static void write_mmio(u32 offset, u32 value)
{
    struct access access = {.size = 4, .write = true, .value = value};
    ioapic_access(&ioapic, offset, &access);
}

static u32 read_mmio(u32 offset)
{
    struct access access = {.size = 4, .value = 0xdeadbeefdeadbeef};
    ioapic_access(&ioapic, offset, &access);
    cr_assert_eq(access.value >> 32, 0);
    return (u32)access.value;
}

static void write_reg(u32 index, u32 value)
{
    write_mmio(INDEX, index);
    write_mmio(DATA, value);
}

static u32 read_reg(u32 index)
{
    write_mmio(INDEX, index);
    return read_mmio(DATA);
}

static void program(u32 pin, u32 low)
{
    write_reg(0x10 + 2 * pin, low);
}

static bool take(struct ioapic_message *message)
{
    struct ioapic_message ignored;
    return ioapic_take(&ioapic, message ? message : &ignored);
}

Test(ioapic, registers_after_reset)
{
    cr_assert_eq(read_reg(0), IOAPIC_ID << 24);
    cr_assert_eq(read_reg(1), 0x00170020);
    for (u32 pin = 0; pin < IOAPIC_PINS; pin++) {
        cr_assert_eq(read_reg(0x10 + 2 * pin), MASKED);
        cr_assert_eq(read_reg(0x11 + 2 * pin), 0);
    }
    cr_assert_eq(read_reg(0x10 + 2 * IOAPIC_PINS), 0xffffffff, "no such register");
    cr_assert_eq(read_mmio(0x20), 0xffffffff);
}

Test(ioapic, status_bits_cannot_be_written)
{
    write_reg(0x10, 0xffffffff);
    write_reg(0x11, 0xffffffff);
    cr_assert_eq(read_reg(0x10), 0x1afff);
    cr_assert_eq(read_reg(0x11), 0xff000000);
    write_reg(0x10 + 2 * IOAPIC_PINS, 0);
    cr_assert_eq(read_mmio(INDEX), 0x10 + 2 * IOAPIC_PINS);
}

Test(ioapic, odd_sizes_do_no_harm)
{
    struct access wide = {.size = 8};
    struct access narrow = {.size = 1, .write = true, .value = 1};

    ioapic_access(&ioapic, DATA, &wide);
    cr_assert_eq(wide.value, UINT64_MAX);
    ioapic_access(&ioapic, INDEX, &narrow);
    narrow.write = false;
    ioapic_access(&ioapic, DATA, &narrow);
    cr_assert_eq(narrow.value, 0x20);
}

Test(ioapic, a_message_says_what_the_entry_says)
{
    struct ioapic_message message;

    program(4, 0x34 | DELIVER_LOWEST << 8 | LOGICAL);
    write_reg(0x11 + 8, 0x5a000000);
    ioapic_set_line(&ioapic, 4, true);
    cr_assert(take(&message));
    cr_assert_eq(message.pin, 4);
    cr_assert_eq(message.vector, 0x34);
    cr_assert_eq(message.mode, DELIVER_LOWEST);
    cr_assert_eq(message.destination, 0x5a);
    cr_assert(message.logical);
    cr_assert_not(message.level);
    cr_assert_not(take(NULL));
}

Test(ioapic, an_edge_is_sent_once_for_each_rise)
{
    program(1, 0x31);
    ioapic_set_line(&ioapic, 1, true);
    cr_assert(take(NULL));
    ioapic_set_line(&ioapic, 1, true);
    cr_assert_not(take(NULL));
    ioapic_set_line(&ioapic, 1, false);
    cr_assert_not(take(NULL));
    ioapic_set_line(&ioapic, 1, true);
    cr_assert(take(NULL));
    ioapic_eoi(&ioapic, 0x31);
    cr_assert_not(take(NULL), "an edge has nothing to end");
}

Test(ioapic, an_edge_on_a_masked_pin_is_lost)
{
    program(1, 0x31 | MASKED);
    ioapic_set_line(&ioapic, 1, true);
    cr_assert_not(take(NULL));
    program(1, 0x31);
    cr_assert_not(take(NULL));
}

Test(ioapic, a_level_is_sent_again_after_its_end_while_high)
{
    program(9, 0x39 | LEVEL);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert(take(NULL));
    cr_assert(read_reg(0x10 + 18) & REMOTE_IRR);
    ioapic_set_line(&ioapic, 9, false);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert_not(take(NULL), "still in service");
    ioapic_eoi(&ioapic, 0x38);
    cr_assert_not(take(NULL), "the end of another vector");
    ioapic_eoi(&ioapic, 0x39);
    cr_assert(take(NULL));
    ioapic_set_line(&ioapic, 9, false);
    ioapic_eoi(&ioapic, 0x39);
    cr_assert_not(take(NULL));
    cr_assert_not(read_reg(0x10 + 18) & REMOTE_IRR);
}

Test(ioapic, pins_that_share_a_vector_end_together)
{
    struct ioapic_message first, second;

    program(9, 0x39 | LEVEL);
    program(10, 0x39 | LEVEL);
    ioapic_set_line(&ioapic, 9, true);
    ioapic_set_line(&ioapic, 10, true);
    while (take(NULL))
        ;
    ioapic_eoi(&ioapic, 0x39);
    cr_assert(take(&first) && take(&second));
    cr_assert_eq(first.pin, 9);
    cr_assert_eq(second.pin, 10);
}

Test(ioapic, the_eoi_register_ends_too)
{
    program(9, 0x39 | LEVEL);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert(take(NULL));
    write_mmio(EOI, 0x39);
    cr_assert(take(NULL));
}

Test(ioapic, unmasking_a_high_level_sends_it)
{
    program(9, 0x39 | LEVEL | MASKED);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert_not(take(NULL));
    program(9, 0x39 | LEVEL);
    cr_assert(take(NULL));
}

Test(ioapic, turning_to_edge_ends_a_level)
{
    program(9, 0x39 | LEVEL);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert(take(NULL));
    program(9, 0x39 | MASKED);
    cr_assert_not(read_reg(0x10 + 18) & REMOTE_IRR);
    program(9, 0x39 | LEVEL);
    cr_assert(take(NULL));
}

Test(ioapic, a_refused_level_is_not_in_service)
{
    program(9, 0x39 | LEVEL);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert(take(NULL));
    ioapic_refused(&ioapic, 9);
    cr_assert_not(take(NULL), "not at once: it would never end");
    cr_assert_not(read_reg(0x10 + 18) & REMOTE_IRR);
    ioapic_set_line(&ioapic, 9, true);
    cr_assert(take(NULL));
}
