/*
 * Accesses to control registers that touch bits which the hypervisor owns (SDM
 * 25.6.6 and 28.1.3). CR4: every such bit is one that the CPU model lacks, so the
 * only answer is #GP. CR0: caching bits are kept for the guest to read; the rest
 * of the write takes effect.
 */
#include "vmx/controls.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { CR0_PE = 1, CR0_NE = 1 << 5, CR0_NW = 1 << 29, CR0_CD = 1 << 30, CR0_TS = 1 << 3, CR0_ET = 1 << 4 };
#define CR0_PG BIT(31)
enum { CR4_PAE = 1 << 5 };
enum { EFER_LME = 1 << 8, EFER_LMA = 1 << 10 };
enum cr_access_type { TO_CR, FROM_CR, CLTS, LMSW };

/* With EPT the processor takes PAE's four PDPTEs from the VMCS: MOV to CR loads them (SDM 5.4.1). */
static bool load_pdptes(struct vcpu *v, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
    static const enum vmcs_field fields[] = {VMCS_GUEST_PDPTE0, VMCS_GUEST_PDPTE1, VMCS_GUEST_PDPTE2, VMCS_GUEST_PDPTE3};
    const u64 reserved = ~(BIT(CPU_PHYSICAL_BITS) - 1) | 0x1e6;
    u64 table = cr3 & 0xffffffe0, entries[4];
    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || efer & EFER_LMA)
        return true;
    if (!memory_read(&v->machine->memory, table, entries, sizeof(entries)))
        return false;
    for (u32 i = 0; i < 4; i++)
        if (entries[i] & 1 && entries[i] & reserved)
            return false;
    for (u32 i = 0; i < 4; i++)
        vmcs_write(fields[i], entries[i]);
    return true;
}

/* Turning paging on or off enters or leaves IA-32e mode when LME is set (SDM 10.8.5);
 * a 64-bit code segment can do neither (SDM vol. 2, MOV to control registers). */
static bool switch_mode(struct vcpu *v, u64 old, u64 new)
{
    enum { ACCESS_L = 1 << 13 };
    u64 efer = vmcs_read(VMCS_GUEST_EFER), cr4 = vmcs_read(VMCS_GUEST_CR4);
    if ((old ^ new) & CR0_PG && efer & EFER_LME) {
        if (vmcs_read(VMCS_GUEST_CS_ACCESS) & ACCESS_L || (new & CR0_PG && !(cr4 & CR4_PAE)))
            return false;
        efer = new & CR0_PG ? efer | EFER_LMA : efer & ~(u64)EFER_LMA;
    }
    if (!load_pdptes(v, new, vmcs_read(VMCS_GUEST_CR3), cr4, efer))
        return false;
    vmcs_write(VMCS_GUEST_EFER, efer);
    v->entry_controls = (u32)vmcs_read(VMCS_ENTRY_CONTROLS) & ~CONTROL_ENTRY_IA32E_GUEST;
    v->entry_controls |= efer & EFER_LMA ? CONTROL_ENTRY_IA32E_GUEST : 0;
    vmcs_write(VMCS_ENTRY_CONTROLS, v->entry_controls);
    return true;
}

static bool write_cr0(struct vcpu *v, u64 value)
{
    u64 old = vmcs_read(VMCS_GUEST_CR0);
    if (value >> 32 || (value & CR0_NW && !(value & CR0_CD)) || (value & CR0_PG && !(value & CR0_PE)))
        return false;
    value = (value & CPU_MODEL_CR0_BITS) | CR0_ET;
    if (!switch_mode(v, old, value))
        return false;
    vmcs_write(VMCS_CR0_SHADOW, value);
    vmcs_write(VMCS_GUEST_CR0, (value & ~(u64)(CR0_NW | CR0_CD)) | CR0_NE);
    processor_flush_guest_tlb();
    return true;
}

static bool write_cr3(struct vcpu *v, u64 value)
{
    if (value >> CPU_PHYSICAL_BITS ||
        !load_pdptes(v, vmcs_read(VMCS_GUEST_CR0), value, vmcs_read(VMCS_GUEST_CR4), vmcs_read(VMCS_GUEST_EFER)))
        return false;
    vmcs_write(VMCS_GUEST_CR3, value);
    processor_flush_guest_tlb();
    return true;
}

static bool write_cr(struct vcpu *v, u32 number, u64 value)
{
    switch (number) {
    case 0:
        return write_cr0(v, value);
    case 3:
        return write_cr3(v, value);
    default:
        return false;
    }
}

static u64 guest_cr0(void)
{
    u64 mask = vmcs_read(VMCS_CR0_MASK);
    return (vmcs_read(VMCS_GUEST_CR0) & ~mask) | (vmcs_read(VMCS_CR0_SHADOW) & mask);
}

static bool access_cr(struct vcpu *v, u64 qualification)
{
    u32 number = qualification & 15, reg = qualification >> 8 & 15;
    switch ((enum cr_access_type)(qualification >> 4 & 3)) {
    case TO_CR:
        v->value = vcpu_long_mode() ? v->gpr[reg] : (u32)v->gpr[reg];
        return write_cr(v, number, v->value);
    case FROM_CR: /* only CR3 can exit for this, on processors that insist */
        if (number != 3)
            return false;
        v->value = v->gpr[reg] = vmcs_read(VMCS_GUEST_CR3);
        return true;
    case CLTS:
        return write_cr0(v, guest_cr0() & ~(u64)CR0_TS);
    case LMSW:
        v->value = qualification >> 16 & 15;
        return write_cr0(v, (guest_cr0() & ~14ull) | v->value);
    }
    return false;
}

void on_cr_access(struct vcpu *v)
{
    v->address = v->exit.qualification & 15;
    if (access_cr(v, v->exit.qualification))
        vcpu_skip_instruction(v);
    else
        vcpu_raise_gp(v);
}
