/*
 * Rules that a test can break on purpose, so that what Hindvisor says then is
 * tested too. Set by struct mission.sabotage: the kind in the low byte, the number
 * of the exit at which it happens above it. No user option leads here.
 */
#ifndef VMX_SABOTAGE_H
#define VMX_SABOTAGE_H

#include "vmx/vcpu.h"

enum sabotage {
    SABOTAGE_NONE,
    SABOTAGE_ENTRY_STATE,    /* invalid guest state: VM entry fails with reason 33 */
    SABOTAGE_ENTRY_CONTROLS, /* invalid controls: VMRESUME fails with error 7 */
    SABOTAGE_UNKNOWN_EXIT,   /* an exit reason without a row */
    SABOTAGE_MISCONFIG,      /* an EPT entry that is writable but not readable: exit 49 */
    SABOTAGE_MEMORY,         /* one bit of guest RAM flips */
    SABOTAGE_REGISTER,       /* one bit of R15 flips */
};

void sabotage(struct vcpu *, enum sabotage);

#endif
