/*
 * A run on the software processor, in this process: the hosted counterpart of vmx/image/run.c.
 * Builds memory, EPT and vCPU, loads the guest, runs it through the gate that the mission asks
 * for, and leaves a report. One run at a time.
 */
#ifndef VMX_SOFTWARE_HOST_RUN_H
#define VMX_SOFTWARE_HOST_RUN_H

#include "core/err.h"
#include "replay/gates.h"
#include "vmx/vcpu.h"

/* Somebody who looks at the guest without changing it, by hooks (vmx/software/hooks.h) or between
 * entries. Any of them may be NULL. */
struct observer {
    void (*begins)(void *context, struct vcpu *); /* the guest is loaded and has not run */
    void (*beats)(void *context, struct vcpu *);  /* at each HEARTBEAT (vmx/hypervisor.h) */
    void (*exits)(void *context, struct vcpu *);  /* of a replay: at an exit, not yet handled */
    void (*ends)(void *context, struct vcpu *);   /* the run is over, all state still in place */
    void *context;
};

struct host_run {
    const struct mission *mission; /* modules[] and flags about disks are not looked at */
    struct bytes kernel, initrd;
    struct world *world; /* console, clock, when to stop */
    /* Recording: takes each block of raw records. */
    struct err (*chunk)(void *context, const void *records, u32 length);
    void *context;
    struct log_source source;        /* replaying */
    const struct observer *observer; /* NULL: nobody. Hooks that it sets end with the run. */
};

/* An error: the run could not begin. Otherwise the report tells how it ended. */
struct err host_run(const struct host_run *, struct report *);

#endif
