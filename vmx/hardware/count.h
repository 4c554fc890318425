/*
 * The guest count, of one of two kinds.
 *
 * By ticks: the TSC difference around an entry is the guest's instructions plus a
 * constant; the preemption timer with value N+1 stops after exactly N. True only
 * where both count instructions; hardware_calibrate() finds out.
 *
 * By exits: each exit of the guest's own doing counts a fixed amount, and nothing
 * stops between exits. Works on every VT-x processor, but interrupts wait for the
 * guest's next exit, and a guest that makes none is never interrupted.
 */
#ifndef VMX_HARDWARE_COUNT_H
#define VMX_HARDWARE_COUNT_H

#include "vmx/vcpu.h"

extern u64 count_overhead; /* by ticks: TSC ticks around an entry that are not the guest's */

void count_by_exits(void); /* from now on; before: by ticks */
bool count_stops_exactly(void);

void count_arm(struct vcpu *);   /* sets the timer for stop_at, which is less than 2^32 away */
void count_ticks(struct vcpu *); /* after every entry: adds what the guest ran */
void count_exit(struct vcpu *);  /* after an exit of the guest's own doing */

#endif
