/*
 * Fills eleven blocks of a trace: 180000 exits by CPUID, with a timer's interrupts among
 * them. For the tests that kill a recording or fill a disk (tests/runs); guests.sh does
 * not run it.
 */
#include "tests/guests/lib/apic.h"

enum { EXITS = 180000, TIMER = 0x50, SLICE = 1000 /* 40 us */ };
static volatile u64 ticks;

static void on_timer(struct frame *f)
{
    (void)f;
    apic_eoi();
    ticks++;
}

static u32 ask(u32 leaf)
{
    u32 a = leaf, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return a ^ b ^ c ^ d;
}

int main(void)
{
    u64 hash = 0;
    handlers[TIMER] = on_timer;
    apic_on();
    apic_timer(TIMER_PERIODIC, TIMER, SLICE);
    asm volatile("sti" : : : "memory");
    for (u32 i = 0; i < EXITS; i++)
        hash = fold(hash, ask(i % 2) + ticks);
    apic_timer_off();
    asm volatile("cli" : : : "memory");
    say("%lu ticks, hash %lx\n", ticks, hash);
    expect(ticks > 10, "the timer ticked");
    return 0;
}
