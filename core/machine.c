/*
 * The guest machine: which device answers where, what its interrupt line drives,
 * when its timers go off, and what an access does beyond its device. Never knows
 * the processor, and never the host's time but through the gate.
 *
 * Interrupts: ISA line n drives input n of the 8259 pair and pin n of the I/O APIC,
 * except line 0, which drives pin 2 (the override that the MADT tells, ACPI 5.2.12.5).
 * The 8259's output reaches the vCPU through LINT0 in ExtINT mode, or directly
 * while the local APIC is switched off (SDM 11.4.3).
 *
 * Time: every change by itself happens at a device's deadline, in the order of
 * deadlines. The earliest is kept, so that an exit at which nothing is due costs
 * one comparison.
 */
#include "core/machine.h"

#include "core/crc.h"
#include "core/devices/ports.h"
#include "core/mem.h"

enum { NO_IRQ = -1, PIN_OF_LINE_0 = 2 };
enum { X2APIC_MSRS = 0x800, VECTOR_OF_NMI = 2 };
/* Deadlines taken one by one in one step of time; after that, all up to now at once. */
enum { SINGLE_STEPS = 32 };
/* Requests of one exit that the gate is told of one by one: a recorder has room for these. */
enum { RAISES_AN_EXIT = 128 };

#define STATE(member) offsetof(struct machine, member)

/* Busiest first: they are searched in order. */
static const struct region regions[] = {
    {PORT_UART, UART_PORTS, &uart_ops, STATE(uart), IRQ_UART, false},
    {PORT_PIC1, PIC_PORTS, &pic_master_ops, STATE(pic), NO_IRQ, false},
    {PORT_PIT, PIT_PORTS, &pit_ops, STATE(pit), IRQ_PIT, true},
    {PORT_ACPI_PM, ACPI_PM_PORTS, &acpi_pm_ops, STATE(acpi_pm), IRQ_ACPI, true},
    {PORT_PIC2, PIC_PORTS, &pic_slave_ops, STATE(pic), NO_IRQ, false},
    {PORT_CMOS, RTC_PORTS, &rtc_ops, STATE(rtc), IRQ_RTC, true},
    {PORT_SPEAKER, SPEAKER_PORTS, &speaker_ops, STATE(pit), NO_IRQ, true},
    {PORT_KEYBOARD, KEYBOARD_PORTS, &keyboard_ops, STATE(reset), NO_IRQ, false},
    {PORT_ELCR, ELCR_PORTS, &pic_elcr_ops, STATE(pic), NO_IRQ, false},
    {PORT_RESET, RESET_PORTS, &reset_ops, STATE(reset), NO_IRQ, false},
    {PORT_DEBUG_EXIT, DEBUG_EXIT_PORTS, &debug_exit_ops, STATE(debug_exit), NO_IRQ, false},
};
_Static_assert(ARRAY_SIZE(regions) == MACHINE_REGIONS, "a deadline for each");
#define REGIONS_END (regions + ARRAY_SIZE(regions))
enum { UART_REGION = 0 };

static void *state_of(struct machine *m, const struct region *region)
{
    return (u8 *)m + region->state;
}

/* --- what the gate is told of interrupts ------------------------------------------------ */

/* Why an interrupt is requested just now. */
struct cause {
    u64 due;  /* guest ns */
    u64 lost; /* timers: further periods that fall together with this one */
};

static struct cause just_now(const struct machine *m)
{
    return (struct cause){m->now, 0};
}

/* `raise`: its source, vector and flags. */
static void tell(struct machine *m, struct raise raise, struct cause cause)
{
    u64 *untold = &m->untold[raise.source];

    if (m->raising != m->exit)
        m->raised = 0;
    m->raising = m->exit;
    if (m->raised++ >= RAISES_AN_EXIT) {
        *untold += 1 + cause.lost;
        return;
    }
    raise.lost = cause.lost + *untold;
    raise.late = m->now - cause.due;
    raise.exit = m->exit;
    raise.due = cause.due;
    *untold = 0;
    m->gate->ops->raised(m->gate, &raise);
}

static u8 source_of_line(u32 irq)
{
    switch (irq) {
    case IRQ_PIT:
        return RAISED_BY_PIT;
    case IRQ_UART:
        return RAISED_BY_UART;
    case IRQ_RTC:
        return RAISED_BY_RTC;
    case IRQ_ACPI:
        return RAISED_BY_ACPI;
    default:
        return RAISED_BY_LINE;
    }
}

/* --- interrupts --------------------------------------------------------------------- */

/* False: nobody took it. */
static bool send(struct machine *m, const struct ioapic_message *message)
{
    if (!lapic_addressed(&m->lapic, message->destination, message->logical))
        return false;
    switch (message->mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        return lapic_raise(&m->lapic, message->vector, message->level);
    case DELIVER_NMI:
        m->lapic.nmi = 1;
        return true;
    default: /* SMI, INIT, ExtINT: no 8259 is wired to a pin */
        m->lapic.dropped++;
        return true;
    }
}

/* What the message requests of the CPU; vector 0: nothing that is modelled. */
static struct raise request_of(const struct machine *m, const struct ioapic_message *message)
{
    struct raise raise = {
        .source = source_of_line(message->pin == PIN_OF_LINE_0 ? IRQ_PIT : message->pin)};

    if (message->mode == DELIVER_NMI) {
        raise.vector = VECTOR_OF_NMI;
        raise.flags = RAISE_NMI | (m->lapic.nmi ? RAISE_MERGED : 0);
    } else if (message->mode <= DELIVER_LOWEST) {
        raise.vector = message->vector;
        raise.flags = lapic_requested(&m->lapic, message->vector) ? RAISE_MERGED : 0;
    }
    return raise;
}

/* False: there was none that a CPU took. */
static bool send_messages(struct machine *m, struct cause cause)
{
    struct ioapic_message message;
    bool taken = false;

    while (ioapic_take(&m->ioapic, &message)) {
        struct raise raise = request_of(m, &message);

        if (!send(m, &message)) {
            ioapic_refused(&m->ioapic, message.pin);
            continue;
        }
        taken = true;
        if (raise.vector)
            tell(m, raise, cause);
    }
    return taken;
}

/* Nothing but its own state decides whether the 8259's output is looked at. */
static bool pic_is_wired(const struct machine *m)
{
    return !lapic_enabled(&m->lapic) || lapic_accepts_extint(&m->lapic);
}

static u32 pin_of_line(u32 irq)
{
    return irq == IRQ_PIT ? PIN_OF_LINE_0 : irq;
}

/* Both controllers see it. A masked one is lost to the I/O APIC; the 8259 keeps it until it is
 * unmasked, and so does a pin that is level-triggered, and neither is told of then. */
static void raise_line(struct machine *m, u32 irq, struct cause cause)
{
    u8 vector = pic_is_wired(m) ? pic_vector(&m->pic, irq) : 0;
    struct raise raise = {.source = source_of_line(irq), .vector = vector};
    bool taken;

    raise.flags = !vector ? RAISE_MASKED : pic_requested(&m->pic, irq) ? RAISE_MERGED : 0;
    pic_set_line(&m->pic, irq, true);
    ioapic_set_line(&m->ioapic, pin_of_line(irq), true);
    taken = send_messages(m, cause);
    if (vector || (!taken && !ioapic_waits(&m->ioapic, pin_of_line(irq))))
        tell(m, raise, cause);
}

static void lower_line(struct machine *m, u32 irq)
{
    pic_set_line(&m->pic, irq, false);
    ioapic_set_line(&m->ioapic, pin_of_line(irq), false);
    send_messages(m, just_now(m));
}

static void change_line(struct machine *m, u32 irq, enum line line, struct cause cause)
{
    if (line != LINE_PULSE)
        m->asserted ^= BIT(irq);
    if (line != LINE_LOW)
        raise_line(m, irq, cause);
    if (line != LINE_HIGH)
        lower_line(m, irq);
}

/* Passes on what the device drives on its line now. */
static inline void sample_line(struct machine *m, const struct region *region, struct cause cause)
{
    enum line line = region->ops->line(state_of(m, region));

    if (line != (m->asserted >> region->irq & 1 ? LINE_HIGH : LINE_LOW)) /* seldom */
        change_line(m, (u32)region->irq, line, cause);
}

static bool pic_reaches_cpu(const struct machine *m)
{
    return pic_is_wired(m) && pic_output(&m->pic);
}

int machine_pending_vector(const struct machine *m)
{
    if (!pic_reaches_cpu(m))
        return lapic_pending(&m->lapic);
    struct pic copy = m->pic; /* the chips tell their vector only when acknowledged */

    return pic_acknowledge(&copy);
}

int machine_acknowledge(struct machine *m)
{
    return pic_reaches_cpu(m) ? pic_acknowledge(&m->pic) : lapic_acknowledge(&m->lapic);
}

u8 machine_blocked_by_tpr(const struct machine *m)
{
    return lapic_blocked_by_tpr(&m->lapic);
}

bool machine_nmi_pending(const struct machine *m)
{
    return m->lapic.nmi;
}

bool machine_take_nmi(struct machine *m)
{
    bool pending = m->lapic.nmi;

    m->lapic.nmi = 0;
    return pending;
}

/* --- time ----------------------------------------------------------------------------- */

static void update_deadline(struct machine *m)
{
    m->deadline = min_u64(m->lapic.deadline, m->slow_deadline);
}

static void ask_deadline(struct machine *m, const struct region *region)
{
    m->deadlines[region - regions] = region->ops->deadline(state_of(m, region));
}

static void update_slow_deadline(struct machine *m)
{
    m->slow_deadline = NEVER;
    for (u32 i = 0; i < MACHINE_REGIONS; i++)
        m->slow_deadline = min_u64(m->slow_deadline, m->deadlines[i]);
    update_deadline(m);
}

static void fire_slow(struct machine *m, u64 time)
{
    for (const struct region *region = regions; region < REGIONS_END; region++) {
        struct cause cause = {.due = m->deadlines[region - regions]};

        if (cause.due > time || !region->ops->advance)
            continue;
        cause.lost = region->ops->advance(state_of(m, region), time);
        ask_deadline(m, region);
        if (region->irq != NO_IRQ)
            sample_line(m, region, cause);
    }
    update_slow_deadline(m);
}

static void fire_lapic(struct machine *m, u64 time)
{
    u8 vector = lapic_timer_vector(&m->lapic);
    bool pending = lapic_requested(&m->lapic, vector);
    struct raise raise = {.source = RAISED_BY_APIC_TIMER, .vector = vector};
    /* A deadline that had passed when it was set is due then. */
    struct cause cause = {.due = max_u64(m->lapic.deadline, m->armed)};

    raise.flags = !vector ? RAISE_MASKED : pending ? RAISE_MERGED : 0;
    cause.lost = lapic_advance(&m->lapic, time);
    tell(m, raise, cause);
}

/* Everything that is due at `time` goes off. */
static void fire(struct machine *m, u64 time)
{
    if (m->lapic.deadline <= time)
        fire_lapic(m, time);
    if (m->slow_deadline <= time)
        fire_slow(m, time);
    update_deadline(m);
}

/* Bounded: a timer with a tiny period goes off once for all the periods that the
 * guest was not there to see. */
static void fire_due(struct machine *m)
{
    for (int i = 0; i < SINGLE_STEPS && m->deadline <= m->now; i++)
        fire(m, m->deadline);
    if (m->deadline <= m->now)
        fire(m, m->now);
}

void machine_advance(struct machine *m, u64 now)
{
    if (now > m->now)
        m->now = now;
    if (m->deadline <= m->now)
        fire_due(m);
}

u64 machine_read_host_clock(struct machine *m)
{
    machine_advance(m, m->gate->ops->clock(m->gate, m->exit));
    return m->now;
}

/* --- accesses --------------------------------------------------------------------------- */

void machine_stop(struct machine *m, enum end_reason reason, u64 detail)
{
    if (m->end.reason == END_NONE)
        m->end = (struct end){reason, detail};
}

static void tell_ipi(struct machine *m, u64 effect)
{
    bool nmi = effect & EFFECT_NMI;
    struct raise raise = {.source = RAISED_BY_IPI, .vector = nmi ? VECTOR_OF_NMI : (u8)effect};

    raise.flags = (nmi ? RAISE_NMI : 0) | (effect & EFFECT_MERGED ? RAISE_MERGED : 0);
    tell(m, raise, just_now(m));
}

static void carry_out(struct machine *m, const struct access *access)
{
    switch (access->effect) {
    case EFFECT_NONE:
        break;
    case EFFECT_CONSOLE_OUT:
        m->gate->ops->console_out(m->gate, (u8)access->effect_value);
        break;
    case EFFECT_POWER_OFF:
        machine_stop(m, END_POWER_OFF, 0);
        break;
    case EFFECT_RESET:
        machine_stop(m, END_RESET, 0);
        break;
    case EFFECT_DEBUG_EXIT:
        machine_stop(m, END_DEBUG_EXIT, access->effect_value);
        break;
    case EFFECT_EOI:
        ioapic_eoi(&m->ioapic, (u8)access->effect_value);
        send_messages(m, just_now(m));
        break;
    case EFFECT_RAISED:
        tell_ipi(m, access->effect_value);
        break;
    case EFFECT_TIMER_SET:
        m->gate->ops->timer_set(m->gate, m->exit, access->effect_value);
        break;
    }
}

static void nobody(struct access *access)
{
    if (!access->write)
        access->value = access->size == 8 ? UINT64_MAX : BIT(access->size * 8) - 1;
}

/* The region that holds all of [port, port + size), or NULL. */
static const struct region *find(u16 port, u8 size)
{
    for (const struct region *region = regions; region < REGIONS_END; region++) {
        u64 offset = (u64)port - region->base; /* below base: huge */
        if (offset < region->length)
            return offset + size <= region->length ? region : NULL;
    }
    return NULL;
}

/* After an access to the device or a byte for it. */
static inline void settle(struct machine *m, const struct region *region)
{
    if (region->irq != NO_IRQ)
        sample_line(m, region, just_now(m));
    if (region->ops->deadline) {
        ask_deadline(m, region);
        update_slow_deadline(m);
        machine_advance(m, m->now);
    }
}

void machine_port(struct machine *m, u16 port, struct access *access)
{
    const struct region *region = find(port, access->size);

    if (!region) {
        nobody(access);
        return;
    }
    access->now = region->timed ? machine_read_clock(m) : 0;
    region->ops->access(state_of(m, region), (u32)(port - region->base), access);
    settle(m, region);
    if (access->effect != EFFECT_NONE)
        carry_out(m, access);
}

static void before_lapic(struct machine *m, u32 reg, struct access *access)
{
    access->now = lapic_register_timed(reg, access->write) ? machine_read_clock(m) : 0;
}

/* A new deadline may have passed already: it goes off at once. */
static void after_lapic(struct machine *m, const struct access *access)
{
    if (access->effect != EFFECT_NONE)
        carry_out(m, access);
    update_deadline(m);
    if (m->deadline <= m->now)
        fire_due(m);
}

static bool within(u64 gpa, u64 base, u64 span, u8 size)
{
    return gpa - base < span && gpa - base + size <= span;
}

void machine_mmio(struct machine *m, u64 gpa, struct access *access)
{
    u64 lapic_base = m->lapic.base & ~(PAGE_SIZE - 1);
    bool xapic = lapic_enabled(&m->lapic) && !lapic_x2apic(&m->lapic);

    if (xapic && within(gpa, lapic_base, LAPIC_SPAN, access->size)) {
        u32 offset = (u32)(gpa - lapic_base);
        before_lapic(m, offset / 16, access);
        lapic_mmio(&m->lapic, offset, access);
        after_lapic(m, access);
    } else if (within(gpa, IOAPIC_BASE, IOAPIC_SPAN, access->size)) {
        access->now = 0;
        ioapic_access(&m->ioapic, (u32)(gpa - IOAPIC_BASE), access);
        send_messages(m, just_now(m));
    } else {
        nobody(access);
    }
}

bool machine_x2apic(struct machine *m, u32 msr, struct access *access)
{
    u32 reg = msr - X2APIC_MSRS;

    if (!lapic_x2apic(&m->lapic))
        return false;
    before_lapic(m, reg, access);
    if (!lapic_access(&m->lapic, reg, access))
        return false;
    after_lapic(m, access);
    return true;
}

u64 machine_tsc_deadline(const struct machine *m)
{
    return m->lapic.tsc_deadline;
}

void machine_set_tsc_deadline(struct machine *m, u64 deadline)
{
    u64 before = m->lapic.deadline;

    lapic_set_tsc_deadline(&m->lapic, deadline);
    if (m->lapic.deadline == before)
        return; /* nothing changed, or not in TSC-deadline mode */
    m->armed = m->now;
    m->gate->ops->timer_set(m->gate, m->exit, m->lapic.deadline);
    update_deadline(m);
    machine_advance(m, m->now);
}

bool machine_set_apic_base(struct machine *m, u64 value)
{
    bool legal = lapic_set_base(&m->lapic, value);

    update_deadline(m); /* switching it off stops its timer */
    return legal;
}

bool machine_may_receive(const struct machine *m)
{
    return uart_may_receive(&m->uart);
}

void machine_receive(struct machine *m, u8 byte)
{
    uart_receive(&m->uart, byte);
    settle(m, &regions[UART_REGION]);
}

/* --- the whole --------------------------------------------------------------------------- */

void machine_init(struct machine *m, u64 epoch)
{
    m->now = m->exit = m->asserted = 0;
    m->armed = m->raising = m->raised = 0;
    memset(m->untold, 0, sizeof(m->untold));
    m->end = (struct end){END_NONE, 0};
    lapic_reset(&m->lapic, 0);
    lapic_virtual_wire(&m->lapic);
    ioapic_reset(&m->ioapic);
    pic_reset(&m->pic);
    pit_reset(&m->pit);
    rtc_reset(&m->rtc, epoch);
    uart_reset(&m->uart);
    acpi_pm_reset(&m->acpi_pm);
    reset_reset(&m->reset);
    debug_exit_reset(&m->debug_exit);
    for (const struct region *region = regions; region < REGIONS_END; region++) {
        m->deadlines[region - regions] = NEVER;
        if (region->ops->deadline)
            ask_deadline(m, region);
        if (region->irq != NO_IRQ)
            sample_line(m, region, just_now(m));
    }
    update_slow_deadline(m);
}

/* What machine_hash() covers; the rest of struct machine follows from it or is the host's. */
static const struct {
    size_t at, size;
} states[] = {
#define COVERED(member)                                      \
    {                                                        \
        STATE(member), sizeof(((struct machine *)0)->member) \
    }
    COVERED(now), COVERED(lapic), COVERED(ioapic),  COVERED(pic),   COVERED(pit),
    COVERED(rtc), COVERED(uart),  COVERED(acpi_pm), COVERED(reset), COVERED(debug_exit),
#undef COVERED
};

u64 machine_hash(const struct machine *m)
{
    u64 hash = 0;

    for (u32 i = 0; i < ARRAY_SIZE(states); i++)
        hash = mix64(hash + crc32c(~i, (const u8 *)m + states[i].at, states[i].size));
    return hash;
}
