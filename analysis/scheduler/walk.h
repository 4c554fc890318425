/*
 * What the scheduler's events mean, one after the other: who had the CPU and for how long, and how
 * long a task had waited for it. The views of the scheduler walk the events that belong to their
 * slices (an event belongs to the exit that came next). Events before the first slice are looked
 * at all the same, so a shard knows what was open where it begins, and what it counts is what the
 * whole counts there: nothing is joined when shards are merged.
 *
 * Terms are those of `perf sched`. A task waits from its wakeup (or first wakeup: fork) or from
 * the switch away from it while it could have run on, until the switch to it. A wakeup of a task
 * that runs, or that is ready already, begins no wait.
 */
#ifndef ANALYSIS_SCHEDULER_WALK_H
#define ANALYSIS_SCHEDULER_WALK_H

#include "analysis/frame/tally.h"
#include "analysis/frame/view.h"
#include "analysis/scheduler/events.h"

enum sched_owner { OWNER_BOOT /* before the first switch */, OWNER_IDLE, OWNER_TASK };
enum sched_wait { WAIT_NONE, WAIT_WOKEN, WAIT_PREEMPTED };
extern const char *const sched_wait_names[]; /* what it waits after; of NONE: NULL */

/* How long a task ran, and what was before that. All in guest ns, 0 where it is not known. */
struct sched_stint {
    u64 ran;
    u64 away;  /* off the CPU, from the switch away from it: what perf calls wait time */
    u64 delay; /* the part of it that it waited, ready to run */
    enum sched_wait wait;
};

struct sched_step {
    const struct sched_event *event; /* NULL: the slice ends */
    u64 span;                        /* guest ns since the step before, and who had the CPU: */
    enum sched_owner owner;
    u32 runner; /* OWNER_TASK: its name */
    /* SWITCH: the stint of `task` that ends, and the one of `other` that begins. */
    struct sched_stint ends, begins;
};

struct sched_walk {
    const struct sched_log *log;
    const struct subject *subject;
    struct tally tasks; /* by pid */
    u64 next;           /* event */
    u64 time;           /* up to which spans were told */
    bool begun;
    enum sched_owner owner;
    u32 runner, runner_pid;
};

/* A query without events is walked as if there were none. */
void sched_walk_init(struct sched_walk *, const struct query *);
void sched_walk_free(struct sched_walk *);
/* Goes to the first event of the slice. */
struct failure sched_walk_to(struct sched_walk *, const struct slice *);
/* The next step in the slice; *more false: there is none. */
struct failure sched_walk_next(struct sched_walk *, const struct slice *, struct sched_step *,
                               bool *more);

/* A task that waits at the time up to which the walk has come. */
struct sched_waiter {
    u32 name;
    enum sched_wait wait;
    u64 since; /* guest ns */
};
/* The next of them; *cursor begins at 0. false: there is none. */
bool sched_walk_waiting(const struct sched_walk *, u32 *cursor, struct sched_waiter *);

/* Without slices: the next step of all events; behind the last, the span up to the run's end. */
struct failure sched_walk_on(struct sched_walk *, struct sched_step *, bool *more);

#endif
