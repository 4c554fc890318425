/*
 * The local APIC: registers, priorities, interprocessor interrupts to itself
 * (SDM vol. 3A chapter 11; x2APIC: 11.12). MMIO and MSR accesses share one code
 * by register number; one table says which registers exist in which mode and
 * which bits software may set. It never reads a clock: time comes with the access.
 *
 * EOI, TPR and ICR are the paths a guest takes most, so the vector sets are
 * searched a word at a time.
 */
#include "core/devices/lapic.h"

#include "core/cpu_model.h"
#include "core/devices/ioapic.h" /* enum delivery_mode */
#include "core/devices/ports.h"
#include "core/mem.h"

enum { ESR_SEND_VECTOR = 1 << 5, ESR_RECEIVE_VECTOR = 1 << 6, ESR_REGISTER = 1 << 7 };
enum { LINT0 = LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER, LINT1, LVT_ERROR_INDEX };
enum { DFR_FLAT = 0xf, EVERYBODY = 0xff };

/* --- sets of vectors ------------------------------------------------------------ */

static inline int highest(const u64 set[4])
{
    for (int i = 3; i >= 0; i--)
        if (set[i])
            return i * 64 + 63 - __builtin_clzll(set[i]);
    return -1;
}

static inline void put(u64 set[4], u8 vector, bool on)
{
    u64 bit = BIT(vector % 64);

    set[vector / 64] = on ? set[vector / 64] | bit : set[vector / 64] & ~bit;
}

static inline bool has(const u64 set[4], u8 vector)
{
    return set[vector / 64] >> vector % 64 & 1;
}

static u32 word(const u64 set[4], u32 index) /* of eight 32-bit registers */
{
    return (u32)(set[index / 2] >> index % 2 * 32);
}

/* --- priorities -------------------------------------------------------------------- */

static u32 class_of(u32 priority)
{
    return priority & 0xf0;
}

static u32 service_class(const struct lapic *lapic)
{
    int vector = highest(lapic->isr);

    return vector < 0 ? 0 : class_of((u32)vector);
}

/* SDM 11.8.3.1 */
static u32 processor_priority(const struct lapic *lapic)
{
    u32 service = service_class(lapic);

    return class_of(lapic->tpr) >= service ? lapic->tpr : service;
}

/* The arbitration priority that CPUs before the Pentium 4 had: the highest of the three. */
static u32 arbitration_priority(const struct lapic *lapic)
{
    int request = highest(lapic->irr);
    u32 priority = processor_priority(lapic);

    return request >= 0 && class_of((u32)request) > class_of(priority) ? class_of((u32)request)
                                                                       : priority;
}

static bool software_enabled(const struct lapic *lapic)
{
    return lapic->svr & SVR_ENABLE;
}

int lapic_pending(const struct lapic *lapic)
{
    int vector = highest(lapic->irr);

    if (vector < 0 || !software_enabled(lapic))
        return -1;
    return class_of((u32)vector) > class_of(processor_priority(lapic)) ? vector : -1;
}

u8 lapic_blocked_by_tpr(const struct lapic *lapic)
{
    int vector = highest(lapic->irr);

    if (vector < 0 || !software_enabled(lapic))
        return 0;
    u32 class = class_of((u32)vector);

    return class > service_class(lapic) && class <= class_of(lapic->tpr) ? (u8)vector : 0;
}

int lapic_acknowledge(struct lapic *lapic)
{
    int vector = lapic_pending(lapic);

    if (vector < 0)
        return -1;
    put(lapic->irr, (u8)vector, false);
    put(lapic->isr, (u8)vector, true);
    return vector;
}

/* --- messages ----------------------------------------------------------------------- */

static void report_error(struct lapic *lapic, u32 error)
{
    u32 lvt = lapic->lvt[LVT_ERROR_INDEX];

    lapic->errors |= error;
    if (!(lvt & LVT_MASKED) && (u8)lvt >= LAPIC_FIRST_VECTOR)
        lapic_raise(lapic, (u8)lvt, false);
}

bool lapic_raise(struct lapic *lapic, u8 vector, bool level)
{
    if (!lapic_enabled(lapic) || !software_enabled(lapic))
        return false;
    if (vector < LAPIC_FIRST_VECTOR) {
        report_error(lapic, ESR_RECEIVE_VECTOR);
        return false;
    }
    put(lapic->irr, vector, true);
    put(lapic->tmr, vector, level);
    return true;
}

/* SDM 11.12.10.2: bit `id` mod 16 in cluster `id` / 16. */
static u32 x2apic_ldr(const struct lapic *lapic)
{
    return lapic->id >> 4 << 16 | 1u << (lapic->id & 15);
}

static bool logically_addressed(const struct lapic *lapic, u32 destination)
{
    u32 mine = lapic->ldr >> 24;

    if (lapic_x2apic(lapic)) {
        u32 both = x2apic_ldr(lapic) & destination;
        return x2apic_ldr(lapic) >> 16 == destination >> 16 && (both & 0xffff);
    }
    if (lapic->dfr >> 28 == DFR_FLAT)
        return mine & destination;
    return mine >> 4 == (destination >> 4 & 15) && (mine & destination & 15);
}

bool lapic_addressed(const struct lapic *lapic, u32 destination, bool logical)
{
    if (destination == EVERYBODY || destination == UINT32_MAX)
        return true;
    return logical ? logically_addressed(lapic, destination) : destination == lapic->id;
}

static void request_of_self(struct lapic *lapic, u8 vector, struct access *access)
{
    u64 merged = lapic_requested(lapic, vector) ? EFFECT_MERGED : 0;

    if (!lapic_raise(lapic, vector, false))
        return;
    access->effect = EFFECT_RAISED;
    access->effect_value = vector | merged;
}

static void send_to_self(struct lapic *lapic, u32 mode, u8 vector, struct access *access)
{
    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        request_of_self(lapic, vector, access);
        break;
    case DELIVER_NMI:
        access->effect = EFFECT_RAISED;
        access->effect_value = EFFECT_NMI | (lapic->nmi ? EFFECT_MERGED : 0);
        lapic->nmi = 1;
        break;
    default: /* SMI, INIT, start-up: not modelled */
        lapic->dropped++;
    }
}

static bool icr_reaches_self(const struct lapic *lapic)
{
    enum { NO_SHORTHAND, SELF, ALL, OTHERS };

    switch (lapic->icr >> 18 & 3) {
    case NO_SHORTHAND:
        return lapic_addressed(lapic, (u32)(lapic->icr >> 32), lapic->icr & BIT(11));
    case OTHERS:
        return false;
    default:
        return true;
    }
}

static void send_ipi(struct lapic *lapic, struct access *access)
{
    u32 mode = lapic->icr >> 8 & 7;
    u8 vector = (u8)lapic->icr;

    if (mode <= DELIVER_LOWEST && vector < LAPIC_FIRST_VECTOR)
        report_error(lapic, ESR_SEND_VECTOR);
    else if (icr_reaches_self(lapic))
        send_to_self(lapic, mode, vector, access);
    else
        lapic->dropped++;
}

static void end_of_interrupt(struct lapic *lapic, struct access *access)
{
    int vector = highest(lapic->isr);

    if (vector < 0)
        return;
    put(lapic->isr, (u8)vector, false);
    if (!has(lapic->tmr, (u8)vector))
        return;
    access->effect = EFFECT_EOI;
    access->effect_value = (u64)vector;
}

/* --- registers ----------------------------------------------------------------------- */

/* Who may do what: by MMIO in xAPIC mode, by MSR in x2APIC mode. */
enum { MMIO_READ = 1, MMIO_WRITE = 2, MSR_READ = 4, MSR_WRITE = 8, MSR_SHIFT = 2 };
enum { READ = MMIO_READ | MSR_READ, WRITE = MMIO_WRITE | MSR_WRITE, READ_WRITE = READ | WRITE };

/* `writable`: bits that software may set. Others are ignored by MMIO; by MSR they raise #GP. */
static const struct rule {
    u64 writable;
    u8 allowed;
} rules[LAPIC_REGISTERS] = {
    [LAPIC_ID] = {0, READ},
    [LAPIC_VERSION_REG] = {0, READ},
    [LAPIC_TPR] = {0xff, READ_WRITE},
    [LAPIC_APR] = {0, MMIO_READ},
    [LAPIC_PPR] = {0, READ},
    [LAPIC_EOI] = {0, WRITE},
    [LAPIC_REMOTE_READ] = {0, MMIO_READ},
    [LAPIC_LDR] = {0xff000000, READ | MMIO_WRITE},
    [LAPIC_DFR] = {0xf0000000, MMIO_READ | MMIO_WRITE},
    [LAPIC_SVR] = {0x3ff, READ_WRITE},
    [LAPIC_ISR... LAPIC_ISR + 7] = {0, READ},
    [LAPIC_TMR... LAPIC_TMR + 7] = {0, READ},
    [LAPIC_IRR... LAPIC_IRR + 7] = {0, READ},
    [LAPIC_ESR] = {0, READ_WRITE},
    [LAPIC_ICR] = {0xffffffff000ccfff, READ_WRITE},
    [LAPIC_ICR_HIGH] = {0xff000000, MMIO_READ | MMIO_WRITE},
    [LAPIC_LVT_TIMER] = {0x700ff, READ_WRITE},
    [LAPIC_LVT_THERMAL] = {0x107ff, READ_WRITE},
    [LAPIC_LVT_PERF] = {0x107ff, READ_WRITE},
    [LAPIC_LVT_LINT0] = {0x1a7ff, READ_WRITE},
    [LAPIC_LVT_LINT1] = {0x1a7ff, READ_WRITE},
    [LAPIC_LVT_ERROR] = {0x100ff, READ_WRITE},
    [LAPIC_INITIAL_COUNT] = {0xffffffff, READ_WRITE},
    [LAPIC_CURRENT_COUNT] = {0, READ},
    [LAPIC_DIVIDE] = {0xb, READ_WRITE},
    [LAPIC_SELF_IPI] = {0xff, MSR_WRITE},
};

static void set_svr(struct lapic *lapic, u32 value)
{
    lapic->svr = value;
    if (!(value & SVR_ENABLE)) /* SDM 11.4.7.2: every LVT entry is masked */
        for (u32 i = 0; i < LAPIC_LVTS; i++)
            lapic->lvt[i] |= LVT_MASKED;
}

static void set_lvt(struct lapic *lapic, u32 index, struct access *access)
{
    u32 value = (u32)access->value;

    if (!software_enabled(lapic))
        value |= LVT_MASKED;
    if (index == 0)
        lapic_set_lvt_timer(lapic, value, access);
    else
        lapic->lvt[index] = value;
}

static void set_icr(struct lapic *lapic, u64 value, struct access *access)
{
    u64 destination =
        lapic_x2apic(lapic) ? value : lapic->icr; /* MMIO: set through the high half */

    lapic->icr = (destination & ~(u64)UINT32_MAX) | (u32)value;
    send_ipi(lapic, access);
}

static void write_register(struct lapic *lapic, u32 reg, struct access *access)
{
    u32 value = (u32)access->value;

    switch (reg) {
    case LAPIC_EOI:
        end_of_interrupt(lapic, access);
        break;
    case LAPIC_TPR:
        lapic->tpr = value;
        break;
    case LAPIC_LDR:
        lapic->ldr = value;
        break;
    case LAPIC_DFR:
        lapic->dfr = value | 0x0fffffff;
        break;
    case LAPIC_SVR:
        set_svr(lapic, value);
        break;
    case LAPIC_ESR: /* SDM 11.5.3: a write latches what came up since the last */
        lapic->esr = lapic->errors;
        lapic->errors = 0;
        break;
    case LAPIC_ICR:
        set_icr(lapic, access->value, access);
        break;
    case LAPIC_ICR_HIGH:
        lapic->icr = (u64)(value >> 24) << 32 | (u32)lapic->icr;
        break;
    case LAPIC_INITIAL_COUNT:
        lapic_set_initial_count(lapic, access);
        break;
    case LAPIC_DIVIDE:
        lapic_set_divide(lapic, access);
        break;
    case LAPIC_SELF_IPI:
        lapic->icr = BIT(18) | value; /* as if by ICR with the shorthand "self", SDM 11.12.11 */
        send_ipi(lapic, access);
        break;
    default:
        set_lvt(lapic, reg - LAPIC_LVT_TIMER, access);
    }
}

static u64 read_icr(const struct lapic *lapic)
{
    return lapic_x2apic(lapic) ? lapic->icr : (u32)lapic->icr;
}

static u64 read_register(const struct lapic *lapic, u32 reg, u64 now)
{
    switch (reg) {
    case LAPIC_ID:
        return lapic_x2apic(lapic) ? lapic->id : lapic->id << 24;
    case LAPIC_VERSION_REG:
        return LAPIC_VERSION;
    case LAPIC_TPR:
        return lapic->tpr;
    case LAPIC_APR:
        return arbitration_priority(lapic);
    case LAPIC_PPR:
        return processor_priority(lapic);
    case LAPIC_LDR:
        return lapic_x2apic(lapic) ? x2apic_ldr(lapic) : lapic->ldr;
    case LAPIC_DFR:
        return lapic->dfr;
    case LAPIC_SVR:
        return lapic->svr;
    case LAPIC_ISR ... LAPIC_ISR + 7:
        return word(lapic->isr, reg - LAPIC_ISR);
    case LAPIC_TMR ... LAPIC_TMR + 7:
        return word(lapic->tmr, reg - LAPIC_TMR);
    case LAPIC_IRR ... LAPIC_IRR + 7:
        return word(lapic->irr, reg - LAPIC_IRR);
    case LAPIC_ESR:
        return lapic->esr;
    case LAPIC_ICR:
        return read_icr(lapic);
    case LAPIC_ICR_HIGH:
        return lapic->icr >> 32 << 24;
    case LAPIC_LVT_TIMER ... LAPIC_LVT_ERROR:
        return lapic->lvt[reg - LAPIC_LVT_TIMER];
    case LAPIC_INITIAL_COUNT:
        return lapic->initial_count;
    case LAPIC_CURRENT_COUNT:
        return lapic_current_count(lapic, now);
    case LAPIC_DIVIDE:
        return lapic->divide;
    default: /* remote read: nothing was read from afar */
        return 0;
    }
}

static bool no_such_register(struct lapic *lapic, const struct rule *rule)
{
    bool known = rule && rule->allowed & (MMIO_READ | MMIO_WRITE);

    if (!lapic_x2apic(lapic) && !known)
        report_error(lapic, ESR_REGISTER);
    return false;
}

static bool checked_access(struct lapic *lapic, u32 reg, struct access *access)
{
    const struct rule *rule = reg < LAPIC_REGISTERS ? &rules[reg] : NULL;
    bool by_msr = lapic_x2apic(lapic);
    u8 wanted = (u8)((access->write ? MMIO_WRITE : MMIO_READ) << (by_msr ? MSR_SHIFT : 0));

    if (!access->write)
        access->value = 0;
    if (!rule || !(rule->allowed & wanted))
        return no_such_register(lapic, rule);
    if (!access->write) {
        access->value = read_register(lapic, reg, access->now);
        return true;
    }
    if (by_msr && access->value & ~rule->writable)
        return false;
    access->value &= rule->writable;
    write_register(lapic, reg, access);
    return true;
}

/* Ends of interrupts are most of a guest's accesses: they skip the table. */
bool lapic_access(struct lapic *lapic, u32 reg, struct access *access)
{
    if (reg != LAPIC_EOI || !access->write || access->value)
        return checked_access(lapic, reg, access);
    end_of_interrupt(lapic, access);
    return true;
}

void lapic_mmio(struct lapic *lapic, u32 offset, struct access *access)
{
    if (access->size == 4 && offset % 16 == 0)
        lapic_access(lapic, offset / 16, access);
    else if (!access->write)
        access->value = access->size == 8 ? UINT64_MAX : BIT(access->size * 8) - 1;
}

/* --- modes ------------------------------------------------------------------------------ */

void lapic_reset(struct lapic *lapic, u32 id) /* SDM 11.4.7.1 */
{
    memset(lapic, 0, sizeof(*lapic));
    lapic->id = id;
    lapic->base = LAPIC_BASE | APIC_BASE_ENABLE | (id == 0 ? APIC_BASE_BSP : 0);
    lapic->dfr = UINT32_MAX;
    lapic->svr = 0xff;
    for (u32 i = 0; i < LAPIC_LVTS; i++)
        lapic->lvt[i] = LVT_MASKED;
    lapic_timer_reset(lapic);
}

void lapic_virtual_wire(struct lapic *lapic)
{
    lapic->svr |= SVR_ENABLE;
    lapic->lvt[LINT0] = LVT_EXTINT;
    lapic->lvt[LINT1] = LVT_NMI;
}

/* SDM figure 11-27: x2APIC mode is entered from xAPIC mode only and left for
 * "disabled" only. */
static bool legal_transition(u64 from, u64 to)
{
    switch (to & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) {
    case 0:
        return true;
    case APIC_BASE_ENABLE:
        return !(from & APIC_BASE_X2APIC);
    case APIC_BASE_ENABLE | APIC_BASE_X2APIC:
        return from & APIC_BASE_ENABLE;
    default:
        return false;
    }
}

bool lapic_set_base(struct lapic *lapic, u64 value)
{
    u64 legal =
        (BIT(CPU_PHYSICAL_BITS) - PAGE_SIZE) | APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE;

    if (value & ~legal || !legal_transition(lapic->base, value))
        return false;
    if (!(value & APIC_BASE_ENABLE)) /* as after power-up when it is enabled again */
        lapic_reset(lapic, lapic->id);
    lapic->base = value;
    return true;
}
