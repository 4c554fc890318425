/*
 * The 16550A (National Semiconductor PC16550D data sheet, section 8). Baud rate
 * and character format are stored and have no effect. It knows no time: the
 * transmitter is infinitely fast, and the receive time-out interrupt, which on
 * the chip comes four character times after the last byte, comes at once.
 */
#include "core/devices/uart.h"
#include "core/devices/byte_ports.h"

enum {
    REG_DATA = 0,             /* receive and transmit; divisor low with DLAB */
    REG_INTERRUPT_ENABLE = 1, /* divisor high with DLAB */
    REG_INTERRUPT_ID = 2,     /* FIFO control when written */
    REG_LINE_CONTROL = 3,
    REG_MODEM_CONTROL = 4,
    REG_LINE_STATUS = 5,
    REG_MODEM_STATUS = 6,
    REG_SCRATCH = 7,
};

enum { IER_RECEIVE = 1, IER_TRANSMIT = 2, IER_LINE = 4, IER_MODEM = 8, IER_BITS = 0x0f };
enum {
    IIR_MODEM = 0x00,
    IIR_NONE = 0x01,
    IIR_TRANSMIT = 0x02,
    IIR_RECEIVE = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RECEIVE = 2, FCR_TRIGGER_SHIFT = 6, FCR_KEPT = 0xc9 };
enum { LCR_DIVISOR = 0x80 };
enum {
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_BITS = 0x1f
};
enum { LSR_DATA = 0x01, LSR_OVERRUN = 0x02, LSR_TRANSMIT_EMPTY = 0x60 };
enum { MSR_RING_ENDED = 0x04, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RING = 0x40, MSR_CARRIER = 0x80 };

void uart_reset(struct uart *uart)
{
    *uart = (struct uart){.divisor_low = 1}; /* 115200 baud, as firmware leaves it */
}

static bool has_fifos(const struct uart *uart)
{
    return uart->fifo_control & FCR_ENABLE;
}

static u8 capacity(const struct uart *uart)
{
    return has_fifos(uart) ? UART_FIFO : 1;
}

/* Bytes that must have come for the "data available" interrupt. */
static u8 trigger_level(const struct uart *uart)
{
    static const u8 levels[] = {1, 4, 8, 14};

    return has_fifos(uart) ? levels[uart->fifo_control >> FCR_TRIGGER_SHIFT] : 1;
}

static u8 interrupt_id(const struct uart *uart)
{
    u8 enabled = uart->interrupt_enable;

    if ((enabled & IER_LINE) && uart->line_status)
        return IIR_LINE;
    if ((enabled & IER_RECEIVE) && uart->receive_count >= trigger_level(uart))
        return IIR_RECEIVE;
    if ((enabled & IER_RECEIVE) && uart->receive_count)
        return IIR_TIMEOUT;
    if ((enabled & IER_TRANSMIT) && uart->transmit_empty)
        return IIR_TRANSMIT;
    if ((enabled & IER_MODEM) && uart->modem_delta)
        return IIR_MODEM;
    return IIR_NONE;
}

/* A terminal is always there and ready; in loopback the chip hears itself. */
static u8 modem_lines(const struct uart *uart)
{
    u8 control = uart->modem_control;

    if (!(control & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_CARRIER;
    return (control & MCR_RTS ? MSR_CTS : 0) | (control & MCR_DTR ? MSR_DSR : 0) |
           (control & MCR_OUT1 ? MSR_RING : 0) | (control & MCR_OUT2 ? MSR_CARRIER : 0);
}

static void write_modem_control(struct uart *uart, u8 byte)
{
    u8 before = modem_lines(uart), changed;

    uart->modem_control = byte & MCR_BITS;
    changed = before ^ modem_lines(uart);
    if ((changed & MSR_RING) && (before & MSR_RING))
        uart->modem_delta |= MSR_RING_ENDED; /* of the ring line only the falling edge counts */
    uart->modem_delta |= (changed & ~MSR_RING) >> 4;
}

static void push(struct uart *uart, u8 byte)
{
    if (uart->receive_count == capacity(uart)) {
        uart->line_status |= LSR_OVERRUN;
        if (!has_fifos(uart))
            uart->receive[uart->receive_head] = byte; /* the holding register is overwritten */
        return;
    }
    uart->receive[(uart->receive_head + uart->receive_count++) % UART_FIFO] = byte;
}

static u8 pop(struct uart *uart)
{
    u8 byte = uart->receive[uart->receive_head];

    if (uart->receive_count) {
        uart->receive_head = (uart->receive_head + 1) % UART_FIFO;
        uart->receive_count--;
    }
    return byte;
}

static void write_fifo_control(struct uart *uart, u8 byte)
{
    bool switched = (byte ^ uart->fifo_control) & FCR_ENABLE;

    if (switched || ((byte & FCR_ENABLE) && (byte & FCR_CLEAR_RECEIVE)))
        uart->receive_count = 0;
    /* The other bits can be set only while the enable bit is. */
    uart->fifo_control = byte & FCR_ENABLE ? byte & FCR_KEPT : 0;
}

static void write_interrupt_enable(struct uart *uart, u8 byte)
{
    bool transmit_was = uart->interrupt_enable & IER_TRANSMIT;

    uart->interrupt_enable = byte & IER_BITS;
    /* Enabling it with an empty holding register, which it always is, raises it. */
    uart->transmit_empty = byte & IER_TRANSMIT ? uart->transmit_empty || !transmit_was : 0;
}

static void transmit(struct uart *uart, u8 byte, struct access *access)
{
    uart->transmit_empty = !!(uart->interrupt_enable & IER_TRANSMIT);
    if (uart->modem_control & MCR_LOOP) {
        push(uart, byte);
        return;
    }
    access->effect = EFFECT_CONSOLE_OUT;
    access->effect_value = byte;
}

static u8 read_interrupt_id(struct uart *uart)
{
    u8 id = interrupt_id(uart);

    if (id == IIR_TRANSMIT)
        uart->transmit_empty = 0;
    return id | (has_fifos(uart) ? IIR_FIFOS : 0);
}

static u8 read_line_status(struct uart *uart)
{
    u8 status = uart->line_status | LSR_TRANSMIT_EMPTY | (uart->receive_count ? LSR_DATA : 0);

    uart->line_status = 0;
    return status;
}

static u8 read_modem_status(struct uart *uart)
{
    u8 status = modem_lines(uart) | uart->modem_delta;

    uart->modem_delta = 0;
    return status;
}

static u8 read_port(void *state, u32 port, struct access *access)
{
    struct uart *uart = state;
    bool divisor = uart->line_control & LCR_DIVISOR;

    (void)access;
    switch (port) {
    case REG_DATA:
        return divisor ? uart->divisor_low : pop(uart);
    case REG_INTERRUPT_ENABLE:
        return divisor ? uart->divisor_high : uart->interrupt_enable;
    case REG_INTERRUPT_ID:
        return read_interrupt_id(uart);
    case REG_LINE_CONTROL:
        return uart->line_control;
    case REG_MODEM_CONTROL:
        return uart->modem_control;
    case REG_LINE_STATUS:
        return read_line_status(uart);
    case REG_MODEM_STATUS:
        return read_modem_status(uart);
    default: /* REG_SCRATCH */
        return uart->scratch;
    }
}

static void write_divisor(struct uart *uart, u32 port, u8 byte)
{
    if (port == REG_DATA)
        uart->divisor_low = byte;
    else
        uart->divisor_high = byte;
}

static void write_port(void *state, u32 port, u8 byte, struct access *access)
{
    struct uart *uart = state;

    if (port <= REG_INTERRUPT_ENABLE && (uart->line_control & LCR_DIVISOR))
        write_divisor(uart, port, byte);
    else if (port == REG_DATA)
        transmit(uart, byte, access);
    else if (port == REG_INTERRUPT_ENABLE)
        write_interrupt_enable(uart, byte);
    else if (port == REG_INTERRUPT_ID)
        write_fifo_control(uart, byte);
    else if (port == REG_LINE_CONTROL)
        uart->line_control = byte;
    else if (port == REG_MODEM_CONTROL)
        write_modem_control(uart, byte);
    else if (port == REG_SCRATCH)
        uart->scratch = byte;
    /* The status registers ignore writes. */
}

static const struct byte_ports ports = {UART_PORTS, read_port, write_port};

static void access_ports(void *state, u32 offset, struct access *access)
{
    access_byte_ports(&ports, state, offset, access);
}

/* On a PC the chip's OUT2 pin connects its interrupt to the line, and loopback
 * disconnects the pin. */
static enum line line(void *state)
{
    const struct uart *uart = state;
    bool connected = (uart->modem_control & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    return connected && interrupt_id(uart) != IIR_NONE ? LINE_HIGH : LINE_LOW;
}

bool uart_may_receive(const struct uart *uart)
{
    return uart->receive_count < capacity(uart) &&
           (uart->modem_control & (MCR_RTS | MCR_LOOP)) == MCR_RTS;
}

void uart_receive(struct uart *uart, u8 byte)
{
    push(uart, byte);
}

const struct device_ops uart_ops = {
    .name = "uart",
    .state_size = sizeof(struct uart),
    .access = access_ports,
    .line = line,
};
