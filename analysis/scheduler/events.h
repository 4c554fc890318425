/*
 * What the guest's scheduler did, in order: the events that the scheduler views are made from.
 * They come from a replay (probe.h) or from the file beside the trace that an earlier one left
 * (analysis/guest/facts.h).
 */
#ifndef ANALYSIS_SCHEDULER_EVENTS_H
#define ANALYSIS_SCHEDULER_EVENTS_H

#include "core/types.h"

/* `task` and `other` are indices into the log's names. */
#define SCHED_EVENTS(X)                                                        \
    X(SWITCH, "switch")   /* task leaves the CPU, other runs */                \
    X(WAKE, "wake")       /* task, asleep or about to be, is woken by other */ \
    X(NEW, "new")         /* task begins, made by other */                     \
    X(MIGRATE, "migrate") /* task goes from CPU `cpu` to CPU `to` */           \
    X(EXIT, "exit")       /* task begins to end; it runs on until its last switch */

#define X(name, text) SCHED_##name,
enum sched_kind { SCHED_EVENTS(X) SCHED_KINDS };
#undef X

struct sched_event {
    u64 time;  /* guest ns */
    u64 count; /* guest count */
    u64 exit;  /* number of the exit that came next */
    u32 task, other;
    u32 state; /* SWITCH, WAKE: TASK_* bits of `task`, 0: it stays runnable */
    i16 prio, other_prio;
    u16 cpu, to;
    u8 kind;      /* enum sched_kind */
    u8 preempted; /* SWITCH: `task` did not ask for it; the kernel counts it as involuntary */
    u8 reserved[6];
};
_Static_assert(sizeof(struct sched_event) == 56, "part of the cache's format");

/* Who a task was at the time: pid, tgid and comm never change in a name; exec makes a new one. */
struct sched_name {
    u32 pid, tgid;
    char comm[16]; /* NUL-terminated, zeros behind */
};

/* All zeros: empty. */
struct sched_log {
    struct sched_event *events;
    struct sched_name *names;
    u64 event_count, event_capacity;
    u32 name_count, name_capacity;
    u32 *slots; /* of the names' hash table; 1 + index, 0: free */
    u32 slot_count;
    char lacks[256]; /* kinds of events that this kernel does not give, and why; "": none */
};

/* Bytes of `comm` that a terminal should not get become '?'; it ends with a NUL. */
void sched_name_clean(struct sched_name *);
/* Index of the name, new or known. false: no memory. */
bool sched_log_name(struct sched_log *, const struct sched_name *, u32 *index);
bool sched_log_add(struct sched_log *, const struct sched_event *); /* false: no memory */
void sched_log_free(struct sched_log *);

#endif
