/*
 * Segments and descriptor tables (0F 00, 0F 01), fast system calls, and 0F AE (SDM vol. 2).
 */
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/software/exec.h"

/* --- segments and tables ----------------------------------------------------------------- */

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
        begin_stack_shadow(c);
}

void exec_lds(struct cpu *c, const struct insn *insn) /* LES LDS LSS LFS LGS */
{
    static const u8 segments[] = {[0xc4 & 7] = SEG_ES, [0xc5 & 7] = SEG_DS};
    u32 size = insn->operand_size,
        segment = insn->map == MAP_LEGACY ? segments[insn->opcode & 7] : insn->opcode & 7;
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
        exec_smsw(c, insn);
    } else if (reg == 6) {
        exec_lmsw(c, insn);
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
static bool readable_descriptor(struct cpu *c, u16 selector, struct descriptor *d,
                                u32 allowed_system)
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
        put_gpr(c, insn->reg, d.low >> 32 & (insn->operand_size == 2 ? 0xff00 : 0xffff00),
                insn->operand_size);
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

/* --- fast system calls ------------------------------------------------------------------- */

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
    flat_segment(c, SEG_CS, (u16)((selector + (wide ? 16 : 0)) | 3),
                 (wide ? CODE64 : CODE32) | DPL3);
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
    flat_segment(c, SEG_CS, (u16)((selector + (wide ? 32 : 16)) | 3),
                 (wide ? CODE64 : CODE32) | DPL3);
    flat_segment(c, SEG_SS, (u16)((selector + (wide ? 40 : 24)) | 3), DATA32 | DPL3);
    c->gpr[RSP] = wide ? c->gpr[RCX] : (u32)c->gpr[RCX];
    c->next = wide ? c->gpr[RDX] : (u32)c->gpr[RDX];
    c->cpl = 3;
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
