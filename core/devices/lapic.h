/*
 * The local APIC of the one vCPU (SDM vol. 3A chapter 11, "APIC"): registers by
 * MMIO (xAPIC) and by MSR (x2APIC), interrupt priorities, the timer in its three
 * modes, interprocessor interrupts to itself. There is no other CPU: what is
 * sent elsewhere is counted and dropped. It never acts on the I/O APIC or the
 * clock itself: ends of level-triggered interrupts and new deadlines are told
 * through access.effect.
 */
#ifndef CORE_DEVICES_LAPIC_H
#define CORE_DEVICES_LAPIC_H

#include "core/bus.h"
#include "core/types.h"

#define APIC_BASE_BSP BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)

enum { LAPIC_FIRST_VECTOR = 16 }; /* lower ones are illegal, SDM 11.5.2 */
enum { LAPIC_VERSION = 0x50014, LAPIC_SPAN = 0x1000 };

/* Register numbers: MMIO offset >> 4, and MSR - 0x800 (SDM tables 11-1 and 11-6). */
enum lapic_register {
    LAPIC_ID = 0x02,
    LAPIC_VERSION_REG = 0x03,
    LAPIC_TPR = 0x08,
    LAPIC_APR = 0x09,
    LAPIC_PPR = 0x0a,
    LAPIC_EOI = 0x0b,
    LAPIC_REMOTE_READ = 0x0c,
    LAPIC_LDR = 0x0d,
    LAPIC_DFR = 0x0e,
    LAPIC_SVR = 0x0f,
    LAPIC_ISR = 0x10, /* eight registers each */
    LAPIC_TMR = 0x18,
    LAPIC_IRR = 0x20,
    LAPIC_ESR = 0x28,
    LAPIC_ICR = 0x30,
    LAPIC_ICR_HIGH = 0x31,
    LAPIC_LVT_TIMER = 0x32,
    LAPIC_LVT_THERMAL = 0x33,
    LAPIC_LVT_PERF = 0x34,
    LAPIC_LVT_LINT0 = 0x35,
    LAPIC_LVT_LINT1 = 0x36,
    LAPIC_LVT_ERROR = 0x37,
    LAPIC_INITIAL_COUNT = 0x38,
    LAPIC_CURRENT_COUNT = 0x39,
    LAPIC_DIVIDE = 0x3e,
    LAPIC_SELF_IPI = 0x3f,
    LAPIC_REGISTERS = 0x40
};

enum { LAPIC_LVTS = 6 }; /* timer, thermal, perf, LINT0, LINT1, error: in register order */

enum {
    LVT_MASKED = 1 << 16,
    LVT_MODE = 7 << 8,
    LVT_NMI = 4 << 8,
    LVT_EXTINT = 7 << 8,
    SVR_ENABLE = 1 << 8
};

struct lapic {
    u64 irr[4], isr[4], tmr[4]; /* one bit a vector */
    u64 base;                   /* IA32_APIC_BASE */
    u64 icr;                    /* destination in 63:32, in x2APIC's form */
    u64 deadline;               /* guest ns at which the timer goes off, or NEVER */
    u64 timer_start;            /* guest ns at which the current count was timer_count */
    u64 tsc_deadline;           /* IA32_TSC_DEADLINE; 0: disarmed */
    u32 timer_count;            /* 0: the count-down stands still */
    u32 initial_count;
    u32 lvt[LAPIC_LVTS];
    u32 id, tpr, ldr, dfr, svr, divide;
    u32 errors, esr; /* gathered since the last write to ESR; as that write latched them */
    u32 dropped;     /* messages to CPUs that do not exist, or of a kind that is not modelled */
    u32 nmi;         /* an NMI is pending: 0 or 1 */
};

/* As after power-up, for CPU number `id`. */
void lapic_reset(struct lapic *, u32 id);

/* As firmware hands over (MP specification 3.6.2.2): enabled, the 8259's interrupts
 * come through on LINT0, NMIs on LINT1. */
void lapic_virtual_wire(struct lapic *);

/* One access to a register by number; `now` is needed only where lapic_register_timed().
 * False: in x2APIC mode, #GP; in xAPIC mode, no such register (reads as 0). */
bool lapic_access(struct lapic *, u32 reg, struct access *);
/* Its value depends on guest time, or writing it starts a count. */
static inline bool lapic_register_timed(u32 reg, bool write)
{
    if (write)
        return reg == LAPIC_INITIAL_COUNT || reg == LAPIC_DIVIDE;
    return reg == LAPIC_CURRENT_COUNT;
}
/* MMIO: aligned 32-bit accesses reach registers; SDM 11.4.1 leaves others undefined:
 * here they read as all ones and write nothing. */
void lapic_mmio(struct lapic *, u32 offset, struct access *);

bool lapic_set_base(struct lapic *, u64 value); /* WRMSR 0x1b; false: #GP (SDM 11.12.5) */

static inline bool lapic_enabled(const struct lapic *lapic) /* globally, SDM 11.4.3 */
{
    return lapic->base & APIC_BASE_ENABLE;
}

static inline bool lapic_x2apic(const struct lapic *lapic)
{
    return lapic->base & APIC_BASE_X2APIC;
}

/* An interrupt arrives. False: not taken, since the APIC is off or the vector below 16. */
bool lapic_raise(struct lapic *, u8 vector, bool level);
/* Is this CPU among those addressed? `destination` in the form of the current mode
 * (8 bits for xAPIC and I/O APIC). */
bool lapic_addressed(const struct lapic *, u32 destination, bool logical);
/* LINT0 passes the 8259's interrupts through (virtual wire mode). */
static inline bool lapic_accepts_extint(const struct lapic *lapic)
{
    u32 lint0 = lapic->lvt[LAPIC_LVT_LINT0 - LAPIC_LVT_TIMER];

    return (lint0 & (LVT_MASKED | LVT_MODE)) == LVT_EXTINT && lapic->svr & SVR_ENABLE;
}

static inline bool lapic_has_requests(const struct lapic *lapic) /* deliverable or not */
{
    return lapic->irr[0] | lapic->irr[1] | lapic->irr[2] | lapic->irr[3];
}

static inline bool lapic_requested(const struct lapic *lapic, u8 vector)
{
    return lapic->irr[vector / 64] >> vector % 64 & 1;
}

int lapic_pending(const struct lapic *); /* highest deliverable vector, or -1 */
/* The best vector that the TPR alone holds back, or 0. */
u8 lapic_blocked_by_tpr(const struct lapic *);
int lapic_acknowledge(struct lapic *); /* takes it into service; -1: none */

static inline u8 lapic_tpr(const struct lapic *lapic) /* VT-x's TPR shadow shares it */
{
    return (u8)lapic->tpr;
}

static inline void lapic_set_tpr(struct lapic *lapic, u8 tpr)
{
    lapic->tpr = tpr;
}

/* The timer (lapic_timer.c). */
void lapic_timer_reset(struct lapic *);
u32 lapic_current_count(const struct lapic *, u64 now);
void lapic_set_initial_count(struct lapic *, struct access *);
void lapic_set_divide(struct lapic *, struct access *);
void lapic_set_lvt_timer(struct lapic *, u32 value, struct access *);
/* IA32_TSC_DEADLINE: a guest TSC value, and so guest ns. Ignored in the other modes. */
void lapic_set_tsc_deadline(struct lapic *, u64 deadline);

/* The vector that the timer requests when it goes off; 0: none, it is masked. */
u8 lapic_timer_vector(const struct lapic *);
/* Guest time has come to `now`: the timer goes off if it is due, once however late. Gives the
 * number of further periods that this covers. */
u64 lapic_advance(struct lapic *, u64 now);

#endif
