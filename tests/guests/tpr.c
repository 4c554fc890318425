/*
 * The task priority: CR8 and the local APIC's TPR are one register; a vector whose
 * class is not above it waits, and is delivered at once when it is lowered, by
 * CR8 or by the register (SDM 11.8.3, 11.8.6; Hindvisor: TPR shadow and threshold).
 *
 * @row: 6 held
 * @row: 6 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

static volatile u64 order[8], taken;

static void on_vector(struct frame *f)
{
    if (taken < 8)
        order[taken] = f->vector;
    taken++;
    apic_eoi();
}

static void agree(void)
{
    bool same = true;
    for (u64 level = 0; level < 16; level++) {
        write_cr8(level);
        same &= read_cr8() == level && apic_read(APIC_TPR) == level << 4;
    }
    expect(same, "what CR8 is given shows in the APIC's TPR");
    same = true;
    for (u32 level = 0; level < 16; level++) {
        apic_write(APIC_TPR, level << 4 | 5);
        same &= read_cr8() == level;
    }
    expect(same, "what the APIC's TPR is given shows in CR8");
    write_cr8(9);
    expect_equal(apic_read(APIC_TPR), 0x90, "CR8 clears the TPR's sub-class");
    expect_equal(apic_read(APIC_PPR), 0x90, "the processor priority follows");
    expect_equal(TRY_WRITE(cr8, 16), GP, "CR8 bits above 3 raise #GP");
    expect_equal(read_cr8(), 9, "and leave CR8 alone");
}

static void settle(void)
{
    for (u32 i = 0; i < 50; i++)
        asm volatile("nop" : : : "memory");
}

static void masked(void (*lower)(void), const char *text)
{
    taken = 0;
    write_cr8(5);
    sti();
    apic_self_ipi(0x53);
    apic_self_ipi(0x47);
    settle();
    expect_equal(taken, 0, "vectors of classes 5 and 4 wait behind priority 5");
    apic_self_ipi(0x61);
    settle();
    expect_equal(taken, 1, "a vector of class 6 does not");
    lower();
    u64 at_once = taken;
    cli();
    expect_equal(at_once, 2, text);
    expect_equal(order[1], 0x53, "the higher one");
    taken = 0;
    sti();
    write_cr8(0);
    cli();
    expect_equal(taken, 1, "the lower one comes with priority 0");
}

static void by_cr8(void)
{
    write_cr8(4);
}

static void by_register(void)
{
    apic_write(APIC_TPR, 0x40);
}

static void while_closed(void)
{
    taken = 0;
    write_cr8(15);
    apic_self_ipi(0xe1);
    sti();
    settle();
    expect_equal(taken, 0, "priority 15 holds back everything");
    cli();
    write_cr8(0);
    settle();
    expect_equal(taken, 0, "lowering it with IF=0 delivers nothing");
    asm volatile("sti; nop; cli" : : : "memory");
    expect_equal(taken, 1, "STI then does");
}

static void in_priority_order(void)
{
    taken = 0;
    apic_self_ipi(0x41);
    apic_self_ipi(0x91);
    apic_self_ipi(0x6f);
    asm volatile("sti; nop; nop; nop; cli" : : : "memory");
    expect(taken == 3 && order[0] == 0x91 && order[1] == 0x6f && order[2] == 0x41,
           "three pending vectors come highest first");
}

int main(void)
{
    for (u32 vector = 0x40; vector < 0xf0; vector++)
        handlers[vector] = on_vector;
    apic_on();
    agree();
    write_cr8(0);
    masked(by_cr8, "CR8 = 4 lets the pending one in at once");
    masked(by_register, "TPR = 0x40 lets the pending one in at once");
    while_closed();
    in_priority_order();
    return 0;
}
