/*
 * The one gate between the guest machine and the world.
 *
 * Everything below this interface (machine, devices, exit handlers) is a
 * deterministic state machine. Whatever it cannot compute from its own state it
 * asks here, and whatever it does is shown here. Who answers is chosen once, at
 * start: replay/recorder.c asks the world and logs (or keeps nothing, in a plain
 * run), replay/replayer.c answers from a log and compares.
 *
 * The declaration lives in core/ because its callers do (core/ and vmx/); the
 * answers live in replay/.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "core/types.h"

struct exit_record; /* trace/schema.h */
struct injection_record;
struct state_record;
struct end_record;

/* Where the vCPU is, finely enough that no two places of a run are alike. */
struct position {
    u64 exit;  /* number of the exit that it is at, from 0 */
    u64 count; /* guest count, in the trace's kind of count */
    u64 rip;
    u64 rcx;
    u64 check; /* running hash over the registers at every exit so far */
};

/* What may come in from outside while the vCPU is at an exit. */
enum arrival_kind {
    ARRIVAL_NONE,
    ARRIVAL_TIME,    /* value: guest time is now this many ns (clock policy `host`), or
                        this many ns were skipped (policy `count`, noise only) */
    ARRIVAL_CONSOLE, /* value: a byte typed on the console */
    ARRIVAL_END,     /* value: enum end_reason; the run is over */
};

struct arrival {
    enum arrival_kind kind;
    u64 value;
};

/* Who requests an interrupt. Numbers are part of the trace format. */
#define RAISE_SOURCES(X)        \
    X(0, APIC_TIMER, "APIC timer") /* the local one */ \
    X(1, PIT, "PIT")            \
    X(2, RTC, "RTC")            \
    X(3, ACPI, "ACPI")          /* the PM timer; power buttons do not exist */ \
    X(4, UART, "UART")          \
    X(5, IPI, "IPI")            /* the vCPU itself, by its ICR */ \
    X(6, LINE, "line")          /* an ISA line that no device of ours drives */

#define X(number, name, text) RAISED_BY_##name = number,
enum raise_source { RAISE_SOURCES(X) RAISE_SOURCE_COUNT };
#undef X

enum raise_flags {
    RAISE_MERGED = 1, /* a request of that vector was pending already: the guest gets but one */
    RAISE_MASKED = 2, /* nobody heard it: masked in the APIC's timer, the 8259 and the I/O APIC */
    RAISE_NMI = 4,    /* it is an NMI */
};

/* A request of an interrupt. */
struct raise {
    u64 exit; /* being handled */
    u64 due;  /* guest ns: a timer's deadline, not before it was set; or when it happened */
    u64 late; /* ns from then to the request: what a timer had to wait for an exit */
    u64 lost; /* so many more of this source fell together with it, or were not told one by one */
    u8 source; /* enum raise_source */
    u8 vector; /* that the guest will get; 0: masked */
    u8 flags;  /* enum raise_flags */
};

struct gate;

struct gate_ops {
    /* Guest time in ns by the host's clock; clock policy `host` only. An input. */
    u64 (*clock)(struct gate *, u64 exit);
    /* The count at which the vCPU shall stop next because the world wants it
     * there, > `count`, or NEVER. `deadline`: the guest time (ns) of the next
     * timer, which only the world can place under clock policy `host`. */
    u64 (*stop)(struct gate *, u64 count, u64 deadline);
    /* Takes the next event that has arrived at this exit. Asked until NONE.
     * `may_receive`: the console can take a byte. An input. */
    struct arrival (*arrive)(struct gate *, const struct position *, bool may_receive);
    /* The vCPU is halted: blocks until something arrives, at the latest when the
     * clock reaches `deadline` (policy `host`). Never returns NONE. An input. */
    struct arrival (*wait)(struct gate *, const struct position *, u64 deadline, bool may_receive);
    /* The guest wrote a byte to its console. Shown; compared through the exit's value. */
    void (*console_out)(struct gate *, u8 byte);
    /* A device timer was set to go off at guest time `deadline` (ns). An observation. */
    void (*timer_set)(struct gate *, u64 exit, u64 deadline);
    /* An interrupt was requested while this exit was handled. An observation. */
    void (*raised)(struct gate *, const struct raise *);
    /* Halted with nothing to do, guest time was skipped to `until` (ns); clock policy `count`.
     * An observation. */
    void (*idled)(struct gate *, u64 exit, u64 until);
    /* The four below return false when the replay has diverged: the run must stop here. */
    /* An exit has happened: no handler has run; address, value and tsc_entry are not
     * yet known. `entered`: host TSC of the VM entry that led here, which ends the exit before. */
    bool (*exit_begins)(struct gate *, const struct exit_record *, const struct position *, u64 entered);
    /* Its handler is done: `value` is what the guest wrote or was given. */
    bool (*exit_ends)(struct gate *, const struct exit_record *, const struct position *);
    /* Both at once, for exit `number` that came and went while nothing was due. Only while the
     * count is below quiet_until; false: the next exit wants the long way. NULL: this gate is
     * never quiet. */
    bool (*exit_passes)(struct gate *, const struct exit_record *, u64 number, u64 entered);
    /* The next VM entry delivers this event to the guest. */
    bool (*injected)(struct gate *, const struct injection_record *);
    /* A block ends at this exit: the gate wants the hashes of the whole state ... */
    bool (*wants_state)(struct gate *, const struct position *);
    /* ... and gets them; `inputs` is the gate's own to fill in or compare. */
    bool (*state)(struct gate *, const struct state_record *);
    /* The run is over; the last thing said. */
    bool (*ends)(struct gate *, const struct end_record *);
};

struct gate {
    const struct gate_ops *ops;
    /* While the guest count is below this, arrive() has nothing, wants_state() is false and
     * stop() answers what it last did: nobody need ask. 0: always ask. */
    u64 quiet_until;
};

#endif
