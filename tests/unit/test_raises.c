/*
 * What the machine tells of requests of interrupts: by whom, when due and how late, for which
 * vector, and what became of them in the local APIC, the 8259 and the I/O APIC.
 */
#include <criterion/criterion.h>

#include "tests/unit/machine_rig.h"

enum { PERIODIC = 1 << 17, TSC_DEADLINE = 2 << 17, MASKED = 1 << 16, LEVEL = 1 << 15 };
enum { VECTOR = 0x80, TICK = 40, UART_IER = 1, UART_MCR = 4 };
enum { NMI_TO_SELF = 1 << 18 | 4 << 8, IPI_TO_SELF = 1 << 18 };

static void set_up(void)
{
    machine_rig();
    m.exit = 5;
}

TestSuite(raises, .init = set_up);

static u8 in(u16 port)
{
    struct access access = {.size = 1};
    machine_port(&m, port, &access);
    return (u8)access.value;
}

static void ioapic_program(u32 pin, u32 low)
{
    mmio_write(IOAPIC_BASE, 0x10 + 2 * pin);
    mmio_write(IOAPIC_BASE + 0x10, low);
}

/* Both chips with vectors 0x30..0x3f, and their masks. */
static void set_pics(u8 mask)
{
    static const u8 master[] = {0x30, 4, 1}, slave[] = {0x38, 2, 1};

    out(PORT_PIC1, 0x11);
    out(PORT_PIC2, 0x11);
    for (u32 i = 0; i < 3; i++) {
        out(PORT_PIC1 + 1, master[i]);
        out(PORT_PIC2 + 1, slave[i]);
    }
    out(PORT_PIC1 + 1, mask);
    out(PORT_PIC2 + 1, mask);
}

static void start_apic_timer(u32 lvt, u32 count)
{
    lapic_write(LAPIC_DIVIDE, 0xb); /* by 1: 40 ns a tick */
    lapic_write(LAPIC_LVT_TIMER, lvt);
    lapic_write(LAPIC_INITIAL_COUNT, count);
}

static void start_pit(u16 count)
{
    out(PORT_PIT + 3, 0x34);
    out(PORT_PIT, (u8)count);
    out(PORT_PIT, count >> 8);
}

static void expect_raise(u32 number, struct raise want)
{
    const struct raise *got = &fake.raise[number];

    cr_assert_gt(fake.raises, number);
    cr_expect_eq(got->source, want.source, "source %u", got->source);
    cr_expect_eq(got->vector, want.vector, "vector %#x", got->vector);
    cr_expect_eq(got->flags, want.flags, "flags %u", got->flags);
    cr_expect_eq(got->due, want.due, "due %lu, not %lu", got->due, want.due);
    cr_expect_eq(got->late, want.late, "late %lu, not %lu", got->late, want.late);
    cr_expect_eq(got->lost, want.lost, "lost %lu", got->lost);
    cr_expect_eq(got->exit, m.exit);
}

/* --- the local APIC's timer --- */

Test(raises, one_shot)
{
    start_apic_timer(VECTOR, 100);
    cr_expect_eq(fake.raises, 0);
    machine_advance(&m, 3999);
    cr_expect_eq(fake.raises, 0);
    m.exit = 9;
    machine_advance(&m, 4321);
    cr_expect_eq(fake.raises, 1);
    expect_raise(0, (struct raise){.vector = VECTOR, .due = 4000, .late = 321});
    machine_advance(&m, 1000000);
    cr_expect_eq(fake.raises, 1);
}

Test(raises, each_period)
{
    start_apic_timer(PERIODIC | VECTOR, 100);
    for (u32 i = 1; i <= 5; i++) {
        machine_advance(&m, i * 4000 + 7);
        expect_raise(i - 1, (struct raise){.vector = VECTOR, .due = i * 4000, .late = 7});
        cr_expect_eq(machine_acknowledge(&m), VECTOR);
        lapic_write(LAPIC_EOI, 0);
    }
    cr_expect_eq(fake.raises, 5);
}

Test(raises, tsc_deadline)
{
    lapic_write(LAPIC_LVT_TIMER, TSC_DEADLINE | VECTOR);
    machine_set_tsc_deadline(&m, 5000);
    machine_advance(&m, 5000);
    expect_raise(0, (struct raise){.vector = VECTOR, .due = 5000});
    machine_set_tsc_deadline(&m, 100); /* in the past: at once, and not late */
    expect_raise(1, (struct raise){.vector = VECTOR, .flags = RAISE_MERGED, .due = 5000});
    machine_set_tsc_deadline(&m, 9000);
    machine_set_tsc_deadline(&m, 0);
    machine_advance(&m, 10000);
    cr_expect_eq(fake.raises, 2);
}

/* A request while the last one is still pending is merged; while it is in service it is not. */
Test(raises, merged_while_pending)
{
    start_apic_timer(PERIODIC | VECTOR, 100);
    machine_advance(&m, 4000);
    machine_advance(&m, 8000);
    cr_expect_eq(machine_acknowledge(&m), VECTOR);
    machine_advance(&m, 12000);
    machine_advance(&m, 16000);
    static const u8 flags[] = {0, RAISE_MERGED, 0, RAISE_MERGED};
    for (u32 i = 0; i < 4; i++)
        expect_raise(i, (struct raise){.vector = VECTOR, .flags = flags[i], .due = (i + 1) * 4000});
}

Test(raises, masked)
{
    start_apic_timer(PERIODIC | MASKED | VECTOR, 100);
    machine_advance(&m, 4000);
    expect_raise(0, (struct raise){.flags = RAISE_MASKED, .due = 4000});
    lapic_write(LAPIC_LVT_TIMER, PERIODIC | 15); /* no legal vector */
    machine_advance(&m, 8000);
    expect_raise(1, (struct raise){.flags = RAISE_MASKED, .due = 8000});
    cr_expect_eq(machine_pending_vector(&m), -1);
}

/* Each period is told, or counted. */
Test(raises, no_period_is_left_out)
{
    enum { PERIODS = 1000 };
    u64 told = 0;

    start_apic_timer(PERIODIC | VECTOR, 1);
    machine_advance(&m, PERIODS * TICK);
    cr_expect_lt(fake.raises, 40);
    for (u32 i = 0; i < fake.raises; i++)
        told += 1 + fake.raise[i].lost;
    cr_expect_eq(told, PERIODS);
    cr_expect_eq(fake.raise[0].due, TICK);
    cr_expect_eq(fake.raise[0].late, (PERIODS - 1) * TICK);
}

/* However often an exit looks at the time, a recorder has room; what it is not told then comes
 * with the next. */
Test(raises, an_exit_tells_so_many)
{
    u64 told = 0;

    start_apic_timer(PERIODIC | VECTOR, 1);
    for (u32 i = 1; i <= 200; i++)
        machine_advance(&m, i * TICK);
    cr_expect_eq(fake.raises, 128);
    m.exit++;
    machine_advance(&m, 201 * TICK);
    cr_expect_eq(fake.raises, 129);
    for (u32 i = 0; i < fake.raises; i++)
        told += 1 + fake.raise[i].lost;
    cr_expect_eq(told, 201);
    cr_expect_eq(fake.raise[128].lost, 72);
}

/* --- lines --- */

Test(raises, the_pit_through_the_8259)
{
    set_pics(0);
    start_pit(1193);
    u64 first = m.deadline;
    machine_advance(&m, first + 10);
    expect_raise(0,
                 (struct raise){.source = RAISED_BY_PIT, .vector = 0x30, .due = first, .late = 10});
    machine_advance(&m, m.deadline);
    cr_expect_eq(fake.raise[1].flags, RAISE_MERGED);
    cr_expect_eq(machine_acknowledge(&m), 0x30);
    u64 third = m.deadline;
    machine_advance(&m, third);
    expect_raise(2, (struct raise){.source = RAISED_BY_PIT, .vector = 0x30, .due = third});
}

Test(raises, the_pit_through_the_io_apic)
{
    set_pics(0xff);
    ioapic_program(2, 0x52);
    start_pit(1193);
    u64 first = m.deadline;
    machine_advance(&m, first);
    expect_raise(0, (struct raise){.source = RAISED_BY_PIT, .vector = 0x52, .due = first});
    machine_advance(&m, m.deadline);
    cr_expect_eq(fake.raise[1].flags, RAISE_MERGED);
    cr_expect_eq(fake.raises, 2);
}

Test(raises, the_pit_that_nobody_hears)
{
    set_pics(0xff);
    start_pit(1193);
    u64 first = m.deadline;
    machine_advance(&m, first);
    expect_raise(0, (struct raise){.source = RAISED_BY_PIT, .flags = RAISE_MASKED, .due = first});
}

Test(raises, no_period_of_the_pit_is_left_out)
{
    u64 told = 0, ticks = 100000;

    set_pics(0);
    start_pit(2);
    u64 start = m.pit.channel[0].start;
    machine_advance(&m, (ticks * NANOSECONDS + PIT_HZ - 1) / PIT_HZ);
    for (u32 i = 0; i < fake.raises; i++)
        told += 1 + fake.raise[i].lost;
    cr_expect_eq(told, (ticks - start) / 2);
}

Test(raises, both_controllers_pass_it_on)
{
    set_pics(0);
    ioapic_program(2, 0x52);
    start_pit(1193);
    u64 first = m.deadline;
    machine_advance(&m, first);
    cr_expect_eq(fake.raises, 2);
    expect_raise(0, (struct raise){.source = RAISED_BY_PIT, .vector = 0x52, .due = first});
    expect_raise(1, (struct raise){.source = RAISED_BY_PIT, .vector = 0x30, .due = first});
}

Test(raises, the_rtc_until_its_flag_is_read)
{
    set_pics(0);
    out(PORT_CMOS, 0x0b);
    out(PORT_CMOS + 1, 0x42); /* periodic interrupts, 1024 Hz as it comes up */
    u64 first = m.deadline;
    machine_advance(&m, first + 3 * 976563);
    cr_expect_eq(fake.raises, 1);
    expect_raise(0, (struct raise){
                        .source = RAISED_BY_RTC, .vector = 0x38, .due = first, .late = 3 * 976563});
    cr_expect_eq(machine_acknowledge(&m), 0x38);
    out(PORT_CMOS, 0x0c);
    in(PORT_CMOS + 1);
    u64 next = m.deadline;
    machine_advance(&m, next);
    expect_raise(1, (struct raise){.source = RAISED_BY_RTC, .vector = 0x38, .due = next});
}

Test(raises, a_byte_on_the_console)
{
    set_pics(0xff);
    ioapic_program(IRQ_UART, 0x44);
    machine_advance(&m, 777);
    out(PORT_UART + UART_MCR, 0x0b);
    out(PORT_UART + UART_IER, 1);
    cr_expect_eq(fake.raises, 0);
    machine_receive(&m, 'a');
    expect_raise(0, (struct raise){.source = RAISED_BY_UART, .vector = 0x44, .due = 777});
    machine_receive(&m, 'b'); /* the line is high already */
    cr_expect_eq(fake.raises, 1);
}

Test(raises, a_level_that_is_high_at_the_eoi)
{
    set_pics(0xff);
    ioapic_program(IRQ_UART, 0x44 | LEVEL);
    out(PORT_UART + UART_MCR, 0x0b);
    out(PORT_UART + UART_IER, 1);
    machine_receive(&m, 'a');
    cr_expect_eq(machine_acknowledge(&m), 0x44);
    machine_advance(&m, 900);
    lapic_write(LAPIC_EOI, 0);
    cr_expect_eq(fake.raises, 2);
    expect_raise(1, (struct raise){.source = RAISED_BY_UART, .vector = 0x44, .due = 900});
}

/* --- the vCPU itself --- */

Test(raises, ipis_to_itself)
{
    machine_advance(&m, 50);
    lapic_write(LAPIC_ICR, IPI_TO_SELF | 0xf6);
    expect_raise(0, (struct raise){.source = RAISED_BY_IPI, .vector = 0xf6, .due = 50});
    lapic_write(LAPIC_ICR, IPI_TO_SELF | 0xf6);
    cr_expect_eq(fake.raise[1].flags, RAISE_MERGED);
    lapic_write(LAPIC_ICR, NMI_TO_SELF);
    expect_raise(
        2, (struct raise){.source = RAISED_BY_IPI, .vector = 2, .flags = RAISE_NMI, .due = 50});
    lapic_write(LAPIC_ICR, 3 << 18 | 0xf6); /* to all others: there are none */
    cr_expect_eq(fake.raises, 3);
}
