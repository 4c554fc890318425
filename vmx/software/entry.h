/* VM entry: checks on controls and guest state (SDM 27.2, 27.3), and what it delivers (27.6). */
#ifndef VMX_SOFTWARE_ENTRY_H
#define VMX_SOFTWARE_ENTRY_H

#include "vmx/software/cpu.h"

enum entry_result {
    ENTRY_OK,
    ENTRY_INVALID_CONTROLS /* VMCS_INSTRUCTION_ERROR says which */,
    ENTRY_INVALID_GUEST /* an exit */
};

/* A basic exit reason that no handler has: the instruction or mode is not implemented. */
enum { SOFTWARE_UNIMPLEMENTED = 79 };

enum entry_result entry_check(struct cpu *);
/* Injects the event. true: the guest was left again at once. Runs inside run.c's escape. */
bool entry_events(struct cpu *);
/* memory.on_write: the hypervisor wrote guest RAM. */
void code_watch(u64 gpa, u64 length);

#endif
