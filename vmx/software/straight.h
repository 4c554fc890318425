/*
 * Runs of plain operations as host code: a block's neighbouring integer operations on registers and
 * memory become one handler, in which guest registers and flags live in the host's. An access that
 * misses the TLB leaves the run there, with everything written back, for the generic path.
 */
#ifndef VMX_SOFTWARE_STRAIGHT_H
#define VMX_SOFTWARE_STRAIGHT_H

#include "vmx/software/cpu.h"

/* Compiles the runs among a finished block's operations (64-bit mode). Their first operation's
 * handler is replaced; without room for code nothing changes. */
void straight_compile(struct op *, u32 slots);
/* No block uses the code any more. */
void straight_forget(void);

#endif
