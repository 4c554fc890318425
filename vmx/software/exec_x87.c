/*
 * x87: by thunks around FXRSTOR and FXSAVE; control instructions, FXSAVE and FXRSTOR by hand.
 * Instruction and data pointers are the guest's. Thunks run with all exceptions masked: an unmasked
 * one that comes before the operation (invalid, denormal, zero divide) takes its results back, so
 * that only the flags stay (SDM vol. 1, 8.5); an unmasked overflow or underflow is not implemented.
 */
#include "vmx/software/exec.h"
#include "vmx/software/thunk.h"

static u32 top_of(const struct cpu *c)
{
    return c->x87.fsw >> 11 & 7;
}

void fx_image(const struct cpu *c, u8 image[512])
{
    memset(image, 0, 512);
    memcpy(image, &c->x87.fcw, 2);
    memcpy(image + 2, &c->x87.fsw, 2);
    image[4] = c->x87.tag;
    memcpy(image + 6, &c->x87.fop, 2);
    memcpy(image + 8, &c->x87.fip, 8);
    memcpy(image + 16, &c->x87.fdp, 8);
    memcpy(image + 24, &c->mxcsr, 4);
    image[28] = image[29] = 0xff;
    for (u32 i = 0; i < 8; i++)
        memcpy(image + 32 + 16 * i, c->x87.st[(top_of(c) + i) & 7], 10);
    memcpy(image + 160, c->xmm, 256);
}

static void take_x87(struct cpu *c, const u8 image[512])
{
    memcpy(&c->x87.fcw, image, 2);
    memcpy(&c->x87.fsw, image + 2, 2);
    c->x87.tag = image[4];
    for (u32 i = 0; i < 8; i++)
        memcpy(c->x87.st[(top_of(c) + i) & 7], image + 32 + 16 * i, 10);
}

static void check_fpu(struct cpu *c)
{
    if (V(GUEST_CR0) & (CR0_EM | CR0_TS))
        raise_plain(c, VECTOR_NM);
}

static void check_pending(struct cpu *c)
{
    check_fpu(c);
    if (c->x87.fsw & 0x80)
        raise_plain(c, VECTOR_MF);
}

static void update_summary(struct cpu *c)
{
    bool pending = c->x87.fsw & ~c->x87.fcw & 0x3f;
    c->x87.fsw = (u16)((c->x87.fsw & 0x7f7f) | (pending ? 0x8080 : 0));
}

/* --- FXSAVE, FXRSTOR ------------------------------------------------------------------------ */

static u64 fx_linear(struct cpu *c, const struct insn *insn, bool write)
{
    check_fpu(c);
    u64 linear = operand_linear(c, insn, 512, write);
    if (linear & 15)
        raise_gp(c);
    return linear;
}

void exec_fxsave(struct cpu *c, const struct insn *insn)
{
    u64 linear = fx_linear(c, insn, true);
    u8 image[512];
    fx_image(c, image);
    if (!(insn->rex & 8)) { /* 32-bit pointers and selectors */
        memset(image + 12, 0, 4);
        memset(image + 20, 0, 4);
    }
    u32 size = !(V(GUEST_CR4) & CR4_OSFXSR) ? 160 : c->bits == 64 ? 416 : 288;
    copy_out(c, linear, image, size);
}

void exec_fxrstor(struct cpu *c, const struct insn *insn)
{
    u64 linear = fx_linear(c, insn, false);
    u8 image[512];
    u32 mxcsr;
    copy_in(c, image, linear, 512);
    memcpy(&mxcsr, image + 24, 4);
    if (V(GUEST_CR4) & CR4_OSFXSR && mxcsr & ~0xffffu)
        raise_gp(c);
    take_x87(c, image);
    memcpy(&c->x87.fop, image + 6, 2);
    c->x87.fop &= 0x7ff;
    memcpy(&c->x87.fip, image + 8, insn->rex & 8 ? 8 : 4);
    memcpy(&c->x87.fdp, image + 16, insn->rex & 8 ? 8 : 4);
    c->x87.fcw = (u16)((c->x87.fcw & 0x1f7f) | 0x40);
    update_summary(c);
    if (V(GUEST_CR4) & CR4_OSFXSR) {
        c->mxcsr = mxcsr;
        memcpy(c->xmm, image + 160, c->bits == 64 ? 256 : 128);
    }
}

/* --- control instructions ----------------------------------------------------------------------
 */

static void exec_fwait(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if ((V(GUEST_CR0) & (CR0_TS | CR0_MP)) == (CR0_TS | CR0_MP))
        raise_plain(c, VECTOR_NM);
    if (c->x87.fsw & 0x80)
        raise_plain(c, VECTOR_MF);
}

static void exec_fninit(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    check_fpu(c);
    c->x87.fcw = 0x37f;
    c->x87.fsw = c->x87.fop = 0;
    c->x87.tag = 0;
    c->x87.fip = c->x87.fdp = 0;
}

/* TOP changes what ST(i) is, not where the registers are: they are kept by physical number. */
static void exec_fnclex(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    check_fpu(c);
    c->x87.fsw &= 0x7f00;
}

static void exec_fnop(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    check_fpu(c);
}

static void exec_fldcw(struct cpu *c, const struct insn *insn)
{
    check_pending(c);
    c->x87.fcw = (u16)((read_memory(c, insn, 2) & 0x1f7f) | 0x40);
    update_summary(c);
}

static void exec_fnstcw(struct cpu *c, const struct insn *insn)
{
    check_fpu(c);
    write_linear(c, operand_linear(c, insn, 2, true), c->x87.fcw, 2);
}

static void exec_fnstsw(struct cpu *c, const struct insn *insn)
{
    check_fpu(c);
    write_linear(c, operand_linear(c, insn, 2, true), c->x87.fsw, 2);
}

static void exec_fnstsw_ax(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    check_fpu(c);
    put_gpr(c, RAX, c->x87.fsw, 2);
}

/* Empty (3), zero (1), special (2) or valid (0), from the register's bits. */
static u32 full_tag(const struct cpu *c, u32 physical)
{
    u64 fraction;
    u16 exponent;
    if (!(c->x87.tag >> physical & 1))
        return 3;
    memcpy(&fraction, c->x87.st[physical], 8);
    memcpy(&exponent, c->x87.st[physical] + 8, 2);
    exponent &= 0x7fff;
    if (exponent == 0 && fraction == 0)
        return 1;
    return exponent == 0 || exponent == 0x7fff || !(fraction >> 63) ? 2 : 0;
}

/* The 28-byte environment of 32-bit operand size (SDM vol. 1, 8.1.10). */
static void environment(const struct cpu *c, u32 words[7])
{
    u32 tags = 0;
    for (u32 i = 0; i < 8; i++)
        tags |= full_tag(c, i) << 2 * i;
    words[0] = 0xffff0000 | c->x87.fcw;
    words[1] = 0xffff0000 | c->x87.fsw;
    words[2] = 0xffff0000 | tags;
    words[3] = (u32)c->x87.fip;
    words[4] = (u32)(c->x87.fop & 0x7ff) << 16;
    words[5] = (u32)c->x87.fdp;
    words[6] = 0xffff0000;
}

static void need_wide(struct cpu *c, const struct insn *insn)
{
    if (c->bits == 16 || insn->prefixes & PREFIX_OPSIZE)
        stop_unimplemented(c, "FLDENV, FSTENV, FSAVE or FRSTOR of 16-bit operand size");
}

static void exec_fnstenv(struct cpu *c, const struct insn *insn)
{
    u32 words[7];
    check_fpu(c);
    need_wide(c, insn);
    environment(c, words);
    copy_out(c, operand_linear(c, insn, 28, true), words, 28);
    c->x87.fcw |= 0x3f;
    update_summary(c);
}

static void load_environment(struct cpu *c, const u32 words[7])
{
    c->x87.fcw = (u16)((words[0] & 0x1f7f) | 0x40);
    c->x87.fsw = (u16)words[1];
    c->x87.tag = 0;
    for (u32 i = 0; i < 8; i++)
        c->x87.tag |= (words[2] >> 2 * i & 3) == 3 ? 0 : 1u << i;
    c->x87.fip = words[3];
    c->x87.fop = (u16)(words[4] >> 16 & 0x7ff);
    c->x87.fdp = words[5];
    update_summary(c);
}

static void exec_fldenv(struct cpu *c, const struct insn *insn)
{
    u32 words[7];
    check_pending(c);
    need_wide(c, insn);
    copy_in(c, words, operand_linear(c, insn, 28, false), 28);
    load_environment(c, words);
}

static void exec_fnsave(struct cpu *c, const struct insn *insn)
{
    u8 image[108];
    u32 words[7];
    check_fpu(c);
    need_wide(c, insn);
    environment(c, words);
    memcpy(image, words, 28);
    for (u32 i = 0; i < 8; i++)
        memcpy(image + 28 + 10 * i, c->x87.st[(top_of(c) + i) & 7], 10);
    copy_out(c, operand_linear(c, insn, 108, true), image, 108);
    exec_fninit(c, insn);
}

static void exec_frstor(struct cpu *c, const struct insn *insn)
{
    u8 image[108];
    u32 words[7];
    check_pending(c);
    need_wide(c, insn);
    copy_in(c, image, operand_linear(c, insn, 108, false), 108);
    memcpy(words, image, 28);
    load_environment(c, words);
    for (u32 i = 0; i < 8; i++)
        memcpy(c->x87.st[(top_of(c) + i) & 7], image + 28 + 10 * i, 10);
}

/* --- by thunk
 * ------------------------------------------------------------------------------------- */

struct operand {
    u8 bytes;
    bool stores;
};

/* Memory forms by opcode & 7 and ModRM.reg. */
static const struct operand operands[8][8] = {
    {{4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}},
    {{4, 0}, {0, 0}, {4, 1}, {4, 1}, {0, 0}, {0, 0}, {0, 0}, {0, 0}},
    {{4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}},
    {{4, 0}, {4, 1}, {4, 1}, {4, 1}, {0, 0}, {10, 0}, {0, 0}, {10, 1}},
    {{8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}},
    {{8, 0}, {8, 1}, {8, 1}, {8, 1}, {0, 0}, {0, 0}, {0, 0}, {0, 0}},
    {{2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}},
    {{2, 0}, {2, 1}, {2, 1}, {2, 1}, {10, 0}, {8, 0}, {10, 1}, {8, 1}},
};

static u8 modrm_of(const struct insn *insn)
{
    return (u8)(insn->mod << 6 | (insn->reg & 7) << 3 | (insn->rm & 7));
}

static thunk_fn make_x87(const struct insn *insn)
{
    struct code code = {.length = 0};
    emit(&code, 3, 0x0f, 0xae, 0x0f);                   /* fxrstor [rdi] */
    emit(&code, 7, 0xff, 0xb7, 0x10, 0x02, 0, 0, 0x9d); /* push [rdi+528]; popfq */
    emit(&code, 1, insn->opcode);
    if (insn->has_memory)
        emit(&code, 5, 0x80 | (insn->reg & 7) << 3 | 7, 0, 2, 0, 0); /* [rdi+512] */
    else
        emit(&code, 1, modrm_of(insn));
    emit(&code, 7, 0x9c, 0x8f, 0x87, 0x10, 0x02, 0, 0); /* pushfq; pop [rdi+528] */
    emit(&code, 3, 0x0f, 0xae, 0x07);                   /* fxsave [rdi] */
    emit(&code, 3, 0xdb, 0xe3, 0xc3);                   /* fninit; ret */
    u64 key = BIT(40) | (u64)insn->opcode << 16 |
              (insn->has_memory ? 0x100u | (insn->reg & 7u) : modrm_of(insn));
    return thunk_for(key, code.bytes, code.length);
}

enum { EARLY = 7 /* invalid, denormal, zero divide */, RANGE = 0x18 /* overflow, underflow */ };

/* Takes the thunk's results. false: an unmasked exception came before the operation. */
static bool take_results(struct cpu *c, u16 fcw, const u8 image[512])
{
    u16 before = c->x87.fsw, after;
    memcpy(&after, image + 2, 2);
    u16 unmasked = after & ~before & ~fcw & 0x3f;
    if (unmasked & RANGE && !(unmasked & EARLY))
        stop_unimplemented(c, "unmasked x87 overflow or underflow");
    if (unmasked & EARLY)
        c->x87.fsw |= after & 0x7f;
    else
        take_x87(c, image);
    c->x87.fcw = fcw;
    c->x87.fsw |= before & 0x3f;
    update_summary(c);
    return !(unmasked & EARLY);
}

static void set_pointers(struct cpu *c, const struct insn *insn)
{
    c->x87.fip = c->rip;
    c->x87.fop = (u16)((insn->opcode & 7) << 8 | modrm_of(insn));
    if (insn->has_memory)
        c->x87.fdp = effective(c, insn);
}

static bool sets_flags(const struct insn *insn) /* FCOMI and friends */
{
    return !insn->has_memory && (insn->opcode & 0xfb) == 0xdb &&
           ((insn->reg & 7) == 5 || (insn->reg & 7) == 6);
}

static void exec_x87(struct cpu *c, const struct insn *insn)
{
    struct x87_frame *frame = thunk_frame(sizeof(*frame));
    struct operand o = operands[insn->opcode & 7][insn->reg & 7];
    u64 linear = 0;
    u16 fcw = c->x87.fcw, masked = fcw | 0x3f;
    check_pending(c);
    if (insn->has_memory) {
        linear = operand_linear(c, insn, o.bytes, o.stores);
        if (o.stores)
            probe_write(c, linear, o.bytes);
        else
            copy_in(c, frame->memory, linear, o.bytes);
    }
    fx_image(c, frame->image);
    memcpy(frame->image, &masked, 2);
    u16 fsw = c->x87.fsw & 0x7f7f;
    memcpy(frame->image + 2, &fsw, 2);
    memset(frame->image + 24, 0, 8);
    frame->image[24] = 0x80, frame->image[25] = 0x1f; /* the thunk's FXRSTOR loads MXCSR as well */
    frame->flags = (get_rflags(c) & RF_STATUS) | 0x202;
    ((thunk_fn)insn->immediate2)(frame);
    bool done = take_results(c, fcw, frame->image);
    set_pointers(c, insn);
    if (done && sets_flags(insn))
        set_status(c, frame->flags & RF_STATUS);
    if (done && insn->has_memory && o.stores)
        copy_out(c, linear, frame->memory, o.bytes);
}

static exec_fn memory_control(const struct insn *insn)
{
    switch (insn->opcode << 4 | (insn->reg & 7)) {
    case 0xd94:
        return exec_fldenv;
    case 0xd95:
        return exec_fldcw;
    case 0xd96:
        return exec_fnstenv;
    case 0xd97:
        return exec_fnstcw;
    case 0xdd4:
        return exec_frstor;
    case 0xdd6:
        return exec_fnsave;
    case 0xdd7:
        return exec_fnstsw;
    default:
        return NULL;
    }
}

static exec_fn register_control(const struct insn *insn)
{
    switch (insn->opcode << 8 | modrm_of(insn)) {
    case 0xdbe0:
    case 0xdbe1:
    case 0xdbe4:
        return exec_fnop;
    case 0xdbe2:
        return exec_fnclex;
    case 0xdbe3:
        return exec_fninit;
    case 0xdfe0:
        return exec_fnstsw_ax;
    default:
        return NULL;
    }
}

exec_fn x87_find(const struct insn *insn)
{
    if (insn->opcode == 0x9b)
        return exec_fwait;
    exec_fn fn = insn->has_memory ? memory_control(insn) : register_control(insn);
    if (fn)
        return fn;
    if (insn->has_memory && !operands[insn->opcode & 7][insn->reg & 7].bytes)
        return NULL;
    thunk_fn thunk = make_x87(insn);
    ((struct insn *)insn)->immediate2 = (u64)thunk;
    return thunk ? exec_x87 : exec_no_thunk;
}
