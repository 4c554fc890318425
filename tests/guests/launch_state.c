/*
 * The state in which the first instruction runs: core/boot/boot.h, and SDM table
 * 10-1 ("as after reset") for all that it leaves open.
 *
 * @row: 1 held
 * @row: 2 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { ZERO_PAGE = 0x10000, BOOT_GDT = 0x500, E820_COUNT = 0x1e8, E820_TABLE = 0x2d0 };
#define LME_LMA (BIT(8) | BIT(10))

static void check_registers(const struct entry_state *e)
{
    expect((e->rflags & (FLAG_IF | FLAG_TF | FLAG_DF | FLAG_NT)) == 0, "IF, TF, DF and NT are 0");
    expect((e->rflags & 2) == 2, "RFLAGS bit 1 is 1");
    expect_equal(e->cr0 & (CR0_PE | CR0_PG | CR0_ET), CR0_PE | CR0_PG | CR0_ET, "CR0: PE, ET, PG");
    expect_equal(e->cr0 & (CR0_EM | CR0_TS | CR0_AM), 0, "CR0: EM, TS, AM are 0");
    expect_equal(e->cr4, CR4_PAE, "CR4: PAE alone");
    expect_equal(e->efer & LME_LMA, LME_LMA, "EFER: LME and LMA");
    expect_equal(e->cr2, 0, "CR2 is 0");
    expect_equal(e->cr8, 0, "CR8 is 0");
    expect_equal(e->dr6, 0xffff0ff0, "DR6 as after reset");
    expect_equal(e->dr7, 0x400, "DR7 as after reset");
}

static void check_segments(const struct entry_state *e)
{
    expect_equal(e->cs, 0x10, "CS is 0x10");
    expect_equal(e->ds, 0x18, "DS is 0x18");
    expect_equal(e->es, 0x18, "ES is 0x18");
    expect_equal(e->ss, 0x18, "SS is 0x18");
    expect_equal(e->fs_base, 0, "FS base is 0");
    expect_equal(e->gs_base, 0, "GS base is 0");
}

static void check_boot(const struct entry_state *e)
{
    const u64 *table = physical(BOOT_GDT);
    const u8 *zero_page = physical(ZERO_PAGE);
    expect_equal(e->rsi, ZERO_PAGE, "RSI points at the zero page");
    expect_equal(e->gdtr.base, BOOT_GDT, "GDTR points at the boot GDT");
    expect(e->gdtr.limit >= 0x1f, "the boot GDT reaches the data descriptor");
    expect_equal(table[2] >> 40 & 0x20ff & ~1u, 0x209a, "GDT 0x10: 64-bit code, present");
    expect_equal(table[3] >> 40 & 0xff & ~1u, 0x92, "GDT 0x18: writable data, present");
    expect(e->rsp >= 0x10000 && e->rsp <= 0x20000 && e->rsp % 8 == 0, "RSP is the boot stack");
    expect(zero_page[E820_COUNT] > 0, "the zero page has an e820 map");
    expect_equal(*(const u64 *)(zero_page + E820_TABLE), 0, "e820 starts at 0");
}

int main(void)
{
    const struct entry_state *e = &entry_state;
    check_registers(e);
    if (!bare()) {
        check_segments(e);
        check_boot(e);
    }
    expect_equal(*(volatile u32 *)physical(0x30000), 0, "unused RAM is 0");
    say("cr0 0x%lx efer 0x%lx rflags 0x%lx tr 0x%lx ldtr 0x%lx\n", e->cr0, e->efer, e->rflags,
        e->tr, e->ldtr);
    return 0;
}
