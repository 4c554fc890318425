/*
 * Touches everything that is not its own: every port but those that end the run, and
 * device memory all over the address space, by reads and writes. Nothing may come of it.
 *
 * @row: 12 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

struct range {
    u32 first, last;
};

/* Ports whose writes end the run or garble the console. */
static const struct range spared[] = {
    {0x64, 0x64}, {0xf4, 0xf7}, {0x3f8, 0x3ff}, {0x604, 0x605}, {0xcf9, 0xcf9}};

static bool spare(u32 port, u32 size)
{
    for (u32 i = 0; i < ARRAY_SIZE(spared); i++)
        if (port + size > spared[i].first && port <= spared[i].last)
            return true;
    return false;
}

static u64 ports(void)
{
    u64 hash = 0;
    for (u32 port = 0; port < 0x10000; port++)
        if (!spare(port, 1))
            outb((u16)port, (u8)(port * 37));
    for (u32 port = 0; port < 0x10000; port += port < 0x1000 ? 1 : 17)
        hash = fold(hash, inb((u16)port));
    for (u32 port = 0; port < 0x10000; port += port < 0x1000 ? 4 : 68) {
        hash = fold(hash, inl((u16)port));
        if (!spare(port, 4))
            outl((u16)port, port * 0x01010101);
    }
    return hash;
}

static u64 memory(void)
{
    u64 hash = 0;
    for (u64 at = 0x60000000; at < 0x100000000; at += 0x100000) {
        volatile u64 *p = physical(at);
        if (at == IOAPIC_MMIO || at == APIC_MMIO)
            continue;
        hash = fold(hash, *p);
        *p = at;
        *(volatile u8 *)p = 0;
    }
    return hash;
}

static u64 device_pages(void)
{
    static const u64 pages[] = {IOAPIC_MMIO, APIC_MMIO};
    u64 hash = 0;
    for (u32 i = 0; i < 2; i++) {
        for (u64 at = pages[i]; at < pages[i] + 4096; at += 4) {
            hash = fold(hash, *(volatile u32 *)physical(at));
            hash = fold(hash, *(volatile u8 *)physical(at + 1));
            hash = fold(hash, *(volatile u16 *)physical(at + 2));
            if (at != APIC_MMIO + APIC_ICR * 16)
                *(volatile u32 *)physical(at) = 0;
            *(volatile u64 *)physical(at & ~7ull) = 0;
            *(volatile u8 *)physical(at + 3) = 0xff;
        }
    }
    return hash;
}

int main(void)
{
    if (bare()) {
        note_skipped("everything", "this machine is not to be harmed");
        return 0;
    }
    say("ports %lx\n", ports());
    expect(true, "every port was touched");
    say("memory %lx\n", memory());
    expect(true, "so was memory where nobody is");
    say("devices %lx\n", device_pages());
    expect(true, "and every byte of the interrupt controllers");
    return 0;
}
