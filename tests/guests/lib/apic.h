/*
 * Interrupt controllers and timers as a test guest sees them: local APIC by MMIO
 * or MSR (SDM vol. 3A chapter 11), I/O APIC, 8259 pair, 8254, MC146818.
 */
#ifndef TESTS_GUESTS_LIB_APIC_H
#define TESTS_GUESTS_LIB_APIC_H

#include "tests/guests/lib/guest.h"

#define APIC_MMIO 0xfee00000ull
#define IOAPIC_MMIO 0xfec00000ull

enum apic_register { /* number: MMIO offset >> 4, MSR - 0x800 */
                     APIC_ID = 0x02,
                     APIC_VERSION = 0x03,
                     APIC_TPR = 0x08,
                     APIC_PPR = 0x0a,
                     APIC_EOI = 0x0b,
                     APIC_LDR = 0x0d,
                     APIC_SVR = 0x0f,
                     APIC_ISR = 0x10,
                     APIC_IRR = 0x20,
                     APIC_ESR = 0x28,
                     APIC_ICR = 0x30,
                     APIC_ICR_HIGH = 0x31,
                     APIC_LVT_TIMER = 0x32,
                     APIC_LVT_LINT0 = 0x35,
                     APIC_LVT_LINT1 = 0x36,
                     APIC_LVT_ERROR = 0x37,
                     APIC_INITIAL = 0x38,
                     APIC_CURRENT = 0x39,
                     APIC_DIVIDE = 0x3e,
                     APIC_SELF = 0x3f
};

enum {
    TIMER_ONE_SHOT = 0,
    TIMER_PERIODIC = 1 << 17,
    TIMER_TSC_DEADLINE = 2 << 17,
    MASKED = 1 << 16,
    DIVIDE_BY_1 = 0xb,
    DIVIDE_BY_16 = 3,
    ICR_SELF = 1 << 18,
    ICR_NMI = 4 << 8
};
enum { CRYSTAL_NS = 40 }; /* one tick of the APIC timer divided by 1, under Hindvisor */

/* Masks the 8259 pair and enables the local APIC with spurious vector 0xff. */
void apic_on(void);
void x2apic_on(void); /* from then on registers go by MSR */
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);
void apic_eoi(void);
void apic_self_ipi(u8 vector);
void apic_self_nmi(void);
bool apic_pending(u8 vector);                    /* its bit in IRR */
bool apic_in_service(u8 vector);                 /* its bit in ISR */
void apic_timer(u32 mode, u8 vector, u32 count); /* divided by 1 */
void apic_timer_off(void);

void ioapic_write(u32 reg, u32 value);
u32 ioapic_read(u32 reg);
void ioapic_route(u32 pin, u8 vector, bool level, bool masked);

/* The pair at vectors 0x20-0x2f with these inputs masked (bit n: IRQ n). */
void pic_on(u16 mask);
void pic_eoi(u32 irq);
void pit_start(u32 mode, u32 count);
u8 cmos_read(u8 index);
void cmos_write(u8 index, u8 value);

/* A log of interrupts: install log_interrupt as handler. It ends the interrupt at the
 * local APIC. */
struct interrupt_entry {
    u64 vector, rip, rcx, rflags;
};
enum { INTERRUPT_LOG = 4096 };
extern struct interrupt_entry interrupt_log[INTERRUPT_LOG];
extern volatile u64 interrupts;
void log_interrupt(struct frame *);
void log_reset(void);

#endif
