/* RDMSR and WRMSR of the MSRs that are not the guest's own. Facts are in core/msrs.h. */
#include "vmx/controls.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { MSR_TSC = 0x10, MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800, MSR_X2APIC_END = 0x900 };
enum { MSR_EFER = 0xc0000080 };
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
#define CR0_PG BIT(31)

static bool read_handled(struct vcpu *v, u32 msr, u64 *value)
{
    struct machine *m = v->machine;
    struct access access = {.size = 8};
    switch (msr) {
    case MSR_TSC:
        *value = machine_read_clock(m) + (u64)v->tsc_offset;
        return true;
    case MSR_APIC_BASE:
        *value = m->lapic.base;
        return true;
    case MSR_TSC_DEADLINE: {
        u64 deadline = machine_tsc_deadline(m);
        *value = deadline ? deadline + (u64)v->tsc_offset : 0;
        return true;
    }
    case MSR_EFER:
        *value = vmcs_read(VMCS_GUEST_EFER);
        return true;
    default:
        if (msr < MSR_X2APIC || msr >= MSR_X2APIC_END || !machine_x2apic(m, msr, &access))
            return false;
        *value = access.value;
        return true;
    }
}

/* SDM 5.8.1 and table 4: LME may not change while paging is on; LMA is the processor's. */
static bool write_efer(u64 value)
{
    u64 old = vmcs_read(VMCS_GUEST_EFER);
    bool paging = vmcs_read(VMCS_GUEST_CR0) & CR0_PG;
    if (value & ~(u64)CPU_MODEL_EFER_BITS || (paging && (value ^ old) & EFER_LME))
        return false;
    vmcs_write(VMCS_GUEST_EFER, (value & ~(u64)EFER_LMA) | (old & EFER_LMA));
    processor_flush_guest_tlb();
    return true;
}

static bool write_handled(struct vcpu *v, u32 msr, u64 value)
{
    struct machine *m = v->machine;
    struct access access = {.size = 8, .write = true, .value = value};
    switch (msr) {
    case MSR_TSC:
        v->tsc_offset = (i64)(value - machine_read_clock(m));
        return true;
    case MSR_APIC_BASE:
        return machine_set_apic_base(m, value);
    case MSR_TSC_DEADLINE:
        machine_set_tsc_deadline(m, value ? value - (u64)v->tsc_offset : 0);
        return true;
    case MSR_EFER:
        return write_efer(value);
    default:
        return msr >= MSR_X2APIC && msr < MSR_X2APIC_END && machine_x2apic(m, msr, &access);
    }
}

void on_msr_read(struct vcpu *v)
{
    u32 msr = (u32)v->gpr[RCX];
    u64 value = 0;
    v->address = msr;
    bool known = cpu_msr_class(msr) == MSR_HANDLED ? read_handled(v, msr, &value) : cpu_msr_read(&v->msrs, msr, &value);
    if (!known) {
        vcpu_raise_gp(v);
        return;
    }
    v->value = value;
    v->gpr[RAX] = (u32)value;
    v->gpr[RDX] = value >> 32;
    vcpu_skip_instruction(v);
}

void on_msr_write(struct vcpu *v)
{
    u32 msr = (u32)v->gpr[RCX];
    u64 value = v->gpr[RDX] << 32 | (u32)v->gpr[RAX];
    v->address = msr;
    v->value = value;
    bool known = cpu_msr_class(msr) == MSR_HANDLED ? write_handled(v, msr, value) : cpu_msr_write(&v->msrs, msr, value);
    if (known)
        vcpu_skip_instruction(v);
    else
        vcpu_raise_gp(v);
}
