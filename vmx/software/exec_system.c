/*
 * Instructions that read or change the CPU itself. Those that VT-x intercepts check what
 * comes before the exit (SDM 26.1.1) and leave; the rest change the guest's state.
 */
#include "core/cpu_model.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/software/exec.h"

static void need_cpl0(struct cpu *c)
{
    if (c->cpl)
        raise_gp(c);
}

static void need_protected(struct cpu *c)
{
    if (!protected_mode(c))
        raise_ud(c);
}

/* The exit of the instruction at hand. */
NORETURN static void leave_at(struct cpu *c, u32 reason, u64 qualification)
{
    c->exit.length = (u32)(c->next - c->rip);
    leave_vm(c, reason, qualification);
}

/* A trap-like exit: the instruction is done and counts. */
NORETURN static void leave_after(struct cpu *c, u32 reason)
{
    c->exit.length = (u32)(c->next - c->rip);
    c->rip = c->next;
    V(GUEST_INTERRUPTIBILITY) &= ~3ull;
    c->budget += c->op->left - 1;
    c->op = &nowhere;
    if (c->rflags & RF_TF)
        c->pending_debug |= 1 << 14;
    leave_vm(c, reason, 0);
}

/* --- I/O ---------------------------------------------------------------------------------- */

static void check_io(struct cpu *c, u16 port, u32 size)
{
    if (!(V(GUEST_CR0) & CR0_PE) || (protected_mode(c) && c->cpl <= iopl(c)))
        return;
    u64 limit = SEG_LIMIT(SEG_TR);
    bool wide = (SEG_ACCESS(SEG_TR) & 15) >= 9;
    if (!wide || limit < 103)
        raise_gp(c);
    u64 base = system_read(c, SEG_BASE(SEG_TR) + 102, 2);
    if (base + port / 8 + 1 > limit)
        raise_gp(c);
    u64 bits = system_read(c, SEG_BASE(SEG_TR) + base + port / 8, 2) >> (port & 7);
    if (bits & (BIT(size) - 1))
        raise_gp(c);
}

static bool io_exits(struct cpu *c, u16 port, u32 size)
{
    if (!(V(PROCESSOR_CONTROLS) & CONTROL_IO_BITMAPS))
        return V(PROCESSOR_CONTROLS) & CONTROL_IO_EXITING;
    for (u32 p = port; p < port + size; p++) {
        const u8 *map = (const u8 *)(p & 0x8000 ? V(IO_BITMAP_B) : V(IO_BITMAP_A));
        if (p > 0xffff || map[(p & 0x7fff) / 8] >> (p & 7) & 1)
            return true;
    }
    return false;
}

enum { IO_IN = 8, IO_STRING = 16, IO_REP = 32, IO_IMMEDIATE = 64 };

static void port_access(struct cpu *c, const struct insn *insn, u16 port, u32 flags)
{
    u32 size = insn->operand_size;
    check_io(c, port, size);
    if (!io_exits(c, port, size))
        stop_unimplemented(c, "a port that the guest owns");
    if (flags & IO_STRING) {
        u64 offset = c->gpr[flags & IO_IN ? RDI : RSI] & size_mask(insn->address_size);
        u32 segment = flags & IO_IN ? (u32)SEG_ES : insn->segment;
        u64 base = c->bits == 64 && segment < SEG_FS ? 0 : SEG_BASE(segment);
        V(GUEST_LINEAR) = c->long_mode ? base + offset : (u32)(base + offset);
        V(INSTRUCTION_INFO) = (insn->address_size == 8 ? 2u : insn->address_size == 4 ? 1u : 0u) << 7 | segment << 15;
    }
    leave_at(c, EXIT_IO_INSTRUCTION, (size - 1) | flags | (u64)port << 16);
}

void exec_in_imm(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)insn->immediate & 0xff, IO_IN | IO_IMMEDIATE);
}

void exec_out_imm(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)insn->immediate & 0xff, IO_IMMEDIATE);
}

void exec_in_dx(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)c->gpr[RDX], IO_IN);
}

void exec_out_dx(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)c->gpr[RDX], 0);
}

static u32 rep_flag(const struct insn *insn)
{
    return insn->prefixes & (PREFIX_REP | PREFIX_REPNE) ? IO_REP : 0;
}

void exec_ins(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)c->gpr[RDX], IO_IN | IO_STRING | rep_flag(insn));
}

void exec_outs(struct cpu *c, const struct insn *insn)
{
    port_access(c, insn, (u16)c->gpr[RDX], IO_STRING | rep_flag(insn));
}

/* --- flags and halting ------------------------------------------------------------------------ */

static void need_io_privilege(struct cpu *c)
{
    if (V(GUEST_CR0) & CR0_PE && c->cpl > iopl(c))
        raise_gp(c);
}

void exec_cli(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_io_privilege(c);
    c->rflags &= ~(u64)RF_IF;
}

void exec_sti(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_io_privilege(c);
    if (!(c->rflags & RF_IF))
        c->shadow = BLOCKED_BY_STI;
    c->rflags |= RF_IF;
    c->attention = true;
}

void exec_hlt(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_cpl0(c);
    leave_at(c, EXIT_HLT, 0);
}

void exec_cpuid(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    leave_at(c, EXIT_CPUID, 0);
}

void exec_rdtsc(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (V(GUEST_CR4) & CR4_TSD && c->cpl)
        raise_gp(c);
    leave_at(c, EXIT_RDTSC, 0);
}

void exec_rdpmc(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (!(V(GUEST_CR4) & CR4_PCE) && c->cpl)
        raise_gp(c);
    leave_at(c, EXIT_RDPMC, 0);
}

void exec_invd(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_cpl0(c);
    leave_at(c, EXIT_INVD, 0);
}

void exec_wbinvd(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    need_cpl0(c);
    if (V(SECONDARY_CONTROLS) & CONTROL_WBINVD_EXITING)
        leave_at(c, EXIT_WBINVD, 0);
}

void exec_ud(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    raise_ud(c);
}

void exec_rdrand(struct cpu *c, const struct insn *insn)
{
    static const u8 sizes[] = {[2] = 0, [4] = 1, [8] = 2};
    V(INSTRUCTION_INFO) = (u64)insn->rm << 3 | (u64)sizes[insn->operand_size] << 11;
    leave_at(c, EXIT_RDRAND, 0);
}

void exec_rdseed(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    leave_at(c, EXIT_RDSEED, 0);
}

/* --- VMX instructions: they exit, whatever the privilege ---------------------------------------- */

static void vmx_exit(struct cpu *c, u32 reason)
{
    need_protected(c);
    leave_at(c, reason, 0);
}

void exec_vmread(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    vmx_exit(c, EXIT_VMREAD);
}

void exec_vmwrite(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    vmx_exit(c, EXIT_VMWRITE);
}

void exec_invept(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    vmx_exit(c, EXIT_INVEPT);
}

void exec_invvpid(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    vmx_exit(c, EXIT_INVVPID);
}

void exec_vmx_0fc7(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->reg & 7;
    if (!insn->has_memory || (reg != 6 && reg != 7))
        raise_ud(c);
    if (reg == 7)
        vmx_exit(c, EXIT_VMPTRST);
    vmx_exit(c, insn->prefixes & PREFIX_REP      ? EXIT_VMXON
                : insn->prefixes & PREFIX_OPSIZE ? EXIT_VMCLEAR
                                                 : EXIT_VMPTRLD);
}

/* --- control registers --------------------------------------------------------------------------- */

static u64 masked(u64 real, u64 mask, u64 shadow)
{
    return (real & ~mask) | (shadow & mask);
}

static u64 visible_cr0(const struct cpu *c)
{
    return masked(V(GUEST_CR0), V(CR0_MASK), V(CR0_SHADOW));
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
    if ((new & CR0_PG && !(new & CR0_PE)) || value >> 32)
        raise_gp(c);
    if ((new ^ old) & CR0_PG && V(GUEST_EFER) & EFER_LME) {
        bool on = new & CR0_PG;
        if (on && (!(V(GUEST_CR4) & CR4_PAE) || SEG_ACCESS(SEG_CS) & AR_L))
            raise_gp(c);
        if (!on && c->bits == 64)
            raise_gp(c);
        V(GUEST_EFER) = on ? V(GUEST_EFER) | EFER_LMA : V(GUEST_EFER) & ~EFER_LMA;
        V(ENTRY_CONTROLS) = on ? V(ENTRY_CONTROLS) | CONTROL_ENTRY_IA32E_GUEST : V(ENTRY_CONTROLS) & ~(u64)CONTROL_ENTRY_IA32E_GUEST;
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
    if (c->long_mode && !(new & CR4_PAE))
        raise_gp(c);
    if (pae_paging(V(GUEST_CR0), new, V(GUEST_EFER)) && (new ^ old) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP))
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

static void smsw(struct cpu *c, const struct insn *insn)
{
    u64 value = visible_cr0(c);
    if (insn->has_memory)
        write_linear(c, operand_linear(c, insn, 2, true), value, 2);
    else
        put_gpr(c, insn->rm, value, insn->operand_size);
}

static void lmsw(struct cpu *c, const struct insn *insn)
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

/* --- debug registers ------------------------------------------------------------------------------ */

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

/* --- segments and tables ------------------------------------------------------------------------------ */

void exec_mov_from_seg(struct cpu *c, const struct insn *insn)
{
    u64 value = SELECTOR(insn->reg);
    if (insn->has_memory)
        write_linear(c, operand_linear(c, insn, 2, true), value, 2);
    else
        put_gpr(c, insn->rm, value, insn->operand_size);
}

void exec_mov_to_seg(struct cpu *c, const struct insn *insn)
{
    load_segment(c, insn->reg, (u16)read_rm(c, insn, 2));
    if (insn->reg == SEG_SS)
        c->shadow = BLOCKED_BY_MOV_SS;
}

void exec_lds(struct cpu *c, const struct insn *insn) /* LES LDS LSS LFS LGS */
{
    static const u8 segments[] = {[0xc4 & 7] = SEG_ES, [0xc5 & 7] = SEG_DS};
    u32 size = insn->operand_size, segment = insn->map == MAP_LEGACY ? segments[insn->opcode & 7] : insn->opcode & 7;
    u64 linear = operand_linear(c, insn, size + 2, false);
    u64 offset = read_linear(c, linear, size);
    load_segment(c, segment, (u16)read_linear(c, linear + size, 2));
    put_gpr(c, insn->reg, offset, size);
}

static void store_selector(struct cpu *c, const struct insn *insn, u64 value)
{
    if (insn->has_memory)
        write_linear(c, operand_linear(c, insn, 2, true), value, 2);
    else
        put_gpr(c, insn->rm, value, insn->operand_size);
}

/* VERR and VERW set ZF alone. */
static void verify(struct cpu *c, u16 selector, bool write)
{
    u64 low;
    bool good = false;
    if (selector & 0xfffc && fetch_descriptor(c, selector, &low)) {
        u32 access = parse_descriptor(low).access;
        bool code = access & 8, conforming = (access & 0xc) == 0xc;
        bool reach = conforming || (AR_DPL(access) >= c->cpl && AR_DPL(access) >= (selector & 3u));
        good = access & AR_S && reach && (write ? !code && access & 2 : !code || access & 2);
    }
    c->status = (u16)((c->status & ~ST_ZF) | (good ? ST_ZF : 0));
}

void exec_group6(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->reg & 7;
    need_protected(c);
    switch (reg) {
    case 0:
        store_selector(c, insn, SELECTOR(SEG_LDTR));
        break;
    case 1:
        store_selector(c, insn, SELECTOR(SEG_TR));
        break;
    case 2:
        need_cpl0(c);
        load_ldtr(c, (u16)read_rm(c, insn, 2));
        break;
    case 3:
        need_cpl0(c);
        load_tr(c, (u16)read_rm(c, insn, 2));
        break;
    case 4:
    case 5:
        verify(c, (u16)read_rm(c, insn, 2), reg == 5);
        break;
    default:
        raise_ud(c);
    }
}

static void store_table(struct cpu *c, const struct insn *insn, u64 base, u64 limit)
{
    u32 size = c->bits == 64 ? 8 : 4;
    u64 linear = operand_linear(c, insn, size + 2, true);
    u8 image[10];
    memcpy(image, &limit, 2);
    memcpy(image + 2, &base, 8);
    copy_out(c, linear, image, size + 2);
}

static void load_table(struct cpu *c, const struct insn *insn, u64 *base, u64 *limit)
{
    u32 size = c->bits == 64 ? 8 : 4;
    need_cpl0(c);
    u64 linear = operand_linear(c, insn, size + 2, false);
    u64 new_limit = read_linear(c, linear, 2), new_base = read_linear(c, linear + 2, size);
    if (c->bits != 64 && insn->operand_size == 2)
        new_base &= 0xffffff;
    if (size == 8 && !canonical(new_base))
        raise_gp(c);
    *base = new_base;
    *limit = new_limit;
}

static void invlpg(struct cpu *c, const struct insn *insn)
{
    need_cpl0(c);
    u64 offset = effective(c, insn);
    u64 base = c->bits == 64 && insn->segment < SEG_FS ? 0 : SEG_BASE(insn->segment);
    if (c->bits == 64 && !canonical(base + offset))
        return;
    tlb_flush_page(c, c->bits == 64 ? base + offset : (u32)(base + offset));
}

static void swapgs(struct cpu *c)
{
    if (c->bits != 64)
        raise_ud(c);
    need_cpl0(c);
    u64 base = SEG_BASE(SEG_GS);
    SEG_BASE(SEG_GS) = c->gpr[GS_BASE] = c->kernel_gs;
    c->kernel_gs = base;
}

static void set_ac(struct cpu *c, bool on) /* STAC, CLAC */
{
    if (c->cpl || !protected_mode(c))
        raise_ud(c);
    c->rflags = on ? c->rflags | RF_AC : c->rflags & ~(u64)RF_AC;
    derive_state(c);
}

static void rdtscp(struct cpu *c)
{
    if (V(GUEST_CR4) & CR4_TSD && c->cpl)
        raise_gp(c);
    leave_at(c, EXIT_RDTSCP, 0);
}

static void monitor_mwait(struct cpu *c, bool mwait)
{
    if (c->cpl)
        raise_ud(c);
    if (mwait)
        leave_at(c, EXIT_MWAIT_INSTRUCTION, 0);
    leave_at(c, EXIT_MONITOR_INSTRUCTION, 0);
}

/* 0F 01 with a register form, by the whole ModRM byte. */
static void group7_register(struct cpu *c, const struct insn *insn)
{
    switch (0xc0 | (insn->reg & 7) << 3 | (insn->rm & 7)) {
    case 0xc1:
        leave_at(c, EXIT_VMCALL, 0);
    case 0xc2:
        vmx_exit(c, EXIT_VMLAUNCH);
        break;
    case 0xc3:
        vmx_exit(c, EXIT_VMRESUME);
        break;
    case 0xc4:
        vmx_exit(c, EXIT_VMXOFF);
        break;
    case 0xc8:
    case 0xc9:
        monitor_mwait(c, insn->rm & 1);
        break;
    case 0xca:
    case 0xcb:
        set_ac(c, insn->rm & 1);
        break;
    case 0xf8:
        swapgs(c);
        break;
    case 0xf9:
        rdtscp(c);
        break;
    default:
        raise_ud(c);
    }
}

void exec_group7(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->reg & 7;
    if (reg == 4) {
        smsw(c, insn);
    } else if (reg == 6) {
        lmsw(c, insn);
    } else if (!insn->has_memory) {
        group7_register(c, insn);
    } else {
        switch (reg) {
        case 0:
            store_table(c, insn, V(GUEST_GDTR_BASE), V(GUEST_GDTR_LIMIT));
            break;
        case 1:
            store_table(c, insn, V(GUEST_IDTR_BASE), V(GUEST_IDTR_LIMIT));
            break;
        case 2:
            load_table(c, insn, &V(GUEST_GDTR_BASE), &V(GUEST_GDTR_LIMIT));
            break;
        case 3:
            load_table(c, insn, &V(GUEST_IDTR_BASE), &V(GUEST_IDTR_LIMIT));
            break;
        case 7:
            invlpg(c, insn);
            break;
        default:
            raise_ud(c);
        }
    }
}

/* LAR and LSL: which descriptor types may be looked at (SDM vol. 2). */
static bool readable_descriptor(struct cpu *c, u16 selector, struct descriptor *d, u32 allowed_system)
{
    u64 low;
    if (!(selector & 0xfffc) || !fetch_descriptor(c, selector, &low))
        return false;
    *d = parse_descriptor(low);
    bool conforming = (d->access & 0x1c) == 0x1c;
    if (!(d->access & AR_S) && !(allowed_system >> (d->access & 15) & 1))
        return false;
    return conforming || (AR_DPL(d->access) >= c->cpl && AR_DPL(d->access) >= (selector & 3u));
}

void exec_lar(struct cpu *c, const struct insn *insn)
{
    struct descriptor d;
    need_protected(c);
    u32 system = c->long_mode ? 0x1a04 : 0x1a3e;
    bool good = readable_descriptor(c, (u16)read_rm(c, insn, 2), &d, system);
    if (good)
        put_gpr(c, insn->reg, d.low >> 32 & (insn->operand_size == 2 ? 0xff00 : 0xf0ff00), insn->operand_size);
    c->status = (u16)((c->status & ~ST_ZF) | (good ? ST_ZF : 0));
}

void exec_lsl(struct cpu *c, const struct insn *insn)
{
    struct descriptor d;
    need_protected(c);
    bool good = readable_descriptor(c, (u16)read_rm(c, insn, 2), &d, c->long_mode ? 0xa04 : 0xa0e);
    if (good)
        put_gpr(c, insn->reg, d.limit, insn->operand_size);
    c->status = (u16)((c->status & ~ST_ZF) | (good ? ST_ZF : 0));
}

void exec_arpl(struct cpu *c, const struct insn *insn)
{
    need_protected(c);
    struct target t = open_rm(c, insn, 2);
    u64 rpl = c->gpr[insn->reg] & 3;
    bool raise = (t.value & 3) < rpl;
    close_rm(c, insn, &t, raise ? (t.value & ~3ull) | rpl : t.value, 2);
    c->status = (u16)((c->status & ~ST_ZF) | (raise ? ST_ZF : 0));
}

/* --- fast system calls ------------------------------------------------------------------------------------- */

static void flat_segment(struct cpu *c, u32 segment, u16 selector, u32 access)
{
    const struct descriptor d = {.limit = 0xffffffff, .access = access};
    set_segment(c, segment, selector, &d);
}

enum { CODE64 = 0xa09b, CODE32 = 0xc09b, DATA32 = 0xc093, DPL3 = 0x60 };

void exec_syscall(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (!(V(GUEST_EFER) & EFER_SCE) || !c->long_mode)
        raise_ud(c);
    u64 flags = get_rflags(c) & ~(u64)RF_RF, target = c->bits == 64 ? c->lstar : c->cstar;
    c->gpr[RCX] = c->next;
    c->gpr[R11] = flags;
    u16 selector = (u16)(c->star >> 32) & 0xfffc;
    flat_segment(c, SEG_CS, selector, CODE64);
    flat_segment(c, SEG_SS, (u16)(selector + 8), DATA32);
    set_rflags(c, flags & ~(c->fmask | RF_RF));
    c->cpl = 0;
    c->next = target;
    derive_state(c);
}

void exec_sysret(struct cpu *c, const struct insn *insn)
{
    if (!(V(GUEST_EFER) & EFER_SCE) || c->bits != 64)
        raise_ud(c);
    need_cpl0(c);
    bool wide = insn->rex & 8;
    u16 selector = (u16)(c->star >> 48);
    if (wide && !canonical(c->gpr[RCX]))
        raise_gp(c);
    flat_segment(c, SEG_CS, (u16)((selector + (wide ? 16 : 0)) | 3), (wide ? CODE64 : CODE32) | DPL3);
    flat_segment(c, SEG_SS, (u16)((selector + 8) | 3), DATA32 | DPL3);
    set_rflags(c, (c->gpr[R11] & 0x3c7fd7) | RF_FIXED);
    c->rflags &= ~(u64)(RF_RF | RF_VM);
    c->cpl = 3;
    c->next = wide ? c->gpr[RCX] : (u32)c->gpr[RCX];
    derive_state(c);
}

void exec_sysenter(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    u16 selector = (u16)V(GUEST_SYSENTER_CS);
    if (!(V(GUEST_CR0) & CR0_PE) || !(selector & 0xfffc))
        raise_gp(c);
    c->rflags &= ~(u64)(RF_VM | RF_IF | RF_RF);
    flat_segment(c, SEG_CS, selector & 0xfffc, c->long_mode ? CODE64 : CODE32);
    flat_segment(c, SEG_SS, (u16)((selector & 0xfffc) + 8), DATA32);
    c->gpr[RSP] = c->long_mode ? V(GUEST_SYSENTER_ESP) : (u32)V(GUEST_SYSENTER_ESP);
    c->next = c->long_mode ? V(GUEST_SYSENTER_EIP) : (u32)V(GUEST_SYSENTER_EIP);
    c->cpl = 0;
    derive_state(c);
}

void exec_sysexit(struct cpu *c, const struct insn *insn)
{
    u16 selector = (u16)V(GUEST_SYSENTER_CS);
    bool wide = insn->rex & 8;
    if (!protected_mode(c) || c->cpl || !(selector & 0xfffc))
        raise_gp(c);
    if (wide && (!canonical(c->gpr[RCX]) || !canonical(c->gpr[RDX])))
        raise_gp(c);
    flat_segment(c, SEG_CS, (u16)((selector + (wide ? 32 : 16)) | 3), (wide ? CODE64 : CODE32) | DPL3);
    flat_segment(c, SEG_SS, (u16)((selector + (wide ? 40 : 24)) | 3), DATA32 | DPL3);
    c->gpr[RSP] = wide ? c->gpr[RCX] : (u32)c->gpr[RCX];
    c->next = wide ? c->gpr[RDX] : (u32)c->gpr[RDX];
    c->cpl = 3;
    derive_state(c);
}

/* --- MSRs ------------------------------------------------------------------------------------------------------ */

static bool msr_exits(struct cpu *c, u32 msr, bool write)
{
    const u8 *map = (const u8 *)V(MSR_BITMAP) + (write ? 2048 : 0);
    if (msr >= 0xc0000000 && msr <= 0xc0001fff)
        map += 1024;
    else if (msr > 0x1fff)
        return true;
    return map[(msr & 0x1fff) / 8] >> (msr & 7) & 1;
}

static u64 *pass_msr(struct cpu *c, u32 msr)
{
    switch (msr) {
    case 0x174:
        return &V(GUEST_SYSENTER_CS);
    case 0x175:
        return &V(GUEST_SYSENTER_ESP);
    case 0x176:
        return &V(GUEST_SYSENTER_EIP);
    case 0x277:
        return &V(GUEST_PAT);
    case 0xc0000081:
        return &c->star;
    case 0xc0000082:
        return &c->lstar;
    case 0xc0000083:
        return &c->cstar;
    case 0xc0000084:
        return &c->fmask;
    case 0xc0000100:
        return &SEG_BASE(SEG_FS);
    case 0xc0000101:
        return &SEG_BASE(SEG_GS);
    case 0xc0000102:
        return &c->kernel_gs;
    default:
        stop_unimplemented(c, "an MSR that the guest owns");
    }
}

static bool msr_value_valid(u32 msr, u64 value)
{
    switch (msr) {
    case 0x277:
        for (u32 i = 0; i < 64; i += 8) {
            u32 type = value >> i & 0xff;
            if (type > 7 || type == 2 || type == 3)
                return false;
        }
        return true;
    case 0x175:
    case 0x176:
    case 0xc0000082:
    case 0xc0000083:
    case 0xc0000100 ... 0xc0000102:
        return canonical(value);
    default:
        return true;
    }
}

void exec_rdmsr(struct cpu *c, const struct insn *insn)
{
    u32 msr = (u32)c->gpr[RCX];
    (void)insn;
    need_cpl0(c);
    if (msr_exits(c, msr, false))
        leave_at(c, EXIT_MSR_READ, 0);
    u64 value = *pass_msr(c, msr);
    c->gpr[RAX] = (u32)value;
    c->gpr[RDX] = value >> 32;
}

void exec_wrmsr(struct cpu *c, const struct insn *insn)
{
    u32 msr = (u32)c->gpr[RCX];
    u64 value = c->gpr[RDX] << 32 | (u32)c->gpr[RAX];
    (void)insn;
    need_cpl0(c);
    if (msr_exits(c, msr, true))
        leave_at(c, EXIT_MSR_WRITE, 0);
    u64 *to = pass_msr(c, msr);
    if (!msr_value_valid(msr, value))
        raise_gp(c);
    *to = msr == 0x174 || msr == 0xc0000084 ? (u32)value : value;
    derive_state(c);
}

/* 0F AE: FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, fences, CLFLUSH. */
void exec_group15(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->reg & 7;
    if (!insn->has_memory) {
        if (reg < 5 || insn->prefixes & (PREFIX_REP | PREFIX_REPNE | PREFIX_OPSIZE))
            raise_ud(c);
        return;
    }
    switch (reg) {
    case 0:
        exec_fxsave(c, insn);
        break;
    case 1:
        exec_fxrstor(c, insn);
        break;
    case 2:
    case 3:
        if (V(GUEST_CR0) & CR0_EM || !(V(GUEST_CR4) & CR4_OSFXSR))
            raise_ud(c);
        if (V(GUEST_CR0) & CR0_TS)
            raise_plain(c, VECTOR_NM);
        if (reg == 3) {
            write_linear(c, operand_linear(c, insn, 4, true), c->mxcsr, 4);
        } else {
            u32 value = (u32)read_memory(c, insn, 4);
            if (value & ~0xffffu)
                raise_gp(c);
            c->mxcsr = value;
        }
        break;
    case 7:
        if (insn->prefixes & PREFIX_OPSIZE)
            raise_ud(c);
        exec_clflush(c, insn);
        break;
    default:
        raise_ud(c);
    }
}
