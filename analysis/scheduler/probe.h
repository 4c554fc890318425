/*
 * Makes scheduler events while a guest runs on the software processor: waits for the guest's Linux
 * kernel to be in memory, hooks the functions of its scheduler, and reads the tasks that they are
 * called with. The run is the same as without.
 */
#ifndef ANALYSIS_SCHEDULER_PROBE_H
#define ANALYSIS_SCHEDULER_PROBE_H

#include "analysis/guest/task.h"
#include "analysis/scheduler/events.h"
#include "vmx/software/host_run.h"

enum { PROBE_POINTS = 5 };

struct probe {
    struct observer observer; /* give it to the run */
    struct sched_log *log;
    struct kernel kernel;
    struct task_layout layout;
    struct hook hooks[PROBE_POINTS];
    u32 hook_count;
    bool attached;
    struct task current;    /* that runs on the CPU; address 0: not known yet */
    u64 wait, beats;        /* until the next look for the kernel, in beats */
    u64 unread;             /* events whose tasks could not be read */
    struct failure failure; /* what kept it from attaching, or stopped it */
};

/* Events go to *log, which the caller keeps. */
void probe_init(struct probe *, struct sched_log *log);
void probe_free(struct probe *);
/* After the run: an error says why there are no events. */
struct failure probe_result(const struct probe *);

#endif
