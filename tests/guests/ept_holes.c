/*
 * Where no RAM and no device is, reads give all ones at each size and writes are
 * lost: the VGA window, above RAM, between the devices. RAM reaches exactly to where
 * the e820 map says (SDM 29.3; Hindvisor: EPT violations).
 *
 * @row: 12 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

struct e820 {
    u64 base, length;
    u32 type;
} __attribute__((packed));
enum { E820_COUNT = 0x1e8, E820_TABLE = 0x2d0, E820_RAM = 1 };

static bool nobody_at(u64 address)
{
    volatile u8 *p = physical(address);
    *p = 0x12;
    *(volatile u16 *)p = 0x3456;
    *(volatile u32 *)p = 0x789abcde;
    *(volatile u64 *)p = 0;
    return *p == 0xff && *(volatile u16 *)p == 0xffff && *(volatile u32 *)p == 0xffffffff &&
           *(volatile u64 *)p == NEVER;
}

static void holes(u64 end)
{
    static const u64 addresses[] = {0xa0000,    0xb8000,    0xbfff8,    0xd0000000, 0xe0000000,
                                    0xfebffff8, 0xfec01000, 0xfedffff8, 0xfee01000, 0xfffffff8};
    bool ok = true;
    for (u32 i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!nobody_at(addresses[i])) {
            say("something answers at 0x%lx\n", addresses[i]);
            ok = false;
        }
    }
    expect(ok, "holes read as all ones and take writes");
    expect(nobody_at(end) && nobody_at(end + 4096), "nothing is above the end of RAM");
}

static bool is_ram(u64 address)
{
    volatile u64 *p = physical(address);
    u64 keep = *p;
    *p = 0x0123456789abcdef;
    bool ok = *p == 0x0123456789abcdef;
    *p = ~*p;
    ok = ok && *p == ~0x0123456789abcdefull;
    *p = keep;
    return ok;
}

static u64 ram_end(void)
{
    u8 *zero_page = (u8 *)entry_state.rsi;
    u64 end = 0;
    for (u32 i = 0; i < zero_page[E820_COUNT]; i++) {
        struct e820 e;
        memcpy(&e, zero_page + E820_TABLE + i * sizeof e, sizeof e);
        say("e820 0x%lx 0x%lx type %u\n", e.base, e.length, e.type);
        if (e.type == E820_RAM)
            end = max_u64(end, e.base + e.length);
    }
    return end;
}

static void neighbours(void)
{
    expect(is_ram(0x9fff8 - 0x1000) && is_ram(0xc0000), "RAM goes on around the VGA window");
    *(volatile u32 *)physical(0xc0000) = 0x11223344;
    *(volatile u64 *)physical(0xbfff0) = 0;
    expect_equal(*(volatile u32 *)physical(0xc0000), 0x11223344, "the window's writes stay in it");
}

int main(void)
{
    if (bare()) {
        note_skipped("holes", "this machine has its own");
        return 0;
    }
    u64 end = ram_end();
    expect(end > 0x1000000 && end % 4096 == 0, "e820 tells where RAM ends");
    expect(is_ram(end - 8) && is_ram(end - 4096) && is_ram(end / 2), "RAM is RAM up to its end");
    holes(end);
    neighbours();
    return 0;
}
