/*
 * System instructions that VT-x intercepts: they check what comes before the exit (SDM 26.1.1) and
 * leave. I/O, CPUID, HLT and the like, VMX instructions, MSRs, and the interrupt flag.
 */
#include "core/cpu_model.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/software/exec.h"

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
        V(INSTRUCTION_INFO) = (insn->address_size == 8   ? 2u
                               : insn->address_size == 4 ? 1u
                                                         : 0u)
                                  << 7 |
                              segment << 15;
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

void exec_cli(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (!set_virtual_interrupt_flag(c, false))
        c->rflags &= ~(u64)RF_IF;
}

void exec_sti(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (set_virtual_interrupt_flag(c, true))
        return;
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

/* --- VMX instructions: they exit, whatever the privilege --------------------------------- */

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

/* --- MSRs -------------------------------------------------------------------------------- */

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
