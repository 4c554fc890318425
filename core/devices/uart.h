/*
 * A 16550A UART, COM1 of the guest: the console. Registers, FIFOs and interrupt
 * rules as in the National Semiconductor PC16550D data sheet. The transmitter is
 * infinitely fast: the holding register is empty again as soon as it is written.
 */
#ifndef CORE_DEVICES_UART_H
#define CORE_DEVICES_UART_H

#include "core/bus.h"

enum { UART_PORTS = 8, UART_FIFO = 16 };

struct uart {
    u8 receive[UART_FIFO]; /* a ring */
    u8 receive_head;       /* index of the oldest byte */
    u8 receive_count;
    u8 interrupt_enable;
    u8 fifo_control; /* the bits that stay: enable and trigger level */
    u8 line_control;
    u8 modem_control;
    u8 line_status; /* the error bits only; the others are derived */
    u8 modem_delta; /* MSR bits 0..3: a modem line has changed since MSR was read */
    u8 scratch;
    u8 divisor_low, divisor_high;
    u8 transmit_empty; /* the "holding register empty" interrupt is pending */
};

extern const struct device_ops uart_ops;

void uart_reset(struct uart *);
/* The console may send a byte: there is room, and the guest's driver has raised
 * RTS (a sender obeys flow control, so nothing is lost before the port is open). */
bool uart_may_receive(const struct uart *);
void uart_receive(struct uart *, u8 byte);

#endif
