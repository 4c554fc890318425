/*
 * Interrupt controllers and timers of the guest machine; see apic.h.
 */
#include "tests/guests/lib/apic.h"

static bool by_msr;
struct interrupt_entry interrupt_log[INTERRUPT_LOG];
volatile u64 interrupts;

static void on_spurious(struct frame *f)
{
    (void)f;
}

void apic_on(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(11));
    handlers[0xff] = on_spurious;
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_TPR, 0);
}

void x2apic_on(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(10) | BIT(11));
    by_msr = true;
}

u32 apic_read(u32 reg)
{
    if (by_msr)
        return (u32)rdmsr(MSR_X2APIC + reg);
    return *(volatile u32 *)(APIC_MMIO + reg * 16);
}

void apic_write(u32 reg, u32 value)
{
    if (by_msr)
        wrmsr(MSR_X2APIC + reg, value);
    else
        *(volatile u32 *)(APIC_MMIO + reg * 16) = value;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_self_ipi(u8 vector)
{
    apic_write(APIC_ICR, ICR_SELF | vector);
}

void apic_self_nmi(void)
{
    if (!by_msr)
        apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
    apic_write(APIC_ICR, ICR_NMI); /* physical: SDM 11.6.1 bars NMI by the self shorthand */
}

bool apic_pending(u8 vector)
{
    return apic_read(APIC_IRR + vector / 32) >> vector % 32 & 1;
}

bool apic_in_service(u8 vector)
{
    return apic_read(APIC_ISR + vector / 32) >> vector % 32 & 1;
}

void apic_timer(u32 mode, u8 vector, u32 count)
{
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, mode | vector);
    apic_write(APIC_INITIAL, count);
}

void apic_timer_off(void)
{
    apic_write(APIC_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, MASKED | 0xfe);
}

void ioapic_write(u32 reg, u32 value)
{
    *(volatile u32 *)IOAPIC_MMIO = reg;
    *(volatile u32 *)(IOAPIC_MMIO + 0x10) = value;
}

u32 ioapic_read(u32 reg)
{
    *(volatile u32 *)IOAPIC_MMIO = reg;
    return *(volatile u32 *)(IOAPIC_MMIO + 0x10);
}

void ioapic_route(u32 pin, u8 vector, bool level, bool masked)
{
    ioapic_write(0x11 + 2 * pin, (apic_read(APIC_ID) >> (by_msr ? 0 : 24)) << 24);
    ioapic_write(0x10 + 2 * pin, vector | (level ? 1u << 15 : 0) | (masked ? 1u << 16 : 0));
}

void pic_on(u16 mask)
{
    static const u8 words[2][4] = {{0x11, 0x20, 4, 1}, {0x11, 0x28, 2, 1}};
    for (u32 chip = 0; chip < 2; chip++) {
        u16 port = chip ? 0xa0 : 0x20;
        outb(port, words[chip][0]);
        for (u32 i = 1; i < 4; i++)
            outb(port + 1, words[chip][i]);
    }
    outb(0x21, (u8)mask);
    outb(0xa1, (u8)(mask >> 8));
}

void pic_eoi(u32 irq)
{
    if (irq >= 8)
        outb(0xa0, 0x20);
    outb(0x20, 0x20);
}

void pit_start(u32 mode, u32 count)
{
    outb(0x43, (u8)(0x30 | mode << 1));
    outb(0x40, (u8)count);
    outb(0x40, (u8)(count >> 8));
}

u8 cmos_read(u8 index)
{
    outb(0x70, index);
    return inb(0x71);
}

void cmos_write(u8 index, u8 value)
{
    outb(0x70, index);
    outb(0x71, value);
}

void log_interrupt(struct frame *f)
{
    if (interrupts < INTERRUPT_LOG)
        interrupt_log[interrupts] = (struct interrupt_entry){f->vector, f->rip, f->rcx, f->rflags};
    interrupts++;
    apic_eoi();
}

void log_reset(void)
{
    interrupts = 0;
}
