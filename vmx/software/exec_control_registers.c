/*
 * Control and debug registers (SDM vol. 3, 2.5, 18.2; 26.1.3 for masks and shadows).
 */
#include "core/cpu_model.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/software/exec.h"

/* A trap-like exit: the instruction is done, but does not count (Bochs). */
NORETURN static void leave_after(struct cpu *c, u32 reason)
{
    c->exit.length = (u32)(c->next - c->rip);
    c->rip = c->next;
    V(GUEST_INTERRUPTIBILITY) &= ~3ull;
    if (c->rflags & RF_TF)
        c->pending_debug |= 1 << 14;
    leave_vm(c, reason, 0);
}

/* --- control registers ------------------------------------------------------------------- */

static u64 masked(u64 real, u64 mask, u64 shadow)
{
    return (real & ~mask) | (shadow & mask);
}

static u8 *virtual_tpr(struct cpu *c)
{
    return (u8 *)V(VIRTUAL_APIC) + 0x80;
}

void exec_mov_from_cr(struct cpu *c, const struct insn *insn)
{
    u64 value = 0;
    need_cpl0(c);
    switch (insn->reg) {
    case 0:
        value = visible_cr0(c);
        break;
    case 2:
        value = c->cr2;
        break;
    case 3:
        value = V(GUEST_CR3);
        break;
    case 4:
        value = masked(V(GUEST_CR4), V(CR4_MASK), V(CR4_SHADOW));
        break;
    case 8:
        value = *virtual_tpr(c) >> 4;
        break;
    default:
        raise_ud(c);
    }
    put_gpr(c, insn->rm, value, c->bits == 64 ? 8 : 4);
}

/* PAE paging takes its four PDPTEs when CR3 is loaded (SDM 4.4.1). */
static void load_pdptes(struct cpu *c, u64 cr3)
{
    u64 entries[4];
    for (u32 i = 0; i < 4; i++) {
        u64 gpa = (cr3 & 0xffffffe0) + 8 * i;
        if (!memory_read(c->memory, gpa, &entries[i], 8))
            raise_gp(c);
        if (entries[i] & 1 && entries[i] & (~(BIT(CPU_PHYSICAL_BITS) - 1) | 0x1e6))
            raise_gp(c);
    }
    memcpy(&V(GUEST_PDPTE0), entries, sizeof(entries));
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA);
}

static void write_cr0(struct cpu *c, u64 value, u64 qualification)
{
    u64 mask = V(CR0_MASK), old = V(GUEST_CR0);
    if ((value ^ V(CR0_SHADOW)) & mask)
        leave_at(c, EXIT_CR_ACCESS, qualification);
    u64 new = masked(value, mask, old);
    if ((new &CR0_PG && !(new &CR0_PE)) || value >> 32)
        raise_gp(c);
    if ((new ^ old) & CR0_PG && V(GUEST_EFER) & EFER_LME) {
        bool on = new &CR0_PG;
        if (on && (!(V(GUEST_CR4) & CR4_PAE) || SEG_ACCESS(SEG_CS) & AR_L))
            raise_gp(c);
        if (!on && c->bits == 64)
            raise_gp(c);
        V(GUEST_EFER) = on ? V(GUEST_EFER) | EFER_LMA : V(GUEST_EFER) & ~EFER_LMA;
        V(ENTRY_CONTROLS) = on ? V(ENTRY_CONTROLS) | CONTROL_ENTRY_IA32E_GUEST
                               : V(ENTRY_CONTROLS) & ~(u64)CONTROL_ENTRY_IA32E_GUEST;
        c->vcpu->entry_controls = (u32)V(ENTRY_CONTROLS);
    }
    if (pae_paging(new, V(GUEST_CR4), V(GUEST_EFER)) && (new ^ old) & (CR0_PG | BIT(29) | BIT(30)))
        load_pdptes(c, V(GUEST_CR3));
    V(GUEST_CR0) = new | BIT(4);
    if ((new ^ old) & (CR0_PG | CR0_WP | CR0_PE))
        tlb_flush(c, true);
    derive_state(c);
}

static void write_cr3(struct cpu *c, u64 value)
{
    if (c->long_mode && value >> CPU_PHYSICAL_BITS)
        raise_gp(c);
    if (pae_paging(V(GUEST_CR0), V(GUEST_CR4), V(GUEST_EFER)))
        load_pdptes(c, value);
    V(GUEST_CR3) = value;
    tlb_flush(c, false);
}

static void write_cr4(struct cpu *c, u64 value, u64 qualification)
{
    u64 mask = V(CR4_MASK), old = V(GUEST_CR4);
    if ((value ^ V(CR4_SHADOW)) & mask)
        leave_at(c, EXIT_CR_ACCESS, qualification);
    u64 new = masked(value, mask, old);
    if (c->long_mode && !(new &CR4_PAE))
        raise_gp(c);
    if (pae_paging(V(GUEST_CR0), new, V(GUEST_EFER)) &&
        (new ^ old) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP))
        load_pdptes(c, V(GUEST_CR3));
    V(GUEST_CR4) = new;
    tlb_flush(c, true);
    derive_state(c);
}

static void write_cr8(struct cpu *c, u64 value)
{
    if (value >> 4)
        raise_gp(c);
    *virtual_tpr(c) = (u8)(value << 4);
    if (value < V(TPR_THRESHOLD))
        leave_after(c, EXIT_TPR_BELOW_THRESHOLD);
}

void exec_mov_to_cr(struct cpu *c, const struct insn *insn)
{
    u64 value = c->bits == 64 ? c->gpr[insn->rm] : (u32)c->gpr[insn->rm];
    u64 qualification = insn->reg | (u64)insn->rm << 8;
    need_cpl0(c);
    switch (insn->reg) {
    case 0:
        write_cr0(c, value, qualification);
        break;
    case 2:
        c->cr2 = value;
        break;
    case 3:
        write_cr3(c, value);
        break;
    case 4:
        write_cr4(c, value, qualification);
        break;
    case 8:
        write_cr8(c, value);
        break;
    default:
        raise_ud(c);
    }
}

/* CLTS (SDM 26.1.3): it exits when the host owns TS and the shadow has it. */
void exec_clts(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_cpl0(c);
    if (!(V(CR0_MASK) & CR0_TS))
        V(GUEST_CR0) &= ~CR0_TS;
    else if (V(CR0_SHADOW) & CR0_TS)
        leave_at(c, EXIT_CR_ACCESS, 2 << 4);
}

void exec_smsw(struct cpu *c, const struct insn *insn)
{
    u64 value = visible_cr0(c);
    if (insn->has_memory)
        write_linear(c, operand_linear(c, insn, 2, true), value, 2);
    else
        put_gpr(c, insn->rm, value, insn->operand_size);
}

void exec_lmsw(struct cpu *c, const struct insn *insn)
{
    need_cpl0(c);
    u64 source = read_rm(c, insn, 2) & 15, mask = V(CR0_MASK), shadow = V(CR0_SHADOW);
    bool sets_pe = mask & 1 && source & 1 && !(shadow & 1);
    if (sets_pe || (mask & (source ^ shadow) & 14))
        leave_at(c, EXIT_CR_ACCESS, 3 << 4 | source << 16 | (insn->has_memory ? 1 << 6 : 0));
    u64 change = 15 & ~mask, old = V(GUEST_CR0);
    u64 new = (old & ~change) | (source & change) | (old & 1);
    V(GUEST_CR0) = new;
    if ((new ^ old) & CR0_PE)
        tlb_flush(c, true);
    derive_state(c);
}

/* --- debug registers --------------------------------------------------------------------- */

static u32 debug_register(struct cpu *c, const struct insn *insn)
{
    need_cpl0(c);
    u32 reg = insn->reg;
    if (V(GUEST_CR4) & CR4_DE && (reg == 4 || reg == 5))
        raise_ud(c);
    if (V(GUEST_DR7) & 1 << 13) { /* general detect */
        c->dr6 |= 1 << 13;
        raise_db(c, 1 << 13);
    }
    return reg == 4 || reg == 5 ? reg + 2 : reg;
}

void exec_mov_from_dr(struct cpu *c, const struct insn *insn)
{
    u32 reg = debug_register(c, insn);
    u64 value = reg < 4 ? c->dr[reg] : reg == 6 ? c->dr6 : V(GUEST_DR7);
    put_gpr(c, insn->rm, value, c->bits == 64 ? 8 : 4);
}

void exec_mov_to_dr(struct cpu *c, const struct insn *insn)
{
    u32 reg = debug_register(c, insn);
    u64 value = c->bits == 64 ? c->gpr[insn->rm] : (u32)c->gpr[insn->rm];
    if (reg >= 6 && value >> 32)
        raise_gp(c);
    if (reg < 4)
        c->dr[reg] = value;
    else if (reg == 6)
        c->dr6 = (value & 0xe00f) | 0xffff0ff0;
    else
        V(GUEST_DR7) = (value & 0xffff2fff) | 0x400;
    derive_state(c);
}
