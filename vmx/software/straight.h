/*
 * Runs of register operations as host code: a block's neighbouring operations that touch neither
 * memory nor anything but general registers and status flags cannot fault, exit or be stopped
 * between, so they become one handler in which guest registers live in host registers.
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
