/*
 * Hooks on guest code: before the instruction at a guest linear address runs, somebody looks at
 * the guest. Probes, the scheduler's events and breakpoints come from here.
 *
 * A hook leaves no trace in the guest: it costs no count and no guest time, and it reads memory by
 * a walk of its own that sets no accessed or dirty bit and fills no TLB. A replay with hooks
 * compares like one without.
 *
 * Where no hook is set nothing is slower: a hooked instruction has one more operation before its
 * own, placed when its block is made. Blocks are kept by physical address, and a page can be
 * mapped at several linear ones; so the operation goes before every instruction that has a hook's
 * offset within its page, and looks at the linear address when it runs.
 */
#ifndef VMX_SOFTWARE_HOOKS_H
#define VMX_SOFTWARE_HOOKS_H

#include "core/err.h"
#include "vmx/vcpu.h"

/* The guest just before an instruction. Valid during the call only. */
struct hook_view {
    struct vcpu *vcpu; /* as of the last entry: read registers here, not there */
    const u64 *gpr;    /* by enum gpr */
    u64 linear;        /* of the instruction */
    u64 rip, rflags;
    u64 count; /* guest count: instructions before this one */
    u64 now;   /* guest ns; under clock policy `host` as of the last exit */
    u64 exit;  /* number of the exit that comes next */
};

/*
 * Called each time the instruction is about to run: once when it runs through or exits and is
 * emulated, again when the guest restarts it after a fault (the count tells: a fault counts one).
 */
typedef void (*hook_fn)(void *context, const struct hook_view *);

struct hook {
    u64 linear;
    hook_fn fn;
    void *context;
};

/*
 * These hooks, and no others, from the next VM entry on; a call from within a hook is allowed.
 * The array is the caller's, sorted by address (equal ones are called in order), and stays in use
 * until the next call. count 0: none.
 */
struct err hooks_set(const struct hook *, u32 count);

/* Reads guest linear memory with the supervisor's eyes. false: some of it is not mapped to RAM. */
bool hook_read(const struct hook_view *, u64 linear, void *to, u64 length);

#endif
