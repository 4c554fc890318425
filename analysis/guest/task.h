/* Linux tasks in guest memory: what the scheduler's events say about one, read by BTF. */
#ifndef ANALYSIS_GUEST_TASK_H
#define ANALYSIS_GUEST_TASK_H

#include "analysis/guest/kernel.h"
#include "vmx/software/hooks.h"

enum { TASK_COMM = 16 };

/* Places in struct task_struct. */
struct task_layout {
    struct member comm, pid, tgid, prio, state, exit_state, cpu, voluntary, involuntary;
};

struct task {
    u64 address; /* of its task_struct */
    char comm[TASK_COMM];
    u32 pid, tgid; /* in the initial namespace; pid is the thread's. 0: a CPU's idle task */
    i32 prio;      /* the kernel's: 0..99 real time, 100..139 fair, lower is first */
    u32 state;     /* TASK_* bits, those of exit_state included; 0: runnable */
    u32 cpu;       /* that it is on or was on last */
    u64 voluntary, involuntary; /* context switches so far */
};

/* An error names the member that the kernel's types lack. */
struct failure task_layout_find(const struct types *, struct task_layout *);

/* false: not all of it is in mapped RAM. */
bool task_read(const struct task_layout *, const struct hook_view *, u64 address, struct task *);

/* The letter of ps(1) for the state of a task that is not running: S, D, T, t, X, Z, P, I, R. */
char task_state_letter(u32 state);

#endif
