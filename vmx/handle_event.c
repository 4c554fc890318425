/* Exits by events: intercepted exceptions are given back to the guest unchanged. */
#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { DR6_FIXED = 0xffff0ff0, DR7_GD = 1 << 13 };

/* A #DB exit leaves DR6 and DR7 to software (SDM 28.1, 28.2.1): qualification has DR6's bits. */
static void deliver_debug_state(struct vcpu *v)
{
    processor_write_dr6((processor_read_dr6() & ~0xfull) | DR6_FIXED | v->exit.qualification);
    vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~(u64)DR7_GD);
}

/* NMIs stay as the processor left them: an IRET that faults has unblocked them, and would
 * have done so without us. */
void on_exception(struct vcpu *v)
{
    u32 info = (u32)vmcs_read(VMCS_EXIT_EVENT), vector = EVENT_VECTOR(info);
    u32 error = info & EVENT_HAS_ERROR ? (u32)vmcs_read(VMCS_EXIT_EVENT_ERROR) : 0;
    v->address = vector;
    v->value = error;
    if (EVENT_TYPE(info) == EVENT_NMI) /* the host's, not the guest's */
        return;
    if (vector == VECTOR_PF)
        processor_write_cr2(v->exit.qualification);
    if (vector == VECTOR_DB)
        deliver_debug_state(v);
    if (EVENT_TYPE(info) == EVENT_HARDWARE_EXCEPTION) {
        vcpu_raise(v, vector, info & EVENT_HAS_ERROR, error);
    } else {
        v->event = (struct event){.info = info & (EVENT_VALID | 0x7ff), .length = v->exit.length};
    }
}

void on_triple_fault(struct vcpu *v)
{
    machine_stop(v->machine, END_TRIPLE_FAULT, v->rip);
}

void on_window(struct vcpu *v)
{
    (void)v; /* inject_prepare() delivers what waited for it */
}

void on_stop(struct vcpu *v)
{
    (void)v; /* what the stop was for is done before the next entry */
}

void on_task_switch(struct vcpu *v)
{
    machine_stop(v->machine, END_TASK_SWITCH, v->rip);
}

void on_unexpected(struct vcpu *v)
{
    machine_stop(v->machine, END_UNKNOWN_EXIT, v->exit.reason);
}
