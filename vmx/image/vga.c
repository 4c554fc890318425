/*
 * The screen of a PC without a serial port: 80 by 25 characters of VGA text, which
 * scroll. It shows what a plain terminal would: of a guest's escape sequences
 * nothing but that they are gone. IBM VGA, text modes; ECMA-48 section 5.4.
 */
#include "core/mem.h"
#include "vmx/image/ports.h"
#include "vmx/image/start.h"

enum { COLUMNS = 80, ROWS = 25, TAB = 8, GREY_ON_BLACK = 0x0700 };
enum { TEXT_ADDRESS = 0xb8000 };
enum { CRTC_INDEX = 0x3d4, CRTC_DATA = 0x3d5, CURSOR_START = 0x0a, CURSOR_OFF = 0x20 };
enum { ESCAPE = 0x1b };

static struct {
    u32 column, row;
    enum { PLAIN, ESCAPED, IN_SEQUENCE } state;
} screen;

/* Words are stored one by one: text memory is a device. */
static volatile u16 *cell(u32 row, u32 column)
{
    return (volatile u16 *)(u64)TEXT_ADDRESS + row * COLUMNS + column;
}

static void blank(u32 row)
{
    for (u32 column = 0; column < COLUMNS; column++)
        *cell(row, column) = GREY_ON_BLACK | ' ';
}

void vga_clear(void)
{
    for (u32 row = 0; row < ROWS; row++)
        blank(row);
    memset(&screen, 0, sizeof(screen));
    port_write(CRTC_INDEX, CURSOR_START);
    port_write(CRTC_DATA, CURSOR_OFF);
}

static void next_row(void)
{
    if (++screen.row < ROWS)
        return;
    screen.row = ROWS - 1;
    for (u32 i = 0; i < (ROWS - 1) * COLUMNS; i++)
        *cell(0, i) = *cell(1, i);
    blank(ROWS - 1);
}

static void show(u8 byte)
{
    if (screen.column == COLUMNS) {
        screen.column = 0;
        next_row();
    }
    *cell(screen.row, screen.column++) = (u16)(GREY_ON_BLACK | byte);
}

static void control(u8 byte)
{
    if (byte == '\n' || byte == '\r')
        screen.column = 0;
    if (byte == '\n')
        next_row();
    else if (byte == '\b' && screen.column)
        screen.column--;
    else if (byte == '\t')
        screen.column = (u32)min_u64(screen.column / TAB * TAB + TAB, COLUMNS - 1);
    else if (byte == ESCAPE)
        screen.state = ESCAPED;
}

void vga_send(u8 byte)
{
    if (screen.state == ESCAPED)
        screen.state = byte == '[' ? IN_SEQUENCE : PLAIN;
    else if (screen.state == IN_SEQUENCE)
        screen.state = byte >= 0x40 && byte <= 0x7e ? PLAIN : IN_SEQUENCE;
    else if (byte < ' ' || byte == 0x7f)
        control(byte);
    else
        show(byte);
}
