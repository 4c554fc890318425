/*
 * A gate for tests: answers from plain members and remembers what it was told.
 * Include it, call fake_gate_init(), and give &fake.gate to whoever needs one.
 */
#ifndef TESTS_UNIT_FAKE_GATE_H
#define TESTS_UNIT_FAKE_GATE_H

#include "core/gate.h"

enum { FAKE_CONSOLE = 1024, FAKE_ARRIVALS = 64, FAKE_RAISES = 256 };

struct fake_gate {
    struct gate gate; /* first: the operations cast back */
    /* Answers: */
    u64 clock, clock_step; /* each reading of the clock adds the step first */
    u64 stop;
    struct arrival arrivals[FAKE_ARRIVALS]; /* handed out one by one, then NONE */
    u32 arrival_count, arrivals_taken;
    bool diverged; /* every check fails */
    bool wants_state;
    /* What it was told: */
    u32 clock_reads, stops_asked, timers, exits_begun, exits_ended, injections, states, ends;
    u64 timer_exit, timer_deadline; /* of the last timer_set() */
    u32 raises;
    struct raise raise[FAKE_RAISES]; /* the last ones, in turns */
    u32 idles;
    u64 idle_until; /* of the last idled() */
    u8 console[FAKE_CONSOLE];
    u32 console_length;
};

static inline u64 fake_gate_clock(struct gate *gate, u64 exit)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)exit;
    fake->clock_reads++;
    return fake->clock += fake->clock_step;
}

static inline u64 fake_gate_stop(struct gate *gate, u64 count, u64 deadline)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)count, (void)deadline;
    fake->stops_asked++;
    return fake->stop;
}

static inline struct arrival fake_gate_arrive(struct gate *gate, const struct position *position,
                                              bool may_receive)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)position;
    if (fake->arrivals_taken >= fake->arrival_count)
        return (struct arrival){ARRIVAL_NONE, 0};
    struct arrival next = fake->arrivals[fake->arrivals_taken];
    if (next.kind == ARRIVAL_CONSOLE && !may_receive)
        return (struct arrival){ARRIVAL_NONE, 0};
    fake->arrivals_taken++;
    return next;
}

/* With nothing left to arrive, time comes to the deadline. */
static inline struct arrival fake_gate_wait(struct gate *gate, const struct position *position,
                                            u64 deadline, bool may_receive)
{
    struct arrival next = fake_gate_arrive(gate, position, may_receive);
    return next.kind ? next : (struct arrival){ARRIVAL_TIME, deadline};
}

static inline void fake_gate_console_out(struct gate *gate, u8 byte)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    if (fake->console_length < FAKE_CONSOLE)
        fake->console[fake->console_length++] = byte;
}

static inline void fake_gate_timer_set(struct gate *gate, u64 exit, u64 deadline)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    fake->timers++;
    fake->timer_exit = exit;
    fake->timer_deadline = deadline;
}

static inline void fake_gate_raised(struct gate *gate, const struct raise *raise)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    fake->raise[fake->raises++ % FAKE_RAISES] = *raise;
}

static inline void fake_gate_idled(struct gate *gate, u64 exit, u64 until)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)exit;
    fake->idles++;
    fake->idle_until = until;
}

static inline bool fake_gate_exit_begins(struct gate *gate, const struct exit_record *record,
                                         const struct position *position, u64 entered)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)record, (void)position, (void)entered;
    fake->exits_begun++;
    return !fake->diverged;
}

static inline bool fake_gate_exit_ends(struct gate *gate, const struct exit_record *record,
                                       const struct position *position)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)record, (void)position;
    fake->exits_ended++;
    return !fake->diverged;
}

static inline bool fake_gate_injected(struct gate *gate, const struct injection_record *record)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)record;
    fake->injections++;
    return !fake->diverged;
}

static inline bool fake_gate_wants_state(struct gate *gate, const struct position *position)
{
    (void)position;
    return ((struct fake_gate *)gate)->wants_state;
}

static inline bool fake_gate_state(struct gate *gate, const struct state_record *record)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)record;
    fake->states++;
    return !fake->diverged;
}

static inline bool fake_gate_ends(struct gate *gate, const struct end_record *record)
{
    struct fake_gate *fake = (struct fake_gate *)gate;
    (void)record;
    fake->ends++;
    return !fake->diverged;
}

static inline void fake_gate_init(struct fake_gate *fake)
{
    static const struct gate_ops ops = {
        .clock = fake_gate_clock,
        .stop = fake_gate_stop,
        .arrive = fake_gate_arrive,
        .wait = fake_gate_wait,
        .console_out = fake_gate_console_out,
        .timer_set = fake_gate_timer_set,
        .raised = fake_gate_raised,
        .idled = fake_gate_idled,
        .exit_begins = fake_gate_exit_begins,
        .exit_ends = fake_gate_exit_ends,
        .injected = fake_gate_injected,
        .wants_state = fake_gate_wants_state,
        .state = fake_gate_state,
        .ends = fake_gate_ends,
    };
    *fake = (struct fake_gate){.gate = {&ops}, .stop = NEVER};
}

#endif
