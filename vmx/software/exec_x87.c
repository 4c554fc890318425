/*
 * x87: by thunks around FXRSTOR and FXSAVE; control instructions, FXSAVE and FXRSTOR by hand.
 * Instruction and data pointers are the guest's. Thunks run with the guest's own control word: an
 * unmasked exception is raised by the next waiting instruction (SDM vol. 1, 8.6), and a thunk
 * has none behind the operation.
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
    return aligned_linear(c, insn, 512, write);
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

/* --- control instructions ---------------------------------------------------------------- */

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

/* The environment has seven words of the operand size (SDM vol. 1, figures 8-9 to 8-12). CS and DS
 * are 0, as on every CPU that deprecates them (CPUID.7:EBX[13]). */
enum { ENVIRONMENT_WORDS = 7 };

static u32 word_size(const struct insn *insn)
{
    return insn->operand_size == 2 ? 2 : 4;
}

static u32 tag_word(const struct cpu *c)
{
    u32 tags = 0;
    for (u32 i = 0; i < 8; i++)
        tags |= full_tag(c, i) << 2 * i;
    return tags;
}

static void environment(const struct cpu *c, const struct insn *insn, u32 words[ENVIRONMENT_WORDS])
{
    bool narrow = word_size(insn) == 2;
    u32 ip = (u32)c->x87.fip, dp = (u32)c->x87.fdp, op = c->x87.fop & 0x7ff,
        high = narrow ? 0xf0000 : 0xffff0000;
    const u32 in_protected[] = {ip, narrow ? 0 : op << 16, dp, 0xffff0000},
              in_real[] = {0xffff0000 | ip, (ip & high) >> 4 | op, 0xffff0000 | dp,
                           (dp & high) >> 4};
    words[0] = 0xffff0000 | c->x87.fcw;
    words[1] = 0xffff0000 | c->x87.fsw;
    words[2] = 0xffff0000 | tag_word(c);
    memcpy(words + 3, protected_mode(c) ? in_protected : in_real, sizeof(in_real));
    if (narrow && protected_mode(c))
        words[6] = 0;
}

static void take_pointers(struct cpu *c, const u32 *words, bool narrow)
{
    u32 high = narrow ? 0xf000 : 0x0ffff000;
    if (protected_mode(c)) {
        c->x87.fip = words[3];
        c->x87.fop = narrow ? 0 : (u16)(words[4] >> 16 & 0x7ff);
        c->x87.fdp = words[5];
    } else {
        c->x87.fip = (words[3] & 0xffff) | (words[4] & high) << 4;
        c->x87.fop = (u16)(words[4] & 0x7ff);
        c->x87.fdp = (words[5] & 0xffff) | (words[6] & high) << 4;
    }
}

static void take_environment(struct cpu *c, const struct insn *insn, const u32 *words)
{
    c->x87.fcw = (u16)((words[0] & 0x1f7f) | 0x40);
    c->x87.fsw = (u16)words[1];
    c->x87.tag = 0;
    for (u32 i = 0; i < 8; i++)
        c->x87.tag |= (words[2] >> 2 * i & 3) == 3 ? 0 : 1u << i;
    take_pointers(c, words, word_size(insn) == 2);
    update_summary(c);
}

/* These images go to and from memory field by field, as under Bochs: a fault is that of its field.
 */
static u64 field_at(struct cpu *c, const struct insn *insn, u32 offset, u32 size, bool write)
{
    u64 at = (effective(c, insn) + offset) & size_mask(insn->address_size);
    return segment_linear(c, insn->segment, at, size, write);
}

static void store_environment(struct cpu *c, const struct insn *insn)
{
    u32 words[ENVIRONMENT_WORDS], size = word_size(insn);
    environment(c, insn, words);
    for (u32 i = 0; i < ENVIRONMENT_WORDS; i++)
        write_linear(c, field_at(c, insn, i * size, size, true), words[i], size);
}

static void load_environment(struct cpu *c, const struct insn *insn, u32 words[ENVIRONMENT_WORDS])
{
    u32 size = word_size(insn);
    for (u32 i = ENVIRONMENT_WORDS; i-- > 0;)
        words[i] = (u32)read_linear(c, field_at(c, insn, i * size, size, false), size);
}

static void exec_fnstenv(struct cpu *c, const struct insn *insn)
{
    check_fpu(c);
    store_environment(c, insn);
    c->x87.fcw |= 0x3f;
    update_summary(c);
}

static void exec_fldenv(struct cpu *c, const struct insn *insn)
{
    u32 words[ENVIRONMENT_WORDS];
    check_pending(c);
    load_environment(c, insn, words);
    take_environment(c, insn, words);
}

static void exec_fnsave(struct cpu *c, const struct insn *insn)
{
    u32 at = word_size(insn) * ENVIRONMENT_WORDS;
    check_fpu(c);
    store_environment(c, insn);
    for (u32 i = 0; i < 8; i++, at += 10) {
        const u8 *st = c->x87.st[(top_of(c) + i) & 7];
        write_linear(c, field_at(c, insn, at, 8, true), host_load(st, 8), 8);
        write_linear(c, field_at(c, insn, at + 8, 2, true), host_load(st + 8, 2), 2);
    }
    exec_fninit(c, insn);
}

static void exec_frstor(struct cpu *c, const struct insn *insn)
{
    u32 words[ENVIRONMENT_WORDS], at = word_size(insn) * ENVIRONMENT_WORDS;
    u8 st[8][10];
    check_pending(c);
    load_environment(c, insn, words);
    for (u32 i = 0; i < 8; i++, at += 10) {
        host_store(st[i], read_linear(c, field_at(c, insn, at, 8, false), 8), 8);
        host_store(st[i] + 8, read_linear(c, field_at(c, insn, at + 8, 2, false), 2), 2);
    }
    take_environment(c, insn, words);
    for (u32 i = 0; i < 8; i++)
        memcpy(c->x87.st[(top_of(c) + i) & 7], st[i], 10);
}

/* --- by thunk ---------------------------------------------------------------------------- */

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

/* An unmasked exception that comes before the result is stored; #P comes after. */
static bool keeps_memory(const u8 image[512])
{
    u16 fcw, fsw;
    memcpy(&fcw, image, 2);
    memcpy(&fsw, image + 2, 2);
    return fsw & ~fcw & 0x1f;
}

/* Ten bytes are accessed as eight and two. */
static u32 first_part(u32 bytes)
{
    return bytes == 10 ? 8 : bytes;
}

static void load_operand(struct cpu *c, const struct insn *insn, u8 *to, u32 bytes)
{
    for (u32 at = 0, part = first_part(bytes); at < bytes; at += part, part = bytes - part)
        host_store(to + at, read_linear(c, field_at(c, insn, at, part, false), part), part);
}

static void store_operand(struct cpu *c, const struct insn *insn, const u8 *from, u32 bytes)
{
    for (u32 at = 0, part = first_part(bytes); at < bytes; at += part, part = bytes - part)
        write_linear(c, field_at(c, insn, at, part, true), host_load(from + at, part), part);
}

static void probe_operand(struct cpu *c, const struct insn *insn, u32 bytes)
{
    for (u32 at = 0, part = first_part(bytes); at < bytes; at += part, part = bytes - part)
        probe_write(c, field_at(c, insn, at, part, true), part);
}

static void exec_x87(struct cpu *c, const struct insn *insn)
{
    struct x87_frame *frame = thunk_frame(sizeof(*frame));
    struct operand o = operands[insn->opcode & 7][insn->reg & 7];
    check_pending(c);
    if (insn->has_memory && !o.stores)
        load_operand(c, insn, frame->memory, o.bytes);
    if (insn->has_memory && o.stores)
        probe_operand(c, insn, o.bytes);
    fx_image(c, frame->image);
    memset(frame->image + 24, 0, 8);
    frame->image[24] = 0x80, frame->image[25] = 0x1f; /* the thunk's FXRSTOR loads MXCSR as well */
    frame->flags = (get_rflags(c) & RF_STATUS) | 0x202;
    ((thunk_fn)insn->immediate2)(frame);
    if (insn->has_memory && o.stores && !keeps_memory(frame->image))
        store_operand(c, insn, frame->memory, o.bytes);
    take_x87(c, frame->image);
    set_pointers(c, insn);
    if (sets_flags(insn))
        set_status(c, frame->flags & RF_STATUS);
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
