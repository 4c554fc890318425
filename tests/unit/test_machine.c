/* The machine: who answers where, what drives what, and when timers go off. */
#include <criterion/criterion.h>

#include "tests/unit/machine_rig.h"

enum { MSR_X2APIC = 0x800, PERIODIC = 1 << 17, TSC_DEADLINE = 2 << 17, LEVEL = 1 << 15 };
enum { UART_IER = 1, UART_MCR = 4, UART_LSR = 5 };

TestSuite(machine, .init = machine_rig);

static u64 in(u16 port, u8 size)
{
    struct access access = {.size = size};
    machine_port(&m, port, &access);
    return access.value;
}

static u64 mmio_read(u64 gpa, u8 size)
{
    struct access access = {.size = size};
    machine_mmio(&m, gpa, &access);
    return access.value;
}

static bool msr_write(u32 reg, u64 value)
{
    struct access access = {.size = 8, .write = true, .value = value};
    return machine_x2apic(&m, MSR_X2APIC + reg, &access);
}

static void ioapic_program(u32 pin, u32 low)
{
    mmio_write(IOAPIC_BASE, 0x10 + 2 * pin);
    mmio_write(IOAPIC_BASE + 0x10, low);
}

/* Both chips with vectors 0x30..0x3f, every input open. */
static void open_pics(void)
{
    static const u8 master[] = {0x30, 4, 1, 0}, slave[] = {0x38, 2, 1, 0};

    out(PORT_PIC1, 0x11);
    out(PORT_PIC2, 0x11);
    for (u32 i = 0; i < 4; i++) {
        out(PORT_PIC1 + 1, master[i]);
        out(PORT_PIC2 + 1, slave[i]);
    }
}

static void close_pics(void)
{
    out(PORT_PIC1 + 1, 0xff);
    out(PORT_PIC2 + 1, 0xff);
}

static void start_pit(u16 count)
{
    out(PORT_PIT + 3, 0x34);
    out(PORT_PIT, (u8)count);
    out(PORT_PIT, count >> 8);
}

/* --- addresses ----------------------------------------------------------------- */

Test(machine, nobody_answers_all_ones)
{
    static const u16 empty[] = {0x80,  0x22,  0x44,  0x2f8, 0x3f7, 0x400,
                                0x4d2, 0x60c, 0xcf8, 0xcfc, 0xffff};

    for (u32 i = 0; i < ARRAY_SIZE(empty); i++) {
        cr_assert_eq(in(empty[i], 1), 0xff, "port %x", empty[i]);
        cr_assert_eq(in(empty[i], 2), 0xffff);
        cr_assert_eq(in(empty[i], 4), 0xffffffff);
        out(empty[i], 0);
    }
    cr_assert_eq(mmio_read(0xe0000000, 8), UINT64_MAX);
    cr_assert_eq(mmio_read(LAPIC_BASE - 4, 4), 0xffffffff);
    cr_assert_eq(mmio_read(LAPIC_BASE + PAGE_SIZE, 4), 0xffffffff);
    cr_assert_eq(mmio_read(IOAPIC_BASE + PAGE_SIZE - 2, 4), 0xffffffff);
    cr_assert_eq(m.end.reason, END_NONE);
}

Test(machine, an_access_across_the_end_of_a_region_is_nobodys)
{
    cr_assert_neq(in(PORT_UART + UART_LSR, 1), 0xff);
    cr_assert_eq(in(PORT_UART - 1, 4), 0xffffffff);
    cr_assert_eq(in(PORT_UART + 7, 2), 0xffff);
    cr_assert_eq(in(PORT_PIC1 + 1, 2), 0xffff);
    cr_assert_eq(in(PORT_ACPI_PM + 10, 4), 0xffffffff);
}

Test(machine, devices_answer_at_their_ports)
{
    out(PORT_UART + 7, 0x5a);
    cr_assert_eq(in(PORT_UART + 7, 1), 0x5a);
    out(PORT_PIC1 + 1, 0x12);
    out(PORT_PIC2 + 1, 0x34);
    cr_assert_eq(in(PORT_PIC1 + 1, 1), 0x12);
    cr_assert_eq(in(PORT_PIC2 + 1, 1), 0x34);
    out(PORT_ELCR, 0x20);
    cr_assert_eq(in(PORT_ELCR, 1), 0x20);
    cr_assert_eq(mmio_read(LAPIC_BASE + 0x30, 4), LAPIC_VERSION);
    mmio_write(IOAPIC_BASE, 1);
    cr_assert_eq(mmio_read(IOAPIC_BASE + 0x10, 4), 0x170020);
    machine_advance(&m, NANOSECONDS);
    cr_assert_eq(in(PORT_ACPI_PM + 8, 4), ACPI_PM_TIMER_HZ);
}

Test(machine, effects_are_carried_out)
{
    out(PORT_UART, 'x');
    cr_assert_eq(fake.console_length, 1);
    cr_assert_eq(fake.console[0], 'x');
    out(PORT_DEBUG_EXIT, 7);
    cr_assert_eq(m.end.reason, END_DEBUG_EXIT);
    cr_assert_eq(m.end.detail, 7);
    out(PORT_RESET, 6);
    cr_assert_eq(m.end.reason, END_DEBUG_EXIT, "the first reason sticks");
}

Test(machine, both_ways_to_reset)
{
    out(PORT_RESET, 2);
    out(PORT_RESET, 6);
    cr_assert_eq(m.end.reason, END_RESET);
    m.end.reason = END_NONE;
    out(PORT_KEYBOARD, 0xfe);
    cr_assert_eq(m.end.reason, END_RESET);
}

Test(machine, power_off)
{
    struct access access = {
        .size = 2, .write = true, .value = ACPI_S5_TYPE << 10 | ACPI_SLEEP_ENABLE};
    machine_port(&m, PORT_ACPI_PM + 4, &access);
    cr_assert_eq(m.end.reason, END_POWER_OFF);
}

/* --- the clock ------------------------------------------------------------------- */

Test(machine, the_count_needs_no_clock)
{
    m.clock = CLOCK_COUNT;
    machine_advance(&m, 1000);
    cr_assert_eq(machine_read_clock(&m), 1000);
    machine_advance(&m, 999);
    cr_assert_eq(machine_read_clock(&m), 1000, "never back");
    in(PORT_PIT, 1);
    cr_assert_eq(fake.clock_reads, 0);
}

Test(machine, the_hosts_clock_is_asked_only_for_what_shows_time)
{
    m.clock = CLOCK_HOST;
    fake.clock_step = 100;
    out(PORT_UART, 'x');
    in(PORT_PIC1, 1);
    lapic_write(LAPIC_EOI, 0);
    lapic_write(LAPIC_ICR, 1 << 18 | 0x40);
    lapic_write(LAPIC_LVT_TIMER, 0x80);
    cr_assert_eq(fake.clock_reads, 0);
    cr_assert_eq(m.now, 0);
    lapic_write(LAPIC_INITIAL_COUNT, 10);
    in(PORT_PIT, 1);
    in(PORT_ACPI_PM + 8, 4);
    cr_assert_eq(fake.clock_reads, 3);
    cr_assert_eq(m.now, 300);
    fake.clock = 50;
    fake.clock_step = 0;
    cr_assert_eq(machine_read_clock(&m), 300, "never back");
}

Test(machine, reading_the_clock_lets_timers_go_off)
{
    m.clock = CLOCK_HOST;
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, 0x80);
    lapic_write(LAPIC_INITIAL_COUNT, 10);
    fake.clock = 400;
    machine_read_clock(&m);
    cr_assert_eq(machine_pending_vector(&m), 0x80);
}

/* --- timers ------------------------------------------------------------------------ */

Test(machine, an_idle_machine_has_no_deadline_soon)
{
    cr_assert_geq(m.deadline, NANOSECONDS / 20, "not every few milliseconds at power-up");
}

Test(machine, the_lapic_timer_goes_off_at_its_deadline)
{
    m.exit = 77;
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, 0x80);
    lapic_write(LAPIC_INITIAL_COUNT, 100);
    cr_assert_eq(fake.timers, 1);
    cr_assert_eq(fake.timer_exit, 77);
    cr_assert_eq(fake.timer_deadline, 4000);
    cr_assert_eq(m.deadline, 4000);
    machine_advance(&m, 3999);
    cr_assert_eq(machine_pending_vector(&m), -1);
    machine_advance(&m, 4000);
    cr_assert_eq(machine_pending_vector(&m), 0x80);
    cr_assert_gt(m.deadline, 4000);
}

Test(machine, a_deadline_in_the_past_goes_off_at_once)
{
    machine_advance(&m, 1000);
    lapic_write(LAPIC_LVT_TIMER, TSC_DEADLINE | 0x81);
    machine_set_tsc_deadline(&m, 2000);
    cr_assert_eq(machine_tsc_deadline(&m), 2000);
    cr_assert_eq(m.deadline, 2000);
    machine_set_tsc_deadline(&m, 1000);
    cr_assert_eq(machine_pending_vector(&m), 0x81);
    cr_assert_eq(machine_tsc_deadline(&m), 0);
    cr_assert_eq(fake.timers, 2);
}

Test(machine, a_tiny_period_does_not_loop_for_ever)
{
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_LVT_TIMER, PERIODIC | 0x80);
    lapic_write(LAPIC_INITIAL_COUNT, 1);
    start_pit(2);
    machine_advance(&m, 1000 * NANOSECONDS);
    cr_assert_gt(m.deadline, m.now);
    cr_assert_leq(m.deadline, m.now + 40);
    cr_assert_eq(machine_pending_vector(&m), 0x80);
}

Test(machine, the_pit_ticks)
{
    open_pics();
    start_pit(1193); /* about 1 ms */
    u64 first = m.deadline;
    cr_assert(first > 990000 && first < 1010000, "%lu", first);
    machine_advance(&m, first - 1);
    cr_assert_eq(machine_pending_vector(&m), -1);
    machine_advance(&m, first);
    cr_assert_eq(machine_pending_vector(&m), 0x30);
    cr_assert_eq(machine_acknowledge(&m), 0x30);
    cr_assert_eq(machine_pending_vector(&m), -1);
    out(PORT_PIC1, 0x20);
    machine_advance(&m, m.deadline);
    cr_assert_eq(machine_acknowledge(&m), 0x30);
}

/* --- interrupts ------------------------------------------------------------------------ */

static void uart_interrupts(void)
{
    out(PORT_UART + UART_MCR, 0x0b);
    out(PORT_UART + UART_IER, 1);
}

Test(machine, a_byte_interrupts_through_the_8259)
{
    open_pics();
    uart_interrupts();
    cr_assert(machine_may_receive(&m));
    machine_receive(&m, 'a');
    cr_assert_eq(machine_pending_vector(&m), 0x34);
    cr_assert_eq(machine_pending_vector(&m), 0x34, "looking takes nothing");
    cr_assert_eq(machine_acknowledge(&m), 0x34);
    cr_assert_eq(machine_pending_vector(&m), -1);
    cr_assert_eq(in(PORT_UART, 1), 'a');
}

Test(machine, lint0_stops_the_8259_unless_the_apic_is_off)
{
    open_pics();
    uart_interrupts();
    machine_receive(&m, 'a');
    lapic_write(LAPIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
    cr_assert_eq(machine_pending_vector(&m), -1);
    cr_assert_eq(machine_acknowledge(&m), -1);
    cr_assert(machine_set_apic_base(&m, m.lapic.base & ~APIC_BASE_ENABLE));
    cr_assert_eq(machine_pending_vector(&m), 0x34);
    cr_assert_eq(mmio_read(LAPIC_BASE + 0x30, 4), 0xffffffff);
    cr_assert_eq(machine_acknowledge(&m), 0x34);
}

Test(machine, a_byte_interrupts_through_the_io_apic)
{
    close_pics();
    ioapic_program(IRQ_UART, 0x44);
    uart_interrupts();
    machine_receive(&m, 'a');
    cr_assert_eq(machine_acknowledge(&m), 0x44);
    lapic_write(LAPIC_EOI, 0);
    machine_receive(&m, 'b');
    cr_assert_eq(machine_pending_vector(&m), -1, "an edge: the line never fell");
    in(PORT_UART, 1);
    in(PORT_UART, 1);
    machine_receive(&m, 'c');
    cr_assert_eq(machine_acknowledge(&m), 0x44);
}

Test(machine, a_level_comes_again_after_the_end_of_interrupt)
{
    close_pics();
    ioapic_program(IRQ_UART, 0x44 | LEVEL);
    uart_interrupts();
    machine_receive(&m, 'a');
    cr_assert_eq(machine_acknowledge(&m), 0x44);
    cr_assert_eq(machine_pending_vector(&m), -1);
    lapic_write(LAPIC_EOI, 0);
    cr_assert_eq(machine_acknowledge(&m), 0x44, "the byte was not read");
    in(PORT_UART, 1);
    lapic_write(LAPIC_EOI, 0);
    cr_assert_eq(machine_pending_vector(&m), -1);
}

Test(machine, line_0_is_pin_2)
{
    close_pics();
    ioapic_program(0, 0x50);
    ioapic_program(2, 0x52);
    start_pit(1000);
    machine_advance(&m, m.deadline);
    cr_assert_eq(machine_acknowledge(&m), 0x52);
    lapic_write(LAPIC_EOI, 0);
    cr_assert_eq(machine_pending_vector(&m), -1);
    machine_advance(&m, m.deadline);
    cr_assert_eq(machine_acknowledge(&m), 0x52, "each tick is an edge");
}

Test(machine, a_level_that_nobody_took_is_sent_later)
{
    close_pics();
    mmio_write(IOAPIC_BASE, 0x11 + 2 * IRQ_UART);
    mmio_write(IOAPIC_BASE + 0x10, 5u << 24); /* no such CPU */
    ioapic_program(IRQ_UART, 0x44 | LEVEL);
    uart_interrupts();
    machine_receive(&m, 'a');
    cr_assert_eq(machine_pending_vector(&m), -1);
    mmio_write(IOAPIC_BASE, 0x11 + 2 * IRQ_UART);
    mmio_write(IOAPIC_BASE + 0x10, 0);
    cr_assert_eq(machine_pending_vector(&m), 0x44);
}

Test(machine, nmis)
{
    cr_assert_not(machine_take_nmi(&m));
    lapic_write(LAPIC_ICR, LVT_NMI);
    cr_assert(machine_nmi_pending(&m));
    cr_assert(machine_take_nmi(&m));
    cr_assert_not(machine_nmi_pending(&m));
    ioapic_program(IRQ_UART, LVT_NMI);
    uart_interrupts();
    machine_receive(&m, 'a');
    cr_assert(machine_take_nmi(&m));
}

Test(machine, the_tpr_holds_back)
{
    lapic_write(LAPIC_ICR, 1 << 18 | 0x61);
    cr_assert_eq(machine_blocked_by_tpr(&m), 0);
    lapic_set_tpr(&m.lapic, 0x60);
    cr_assert_eq(machine_pending_vector(&m), -1);
    cr_assert_eq(machine_blocked_by_tpr(&m), 0x61);
}

Test(machine, x2apic_by_msr)
{
    struct access access = {.size = 8};

    cr_assert_not(machine_x2apic(&m, MSR_X2APIC + LAPIC_ID, &access), "not in this mode");
    cr_assert(machine_set_apic_base(&m, m.lapic.base | APIC_BASE_X2APIC));
    cr_assert(machine_x2apic(&m, MSR_X2APIC + LAPIC_VERSION_REG, &access));
    cr_assert_eq(access.value, LAPIC_VERSION);
    cr_assert_eq(mmio_read(LAPIC_BASE + 0x30, 4), 0xffffffff);
    cr_assert(msr_write(LAPIC_SELF_IPI, 0x45));
    cr_assert_eq(machine_acknowledge(&m), 0x45);
    cr_assert(msr_write(LAPIC_EOI, 0));
    cr_assert_not(msr_write(LAPIC_EOI, 1));
    cr_assert_not(machine_x2apic(&m, MSR_X2APIC + 0xff, &access));
    cr_assert_not(machine_set_apic_base(&m, LAPIC_BASE | APIC_BASE_ENABLE));
}

Test(machine, switching_the_apic_off_stops_its_timer)
{
    lapic_write(LAPIC_LVT_TIMER, 0x80);
    lapic_write(LAPIC_INITIAL_COUNT, 10);
    u64 armed = m.deadline;
    cr_assert(machine_set_apic_base(&m, m.lapic.base & ~APIC_BASE_ENABLE));
    cr_assert_gt(m.deadline, armed);
}

/* --- the hash ------------------------------------------------------------------------------ */

Test(machine, the_hash_covers_every_device)
{
    u64 at_first = machine_hash(&m);
    u8 *parts[] = {(u8 *)&m.now,   (u8 *)&m.lapic,     (u8 *)&m.ioapic, (u8 *)&m.pic,
                   (u8 *)&m.pit,   (u8 *)&m.rtc,       (u8 *)&m.uart,   (u8 *)&m.acpi_pm,
                   (u8 *)&m.reset, (u8 *)&m.debug_exit};

    for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
        *parts[i] ^= 1;
        cr_assert_neq(machine_hash(&m), at_first, "part %u", i);
        *parts[i] ^= 1;
    }
    cr_assert_eq(machine_hash(&m), at_first);
}

Test(machine, the_hash_is_the_same_wherever_the_machine_lies)
{
    static struct machine other;

    memset(&other, 0xa5, sizeof(other));
    other.gate = &fake.gate;
    other.clock = CLOCK_COUNT;
    machine_init(&other, 0);
    cr_assert_eq(machine_hash(&other), machine_hash(&m),
                 "no padding, no pointer, nothing left over");
    other = m;
    start_pit(1000);
    cr_assert_neq(machine_hash(&other), machine_hash(&m));
}
