/*
 * Whose interrupt a vector is, by what the guest has programmed: the local APIC's timer, an I/O
 * APIC pin or a PIC input. The device models of core/ are fed the guest's writes, as a trace shows
 * them, and asked.
 */
#ifndef ANALYSIS_INTERRUPTS_ROUTES_H
#define ANALYSIS_INTERRUPTS_ROUTES_H

#include "analysis/io/accesses.h"
#include "core/devices/ioapic.h"
#include "core/devices/pic.h"

struct routes {
    struct ioapic ioapic;
    struct pic pic;
    u8 timer; /* vector of the local APIC's LVT timer register; 0: not programmed */
};

void routes_reset(struct routes *);
/* The guest's accesses, in order. */
void routes_feed(struct routes *, const struct io_access *);
bool routes_is_timer(const struct routes *, u8 vector);
/* ISA line 0..23 that Linux numbers its interrupts by; -1: no line has that vector. */
int routes_line(const struct routes *, u8 vector);
/* The device on the line; NULL: none of ours. */
const char *routes_device(int line);

#endif
