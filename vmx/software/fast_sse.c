/*
 * Hot SSE2: moves, and packed integer and logical operations, which neither raise floating-point
 * exceptions nor read MXCSR. The host's own instruction does each; what is not here goes by thunk.
 * All is well only with CR0.EM and TS clear and CR4.OSFXSR set, which is looked at each time:
 * blocks outlive such changes.
 */
#include "vmx/software/fast.h"

typedef u64 vector __attribute__((vector_size(16)));

#define READY                                                                       \
    if (unlikely(V(GUEST_CR0) & (CR0_EM | CR0_TS) || !(V(GUEST_CR4) & CR4_OSFXSR))) \
    MISS
/* A vector in memory; misaligned ones of the forms that forbid it are for the generic path. */
#define VECTOR_AT(tag) \
    READY;             \
    AT(vector, tag, EA_X, p, MISS)
#define ALIGNED_AT(tag)        \
    VECTOR_AT(tag);            \
    if (unlikely((u64)p & 15)) \
    MISS
#define XMM(n) (*(vector *)c->xmm[n])
#define LOW(n) (((u64 *)c->xmm[n])[0])
#define HIGH(n) (((u64 *)c->xmm[n])[1])

/* --- moves ------------------------------------------------------------------------------- */

FAST(move_rr)
{
    READY;
    XMM(op->dst) = XMM(op->src);
    NEXT;
}

FAST(load)
{
    VECTOR_AT(read);
    XMM(op->dst) = *p;
    NEXT;
}

FAST(load_aligned)
{
    ALIGNED_AT(read);
    XMM(op->dst) = *p;
    NEXT;
}

FAST(store)
{
    VECTOR_AT(write);
    *p = XMM(op->src);
    NEXT;
}

FAST(store_aligned)
{
    ALIGNED_AT(write);
    *p = XMM(op->src);
    NEXT;
}

/* Half a vector; MOVQ clears the other half, MOVLPS and MOVHPS leave it. */
FAST(load_low_only)
{
    READY;
    AT(u64, read, EA_X, p, MISS);
    LOW(op->dst) = *p;
    HIGH(op->dst) = 0;
    NEXT;
}

FAST(load_low)
{
    READY;
    AT(u64, read, EA_X, p, MISS);
    LOW(op->dst) = *p;
    NEXT;
}

FAST(load_high)
{
    READY;
    AT(u64, read, EA_X, p, MISS);
    HIGH(op->dst) = *p;
    NEXT;
}

FAST(store_low)
{
    READY;
    AT(u64, write, EA_X, p, MISS);
    *p = LOW(op->src);
    NEXT;
}

FAST(store_high)
{
    READY;
    AT(u64, write, EA_X, p, MISS);
    *p = HIGH(op->src);
    NEXT;
}

FAST(move_low_rr)
{
    READY;
    LOW(op->dst) = LOW(op->src);
    HIGH(op->dst) = 0;
    NEXT;
}

/* Between general registers and vectors: MOVD, MOVQ. */
FAST(from_gpr_u32)
{
    READY;
    LOW(op->dst) = (u32)R(op->src);
    HIGH(op->dst) = 0;
    NEXT;
}

FAST(from_gpr_u64)
{
    READY;
    LOW(op->dst) = R(op->src);
    HIGH(op->dst) = 0;
    NEXT;
}

FAST(to_gpr_u32)
{
    READY;
    R(op->dst) = (u32)LOW(op->src);
    NEXT;
}

FAST(to_gpr_u64)
{
    READY;
    R(op->dst) = LOW(op->src);
    NEXT;
}

FAST(mask_bytes)
{
    READY;
    u32 mask;
    __asm__("movdqa %1, %%xmm0\n\tpmovmskb %%xmm0, %0" : "=r"(mask) : "m"(XMM(op->src)) : "xmm0");
    R(op->dst) = mask;
    NEXT;
}

/* --- operations -------------------------------------------------------------------------- */

/* Opcode after 0F with prefix 66 (the last three also without), and mnemonic. */
/* clang-format off */
#define OPERATIONS(X)                                                                 \
    X(0x60, punpcklbw)  X(0x61, punpcklwd)  X(0x62, punpckldq)  X(0x63, packsswb)     \
    X(0x64, pcmpgtb)    X(0x65, pcmpgtw)    X(0x66, pcmpgtd)    X(0x67, packuswb)     \
    X(0x68, punpckhbw)  X(0x69, punpckhwd)  X(0x6a, punpckhdq)  X(0x6b, packssdw)     \
    X(0x6c, punpcklqdq) X(0x6d, punpckhqdq) X(0x74, pcmpeqb)    X(0x75, pcmpeqw)      \
    X(0x76, pcmpeqd)    X(0xd4, paddq)      X(0xd5, pmullw)     X(0xd8, psubusb)      \
    X(0xda, pminub)     X(0xdb, pand)       X(0xdc, paddusb)    X(0xde, pmaxub)       \
    X(0xdf, pandn)      X(0xea, pminsw)     X(0xeb, por)        X(0xee, pmaxsw)       \
    X(0xef, pxor)       X(0xf4, pmuludq)    X(0xf5, pmaddwd)    X(0xf8, psubb)        \
    X(0xf9, psubw)      X(0xfa, psubd)      X(0xfb, psubq)      X(0xfc, paddb)        \
    X(0xfd, paddw)      X(0xfe, paddd)      X(0x54, andps)      X(0x55, andnps)       \
    X(0x56, orps)       X(0x57, xorps)
/* clang-format on */

#define OPERATE(name, source)                                                \
    __asm__("movdqa %0, %%xmm0\n\t" #name " %1, %%xmm0\n\tmovdqa %%xmm0, %0" \
            : "+m"(XMM(op->dst))                                             \
            : "m"(source)                                                    \
            : "xmm0")

#define HANDLERS(opcode, name)       \
    FAST(name##_rr)                  \
    {                                \
        READY;                       \
        OPERATE(name, XMM(op->src)); \
        NEXT;                        \
    }                                \
    FAST(name##_rm)                  \
    {                                \
        ALIGNED_AT(read);            \
        OPERATE(name, *p);           \
        NEXT;                        \
    }
OPERATIONS(HANDLERS)

#define BOTH(opcode, name) [opcode] = {name##_rr, name##_rm},
static const op_fn operations[256][2] = {OPERATIONS(BOTH)};

/* --- choosing ---------------------------------------------------------------------------- */

enum { NP, P66, PF3, PF2 };

static u32 prefix_of(const struct insn *insn)
{
    if (insn->prefixes & PREFIX_REP)
        return PF3;
    if (insn->prefixes & PREFIX_REPNE)
        return PF2;
    return insn->prefixes & PREFIX_OPSIZE ? P66 : NP;
}

static op_fn whole(const struct insn *insn, bool stores, bool aligned)
{
    if (!insn->has_memory)
        return move_rr;
    if (stores)
        return aligned ? store_aligned : store;
    return aligned ? load_aligned : load;
}

static op_fn in_memory(const struct insn *insn, op_fn fn)
{
    return insn->has_memory ? fn : NULL;
}

static op_fn in_register(const struct insn *insn, op_fn fn)
{
    return insn->has_memory ? NULL : fn;
}

static op_fn choose_move(const struct insn *insn, u32 prefix)
{
    bool wide = insn->prefixes & PREFIX_REX && insn->operand_size == 8;
    switch (prefix << 8 | insn->opcode) {
    case NP << 8 | 0x10:
    case P66 << 8 | 0x10:
    case PF3 << 8 | 0x6f:
        return whole(insn, false, false);
    case NP << 8 | 0x11:
    case P66 << 8 | 0x11:
    case PF3 << 8 | 0x7f:
        return whole(insn, true, false);
    case NP << 8 | 0x28:
    case P66 << 8 | 0x28:
    case P66 << 8 | 0x6f:
        return whole(insn, false, true);
    case NP << 8 | 0x29:
    case P66 << 8 | 0x29:
    case P66 << 8 | 0x7f:
        return whole(insn, true, true);
    case NP << 8 | 0x2b:
    case P66 << 8 | 0x2b:
    case P66 << 8 | 0xe7:
        return in_memory(insn, store_aligned);
    case NP << 8 | 0x12:
    case P66 << 8 | 0x12:
        return in_memory(insn, load_low);
    case NP << 8 | 0x16:
    case P66 << 8 | 0x16:
        return in_memory(insn, load_high);
    case NP << 8 | 0x13:
    case P66 << 8 | 0x13:
        return in_memory(insn, store_low);
    case NP << 8 | 0x17:
    case P66 << 8 | 0x17:
        return in_memory(insn, store_high);
    case PF3 << 8 | 0x7e:
        return insn->has_memory ? load_low_only : move_low_rr;
    case P66 << 8 | 0xd6:
        return insn->has_memory ? store_low : move_low_rr;
    case P66 << 8 | 0x6e:
        return in_register(insn, wide ? from_gpr_u64 : from_gpr_u32);
    case P66 << 8 | 0x7e:
        return in_register(insn, wide ? to_gpr_u64 : to_gpr_u32);
    case P66 << 8 | 0xd7:
        return in_register(insn, mask_bytes);
    default:
        return NULL;
    }
}

/* The target is r/m, not reg. */
static bool to_rm(const struct insn *insn, u32 prefix)
{
    switch (insn->opcode) {
    case 0x11:
    case 0x13:
    case 0x17:
    case 0x29:
    case 0x2b:
    case 0x7f:
    case 0xd6:
    case 0xe7:
        return true;
    default:
        return insn->opcode == 0x7e && prefix == P66;
    }
}

op_fn fast_sse(struct op *op, const struct insn *insn)
{
    u32 prefix = prefix_of(insn);
    bool swapped = to_rm(insn, prefix), logical = (insn->opcode & 0xfc) == 0x54;
    op_fn fn = choose_move(insn, prefix);
    if (!fn && (prefix == P66 || (prefix == NP && logical)))
        fn = operations[insn->opcode][insn->has_memory];
    op->dst = swapped && !insn->has_memory ? insn->rm : insn->reg;
    op->src = swapped || insn->has_memory ? insn->reg : insn->rm;
    return insn->prefixes & PREFIX_LOCK ? NULL : fn;
}
