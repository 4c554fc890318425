/* External interrupts as the kernel's tracepoints: which event, whose line, and what is not one. */
#include "analysis/interrupts/guest_events.h"
#include "core/devices/lapic.h"
#include "core/msrs.h"
#include "vmx/events.h"
#include "vmx/exits.h"

#include <criterion/criterion.h>

static struct handler_watch state;
static struct event_watcher watcher;
static struct guest_event event;
static u64 now;

static void begin(void)
{
    watcher = handler_watcher(&state);
    now = 0;
}

TestSuite(handlers, .init = begin);

static bool see(const union record *record)
{
    struct moment moment = {.record = *record, .ns = ++now};
    bool made = watcher.see(watcher.context, &moment, &event);
    cr_assert(!made || event.ns == now);
    cr_assert(!made || watcher.kinds >> event.kind & 1);
    return made;
}

static bool port_out(u16 port, u8 value)
{
    return see(&(union record){.exit = {.kind = REC_EXIT,
                                        .reason = EXIT_IO_INSTRUCTION,
                                        .qualification = (u64)port << IO_PORT_SHIFT,
                                        .value = value}});
}

static bool mmio_write(u64 address, u64 value)
{
    return see(&(union record){.exit = {.kind = REC_EXIT,
                                        .reason = EXIT_EPT_VIOLATION,
                                        .qualification = EPT_BY_WRITE,
                                        .address = address,
                                        .value = value}});
}

static bool msr_write(u64 msr, u64 value)
{
    return see(&(union record){
        .exit = {.kind = REC_EXIT, .reason = EXIT_MSR_WRITE, .address = msr, .value = value}});
}

static bool inject(u32 type, u8 vector)
{
    return see(&(union record){
        .injection = {
            .kind = REC_INJECTION, .info = EVENT(type, vector), .count = now, .rip = 0x1000}});
}

static bool eoi(void)
{
    return mmio_write(LAPIC_BASE + 16 * LAPIC_EOI, 0);
}

/* I/O APIC pin: low half of its redirection entry. */
static void route(u32 pin, u32 entry)
{
    cr_assert_not(mmio_write(IOAPIC_BASE, 0x10 + 2 * pin));
    cr_assert_not(mmio_write(IOAPIC_BASE + 0x10, entry));
}

static void expect_irq(int irq, const char *name)
{
    cr_expect_eq(event.kind, GUEST_IRQ_ENTRY);
    cr_expect_eq(event.irq_handler_entry.irq, irq, "irq %d", event.irq_handler_entry.irq);
    cr_expect_str_eq(event.irq_handler_entry.name, name);
}

Test(handlers, a_pins_interrupt_has_the_lines_number)
{
    route(4, 0x23);
    route(2, 0x30);
    route(9, 0x10029); /* masked */
    cr_assert(inject(EVENT_EXTERNAL, 0x23));
    expect_irq(4, "uart");
    cr_assert(eoi());
    cr_expect_eq(event.kind, GUEST_IRQ_EXIT);
    cr_expect_eq(event.irq_handler_exit.irq, 4);
    cr_expect_eq(event.irq_handler_exit.ret, 1);
    cr_assert(inject(EVENT_EXTERNAL, 0x30));
    expect_irq(0, "pit"); /* pin 2 by the MADT's override */
    cr_assert(eoi());
    cr_assert(inject(EVENT_EXTERNAL, 0x29));
    expect_irq(9, "acpi_pm");
}

Test(handlers, an_unmasked_pin_is_before_a_masked_one)
{
    route(1, 0x10044);
    route(8, 0x44);
    cr_assert(inject(EVENT_EXTERNAL, 0x44));
    expect_irq(8, "rtc");
}

Test(handlers, the_pics_inputs_follow_icw2)
{
    static const u8 words[][2] = {{0x20, 0x11}, {0x21, 0x50}, {0x21, 4}, {0x21, 1},
                                  {0xa0, 0x11}, {0xa1, 0x58}, {0xa1, 2}, {0xa1, 1}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        cr_assert_not(port_out(words[i][0], words[i][1]));
    cr_assert(inject(EVENT_EXTERNAL, 0x50));
    expect_irq(0, "pit");
    cr_assert(port_out(0x20, 0x20));
    cr_expect_eq(event.kind, GUEST_IRQ_EXIT);
    cr_assert(inject(EVENT_EXTERNAL, 0x58));
    expect_irq(8, "rtc");
}

Test(handlers, the_timers_vector_has_its_own_events)
{
    cr_assert_not(mmio_write(LAPIC_BASE + 16 * LAPIC_LVT_TIMER, 0x400ec));
    cr_assert(inject(EVENT_EXTERNAL, 0xec));
    cr_expect(event.kind == GUEST_TIMER_ENTRY && event.local_timer_entry.vector == 0xec);
    cr_assert(eoi());
    cr_expect(event.kind == GUEST_TIMER_EXIT && event.local_timer_exit.vector == 0xec);
    cr_assert_not(msr_write(MSR_X2APIC_FIRST + LAPIC_LVT_TIMER, 0x400ed));
    cr_assert(inject(EVENT_EXTERNAL, 0xed));
    cr_expect_eq(event.kind, GUEST_TIMER_ENTRY);
    cr_assert(msr_write(MSR_X2APIC_FIRST + LAPIC_EOI, 0));
    cr_expect_eq(event.kind, GUEST_TIMER_EXIT);
}

Test(handlers, nested_ones_end_inside_out)
{
    route(4, 0x33);
    cr_assert_not(mmio_write(LAPIC_BASE + 16 * LAPIC_LVT_TIMER, 0xec));
    cr_assert(inject(EVENT_EXTERNAL, 0x33));
    cr_assert(inject(EVENT_EXTERNAL, 0xec));
    route(4, 0x10000); /* what it is called at its end is what it was called at its beginning */
    cr_assert(eoi());
    cr_expect_eq(event.kind, GUEST_TIMER_EXIT);
    cr_assert(eoi());
    cr_expect(event.kind == GUEST_IRQ_EXIT && event.irq_handler_exit.irq == 4);
    cr_expect_not(eoi(), "nothing is in service");
}

Test(handlers, no_line_no_number)
{
    cr_assert(inject(EVENT_EXTERNAL, 0xf2));
    expect_irq(-1, "vector 0xf2");
}

Test(handlers, exceptions_are_no_handlers_and_a_second_try_is_no_second_interrupt)
{
    cr_expect_not(inject(EVENT_HARDWARE_EXCEPTION, 13));
    cr_expect_not(inject(EVENT_NMI, 2));
    union record record = {
        .injection = {.kind = REC_INJECTION, .info = EVENT(EVENT_EXTERNAL, 0x40), .count = 7}};
    cr_expect(see(&record));
    cr_expect_not(see(&record));
    cr_expect(eoi());
    cr_expect_not(eoi());
}
