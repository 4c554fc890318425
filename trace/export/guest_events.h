/*
 * Events of the guest's own kernel (task switches, wake-ups, interrupt
 * handlers) that somebody found in the guest or in its records, and the two seams
 * by which they come into exports: a source that gives them in order of time, and
 * a watcher that is shown the records. Names and fields are those of the kernel's
 * tracepoints, because tools look for them.
 *
 * GUEST_EVENTS(E): E(name, NAME, proto, FIELDS)
 *   proto    field number in Perfetto's FtraceEvent (ftrace_event.proto); 0: it has none, and
 *            goes into a GenericFtraceEvent
 * FIELDS(F): F(type, name, proto)
 *   type     i32, i64, or guest_text: up to 15 characters, the rest zeros
 *   proto    field number in that event's message
 */
#ifndef TRACE_EXPORT_GUEST_EVENTS_H
#define TRACE_EXPORT_GUEST_EVENTS_H

#include "trace/failure.h"
#include "trace/moments.h"

typedef char guest_text[16]; /* TASK_COMM_LEN */

#define SCHED_SWITCH_FIELDS(F)  \
    F(guest_text, prev_comm, 1) \
    F(i32, prev_pid, 2)         \
    F(i32, prev_prio, 3)        \
    F(i64, prev_state, 4)       \
    F(guest_text, next_comm, 5) \
    F(i32, next_pid, 6)         \
    F(i32, next_prio, 7)

#define SCHED_WAKEUP_FIELDS(F) \
    F(guest_text, comm, 1)     \
    F(i32, pid, 2)             \
    F(i32, prio, 3)            \
    F(i32, target_cpu, 5)

#define IRQ_ENTRY_FIELDS(F) \
    F(i32, irq, 1)          \
    F(guest_text, name, 2)

#define IRQ_EXIT_FIELDS(F) \
    F(i32, irq, 1)         \
    F(i32, ret, 2)

/* arch/x86/include/asm/trace/irq_vectors.h */
#define IRQ_VECTOR_FIELDS(F) F(i32, vector, 0)

#define SCHED_MIGRATE_FIELDS(F) \
    F(guest_text, comm, 0)      \
    F(i32, pid, 0)              \
    F(i32, prio, 0)             \
    F(i32, orig_cpu, 0)         \
    F(i32, dest_cpu, 0)

#define SCHED_EXIT_FIELDS(F) \
    F(guest_text, comm, 1)   \
    F(i32, pid, 2)           \
    F(i32, prio, 4)          \
    F(i32, tgid, 3)

#define GUEST_EVENTS(E)                                                \
    E(sched_switch, SCHED_SWITCH, 4, SCHED_SWITCH_FIELDS)              \
    E(sched_wakeup, SCHED_WAKEUP, 17, SCHED_WAKEUP_FIELDS)             \
    E(sched_waking, SCHED_WAKING, 20, SCHED_WAKEUP_FIELDS)             \
    E(sched_wakeup_new, SCHED_WAKEUP_NEW, 114, SCHED_WAKEUP_FIELDS)    \
    E(sched_migrate_task, SCHED_MIGRATE_TASK, 0, SCHED_MIGRATE_FIELDS) \
    E(sched_process_exit, SCHED_PROCESS_EXIT, 238, SCHED_EXIT_FIELDS)  \
    E(irq_handler_entry, IRQ_ENTRY, 36, IRQ_ENTRY_FIELDS)              \
    E(irq_handler_exit, IRQ_EXIT, 37, IRQ_EXIT_FIELDS)                 \
    E(local_timer_entry, TIMER_ENTRY, 0, IRQ_VECTOR_FIELDS)            \
    E(local_timer_exit, TIMER_EXIT, 0, IRQ_VECTOR_FIELDS)

#define E(name, NAME, proto, FIELDS) GUEST_##NAME,
enum guest_event_kind { GUEST_EVENTS(E) GUEST_EVENT_KINDS };
#undef E

#define F(type, name, proto) type name;
#define E(name, NAME, proto, FIELDS) \
    struct guest_##name {            \
        FIELDS(F)                    \
    };
GUEST_EVENTS(E)
#undef E
#undef F

struct guest_event {
    u64 ns; /* guest time */
    u16 cpu;
    u16 kind;        /* enum guest_event_kind */
    i32 pid;         /* of the task that ran; 0: idle */
    guest_text comm; /* its name; "": not known */
    union {
#define E(name, NAME, proto, FIELDS) struct guest_##name name;
        GUEST_EVENTS(E)
#undef E
    };
};

struct event_source {
    void *context;
    u32 kinds; /* that it may give: bits by enum guest_event_kind */
    /* The next event in order of time. OK and *more false: there is none. */
    struct failure (*next)(void *context, struct guest_event *, bool *more);
};

/* What records themselves show of the guest's kernel. */
struct event_watcher {
    void *context;
    u32 kinds;
    /* Shown every record from the trace's first one on. True: it makes an event, at its time; an
     * injection's belongs after the VM entry. The task is not for it to say. */
    bool (*see)(void *context, const struct moment *, struct guest_event *);
};

#endif
