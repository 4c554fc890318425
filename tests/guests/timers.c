/*
 * The local APIC's timer in its three modes, in xAPIC and x2APIC: never early, once
 * or at its period, disarmed when told so; HLT skips the idle time (SDM 11.5.4).
 * Under Hindvisor the TSC shows guest nanoseconds and the timer's input is 25 MHz.
 *
 * @row: 13 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum {
    TIMER = 0x50,
    LATE = 1000000000 /* ns: under --clock host a busy host is late, and periods merge */
};
static volatile u64 fired, fired_at;

static void on_timer(struct frame *f)
{
    (void)f;
    fired_at = rdtsc();
    fired++;
    apic_eoi();
}

static void spin_until_fired(u64 times)
{
    for (u64 i = 0; i < 400000000 && fired < times; i++)
        asm volatile("" : : : "memory");
}

static void in_time(u64 due, const char *text)
{
    if (bare())
        return;
    if (fired_at < due || fired_at > due + LATE)
        say("due %lu, fired %lu\n", due, fired_at);
    expect(fired_at >= due && fired_at <= due + LATE, text);
}

static void one_shot(void)
{
    fired = 0;
    u64 start = rdtsc();
    sti();
    apic_timer(TIMER_ONE_SHOT, TIMER, 25000);
    u32 first = apic_read(APIC_CURRENT);
    spin_until_fired(1);
    in_time(start + 25000ull * CRYSTAL_NS, "one-shot: not before 1 ms, and soon after");
    expect(first <= 25000 && apic_read(APIC_CURRENT) == 0, "it counts down to 0");
    for (volatile u32 i = 0; i < 600000; i++)
        ;
    expect_equal(fired, 1, "one-shot: once");
    fired = 0;
    start = rdtsc();
    apic_timer(TIMER_ONE_SHOT, TIMER, 25000);
    apic_write(APIC_DIVIDE, DIVIDE_BY_16);
    apic_write(APIC_INITIAL, 2500);
    spin_until_fired(1);
    in_time(start + 16ull * 2500 * CRYSTAL_NS, "divided by 16");
    cli();
}

static void periodic(void)
{
    enum { PERIOD = 25000, TIMES = 10 };
    fired = 0;
    u64 start = rdtsc();
    sti();
    apic_timer(TIMER_PERIODIC, TIMER, PERIOD);
    spin_until_fired(TIMES);
    cli();
    apic_timer_off();
    in_time(start + (u64)TIMES * PERIOD * CRYSTAL_NS, "periodic: the 10th not before 10 periods");
    asm volatile("sti; nop; cli");
    u64 before = fired;
    sti();
    for (volatile u32 i = 0; i < 600000; i++)
        ;
    cli();
    expect_equal(fired, before, "none after it was stopped");
}

static void masked(void)
{
    fired = 0;
    sti();
    apic_timer(TIMER_ONE_SHOT | MASKED, TIMER, 1000);
    for (volatile u32 i = 0; i < 200000; i++)
        ;
    cli();
    expect_equal(fired, 0, "a masked timer delivers nothing");
    apic_timer_off();
}

static void deadline(void)
{
    if (!(cpuid(1, 0).ecx & BIT(24)))
        return;
    fired = 0;
    apic_write(APIC_LVT_TIMER, TIMER_TSC_DEADLINE | TIMER);
    asm volatile("mfence");
    sti();
    u64 due = rdtsc() + 500000;
    wrmsr(MSR_TSC_DEADLINE, due);
    expect(fired || rdmsr(MSR_TSC_DEADLINE) == due, "the deadline reads back while it is armed");
    spin_until_fired(1);
    in_time(due, "TSC deadline: not before, and soon after");
    if (!bare()) /* Bochs 2.7 leaves it */
        expect_equal(rdmsr(MSR_TSC_DEADLINE), 0, "afterwards it reads 0");
    wrmsr(MSR_TSC_DEADLINE, 1);
    asm volatile("nop; nop");
    expect_equal(fired, 2, "a deadline in the past fires at once");
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 500000);
    wrmsr(MSR_TSC_DEADLINE, 0);
    for (volatile u32 i = 0; i < 600000; i++)
        ;
    expect_equal(fired, 2, "writing 0 disarms it");
    cli();
    apic_write(APIC_INITIAL, 1000);
    expect_equal(apic_read(APIC_CURRENT), 0, "in this mode the initial count does nothing");
    apic_timer_off();
}

static void idle(void)
{
    fired = 0;
    u64 start = rdtsc();
    apic_timer(TIMER_ONE_SHOT, TIMER, 25000000);
    while (!fired)
        sti_hlt();
    in_time(start + 1000000000, "HLT: wakes after 1 s of guest time");
    start = rdtsc();
    u64 ticks = 0;
    fired = 0;
    apic_timer(TIMER_PERIODIC, TIMER, 250000);
    for (; ticks < 50; ticks++)
        sti_hlt();
    apic_timer_off();
    in_time(start + 50 * 250000ull * CRYSTAL_NS, "HLT 50 times: 50 periods");
}

int main(void)
{
    handlers[TIMER] = on_timer;
    apic_on();
    for (u32 pass = 0; pass < 2; pass++) {
        one_shot();
        periodic();
        masked();
        deadline();
        idle();
        if (!pass && (cpuid(1, 0).ecx & BIT(21)))
            x2apic_on();
        else
            break;
        print("x2APIC:\n");
    }
    return 0;
}
