/* Where the devices are: ports, guest-physical addresses and interrupt lines. */
#ifndef CORE_DEVICES_PORTS_H
#define CORE_DEVICES_PORTS_H

enum {
    PORT_PIC1 = 0x20,
    PORT_PIT = 0x40,
    PORT_SPEAKER = 0x61,   /* gate and output of PIT counter 2, refresh bit */
    PORT_KEYBOARD = 0x64,  /* only its reset command */
    PORT_CMOS = 0x70,
    PORT_PIC2 = 0xa0,
    PORT_DEBUG_EXIT = 0xf4, /* a write of any size ends the run with that code */
    PORT_UART = 0x3f8,
    PORT_ELCR = 0x4d0,     /* edge/level control of the PICs */
    PORT_ACPI_PM = 0x600,  /* PM1a event block 0x600-0x603, PM1a control 0x604-0x605, PM timer 0x608-0x60b */
    PORT_RESET = 0xcf9,
};

enum { IRQ_PIT = 0, IRQ_CASCADE = 2, IRQ_UART = 4, IRQ_RTC = 8, IRQ_ACPI = 9, ISA_IRQS = 16 };

#define LAPIC_BASE 0xfee00000ull
#define IOAPIC_BASE 0xfec00000ull
enum { IOAPIC_ID = 1, IOAPIC_PINS = 24 };

enum { ACPI_S5_TYPE = 5, ACPI_SLEEP_ENABLE = 1 << 13, ACPI_PM_TIMER_HZ = 3579545 };
enum { PIT_HZ = 1193182 };
enum { CRYSTAL_HZ = 25000000, GUEST_TSC_HZ = 1000000000 }; /* local APIC timer input; 1 TSC tick = 1 ns */

#endif
