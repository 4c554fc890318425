/*
 * The run loop: enter the guest, tell the gate, handle the exit, let in what has
 * arrived, enter again. The same code records and replays.
 */
#ifndef VMX_HYPERVISOR_H
#define VMX_HYPERVISOR_H

#include "trace/wire.h"
#include "vmx/ept.h"
#include "vmx/vcpu.h"

struct hypervisor {
    struct vcpu vcpu;
    struct machine machine;
    struct ept ept;
    u64 heartbeat;      /* guest count of the next regular stop */
    u64 world_stop;     /* what gate.stop() answered last */
    bool calm;          /* nothing is pending at this entry */
    bool served;        /* the exit has had its turn, but for what the next entry needs */
    u64 calm_until;     /* while calm, below this guest count nothing comes to be due */
    u64 deadline;       /* the machine's, of which that was reckoned */
    u64 previous_exit;  /* host TSC of the exit before, for latencies */
    u32 previous_reason;
    bool counts_latencies; /* at each exit; a recorded run counts them from its records instead */
    u32 sabotage;       /* struct mission.sabotage */
    /* At each heartbeat; may be NULL. Not 0: whoever watches wants no more of it (enum end_reason). */
    u32 (*progress)(void *context, u64 exits, u64 guest_ns);
    void *progress_context;
    bool may_give_up;   /* a replay: it ends there, unfinished. Other runs are ended by an arrival */
    bool gave_up;
};

/* The vCPU also stops each time this much guest count has passed, so that a guest
 * that never exits is still heard and ended. Computed alike in record and replay. */
enum { HEARTBEAT = 1 << 20 };

/* Runs until machine.end.reason is set or the gate finds a difference. */
void hypervisor_run(struct hypervisor *);

/* Counts exits and latencies by reason from a recorded block, off the path of the exits: for runs
 * where `counts_latencies` is off. The last exit of a run has no entry behind it. */
void hypervisor_count_records(struct hypervisor *, const void *records, u32 length);

/* Fills in what the hypervisor knows of the run: end, counts, registers, last exits, VMCS.
 * Verdict and divergence are the gate's owner's to add. */
void hypervisor_report(struct hypervisor *, struct report *);

#endif
