/*
 * The console UART with interrupts: what is typed arrives by IRQ 4 and is echoed;
 * the transmitter asks for more when it is empty. Sources: PC16550D data sheet.
 *
 * @row: 13 held
 * @ends: debug-exit 0
 * @input: hello, guest\n
 * @qemu: no
 */
#include "tests/guests/lib/apic.h"

enum { COM1 = 0x3f8, DATA_REGISTER = 0, ENABLE = 1, IDENTIFY = 2, FIFO = 2, MODEM = 4, STATUS = 5 };
static char line[64];
static volatile u32 length, interrupts_seen, empty_seen;

static void on_uart(struct frame *f)
{
    (void)f;
    u8 id;
    interrupts_seen++;
    while (!((id = inb(COM1 + IDENTIFY)) & 1)) {
        if ((id & 0xe) == 2) {
            empty_seen++;
            outb(COM1 + ENABLE, (u8)(inb(COM1 + ENABLE) & ~2));
        }
        while (inb(COM1 + STATUS) & 1) {
            u8 c = inb(COM1);
            if (length < sizeof line - 1)
                line[length++] = (char)c;
        }
    }
    apic_eoi();
}

static bool same(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a == *b;
}

int main(void)
{
    if (bare()) {
        note_skipped("UART", "nobody types here");
        return 0;
    }
    handlers[0x44] = on_uart;
    apic_on();
    ioapic_route(4, 0x44, false, false);
    outb(COM1 + FIFO, 0xc7);
    outb(COM1 + MODEM, 0x0b);
    outb(COM1 + ENABLE, 2);
    sti();
    for (u64 i = 0; i < 1000000 && !empty_seen; i++)
        asm volatile("" : : : "memory");
    expect_equal(empty_seen, 1, "an empty transmitter interrupts once");
    print("type a line:\n");
    outb(COM1 + ENABLE, 1);
    while (!length || line[length - 1] != '\n') {
        sti_hlt();
    }
    cli();
    say("got %u bytes by %u interrupts\n", length, interrupts_seen);
    expect(same(line, "hello, guest\n"), "what was typed arrived, in order");
    expect(!(inb(COM1 + STATUS) & 2), "without an overrun");
    return 0;
}
