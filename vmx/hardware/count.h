/*
 * The guest count by TSC and VMX-preemption timer. The TSC difference around an
 * entry is the guest's ticks plus a constant; the timer with value N+1 stops after
 * exactly N. True only where both count instructions; hardware_calibrate() finds out.
 */
#ifndef VMX_HARDWARE_COUNT_H
#define VMX_HARDWARE_COUNT_H

#include "vmx/vcpu.h"

extern u64 count_overhead; /* TSC ticks around an entry that are not the guest's */

void count_arm(struct vcpu *); /* sets the timer for stop_at */
void count_add(struct vcpu *); /* after an exit: adds what the guest ran */

#endif
