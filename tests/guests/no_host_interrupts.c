/*
 * No host interrupt reaches the guest: with interrupts on, every controller as
 * after reset and then with the 8259 pair open to all inputs (but no device
 * started), no vector arrives that the guest did not ask for (SDM 26.2, "external
 * interrupts").
 *
 * @row: 4 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

static volatile u64 arrived;
static u64 last_vector;

static void count(struct frame *f)
{
    arrived++;
    last_vector = f->vector;
    if (f->vector >= 0x20 && f->vector < 0x30)
        pic_eoi((u32)f->vector - 0x20);
}

static void spin(u64 rounds)
{
    sti();
    for (u64 i = 0; i < rounds; i++)
        asm volatile("pause" : : : "memory");
    cli();
}

int main(void)
{
    for (u32 vector = 0x20; vector < 256; vector++)
        handlers[vector] = count;
    handlers[NMI] = count;
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    spin(4000000);
    expect_equal(arrived, 0, "nothing arrives with the 8259 pair masked");
    pic_on(bare() ? 0xfffb : 0);
    spin(1000000);
    if (arrived)
        say("last vector 0x%lx\n", last_vector);
    expect_equal(arrived, 0, "nothing arrives from devices that were not started");
    apic_on();
    spin(1000000);
    expect_equal(arrived, 0, "nothing arrives with the local APIC on");
    return 0;
}
