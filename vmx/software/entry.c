/*
 * VM entry: what the SDM demands of controls (27.2.1) and of the guest's state (27.3.1), as far as
 * the implemented controls go, and event injection (27.6). The checks run only when a VMCS field
 * that they look at was written since the last entry.
 */
#include "vmx/software/entry.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/processor.h"

enum { ERROR_CONTROLS = 7, REASON_GUEST_STATE = 33 };
enum { VTPR = 0x80, CPU_LINEAR_BITS = 48 };

static bool control_allowed(u64 value, u32 msr)
{
    u64 can = processor_read_msr(msr);
    return !((u32)can & ~value) && !(value & ~(can >> 32));
}

static bool controls_valid(struct cpu *c)
{
    return control_allowed(V(PIN_CONTROLS), 0x48d) &&
           control_allowed(V(PROCESSOR_CONTROLS), 0x48e) &&
           control_allowed(V(SECONDARY_CONTROLS), 0x48b) &&
           control_allowed(V(EXIT_CONTROLS), 0x48f) && control_allowed(V(ENTRY_CONTROLS), 0x490) &&
           V(CR3_TARGETS) <= 4 &&
           !((V(IO_BITMAP_A) | V(IO_BITMAP_B) | V(MSR_BITMAP) | V(VIRTUAL_APIC)) & 0xfff) &&
           !(V(TPR_THRESHOLD) & ~15ull) && (V(EPT_POINTER) & 0xf3f) == 0x1e &&
           !V(ENTRY_MSR_LOADS) && !V(EXIT_MSR_LOADS) && !V(EXIT_MSR_STORES) &&
           (!(V(SECONDARY_CONTROLS) & CONTROL_VPID) || V(VPID));
}

static bool control_registers_valid(struct cpu *c)
{
    bool ia32e = V(ENTRY_CONTROLS) & CONTROL_ENTRY_IA32E_GUEST;
    u64 cr0 = V(GUEST_CR0), cr4 = V(GUEST_CR4), efer = V(GUEST_EFER);
    if (!(cr0 & CR0_NE) || !(cr4 & BIT(13)) || (cr0 & CR0_PG && !(cr0 & CR0_PE)) ||
        V(GUEST_CR3) >> CPU_PHYSICAL_BITS)
        return false;
    if (ia32e && (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE)))
        return false;
    if (!!(efer & EFER_LMA) != ia32e ||
        (cr0 & CR0_PG && !!(efer & EFER_LMA) != !!(efer & EFER_LME)))
        return false;
    return canonical(V(GUEST_SYSENTER_ESP)) && canonical(V(GUEST_SYSENTER_EIP)) &&
           !(V(GUEST_DR7) >> 32) && !(efer & ~0xd01ull);
}

static bool code_segment_valid(struct cpu *c)
{
    u64 cs = SEG_ACCESS(SEG_CS);
    if (V(GUEST_RFLAGS) & RF_VM)
        return cs == 0xf3;
    return !(cs & AR_UNUSABLE) && cs & AR_S && cs & AR_P &&
           !(c->vmcs[I_GUEST_EFER] & EFER_LMA && cs & AR_L && cs & AR_D);
}

static bool tables_valid(struct cpu *c)
{
    u64 tr = SEG_ACCESS(SEG_TR), type = tr & 15;
    bool long_mode = V(GUEST_EFER) & EFER_LMA;
    return !(tr & AR_UNUSABLE) && (type == 11 || (type == 3 && !long_mode)) && tr & AR_P &&
           !(tr & AR_S) && canonical(SEG_BASE(SEG_TR)) && canonical(SEG_BASE(SEG_FS)) &&
           canonical(SEG_BASE(SEG_GS)) && V(GUEST_GDTR_LIMIT) <= 0xffff &&
           V(GUEST_IDTR_LIMIT) <= 0xffff;
}

static bool activity_valid(struct cpu *c)
{
    u64 blocked = V(GUEST_INTERRUPTIBILITY);
    if (V(GUEST_ACTIVITY) != 0 || blocked & ~0xfull || (blocked & 3) == 3)
        return false;
    if (blocked & BLOCKED_BY_STI && !(V(GUEST_RFLAGS) & RF_IF))
        return false;
    u32 event = (u32)V(ENTRY_EVENT);
    bool external = event & EVENT_VALID && EVENT_TYPE(event) == EVENT_EXTERNAL;
    return !(external && (blocked & 3 || !(V(GUEST_RFLAGS) & RF_IF))) && V(GUEST_LINK) == ~0ull;
}

/* Bits 63:48 alike; canonical it need not be: that is the fetch's business (SDM 27.3.1.4). */
static bool rip_valid(const struct cpu *c)
{
    u64 high = c->rip >> CPU_LINEAR_BITS;
    if (V(GUEST_EFER) & EFER_LMA && SEG_ACCESS(SEG_CS) & AR_L)
        return high == 0 || high == 0xffff;
    return !(c->rip >> 32);
}

static bool guest_valid(struct cpu *c)
{
    u64 rflags = V(GUEST_RFLAGS);
    if (rflags & ~0x3f7fd7ull || !(rflags & 2))
        return false;
    return rip_valid(c) && control_registers_valid(c) && code_segment_valid(c) && tables_valid(c) &&
           activity_valid(c);
}

enum entry_result entry_check(struct cpu *c)
{
    if (c->changed) {
        if (!controls_valid(c)) {
            V(INSTRUCTION_ERROR) = ERROR_CONTROLS;
            return ENTRY_INVALID_CONTROLS;
        }
        if (!guest_valid(c)) {
            c->exit = (struct exit_info){.reason = REASON_GUEST_STATE, .entry_failed = true};
            return ENTRY_INVALID_GUEST;
        }
        V(GUEST_CR0) |= BIT(4); /* ET is not loaded: it is always 1 (SDM 27.3.2.1) */
        c->changed = false;
    }
    c->cpl = AR_DPL(SEG_ACCESS(SEG_SS));
    derive_state(c);
    return ENTRY_OK;
}

bool entry_events(struct cpu *c)
{
    u32 info = (u32)V(ENTRY_EVENT);
    const u8 *virtual_apic = (const u8 *)V(VIRTUAL_APIC);
    if (info & EVENT_VALID) {
        struct event event = {info & (EVENT_VALID | EVENT_HAS_ERROR | 0x7ff),
                              (u32)V(ENTRY_EVENT_ERROR), (u32)V(ENTRY_EVENT_LENGTH)};
        c->pending_debug = 0;
        run_event(c, event);
        if (EVENT_TYPE(info) == EVENT_NMI)
            V(GUEST_INTERRUPTIBILITY) |= BLOCKED_BY_NMI;
    }
    if (V(TPR_THRESHOLD) > (u64)(virtual_apic[VTPR] >> 4)) {
        c->exit.reason = EXIT_TPR_BELOW_THRESHOLD;
        return true;
    }
    return false;
}

void code_watch(u64 gpa, u64 length)
{
    code_written(&software_cpu, gpa, length);
}
