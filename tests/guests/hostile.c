/*
 * Ports by which Hindvisor talks to its carrier are nobody's ports to a guest: they
 * read as all ones, and what is written there (a debugger break, "Shutdown", disk
 * commands, bytes for the 0xe9 console) reaches nothing.
 *
 * @row: 9 refused
 * @ends: debug-exit 0
 * @absent: this must not appear
 */
#include "tests/guests/lib/guest.h"

static void spell(u16 port, const char *text)
{
    for (; *text; text++)
        outb(port, (u8)*text);
}

static void all_ones(u16 port, const char *name)
{
    if (inb(port) != 0xff || inw(port) != 0xffff || inl(port) != 0xffffffff)
        expect(false, name);
}

int main(void)
{
    if (bare()) {
        note_skipped("carrier ports", "they are this machine's own");
        return 0;
    }
    spell(0xe9, "this must not appear\n");
    expect(true, "the 0xe9 console is out of reach");
    outw(0x8a00, 0x8a00);
    outw(0x8a00, 0x8ae0);
    outw(0x8a00, 0x8aff);
    outb(0x8a00, 0xe0);
    expect(true, "the carrier's debugger is out of reach");
    spell(0x8900, "Shutdown");
    spell(0xffc0, "Shutdown");
    expect(true, "the carrier's shutdown port is out of reach");
    for (u16 port = 0x1f0; port < 0x1f8; port++)
        all_ones(port, "ATA register");
    all_ones(0x3f6, "ATA control");
    outb(0x1f6, 0xe0);
    outb(0x1f2, 1);
    outb(0x1f3, 0);
    outb(0x1f7, 0x30);
    for (u32 i = 0; i < 256; i++)
        outw(0x1f0, 0xdead);
    expect_equal(inb(0x1f7), 0xff, "the carrier's disk is out of reach");
    all_ones(0xe9, "port 0xe9");
    all_ones(0x8a00, "port 0x8a00");
    all_ones(0x8900, "port 0x8900");
    all_ones(0x402, "firmware debug port");
    all_ones(0x510, "fw_cfg");
    expect_equal(inl(0xcf8), 0xffffffff, "there is no PCI");
    outl(0xcf8, 0x80000000);
    expect_equal(inl(0xcfc), 0xffffffff, "even when asked");
    outb(0xb2, 1);
    outb(0x92, 1);
    expect(true, "neither an SMI nor a fast reset happens");
    asm volatile("xchg %%bx, %%bx" : : : "memory");
    expect(true, "a magic breakpoint means nothing");
    return 0;
}
