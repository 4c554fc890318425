/*
 * The processor seam: what runs guest instructions until a VM exit. The
 * hypervisor above speaks VMCS to it and cannot tell which one it is; one is
 * chosen at link time. vmx/hardware/ executes VMREAD, VMWRITE and VMLAUNCH.
 */
#ifndef VMX_PROCESSOR_H
#define VMX_PROCESSOR_H

#include "core/err.h"
#include "core/types.h"
#include "vmx/fields.h"

struct vcpu;

/* What an exit counts where the guest count is one of exits (vmx/hardware/count.h): so much that
 * a guest ns per count is near the truth. */
enum { COUNT_PER_EXIT = 10000 };

/* Fields of the current VMCS. The processor has the field: see vmcs_fields[].need. */
u64 vmcs_read(enum vmcs_field);
void vmcs_write(enum vmcs_field, u64 value);

/* Capability MSRs (SDM appendix A) and the MSRs of class PASS, whose guest values
 * are live in the processor. */
u64 processor_read_msr(u32 msr);
void processor_write_msr(u32 msr, u64 value);

/* Enters the guest with the vCPU's registers and returns at the next VM exit:
 * fills gpr, rip, rflags, exit, tsc_entry, tsc_exit, and adds to count. Stops at
 * the latest when count reaches vcpu->stop_at (> count), exit reason 52. Interrupts
 * of the host are served below this seam: they are no exits of the guest's run.
 * false: VMLAUNCH or VMRESUME itself failed; VMCS_INSTRUCTION_ERROR tells why. */
bool processor_run(struct vcpu *);

/* Forgets cached translations: after EPT entries changed; after the guest's
 * CR0 or CR4 changed the meaning of its page tables. */
void processor_flush_ept(u64 ept_pointer);
void processor_flush_guest_tlb(void);

/* Guest registers that live outside VMCS and vcpu: DR0-DR3, DR6, CR2, FPU and SSE. */
u64 processor_read_cr2(void);
void processor_write_cr2(u64 value);
u64 processor_read_dr6(void);
void processor_write_dr6(u64 value);
u64 processor_hash_live(u64 seed); /* over those and the PASS MSRs */

/* The host's cycle counter, for stamps only (an observation). */
u64 processor_tsc(void);

#endif
