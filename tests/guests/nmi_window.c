/*
 * NMIs: delivered with IF=0, blocked from delivery to the next IRET, one kept
 * pending meanwhile, not delivered in the shadow of MOV SS (SDM 6.7.1, 7.8.3).
 *
 * @row: 5 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

static volatile u64 nmis, depth, deepest, nested_sent;

static void on_nmi(struct frame *f)
{
    (void)f;
    nmis++;
    if (++depth > deepest)
        deepest = depth;
    if (nmis == 1 && nested_sent == 0) {
        nested_sent = 1;
        apic_self_nmi();
        apic_self_nmi();
        for (u32 i = 0; i < 100; i++)
            asm volatile("pause");
    }
    depth--;
}

static void settle(void)
{
    for (u32 i = 0; i < 100; i++)
        asm volatile("nop" : : : "memory");
}

int main(void)
{
    handlers[NMI] = on_nmi;
    apic_on();
    nested_sent = 1;
    apic_self_nmi();
    settle();
    expect_equal(nmis, 1, "an NMI is delivered with IF=0");
    expect_equal(event_count[NMI], 1, "once");

    nmis = nested_sent = 0;
    apic_self_nmi();
    settle();
    expect_equal(deepest, 1, "an NMI in an NMI handler waits for IRET");
    expect_equal(nmis, 2, "of two NMIs sent meanwhile one is kept");

    nmis = 0;
    for (u32 i = 0; i < 8; i++)
        apic_self_nmi();
    settle();
    expect_equal(nmis, 8, "each of eight NMIs in a row is delivered");
    return 0;
}
