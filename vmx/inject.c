/* Event injection; see inject.h. */
#include "vmx/inject.h"
#include "vmx/controls.h"
#include "vmx/events.h"
#include "vmx/processor.h"

enum { RFLAGS_IF = 1 << 9 };

void inject_resume_vectoring(struct vcpu *v)
{
    u32 info = v->exit.vectoring;
    if (!(info & EVENT_VALID))
        return;
    v->event.info = info & (EVENT_VALID | EVENT_HAS_ERROR | 0x7ff);
    v->event.error = info & EVENT_HAS_ERROR ? (u32)vmcs_read(VMCS_VECTORING_ERROR) : 0;
    v->event.length = v->exit.length;
}

bool inject_possible(const struct vcpu *v)
{
    if (!(v->rflags & RFLAGS_IF))
        return false;
    return !(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
}

static void set_window(struct vcpu *v, u32 control, bool on)
{
    u32 controls = on ? v->processor_controls | control : v->processor_controls & ~control;
    if (controls == v->processor_controls)
        return;
    v->processor_controls = controls;
    vmcs_write(VMCS_PROCESSOR_CONTROLS, controls);
}

/* TPR shadow: an exit is due as soon as TPR falls below the class of the vector
 * that it now holds back (SDM 30.1.2). */
static void set_tpr_threshold(struct vcpu *v)
{
    u8 threshold = (u8)(machine_blocked_by_tpr(v->machine) >> 4);
    if (threshold == v->tpr_threshold)
        return;
    v->tpr_threshold = threshold;
    vmcs_write(VMCS_TPR_THRESHOLD, threshold);
}

/* true: an NMI waits for the end of an STI shadow. A processor may let NMI-window exits
 * through such a shadow (SDM 26.2) and then would exit for ever; the interrupt window
 * waits on every processor. */
static bool choose_nmi(struct vcpu *v)
{
    u32 blocked = (u32)vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI);
    if (!blocked && !v->event.info && machine_take_nmi(v->machine))
        v->event = (struct event){.info = EVENT(EVENT_NMI, VECTOR_NMI)};
    bool waits = machine_nmi_pending(v->machine), shadow = waits && blocked == BLOCKED_BY_STI;
    set_window(v, CONTROL_NMI_WINDOW_EXITING, waits && !shadow);
    return shadow;
}

static void choose_interrupt(struct vcpu *v, bool window)
{
    int vector = machine_pending_vector(v->machine);
    bool now = vector >= 0 && !v->event.info && inject_possible(v);
    if (now)
        v->event = (struct event){.info = EVENT(EVENT_EXTERNAL, (u32)machine_acknowledge(v->machine))};
    if (vector >= 0 || window || v->processor_controls & CONTROL_INTERRUPT_WINDOW_EXITING)
        set_window(v, CONTROL_INTERRUPT_WINDOW_EXITING, window || machine_pending_vector(v->machine) >= 0);
}

/* An NMI whose delivery was interrupted blocks NMIs already; no entry may inject one
 * into that (SDM 27.3.1.5). Its delivery will block them again. */
static void unblock_nmi(void)
{
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY);
    if (blocking & BLOCKED_BY_NMI)
        vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(u64)BLOCKED_BY_NMI);
}

static bool write_event(struct vcpu *v)
{
    struct event e = v->event;
    struct injection_record record = {
        .kind = REC_INJECTION, .info = e.info, .error = e.error, .exit = v->exits, .count = v->count, .rip = v->rip};
    v->event.info = 0;
    if (EVENT_TYPE(e.info) == EVENT_NMI)
        unblock_nmi();
    vmcs_write(VMCS_ENTRY_EVENT, e.info);
    if (e.info & EVENT_HAS_ERROR)
        vmcs_write(VMCS_ENTRY_EVENT_ERROR, e.error);
    if (EVENT_TYPE(e.info) >= EVENT_SOFTWARE_INTERRUPT)
        vmcs_write(VMCS_ENTRY_EVENT_LENGTH, e.length);
    return v->machine->gate->ops->injected(v->machine->gate, &record);
}

bool inject_idle(const struct vcpu *v)
{
    u32 windows = CONTROL_NMI_WINDOW_EXITING | CONTROL_INTERRUPT_WINDOW_EXITING;
    return !(v->event.info | v->tpr_threshold | (v->processor_controls & windows)) &&
           !machine_wants_attention(v->machine);
}

bool inject_prepare(struct vcpu *v)
{
    if (inject_idle(v))
        return true;
    bool window = false;
    if (machine_nmi_pending(v->machine) || v->processor_controls & CONTROL_NMI_WINDOW_EXITING)
        window = choose_nmi(v);
    choose_interrupt(v, window);
    set_tpr_threshold(v);
    return v->event.info ? write_event(v) : true;
}
