/*
 * The 16550A, mostly through what Linux's 8250 driver does to it.
 */
#include "core/devices/uart.h"
#include "tests/unit/port_access.h"
#include <criterion/criterion.h>

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, FCR = IIR };

static struct uart uart;

static u8 in(u32 port)
{
    return port_in(&uart_ops, &uart, 0, port);
}

static struct access out(u32 port, u8 byte)
{
    return port_out(&uart_ops, &uart, 0, port, byte);
}

static enum line line(void)
{
    return uart_ops.line(&uart);
}

static void reset(void)
{
    uart_reset(&uart);
}

TestSuite(uart, .init = reset);

Test(uart, sends_bytes_to_the_console)
{
    struct access access = out(DATA, 'x');

    cr_assert_eq(access.effect, EFFECT_CONSOLE_OUT);
    cr_assert_eq(access.effect_value, 'x');
    cr_assert_eq(in(LSR), 0x60);
}

Test(uart, divisor_hides_data_and_interrupt_enable)
{
    out(LCR, 0x80);
    cr_assert_eq(out(DATA, 0x0c).effect, EFFECT_NONE);
    out(IER, 0x34);
    cr_assert_eq(in(DATA), 0x0c);
    cr_assert_eq(in(IER), 0x34);
    out(LCR, 0x03);
    cr_assert_eq(in(IER), 0);
    cr_assert_eq(out(DATA, 'y').effect, EFFECT_CONSOLE_OUT);
}

Test(uart, is_found_as_a_16550a)
{
    out(SCRATCH, 0x5a);
    cr_assert_eq(in(SCRATCH), 0x5a);
    out(IER, 0xff);
    cr_assert_eq(in(IER), 0x0f, "no sleep mode, not an XScale");
    out(IER, 0);
    cr_assert_eq(in(IIR), 0x01);
    out(FCR, 0x01);
    cr_assert_eq(in(IIR), 0xc1);
    out(FCR, 0x21);
    cr_assert_eq(in(IIR), 0xc1, "no 64-byte FIFO");
    out(MCR, 0x10 | 0x0a);
    cr_assert_eq(in(MSR)&0xf0, 0x90, "loopback: RTS is CTS, OUT2 is DCD");
}

Test(uart, transmit_interrupt_of_8250_startup)
{
    out(MCR, 0x08);
    out(IER, 0x02);
    cr_assert_eq(line(), LINE_HIGH, "enabling it with an empty register raises it");
    cr_assert_eq(in(IIR), 0x02);
    cr_assert_eq(line(), LINE_LOW, "reading IIR clears it");
    cr_assert_eq(in(IIR), 0x01);
    out(IER, 0x02);
    cr_assert_eq(in(IIR), 0x01, "it was enabled already");
    out(IER, 0);
    out(IER, 0x02);
    cr_assert_eq(in(IIR), 0x02, "enabled again: no THRE bug");
    out(DATA, 'a');
    cr_assert_eq(in(IIR), 0x02, "empty again at once");
    out(IER, 0);
    cr_assert_eq(in(IIR), 0x01);
}

Test(uart, out2_gates_the_line)
{
    out(IER, 0x02);
    cr_assert_eq(line(), LINE_LOW);
    out(MCR, 0x08);
    cr_assert_eq(line(), LINE_HIGH);
    out(MCR, 0x18);
    cr_assert_eq(line(), LINE_LOW, "loopback disconnects OUT2");
}

Test(uart, receives_into_a_fifo_of_16)
{
    out(FCR, 0x01);
    cr_assert_not(uart_may_receive(&uart), "RTS is low");
    out(MCR, 0x0a);
    for (u8 i = 0; i < UART_FIFO; i++) {
        cr_assert(uart_may_receive(&uart));
        uart_receive(&uart, 'a' + i);
    }
    cr_assert_not(uart_may_receive(&uart), "full");
    cr_assert_eq(in(LSR), 0x61);
    for (u8 i = 0; i < UART_FIFO; i++)
        cr_assert_eq(in(DATA), 'a' + i);
    cr_assert_eq(in(LSR), 0x60);
    out(MCR, 0x1a);
    cr_assert_not(uart_may_receive(&uart), "loopback");
}

Test(uart, overrun_loses_the_byte_and_is_told_once)
{
    out(FCR, 0x01);
    out(MCR, 0x08);
    out(IER, 0x04);
    for (u8 i = 0; i < UART_FIFO + 1; i++)
        uart_receive(&uart, i);
    cr_assert_eq(in(IIR), 0xc6);
    cr_assert_eq(line(), LINE_HIGH);
    cr_assert_eq(in(LSR), 0x63);
    cr_assert_eq(in(LSR), 0x61);
    cr_assert_eq(line(), LINE_LOW);
    cr_assert_eq(in(DATA), 0);
}

Test(uart, without_fifos_the_last_byte_stays)
{
    out(MCR, 0x0a);
    uart_receive(&uart, 1);
    cr_assert_not(uart_may_receive(&uart));
    uart_receive(&uart, 2);
    cr_assert_eq(in(LSR), 0x63);
    cr_assert_eq(in(DATA), 2);
}

Test(uart, trigger_level_tells_data_from_time_out)
{
    out(FCR, 0x41); /* four bytes */
    out(MCR, 0x0a);
    out(IER, 0x01);
    for (u8 i = 0; i < 3; i++)
        uart_receive(&uart, i);
    cr_assert_eq(in(IIR), 0xcc);
    cr_assert_eq(line(), LINE_HIGH);
    uart_receive(&uart, 3);
    cr_assert_eq(in(IIR), 0xc4);
    out(FCR, 0x43); /* clear */
    cr_assert_eq(in(IIR), 0xc1);
    cr_assert_eq(in(LSR), 0x60);
    cr_assert_eq(line(), LINE_LOW);
}

Test(uart, loopback_hears_itself)
{
    out(MCR, 0x10);
    cr_assert_eq(out(DATA, 'q').effect, EFFECT_NONE);
    cr_assert_eq(in(LSR), 0x61);
    cr_assert_eq(in(DATA), 'q');
}

Test(uart, modem_changes_interrupt_until_read)
{
    out(MCR, 0x10); /* all lines fall */
    cr_assert_eq(in(MSR), 0x0b);
    cr_assert_eq(in(MSR), 0x00);
    out(MCR, 0x14); /* ring begins: no change is reported */
    cr_assert_eq(in(MSR), 0x40);
    out(IER, 0x08);
    out(MCR, 0x10); /* ring ends */
    cr_assert_eq(in(IIR), 0x00);
    cr_assert_eq(in(MSR), 0x04);
    cr_assert_eq(in(IIR), 0x01);
}

Test(uart, wide_accesses_are_bytes)
{
    cr_assert_eq(port_access(&uart_ops, &uart, 0, LCR, 2, true, 0x0a03).effect, EFFECT_NONE);
    cr_assert_eq(in(LCR), 0x03);
    cr_assert_eq(in(MCR), 0x0a);
    out(SCRATCH, 0x77);
    cr_assert_eq(port_access(&uart_ops, &uart, 0, SCRATCH, 4, false, 0).value, 0xffffff77);
}
