/*
 * One virtual CPU: the registers that VT-x leaves to software, what the last
 * exit said, and what the next entry must do. Everything else is in the VMCS.
 */
#ifndef VMX_VCPU_H
#define VMX_VCPU_H

#include "core/boot/boot.h"
#include "core/cpu_model.h"
#include "core/machine.h"
#include "trace/schema.h"
#include "vmx/fields.h"

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/* What the processor says at every exit. The rest is read from the VMCS where a handler needs it. */
struct exit_info {
    u32 reason; /* basic exit reason, SDM appendix C */
    bool entry_failed;
    u32 length; /* of the instruction, where the reason has one */
    u32 vectoring; /* IDT-vectoring information; bit 31: valid */
    u64 qualification;
};

/* An event to deliver at the next entry, in the format of SDM 25.8.3. info 0: none. */
struct event {
    u32 info;
    u32 error;
    u32 length; /* of the instruction, for software interrupts and exceptions */
};

struct vcpu {
    /* The entry stub knows the offsets of these four (vmx/hardware/entry.S). */
    u64 gpr[GPR_COUNT];
    u64 tsc_entry; /* host TSC, last thing before the entry */
    u64 tsc_exit;  /* host TSC, first thing after the exit */
    u64 launched;

    u64 rip, rflags;
    u64 written_rsp, written_rflags; /* what the VMCS holds of RSP and RFLAGS */
    u64 count;   /* guest count so far */
    u64 stop_at; /* guest count at which to exit at the latest */
    u64 skipped; /* ns that guest time is ahead of count: idle time, and noise (policy `count`) */
    i64 tsc_offset; /* guest TSC = guest ns + this; the guest may write its TSC */
    bool halted;
    bool window; /* interrupt-window exiting is on */
    bool nmi_window;
    u8 tpr_threshold;
    struct exit_info exit;
    struct event event; /* for the next entry */
    u64 exits;          /* number of the exit being handled */
    u32 check;          /* running CRC-32C over the registers at every exit */
    u64 address, value; /* of the exit being handled, for its record */
    u32 processor_controls, entry_controls; /* as written */
    u64 ept_pointer;
    u64 timeout; /* guest ns at which the run ends; NEVER */
    struct cpu_msrs msrs;
    struct machine *machine;
    u8 *virtual_apic; /* the page that holds the guest's TPR */
    u64 exits_by_reason[80], latency_min[80], latency_sum[80];
    u64 recorded; /* exits that went into `last` */
    struct exit_record last[16]; /* ring of the last exits */
};

/* Pages that the VMCS points to; each 4 KiB, page-aligned, zeroed, physical = virtual. */
struct vcpu_pages {
    u8 *io_bitmap_a, *io_bitmap_b, *msr_bitmap, *virtual_apic;
};

struct controls;
struct vcpu_setup {
    const struct boot_state *boot;
    const struct vcpu_pages *pages;
    const struct controls *controls;
    u64 ept_pointer;
    u32 exception_bitmap, page_fault_mask, page_fault_match;
};

/* Writes controls and guest state into the current VMCS. Host state is the processor's. */
void vcpu_init(struct vcpu *, struct machine *, const struct vcpu_setup *);

/* The exit's instruction is done: RIP moves on, STI and MOV SS shadows end, TF traps. */
void vcpu_skip_instruction(struct vcpu *);
/* A step is done: with TF set its #DB is pending, and true comes back. */
bool vcpu_trap_step(struct vcpu *);
bool vcpu_long_mode(void); /* 64-bit code is running */

/* Raises a hardware exception at the next entry; combines with an event that was being delivered (SDM 6.15). */
void vcpu_raise(struct vcpu *, u32 vector, bool has_error, u32 error);
void vcpu_raise_gp(struct vcpu *); /* #GP(0) */
void vcpu_raise_ud(struct vcpu *);
void vcpu_raise_pf(struct vcpu *, u64 address, u32 error); /* sets CR2 */

/* Hash of all vCPU state, for block ends. */
u64 vcpu_hash(const struct vcpu *);

#endif
