/* The tables of protected.h, and the TSS of 64-bit mode afterwards. */
#include "tests/guests/lib/protected.h"

enum { BUSY_BIT = 41 };

u64 protected_gdt[32] = {
    0,
    0x00cf9b000000ffff, /* 08 32-bit code */
    0x00af9b000000ffff, /* 10 64-bit code */
    0x00cf93000000ffff, /* 18 data */
    0x00cffb000000ffff, /* 20 32-bit code, CPL 3 */
    0x00cff3000000ffff, /* 28 data, CPL 3 */
};
u64 protected_idt[256];
u8 protected_tss[104 + 32 + 8193] __attribute__((aligned(16)));
extern u8 protected_stubs[], monitor_top[];
void protected_enter(const struct experiment *, struct ending *, u64 count);

static void make_idt(void)
{
    for (u64 i = 0; i < 256; i++) {
        if (protected_idt[i])
            continue;
        u64 at = (u64)protected_stubs + 16 * i;
        u64 dpl = i == BP || i == OF || (i >= 0x40 && i < 0x60) ? 3 : 0;
        protected_idt[i] =
            (at & 0xffff) | (u64)P_CODE32 << 16 | (0x8eull | dpl << 5) << 40 | (at >> 16) << 48;
    }
}

static void make_tss(void)
{
    u32 top = (u32)(u64)monitor_top, limit = sizeof(protected_tss) - 1;
    u64 base = (u64)protected_tss;
    memcpy(protected_tss + 4, &top, 4);
    protected_tss[8] = P_DATA;
    protected_tss[102] = 104 + 32;
    memset(protected_tss + 104 + 32, 0xff, 8193);
    protected_gdt[P_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
}

void protected_run(const struct experiment *e, struct ending *endings, u64 count)
{
    make_idt();
    make_tss();
    protected_enter(e, endings, count);
    gdt[TSS_SELECTOR / 8] &= ~BIT(BUSY_BIT);
    asm volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}
