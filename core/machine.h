/*
 * The guest machine: RAM, devices, guest time and interrupt routing, all but
 * the processor. A PC of the plain kind: 8259 pair, 8254, CMOS/RTC, 16550 on
 * COM1, local APIC, I/O APIC, ACPI fixed hardware, no PCI.
 */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include "core/bus.h"
#include "core/devices/acpi_pm.h"
#include "core/devices/debug_exit.h"
#include "core/devices/ioapic.h"
#include "core/devices/lapic.h"
#include "core/devices/pic.h"
#include "core/devices/pit.h"
#include "core/devices/reset.h"
#include "core/devices/rtc.h"
#include "core/devices/uart.h"
#include "core/gate.h"
#include "core/memory.h"

enum clock_policy {
    CLOCK_COUNT, /* guest ns = guest count + idle time skipped; needs no inputs */
    CLOCK_HOST,  /* guest ns follows the host's clock; each reading is an input */
};

/* Why a run is over. Numbers are part of the trace format. */
#define END_REASONS(X)                                                                             \
    X(0, NONE, "still running")                                                                    \
    X(1, POWER_OFF, "the guest powered off")                                                       \
    X(2, RESET, "the guest asked for a reset")                                                     \
    X(3, DEBUG_EXIT, "the guest wrote its exit code to the debug-exit port")                       \
    X(4, TRIPLE_FAULT, "the guest triple-faulted")                                                 \
    X(5, DEAD_HALT, "the guest halted with interrupts off")                                        \
    X(6, STOPPED, "stopped by the user")                                                           \
    X(7, GUEST_TIMEOUT, "the limit on guest time was reached")                                     \
    X(8, WALL_TIMEOUT, "the limit on wall-clock time was reached")                                 \
    X(9, TRACE_FULL, "no room was left for the trace")                                             \
    X(10, ENTRY_FAILED, "VM entry failed")                                                         \
    X(11, UNKNOWN_EXIT, "a VM exit has no handler")                                                \
    X(12, UNEMULATED, "an instruction on device memory cannot be emulated")                        \
    X(13, DIVERGED, "the replay differs from its trace")                                           \
    X(14, LOG_ENDED, "the trace ends here (its recording was cut)")                                \
    X(15, TASK_SWITCH, "the guest switches tasks by hardware, which is not emulated")              \
    X(16, REACHED, "the exit that was asked for is reached")

#define X(number, name, text) END_##name = number,
enum end_reason { END_REASONS(X) END_REASON_COUNT };
#undef X

struct end {
    enum end_reason reason; /* the first reason sticks */
    u64 detail;             /* exit code, exit reason, GPA or RIP, as the reason needs */
};

enum { MACHINE_REGIONS = 11 }; /* of ports, core/machine.c */

struct machine {
    struct memory memory;
    struct gate *gate;
    enum clock_policy clock;
    u64 now;      /* guest time, ns; never goes back */
    u64 deadline; /* earliest deadline of all devices, or NEVER */
    u64 asserted; /* ISA lines that their devices hold high, one bit each */
    u64 deadlines[MACHINE_REGIONS]; /* of the devices on ports, by region */
    u64 slow_deadline;              /* the earliest of them */
    u64 exit;     /* number of the exit being handled, for observations */
    u64 armed;    /* guest ns at which the TSC deadline was set last */
    u64 raising;  /* exit at which interrupts were requested last, */
    u32 raised;   /* ... how often, */
    u64 untold[RAISE_SOURCE_COUNT]; /* ... and what the gate was not told of, by source */
    struct end end;
    /* Device state below is what machine_hash() covers. */
    struct lapic lapic;
    struct ioapic ioapic;
    struct pic pic;
    struct pit pit;
    struct rtc rtc;
    struct uart uart;
    struct acpi_pm acpi_pm;
    struct reset reset;
    struct debug_exit debug_exit;
};

/* `epoch`: what the RTC shows at guest time 0, in seconds since 1970 UTC.
 * memory, gate and clock are the caller's to fill in before. */
void machine_init(struct machine *, u64 epoch);

/* One access by the guest. Nobody at the address: reads as all ones, writes are lost.
 * Sizes are checked by the caller (1, 2, 4; MMIO also 8). */
void machine_port(struct machine *, u16 port, struct access *);
void machine_mmio(struct machine *, u64 gpa, struct access *);
/* Access to an x2APIC register by MSR 0x800..0x8ff; false: #GP. */
bool machine_x2apic(struct machine *, u32 msr, struct access *);
/* The TSC-deadline MSR (0x6e0), a guest TSC value = guest ns; SDM 11.5.4.1. */
u64 machine_tsc_deadline(const struct machine *);
void machine_set_tsc_deadline(struct machine *, u64 deadline);
bool machine_set_apic_base(struct machine *, u64 value); /* MSR 0x1b; false: #GP */

/* The time for a reading by the guest: under clock policy `host` this is an input. */
u64 machine_read_host_clock(struct machine *);
static inline u64 machine_read_clock(struct machine *m)
{
    return m->clock == CLOCK_HOST ? machine_read_host_clock(m) : m->now;
}
/* Guest time has come to `now`: timers that are due go off. */
void machine_advance(struct machine *, u64 now);
/* A byte arrives on the console. Only when machine_may_receive(). */
bool machine_may_receive(const struct machine *);
void machine_receive(struct machine *, u8 byte);

/* The vector that the interrupt controllers would deliver now, or -1; and taking it. */
int machine_pending_vector(const struct machine *);
int machine_acknowledge(struct machine *);

/* The priority (0..255) of the best vector that only the TPR holds back, 0 if none:
 * the TPR shadow exits when the TPR falls below its class. */
u8 machine_blocked_by_tpr(const struct machine *);
/* False: no interrupt or NMI of any kind is pending, not even one that is held back. */
static inline bool machine_wants_attention(const struct machine *m)
{
    return lapic_has_requests(&m->lapic) || pic_has_requests(&m->pic) || m->lapic.nmi;
}
/* NMIs: at most one is pending (by LAPIC ICR or LINT1); taking it clears it. */
bool machine_nmi_pending(const struct machine *);
bool machine_take_nmi(struct machine *);

void machine_stop(struct machine *, enum end_reason, u64 detail);
/* Hash of all device state and guest time (not of RAM). */
u64 machine_hash(const struct machine *);

#endif
