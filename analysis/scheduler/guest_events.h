/*
 * Scheduler events as the kernel's tracepoints, for exports. What the kernel calls
 * sched_waking is a wake-up's start; its end, sched_wakeup, is not seen.
 */
#ifndef ANALYSIS_SCHEDULER_GUEST_EVENTS_H
#define ANALYSIS_SCHEDULER_GUEST_EVENTS_H

#include "analysis/scheduler/events.h"
#include "trace/export/guest_events.h"

struct sched_source {
    const struct sched_log *log;
    u64 next; /* index of the event to be given */
};

/* The log must outlive it, and so must *state. */
struct event_source sched_source(struct sched_source *state, const struct sched_log *log);

#endif
