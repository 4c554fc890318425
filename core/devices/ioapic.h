/*
 * The I/O APIC (Intel 82093AA, with the version 0x20 EOI register): 24 pins, a
 * redirection entry each. Pins are levels; whether they are active high or low
 * is not modelled. It holds no pointer to a local APIC: whatever it has to send
 * is kept as ready pins, and the machine takes their messages at once.
 */
#ifndef CORE_DEVICES_IOAPIC_H
#define CORE_DEVICES_IOAPIC_H

#include "core/bus.h"
#include "core/devices/ports.h"
#include "core/types.h"

enum { IOAPIC_SPAN = 0x1000, IOAPIC_VERSION = 0x20 };

/* What a message does; bits 10:8 of ICR, LVT and redirection entries. */
enum delivery_mode {
    DELIVER_FIXED,
    DELIVER_LOWEST,
    DELIVER_SMI,
    DELIVER_NMI = 4,
    DELIVER_INIT,
    DELIVER_EXTINT = 7
};

struct ioapic {
    u64 redirect[IOAPIC_PINS];
    u32 id, index; /* the ID register; the index register */
    u32 lines;     /* what the pins are driven to */
    u32 ready;     /* pins whose message is to be taken; 0 between accesses */
};

struct ioapic_message {
    u8 pin, vector, destination;
    u8 mode; /* enum delivery_mode */
    bool logical, level;
};

void ioapic_reset(struct ioapic *);
void ioapic_access(void *ioapic, u32 offset, struct access *); /* MMIO */
void ioapic_set_line(struct ioapic *, u32 pin, bool level);
/* A level-triggered pin that is not masked: it goes on asking while it is high. */
bool ioapic_waits(const struct ioapic *, u32 pin);
/* A local APIC ended a level-triggered interrupt. */
void ioapic_eoi(struct ioapic *, u8 vector);

/* Takes the next message to send; false: none. After every call above. */
bool ioapic_take(struct ioapic *, struct ioapic_message *);
/* No CPU took the message: a level-triggered pin tries again when anything changes. */
void ioapic_refused(struct ioapic *, u32 pin);

#endif
