/*
 * The console: the guest's bytes, lines for the user and frames for the command,
 * mixed on one channel (trace/wire.h). Output goes to port 0xe9 where there is
 * one (Bochs and QEMU's debug console: reading it gives 0xe9), else to COM1,
 * polled; while not framed also to the screen, for PCs that have neither. Input
 * comes from COM1, polled, and is never waited for. No interrupts.
 * UART: 16550D data sheet.
 */
#include "vmx/image/ports.h"
#include "vmx/image/start.h"

enum { DEBUG_PORT = 0xe9 };

enum {
    UART = 0x3f8,
    UART_DATA = UART,
    UART_INTERRUPTS = UART + 1,
    UART_FIFO = UART + 2,
    UART_LINE = UART + 3,
    UART_MODEM = UART + 4,
    UART_STATUS = UART + 5,
    STATUS_RECEIVED = 1u << 0,
    STATUS_CAN_SEND = 1u << 5,
    STATUS_ALL_SENT = 1u << 6,
    SEND_PATIENCE = 1000000, /* looks at the status register: about a second */
};

enum { TYPED_MAX = 256, PUMP_MAX = 32, LINE_MAX = 512, TAKEN_STEP = 64 };

static struct {
    bool framed, debug_port, uart, screen;
    bool middle_of_line; /* the last byte sent was not '\n' */
    bool marked;         /* the last byte received was FRAME_MARK */
    u32 commands;
    u8 typed[TYPED_MAX]; /* for the guest, not yet asked for */
    u32 first, count;
    u64 taken; /* typed bytes that the guest has got */
} console;

_Static_assert((int)TYPED_MAX > (int)INPUT_WINDOW, "commands must get past what the guest does not read");

static void uart_init(void)
{
    port_write(UART_INTERRUPTS, 0);
    port_write(UART_LINE, 0x80); /* divisor latch */
    port_write(UART_DATA, 1);    /* 115200 */
    port_write(UART_INTERRUPTS, 0);
    port_write(UART_LINE, 0x03); /* 8N1 */
    /* Bochs drops what overflows a FIFO, but holds back what does not fit into one byte. */
    port_write(UART_FIFO, console.debug_port ? 0 : 0x07);
    port_write(UART_MODEM, 0x03);
}

void console_init(bool framed)
{
    console.framed = framed;
    console.debug_port = port_read(DEBUG_PORT) == DEBUG_PORT;
    console.uart = port_read(UART_STATUS) != 0xff;
    if (console.uart)
        uart_init();
}

void console_use_screen(void)
{
    console.screen = true;
    vga_clear();
}

static void uart_wait(u8 status)
{
    for (u32 i = 0; i < SEND_PATIENCE && !(port_read(UART_STATUS) & status); i++)
        ;
}

static void send_by_uart(u8 byte)
{
    uart_wait(STATUS_CAN_SEND);
    port_write(UART_DATA, byte);
}

/* Inline and the usual case first: the guest's console comes through here byte by byte. */
static inline void send(u8 byte)
{
    if (console.screen && !console.framed)
        vga_send(byte);
    if (console.debug_port)
        port_write(DEBUG_PORT, byte);
    else if (console.uart)
        send_by_uart(byte);
}

void console_drain(void)
{
    if (console.uart && !console.debug_port)
        uart_wait(STATUS_ALL_SENT);
}

bool console_on_debug_port(void)
{
    return console.debug_port;
}

void console_guest(u8 byte)
{
    if (console.framed) {
        send(FRAME_MARK);
        send(FRAME_GUEST);
    }
    send(byte);
    console.middle_of_line = byte != '\n';
}

static void send_text(const char *text)
{
    for (; *text; text++)
        send((u8)*text);
}

/* A frame is one line, and no mark but its own is in it. */
static void send_frame(char letter, const char *text)
{
    send(FRAME_MARK);
    send((u8)letter);
    for (; *text; text++)
        send(*text == '\n' || *text == FRAME_MARK ? ' ' : (u8)*text);
    send('\n');
}

static void send_line(const char *text)
{
    if (console.middle_of_line)
        send_text("\r\n");
    console.middle_of_line = false;
    send_text("hindvisor: ");
    send_text(text);
    send_text("\r\n");
}

static void message(const char *text)
{
    if (console.framed)
        send_frame(FRAME_MESSAGE, text);
    else
        send_line(text);
}

void console_message(const char *format, ...)
{
    char text[LINE_MAX];
    __builtin_va_list list;

    __builtin_va_start(list, format);
    print_list(text, sizeof(text), format, list);
    __builtin_va_end(list);
    message(text);
}

void console_error(const struct err *error)
{
    char text[LINE_MAX];

    print_error(text, sizeof(text), error);
    message(text);
    if (error->code == INTERNAL)
        console_message("this is a bug in Hindvisor: %s:%u", error->file, error->line);
}

void console_frame(char letter, const char *format, ...)
{
    char text[LINE_MAX];
    __builtin_va_list list;

    if (!console.framed)
        return;
    __builtin_va_start(list, format);
    print_list(text, sizeof(text), format, list);
    __builtin_va_end(list);
    send_frame(letter, text);
}

static void keep(u8 byte)
{
    console.typed[(console.first + console.count++) % TYPED_MAX] = byte;
}

static void receive(u8 byte)
{
    if (!console.framed) {
        keep(byte);
    } else if (!console.marked) {
        console.marked = byte == FRAME_MARK;
        if (!console.marked)
            keep(byte);
    } else {
        console.marked = false;
        if (byte == FRAME_MARK)
            keep(byte);
        else if (byte >= 'A' && byte <= 'Z')
            console.commands |= 1u << (byte - 'A');
    }
}

static void pump(void)
{
    if (!console.uart)
        return;
    for (u32 i = 0; i < PUMP_MAX && console.count < TYPED_MAX; i++) {
        if (!(port_read(UART_STATUS) & STATUS_RECEIVED))
            return;
        receive(port_read(UART_DATA));
    }
}

int console_poll(void)
{
    int byte;

    if (!console.count)
        pump();
    if (!console.count)
        return -1;
    byte = console.typed[console.first];
    console.first = (console.first + 1) % TYPED_MAX;
    console.count--;
    if (!(++console.taken % TAKEN_STEP))
        console_frame(FRAME_TAKEN, "%lu", console.taken);
    return byte;
}

u32 console_commands(void)
{
    u32 commands;

    pump();
    commands = console.commands;
    console.commands = 0;
    return commands;
}
