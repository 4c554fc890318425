/*
 * The PC's own clocks: the 8254 by the 8259 pair and by the I/O APIC, the RTC's
 * periodic and update interrupts, the ACPI timer. Each against the TSC, which
 * under Hindvisor shows guest nanoseconds. Sources: data sheets of 8254, MC146818,
 * 82093AA; ACPI 4.8.3.3.
 *
 * @row: 13 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum { PM_TIMER = 0x608, PM_HZ = 3579545, PIT_HZ = 1193182, LATE = 50000000 };
static volatile u64 ticks, rtc_ticks, rtc_flags;
static bool
    late; /* something was: so it may be where the host's clock goes on and the host is busy */

static void on_pit(struct frame *f)
{
    ticks++;
    if (f->vector < 0x30)
        pic_eoi(0);
    else
        apic_eoi();
}

static void on_rtc(struct frame *f)
{
    rtc_flags = cmos_read(0x0c);
    rtc_ticks++;
    if (f->vector < 0x30)
        pic_eoi(8);
    else
        apic_eoi();
}

/* IRQ 0 that goes away before it is taken leaves the 8259's spurious IRQ 7. */
static void on_spurious(struct frame *f)
{
    (void)f;
}

static void wait_for(volatile u64 *counter, u64 times)
{
    sti();
    for (u64 i = 0; i < 400000000 && *counter < times; i++)
        asm volatile("" : : : "memory");
    cli();
}

/* Lets time go by without an exit. */
static void pass(u32 rounds)
{
    for (volatile u32 i = 0; i < rounds; i++)
        ;
}

static void spaced(u64 start, u64 periods, u64 hz_units, u64 hz, const char *text)
{
    u64 due = periods * hz_units * 1000000000 / hz, took = rdtsc() - start;
    if (bare())
        return;
    late = late || took > due + LATE;
    if (took + 2000 < due)
        say("took %lu ns, expected %lu\n", took, due);
    expect(took + 2000 >= due, text);
}

/* Never early, and on time once in a while. */
static void try(void (*part)(void), const char *text)
{
    enum { TRIES = 30 };
    late = true;
    for (u32 i = 0; i < TRIES && late; i++) {
        late = false;
        part();
        if (late)
            say("late: %s\n", text);
    }
    expect(!late, text);
}

/* Nothing of it is under way. */
static void quiet_pit(void)
{
    pit_start(0, 2);
    sti();
    pass(2000);
    cli();
}

static void pit_by_pic(void)
{
    pic_on(0xfffe);
    quiet_pit();
    ticks = 0;
    u64 start = rdtsc();
    pit_start(2, 1193);
    wait_for(&ticks, 10);
    spaced(start, 10, 1193, PIT_HZ, "8254 mode 2 by the 8259: ten periods of 1 ms");
    expect(ticks >= 10, "ten interrupts");
    pit_start(0, 2386);
    asm volatile("sti; nop; cli");
    ticks = 0;
    start = rdtsc();
    pit_start(0, 2386);
    wait_for(&ticks, 1);
    spaced(start, 1, 2386, PIT_HZ, "8254 mode 0: one interrupt after 2 ms");
    expect_equal(ticks, 1, "one");
    pic_on(0xffff);
    ticks = 0;
    pit_start(2, 1193);
    sti();
    for (volatile u32 i = 0; i < 600000; i++)
        ;
    cli();
    expect_equal(ticks, 0, "masked in the 8259: none");
    pit_start(0, 2);
}

static u32 pit_now(void)
{
    outb(0x43, 0);
    u32 low = inb(0x40);
    return low | (u32)inb(0x40) << 8;
}

static void pit_counts(void)
{
    pit_start(2, 0xffff);
    u32 first = pit_now();
    for (volatile u32 i = 0; i < 100000; i++)
        ;
    u32 second = pit_now();
    expect(first > second && first <= 0xffff, "the 8254's count goes down");
    outb(0x61, (u8)((inb(0x61) & ~2) | 1)); /* gate of counter 2 */
    outb(0x43, 0xb0);
    outb(0x42, 0xe8);
    u64 start = rdtsc();
    outb(0x42, 3);
    expect(!(inb(0x61) & 0x20), "counter 2's output is low while it counts");
    u32 rounds = 0;
    while (!(inb(0x61) & 0x20) && rounds < 10000000) {
        rounds++;
        pass(1000);
    }
    spaced(start, 1, 1000, PIT_HZ, "counter 2's output rises after 1000 ticks");
}

static void pit_by_ioapic(void)
{
    apic_on();
    ioapic_route(2, 0x42, false, false);
    quiet_pit();
    ticks = 0;
    u64 start = rdtsc();
    pit_start(2, 1193);
    wait_for(&ticks, 10);
    spaced(start, 10, 1193, PIT_HZ, "8254 by the I/O APIC's pin 2");
    expect(ticks >= 10, "ten interrupts");
    ioapic_route(2, 0x42, false, true);
    pit_start(0, 2);
    asm volatile("sti; nop; nop; cli");
    ticks = 0;
    pit_start(2, 1193);
    wait_for(&ticks, 0);
    expect_equal(ticks, 0, "masked in the I/O APIC: none");
}

static void rtc(void)
{
    ioapic_route(8, 0x48, false, false);
    cmos_write(0x0a, 0x26); /* 32768 Hz base, 1024 Hz */
    cmos_write(0x0b, (u8)((cmos_read(0x0b) & 0x07) | 0x40));
    (void)cmos_read(0x0c);
    rtc_ticks = 0;
    wait_for(&rtc_ticks, 1); /* from an edge on */
    u64 start = rdtsc();
    rtc_ticks = 0;
    wait_for(&rtc_ticks, 10);
    spaced(start, 9, 32, 32768, "RTC periodic at 1024 Hz: nine periods at least");
    expect((rtc_flags & 0xc0) == 0xc0, "register C says: periodic");
    cmos_write(0x0b, (u8)(cmos_read(0x0b) & 0x07));
    (void)cmos_read(0x0c);
}

static u32 bcd(u8 value)
{
    return value / 16 * 10 + value % 16;
}

static u32 rtc_seconds(void)
{
    u32 s, m;
    while (cmos_read(0x0a) & 0x80)
        pass(20000);
    s = bcd(cmos_read(0));
    m = bcd(cmos_read(2));
    return m * 60 + s;
}

/* The RTC shows the time passing that HLT skips. */
static void rtc_goes_on(void)
{
    if (bare())
        return;
    u32 before = rtc_seconds();
    handlers[0x50] = on_pit;
    ticks = 0;
    apic_timer(TIMER_ONE_SHOT, 0x50, 75000000);
    while (!ticks)
        sti_hlt();
    u32 passed = (rtc_seconds() + 3600 - before) % 3600;
    expect(passed >= 3 && passed <= 4, "the RTC shows three more seconds after 3 s");
}

static void pm_timer(void)
{
    if (bare())
        return;
    u32 first = inl(PM_TIMER);
    u64 start = rdtsc();
    ticks = 0;
    apic_timer(TIMER_ONE_SHOT, 0x50, 2500000);
    while (!ticks)
        sti_hlt();
    u64 counted = inl(PM_TIMER) - first, took = rdtsc() - start;
    u64 want = took * PM_HZ / 1000000000;
    if (counted + 100 < want || counted > want + 100)
        say("counted %lu, expected %lu\n", counted, want);
    expect(counted + want / 1000 + 100 >= want && counted <= want + want / 1000 + 100,
           "the ACPI timer runs at 3.579545 MHz");
}

int main(void)
{
    handlers[0x20] = handlers[0x42] = on_pit;
    handlers[0x27] = on_spurious;
    handlers[0x48] = on_rtc;
    try(pit_by_pic, "the 8254 by the 8259: on time");
    try(pit_counts, "the 8254's counter 2: on time");
    try(pit_by_ioapic, "the 8254 by the I/O APIC: on time");
    try(rtc, "the RTC: on time");
    rtc_goes_on();
    pm_timer();
    return 0;
}
