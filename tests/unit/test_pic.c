/*
 * The 8259 pair. Initialized as Linux does it: vectors 0x30 and 0x38, cascade on 2.
 */
#include "core/devices/pic.h"
#include "tests/unit/port_access.h"
#include <criterion/criterion.h>

static struct pic pic;

static void master(u32 port, u8 byte)
{
    port_out(&pic_master_ops, &pic, 0, port, byte);
}

static void slave(u32 port, u8 byte)
{
    port_out(&pic_slave_ops, &pic, 0, port, byte);
}

static u8 master_in(u32 port)
{
    return port_in(&pic_master_ops, &pic, 0, port);
}

static u8 slave_in(u32 port)
{
    return port_in(&pic_slave_ops, &pic, 0, port);
}

static void initialize(u8 icw4)
{
    const u8 words[2][4] = {{0x11, 0x30, 0x04, icw4}, {0x11, 0x38, 0x02, icw4}};

    for (int i = 0; i < 4; i++) {
        master(i > 0, words[0][i]);
        slave(i > 0, words[1][i]);
    }
}

static void pulse(u32 irq)
{
    pic_set_line(&pic, irq, true);
    pic_set_line(&pic, irq, false);
}

static void reset(void)
{
    pic_reset(&pic);
    initialize(0x01);
}

TestSuite(pic, .init = reset);

Test(pic, masks_all_at_reset)
{
    pic_reset(&pic);
    pulse(0);
    cr_assert_not(pic_output(&pic));
    cr_assert_eq(master_in(1), 0xff);
    master(1, 0xfe);
    cr_assert(pic_output(&pic));
    cr_assert_eq(pic_acknowledge(&pic), 0x08);
}

Test(pic, mask_register_is_read_back)
{
    master(1, 0xfb);
    cr_assert_eq(master_in(1), 0xfb); /* Linux's probe for a PIC */
    cr_assert_eq(slave_in(1), 0x00);
}

Test(pic, an_edge_is_latched_and_taken_once)
{
    pulse(4);
    cr_assert(pic_output(&pic));
    cr_assert_eq(master_in(0), 0x10);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
    cr_assert_not(pic_output(&pic));
    master(0, 0x20);
    cr_assert_not(pic_output(&pic));
}

Test(pic, a_high_line_is_one_edge)
{
    pic_set_line(&pic, 4, true);
    pic_acknowledge(&pic);
    master(0, 0x20);
    pic_set_line(&pic, 4, true);
    cr_assert_not(pic_output(&pic));
    pic_set_line(&pic, 4, false);
    pic_set_line(&pic, 4, true);
    cr_assert(pic_output(&pic));
}

Test(pic, higher_interrupts_nest_lower_ones_wait)
{
    pulse(4);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
    pulse(5);
    pulse(4);
    cr_assert_not(pic_output(&pic));
    pulse(1);
    cr_assert_eq(pic_acknowledge(&pic), 0x31);
    master(0, 0x0b); /* ISR */
    cr_assert_eq(master_in(0), 0x12);
    master(0, 0x20);
    cr_assert_eq(master_in(0), 0x10, "non-specific EOI ends the highest");
    master(0, 0x64);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
    master(0, 0x64);
    cr_assert_eq(pic_acknowledge(&pic), 0x35);
}

Test(pic, slave_comes_through_input_2)
{
    pulse(8);
    pulse(12);
    cr_assert_eq(master_in(0), 0x04);
    cr_assert_eq(pic_acknowledge(&pic), 0x38);
    cr_assert_not(pic_output(&pic));
    slave(0, 0x20);
    cr_assert_not(pic_output(&pic), "the master still serves its input 2");
    master(0, 0x62);
    cr_assert_eq(pic_acknowledge(&pic), 0x3c);
    pulse(1);
    cr_assert_eq(pic_acknowledge(&pic), 0x31);
    pulse(3);
    cr_assert_not(pic_output(&pic));
}

Test(pic, fully_nested_slave_interrupts_itself)
{
    initialize(0x11);
    pulse(12);
    cr_assert_eq(pic_acknowledge(&pic), 0x3c);
    pulse(8);
    cr_assert_eq(pic_acknowledge(&pic), 0x38);
    pulse(9);
    cr_assert_not(pic_output(&pic));
}

Test(pic, masked_requests_wait)
{
    master(1, 0x10);
    pulse(4);
    cr_assert_not(pic_output(&pic));
    master(1, 0x00);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
    slave(1, 0xff);
    pulse(8);
    cr_assert_not(pic_output(&pic));
}

Test(pic, spurious_is_input_7_and_not_in_service)
{
    cr_assert_eq(pic_acknowledge(&pic), 0x37);
    master(0, 0x0b);
    cr_assert_eq(master_in(0), 0);
}

Test(pic, level_inputs_follow_the_line)
{
    port_access(&pic_elcr_ops, &pic, 0, 0, 2, true, 0xffff);
    cr_assert_eq(port_access(&pic_elcr_ops, &pic, 0, 0, 2, false, 0).value, 0xdef8);
    pic_set_line(&pic, 9, true);
    cr_assert_eq(pic_acknowledge(&pic), 0x39);
    slave(0, 0x20);
    master(0, 0x20);
    cr_assert_eq(pic_acknowledge(&pic), 0x39, "still high");
    slave(0, 0x20);
    master(0, 0x20);
    pic_set_line(&pic, 9, false);
    cr_assert_not(pic_output(&pic));
}

Test(pic, auto_eoi_serves_nothing)
{
    initialize(0x03);
    pulse(0);
    pulse(9);
    cr_assert_eq(pic_acknowledge(&pic), 0x30);
    cr_assert_eq(pic_acknowledge(&pic), 0x39);
    master(0, 0x0b);
    cr_assert_eq(master_in(0), 0);
}

Test(pic, rotation)
{
    master(0, 0xc2); /* 2 is the lowest, 3 the highest */
    pulse(0);
    pulse(4);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
    master(0, 0xa0); /* EOI, and 4 becomes the lowest: 0 comes before 4 */
    pulse(4);
    cr_assert_eq(pic_acknowledge(&pic), 0x30);
    master(0, 0xe0); /* specific EOI of 0, and 0 becomes the lowest */
    pulse(0);
    cr_assert_eq(pic_acknowledge(&pic), 0x34);
}

Test(pic, rotation_in_auto_eoi)
{
    initialize(0x03);
    master(0, 0x80);
    pulse(0);
    cr_assert_eq(pic_acknowledge(&pic), 0x30);
    pulse(0);
    pulse(1);
    cr_assert_eq(pic_acknowledge(&pic), 0x31);
    master(0, 0x00);
    cr_assert_eq(pic_acknowledge(&pic), 0x30);
    pulse(7);
    pulse(2); /* not a wire */
    cr_assert_eq(pic_acknowledge(&pic), 0x37);
    pulse(7);
    pulse(3);
    cr_assert_eq(pic_acknowledge(&pic), 0x33, "the rotation stopped at 2");
}

Test(pic, special_mask_lets_lower_ones_through)
{
    pulse(1);
    pic_acknowledge(&pic);
    pulse(5);
    master(1, 0x02);
    cr_assert_not(pic_output(&pic));
    master(0, 0x68);
    cr_assert_eq(pic_acknowledge(&pic), 0x35);
    master(0, 0x20);
    master(0, 0x0b);
    cr_assert_eq(master_in(0), 0x02, "the masked one is not ended");
    master(0, 0x48);
    master(0, 0x20);
    cr_assert_eq(master_in(0), 0x00);
}

Test(pic, poll_is_an_acknowledge)
{
    pulse(3);
    master(0, 0x0c);
    cr_assert_eq(master_in(0), 0x83);
    cr_assert_eq(master_in(0), 0x00, "IRR again");
    cr_assert_not(pic_output(&pic));
    master(0, 0x0c);
    cr_assert_eq(master_in(0), 0x00);
}

Test(pic, nothing_comes_out_while_initializing)
{
    master(0, 0x11);
    pulse(4);
    master(1, 0x50);
    cr_assert_not(pic_output(&pic));
    master(1, 0x04);
    master(1, 0x01);
    cr_assert_eq(pic_acknowledge(&pic), 0x54);
    master(0, 0x12); /* single, no ICW4 */
    master(1, 0x60);
    pulse(4);
    cr_assert_eq(pic_acknowledge(&pic), 0x64);
}

Test(pic, initialization_forgets_edges)
{
    pic_set_line(&pic, 4, true);
    initialize(0x01);
    cr_assert_not(pic_output(&pic));
    pic_set_line(&pic, 4, true);
    cr_assert_not(pic_output(&pic));
}
