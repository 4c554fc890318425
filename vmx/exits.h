/*
 * Every VM exit that Hindvisor can meet (SDM appendix C): number, name as `perf
 * kvm stat` and the kernel spell it, and its handler. A reason without a row
 * stops the VM with a dump. Handlers return nothing: they change the vCPU and the
 * machine, or stop the machine with a reason.
 */
#ifndef VMX_EXITS_H
#define VMX_EXITS_H

#include "core/types.h"

#define VMX_EXITS(X)                                                                               \
    X(0, EXCEPTION_NMI, on_exception)                                                              \
    X(1, EXTERNAL_INTERRUPT, on_unexpected)                                                        \
    X(2, TRIPLE_FAULT, on_triple_fault)                                                            \
    X(7, INTERRUPT_WINDOW, on_window)                                                              \
    X(8, NMI_WINDOW, on_window)                                                                    \
    X(9, TASK_SWITCH, on_task_switch)                                                              \
    X(10, CPUID, on_cpuid)                                                                         \
    X(12, HLT, on_hlt)                                                                             \
    X(13, INVD, on_cache)                                                                          \
    X(15, RDPMC, on_rdpmc)                                                                         \
    X(16, RDTSC, on_rdtsc)                                                                         \
    X(18, VMCALL, on_undefined)                                                                    \
    X(19, VMCLEAR, on_undefined)                                                                   \
    X(20, VMLAUNCH, on_undefined)                                                                  \
    X(21, VMPTRLD, on_undefined)                                                                   \
    X(22, VMPTRST, on_undefined)                                                                   \
    X(23, VMREAD, on_undefined)                                                                    \
    X(24, VMRESUME, on_undefined)                                                                  \
    X(25, VMWRITE, on_undefined)                                                                   \
    X(26, VMXOFF, on_undefined)                                                                    \
    X(27, VMXON, on_undefined)                                                                     \
    X(28, CR_ACCESS, on_cr_access)                                                                 \
    X(30, IO_INSTRUCTION, on_io)                                                                   \
    X(31, MSR_READ, on_msr_read)                                                                   \
    X(32, MSR_WRITE, on_msr_write)                                                                 \
    X(36, MWAIT_INSTRUCTION, on_undefined)                                                         \
    X(39, MONITOR_INSTRUCTION, on_undefined)                                                       \
    X(43, TPR_BELOW_THRESHOLD, on_window)                                                          \
    X(48, EPT_VIOLATION, on_ept_violation)                                                         \
    X(49, EPT_MISCONFIG, on_ept_misconfig)                                                         \
    X(50, INVEPT, on_undefined)                                                                    \
    X(51, RDTSCP, on_rdtscp)                                                                       \
    X(52, PREEMPTION_TIMER, on_stop)                                                               \
    X(53, INVVPID, on_undefined)                                                                   \
    X(54, WBINVD, on_cache)                                                                        \
    X(55, XSETBV, on_undefined)                                                                    \
    X(57, RDRAND, on_undefined)                                                                    \
    X(58, INVPCID, on_undefined)                                                                   \
    X(59, VMFUNC, on_undefined)                                                                    \
    X(61, RDSEED, on_undefined)

#define X(number, name, handler) EXIT_##name = number,
enum exit_reason { VMX_EXITS(X) EXIT_REASON_LIMIT = 80 };
#undef X

struct vcpu;

/* Handles the vCPU's current exit. false: no row for this reason. */
bool exit_handle(struct vcpu *);
/* "RDTSC", or "?" for a reason without a row. */
const char *exit_reason_name(u32 reason);
/* SDM 31.4, table 31-1: the text of a VM-instruction error. */
const char *vm_instruction_error(u32 number);

#endif
