/*
 * The hardware processor: root operation, the entry stub, and the exact guest
 * count that the TSC and the VMX-preemption timer give where both advance by one
 * per guest instruction (Bochs). One logical processor.
 */
#ifndef VMX_HARDWARE_HARDWARE_H
#define VMX_HARDWARE_HARDWARE_H

#include "core/err.h"
#include "vmx/controls.h"
#include "vmx/vcpu.h"

/* What VM exits load into the host (SDM 25.5). */
struct host_state {
    u16 code, data, tss; /* selectors */
    u64 gdt_base, idt_base, tss_base;
    void (*interrupt)(u8 vector); /* a host interrupt that an exit acknowledged */
};

/* Calls missing(context, sentence) for every requirement that this CPU does not
 * meet; returns how many. Nothing is switched on yet but the lock of IA32_FEATURE_CONTROL. */
u32 hardware_requirements(void (*missing)(void *context, const char *sentence), void *context);

/* VMXON, and an empty current VMCS with its host-state area. `vmxon_region` and `vmcs_region`:
 * 4 KiB, zeroed. */
struct err hardware_start(const struct host_state *, void *vmxon_region, void *vmcs_region);
/* VMCLEAR, VMXOFF, CR4 as before. */
struct err hardware_stop(void);

/* Every VMCS field that can be written reads back (SDM appendix B); the error names the first that does not. */
struct err hardware_check_fields(const struct controls *, const struct capabilities *);

/* Runs a guest of a few known instructions at guest-physical `code`, host address `host_code`,
 * in real mode and finds the constant part of the count around an entry. UNSUPPORTED:
 * TSC and preemption timer are not exact here. Needs vcpu_init() done; guest state must be set anew after it. */
struct err hardware_calibrate(struct vcpu *, u64 code, u8 *host_code);

void hardware_host_interrupt(u8 vector); /* hands it to host_state.interrupt */

/* entry.S. The guest's registers go through all of the host's: the compiler keeps what it
 * needs, which is little, and none is saved twice. 0: a VM exit; 1: the instruction failed. */
extern char vmx_exit_point[];
static inline u64 vmx_enter(struct vcpu *v)
{
    u64 failed;
    __asm__ volatile("push %%rbp; call vmx_enter_guest; pop %%rbp"
                     : "=a"(failed), "+D"(v)
                     :
                     : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return failed;
}

#endif
