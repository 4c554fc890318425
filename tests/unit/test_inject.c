/*
 * Who is delivered first, what holds an event back, which windows are asked for,
 * and what happens to an event whose delivery an exit interrupted (SDM 6.9, 6.15,
 * 27.2, 28.2.4, 30.1.2). The fake processor refuses entries that the SDM forbids.
 */
#include <criterion/criterion.h>

#include "core/devices/ports.h"
#include "tests/unit/guest_mode.h"
#include "tests/unit/rig_on_fakes.h"

enum { IF = 1 << 9, FIXED = 2, TIMER = 0x50, UART = 0x60 };

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
    m->lapic.svr |= SVR_ENABLE;
}

TestSuite(inject, .init = set_up);

static u32 written_event(void)
{
    u32 info = (u32)vmcs_read(VMCS_ENTRY_EVENT);
    return info & EVENT_VALID ? info : 0;
}

/* Prepares an entry and lets the processor check it. */
static u32 prepare(void)
{
    static const struct fake_exit stop[] = {{.reason = EXIT_PREEMPTION_TIMER, .advance = 1}};
    cr_assert(inject_prepare(v));
    u32 event = written_event();
    v->virtual_apic[0x80] = lapic_tpr(&m->lapic);
    v->stop_at = v->count + 1;
    FAKE_PLAY(stop);
    cr_assert(processor_run(v));
    return event;
}

/* The exit interrupted the delivery of this event. */
static void interrupt_delivery(u32 info)
{
    v->exit.vectoring = info;
    v->exit.length = 2;
    fake_cpu_set(VMCS_VECTORING_ERROR, 0);
    inject_resume_vectoring(v);
}

static bool window(void)
{
    return fake_cpu_last_entry()->controls & CONTROL_INTERRUPT_WINDOW_EXITING;
}

static bool nmi_window(void)
{
    return fake_cpu_last_entry()->controls & CONTROL_NMI_WINDOW_EXITING;
}

static void allow(void)
{
    v->rflags = FIXED | IF;
}

static void block(u32 how)
{
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, how);
}

static u64 blocking(void)
{
    return vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
}

/* --- external interrupts ------------------------------------------------------------------- */

Test(inject, nothing_pending_writes_nothing)
{
    u32 before = fake_cpu.entry_count;
    allow();
    cr_assert_eq(prepare(), 0);
    cr_assert_eq(fake_cpu.entry_count, before + 1);
    cr_assert(!window() && !nmi_window());
    cr_assert_eq(fake.injections, 0);
}

Test(inject, an_interrupt_is_delivered_when_if_is_set)
{
    allow();
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
    cr_assert(!window());
    cr_assert_eq(fake.injections, 1);
    cr_assert_eq(lapic_pending(&m->lapic), -1);
    cr_assert_eq(prepare(), 0, "only once");
}

Test(inject, a_closed_if_opens_the_window_and_delivery_closes_it)
{
    v->rflags = FIXED;
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), 0);
    cr_assert(window());
    cr_assert_eq(prepare(), 0);
    cr_assert(window(), "as long as it is needed");
    allow();
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
    cr_assert(!window());
}

Test(inject, shadows_hold_an_interrupt_back)
{
    static const u32 shadows[] = {BLOCKED_BY_STI, BLOCKED_BY_MOV_SS};
    for (u32 i = 0; i < ARRAY_SIZE(shadows); i++) {
        set_up();
        allow();
        block(shadows[i]);
        lapic_raise(&m->lapic, TIMER, false);
        cr_assert_eq(prepare(), 0);
        cr_assert(window());
        block(0);
        cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
    }
}

Test(inject, blocked_nmis_do_not_hold_an_interrupt_back)
{
    allow();
    block(BLOCKED_BY_NMI);
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
}

Test(inject, a_second_interrupt_asks_for_the_window)
{
    allow();
    lapic_raise(&m->lapic, TIMER, false);
    lapic_raise(&m->lapic, UART, false);
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, UART), "the higher class first");
    cr_assert(!window(), "the other waits for EOI, not for IF");
    struct access eoi = {.size = 4, .write = true};
    machine_mmio(m, LAPIC_BASE + LAPIC_EOI * 16, &eoi);
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
}

Test(inject, a_higher_class_nests_by_the_window)
{
    allow();
    lapic_raise(&m->lapic, TIMER, false);
    prepare();
    v->rflags = FIXED; /* its handler */
    lapic_raise(&m->lapic, UART, false);
    cr_assert_eq(prepare(), 0);
    cr_assert(window());
}

Test(inject, the_8259_delivers_through_lint0)
{
    struct access icw[] = {{.size = 1, .write = true, .value = 0x11},
                           {.size = 1, .write = true, .value = 0x30},
                           {.size = 1, .write = true, .value = 4},
                           {.size = 1, .write = true, .value = 1},
                           {.size = 1, .write = true, .value = 0}};
    for (u32 i = 0; i < ARRAY_SIZE(icw); i++)
        machine_port(m, i ? PORT_PIC1 + 1 : PORT_PIC1, &icw[i]);
    allow();
    pic_set_line(&m->pic, IRQ_UART, true);
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, 0x30 + IRQ_UART));
}

/* --- NMIs ------------------------------------------------------------------------------------ */

Test(inject, an_nmi_needs_no_if)
{
    v->rflags = FIXED;
    m->lapic.nmi = 1;
    cr_assert_eq(prepare(), EVENT(EVENT_NMI, VECTOR_NMI));
    cr_assert(!nmi_window());
    cr_assert(blocking() & BLOCKED_BY_NMI);
}

Test(inject, nmis_do_not_nest)
{
    m->lapic.nmi = 1;
    prepare();
    m->lapic.nmi = 1;
    cr_assert_eq(prepare(), 0);
    cr_assert(nmi_window());
    block(0); /* IRET */
    cr_assert_eq(prepare(), EVENT(EVENT_NMI, VECTOR_NMI));
    cr_assert(!nmi_window());
}

Test(inject, a_mov_ss_shadow_holds_an_nmi_back)
{
    block(BLOCKED_BY_MOV_SS);
    m->lapic.nmi = 1;
    cr_assert_eq(prepare(), 0);
    cr_assert(nmi_window());
}

/* A processor may let NMI-window exits through an STI shadow (SDM 26.2): asking for one
 * there could exit for ever. The interrupt window waits for the shadow's end everywhere. */
Test(inject, an_sti_shadow_holds_an_nmi_back)
{
    allow();
    block(BLOCKED_BY_STI);
    m->lapic.nmi = 1;
    cr_assert_eq(prepare(), 0);
    cr_assert(window() && !nmi_window());
    block(0);
    cr_assert_eq(prepare(), EVENT(EVENT_NMI, VECTOR_NMI));
    cr_assert(!window() && !nmi_window());
}

Test(inject, an_nmi_comes_before_an_interrupt_which_then_waits)
{
    allow();
    m->lapic.nmi = 1;
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), EVENT(EVENT_NMI, VECTOR_NMI));
    cr_assert(window() && !nmi_window());
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
}

/* --- exceptions come first --------------------------------------------------------------- */

Test(inject, an_exception_comes_before_both)
{
    allow();
    vcpu_raise_gp(v);
    m->lapic.nmi = 1;
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR);
    cr_assert_eq(fake_cpu_last_entry()->error, 0);
    cr_assert(window() && nmi_window());
    cr_assert_eq(prepare(), EVENT(EVENT_NMI, VECTOR_NMI));
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
    cr_assert_eq(prepare(), 0);
    cr_assert(!window() && !nmi_window());
}

Test(inject, raising_says_what_the_exception_has)
{
    vcpu_raise_ud(v);
    cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD));
    vcpu_raise_pf(v, 0x1234567, 6);
    cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR);
    cr_assert_eq(fake_cpu_last_entry()->error, 6);
    cr_assert_eq(fake_cpu.cr2, 0x1234567);
}

/* With CR0.PE = 0 an entry must deliver none (SDM 27.2.1.3). */
Test(inject, exceptions_have_no_error_code_in_real_mode)
{
    guest_enter_mode(&rig, MODE_16_REAL);
    vcpu_raise_gp(v);
    cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP));
    interrupt_delivery(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP));
    vcpu_raise_gp(v);
    cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF));
}

Test(inject, a_replay_that_disagrees_stops_the_entry)
{
    vcpu_raise_ud(v);
    fake.diverged = true;
    cr_assert(!inject_prepare(v));
}

/* --- an exit during delivery ------------------------------------------------------------- */

static const struct {
    u32 info, error, length;
} interrupted[] = {
    {EVENT(EVENT_EXTERNAL, 0x51), 0, 0},
    {EVENT(EVENT_NMI, 2), 0, 0},
    {EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD), 0, 0},
    {EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR, 7, 0},
    {EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF) | EVENT_HAS_ERROR, 0, 0},
    {EVENT(EVENT_SOFTWARE_INTERRUPT, 0x80), 0, 2},
    {EVENT(EVENT_PRIVILEGED_SOFTWARE, 1), 0, 1},
    {EVENT(EVENT_SOFTWARE_EXCEPTION, 3), 0, 1},
    {EVENT(EVENT_SOFTWARE_EXCEPTION, 4), 0, 1},
};

Test(inject, each_type_goes_on_where_it_was_interrupted)
{
    for (u32 i = 0; i < ARRAY_SIZE(interrupted); i++) {
        set_up();
        allow();
        m->lapic.nmi = 1; /* these wait */
        lapic_raise(&m->lapic, TIMER, false);
        if (EVENT_TYPE(interrupted[i].info) == EVENT_NMI)
            block(BLOCKED_BY_NMI); /* as the processor leaves it */
        v->exit = (struct exit_info){.vectoring = interrupted[i].info | 1 << 12,
                                     .length = interrupted[i].length};
        fake_cpu_set(VMCS_VECTORING_ERROR, interrupted[i].error);
        inject_resume_vectoring(v);
        cr_assert_eq(prepare(), interrupted[i].info, "%u", i);
        cr_assert(window(), "%u", i);
        const struct fake_entry *entry = fake_cpu_last_entry();
        if (interrupted[i].info & EVENT_HAS_ERROR)
            cr_assert_eq(entry->error, interrupted[i].error);
        if (interrupted[i].length)
            cr_assert_eq(entry->length, interrupted[i].length);
    }
}

Test(inject, without_a_valid_bit_nothing_was_interrupted)
{
    v->exit.vectoring = EVENT(EVENT_EXTERNAL, 0x51) & ~EVENT_VALID;
    inject_resume_vectoring(v);
    cr_assert_eq(v->event.info, 0);
}

/* SDM table 6-5, by the class of the first and of the second. */
enum class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static const struct {
    u8 vector, class;
    bool error;
} exceptions[] = {
    {VECTOR_DE, CONTRIBUTORY, false},
    {VECTOR_DB, BENIGN, false},
    {5, BENIGN, false},
    {VECTOR_UD, BENIGN, false},
    {7, BENIGN, false},
    {VECTOR_TS, CONTRIBUTORY, true},
    {VECTOR_NP, CONTRIBUTORY, true},
    {VECTOR_SS, CONTRIBUTORY, true},
    {VECTOR_GP, CONTRIBUTORY, true},
    {VECTOR_PF, PAGE_FAULT, true},
    {16, BENIGN, false},
    {17, BENIGN, true},
    {18, BENIGN, false},
    {19, BENIGN, false},
};

static bool doubles(u8 first, u8 second)
{
    return (first == CONTRIBUTORY && second == CONTRIBUTORY) ||
           (first == PAGE_FAULT && second != BENIGN);
}

Test(inject, a_second_exception_follows_table_6_5)
{
    for (u32 i = 0; i < ARRAY_SIZE(exceptions); i++) {
        for (u32 k = 0; k < ARRAY_SIZE(exceptions); k++) {
            set_up();
            interrupt_delivery(EVENT(EVENT_HARDWARE_EXCEPTION, exceptions[i].vector) |
                               (exceptions[i].error ? EVENT_HAS_ERROR : 0));
            vcpu_raise(v, exceptions[k].vector, exceptions[k].error,
                       exceptions[k].error ? 0x18 : 0);
            bool twice = doubles(exceptions[i].class, exceptions[k].class);
            u32 expected =
                EVENT(EVENT_HARDWARE_EXCEPTION, twice ? VECTOR_DF : exceptions[k].vector);
            expected |= twice || exceptions[k].error ? EVENT_HAS_ERROR : 0;
            cr_assert_eq(prepare(), expected, "%u, then %u", exceptions[i].vector,
                         exceptions[k].vector);
            if (expected & EVENT_HAS_ERROR)
                cr_assert_eq(fake_cpu_last_entry()->error, twice ? 0u : 0x18u);
            cr_assert_eq(m->end.reason, END_NONE);
        }
    }
}

Test(inject, a_fault_while_a_double_fault_is_delivered_shuts_down)
{
    static const u8 vectors[] = {VECTOR_DE, VECTOR_TS, VECTOR_NP, VECTOR_SS, VECTOR_GP, VECTOR_PF};
    for (u32 i = 0; i < ARRAY_SIZE(vectors); i++) {
        set_up();
        interrupt_delivery(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF) | EVENT_HAS_ERROR);
        vcpu_raise(v, vectors[i], vectors[i] != VECTOR_DE, 0);
        cr_assert_eq(m->end.reason, END_TRIPLE_FAULT, "%u", vectors[i]);
        cr_assert_eq(m->end.detail, v->rip);
    }
}

/* Interrupts, NMIs and INT n are benign: what faults during their delivery comes alone. */
Test(inject, a_fault_while_another_kind_of_event_is_delivered_takes_its_place)
{
    for (u32 i = 0; i < ARRAY_SIZE(interrupted); i++) {
        if (EVENT_TYPE(interrupted[i].info) == EVENT_HARDWARE_EXCEPTION)
            continue;
        set_up();
        interrupt_delivery(interrupted[i].info);
        vcpu_raise(v, VECTOR_PF, true, 2);
        cr_assert_eq(prepare(), EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR, "%u",
                     i);
    }
}

/* --- the TPR ----------------------------------------------------------------------------- */

Test(inject, the_threshold_is_the_class_that_the_tpr_holds_back)
{
    allow();
    lapic_set_tpr(&m->lapic, 0x90);
    lapic_raise(&m->lapic, TIMER, false);
    cr_assert_eq(prepare(), 0);
    cr_assert_eq(fake_cpu_last_entry()->threshold, TIMER >> 4);
    cr_assert(!window(), "IF is not what it waits for");
    lapic_set_tpr(&m->lapic, 0x40); /* the exit by the threshold */
    cr_assert_eq(prepare(), EVENT(EVENT_EXTERNAL, TIMER));
    cr_assert_eq(fake_cpu_last_entry()->threshold, 0);
}

Test(inject, the_same_class_is_held_back_too)
{
    allow();
    lapic_set_tpr(&m->lapic, TIMER & 0xf0);
    lapic_raise(&m->lapic, TIMER + 5, false);
    cr_assert_eq(prepare(), 0);
    cr_assert_eq(fake_cpu_last_entry()->threshold, TIMER >> 4);
}

Test(inject, no_threshold_without_anything_held_back)
{
    allow();
    lapic_set_tpr(&m->lapic, 0xf0);
    cr_assert_eq(prepare(), 0);
    cr_assert_eq(fake_cpu_last_entry()->threshold, 0);
}
