/*
 * Event injection, with one owner: everything that the next VM entry delivers is
 * decided here, in the order of SDM 6.9 and 27.2.4: an event whose delivery was
 * interrupted first, then exceptions of the instruction just emulated, NMIs,
 * external interrupts.
 */
#ifndef VMX_INJECT_H
#define VMX_INJECT_H

#include "vmx/vcpu.h"

/* After an exit: an event whose delivery the exit interrupted is pending again (SDM 28.2.4). */
void inject_resume_vectoring(struct vcpu *);
/* Could the vCPU take an external interrupt at this boundary? */
bool inject_possible(const struct vcpu *);
/* Nothing to deliver, and nothing set up for an event that waits: inject_prepare() has nothing to do. */
bool inject_idle(const struct vcpu *);
/* Before an entry: chooses the event, writes it to the VMCS, asks for windows and
 * the TPR threshold. false: the replay has diverged. */
bool inject_prepare(struct vcpu *);

#endif
