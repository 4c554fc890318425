/*
 * Chooses the fast operation of a 64-bit instruction, if there is one, and fills in its operands.
 * Left to the generic path: high byte registers, 32-bit addresses, an FS or GS base beside an
 * index, REP, and everything that is rare.
 */
#include "vmx/software/fast.h"

enum { NO_SIZE = 4 };

static u32 size_index(u32 size)
{
    return size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : size == 1 ? 0 : NO_SIZE;
}

/* false: AH, CH, DH or BH. */
static bool plain_register(const struct insn *insn, u32 number, u32 size)
{
    return size != 1 || insn->prefixes & PREFIX_REX || number < 4 || number >= 8;
}

static bool take_base(struct op *op, const struct insn *insn, u16 offset)
{
    i64 disp = insn->displacement;
    op->base = insn->base;
    if (insn->base == RIP_RELATIVE) {
        op->base = PAGE_RIP;
        disp += offset + insn->length;
    } else if (insn->base == NO_REGISTER) {
        op->base = ZERO;
    }
    op->disp = (i32)disp;
    return disp == (i32)disp;
}

static bool take_memory(struct op *op, const struct insn *insn, u16 offset)
{
    bool based = insn->segment >= SEG_FS, indexed = insn->index != NO_REGISTER;
    if (insn->address_size != 8 || (based && indexed) || !take_base(op, insn, offset))
        return false;
    op->index = indexed ? insn->index
                : based ? (insn->segment == SEG_FS ? FS_BASE : GS_BASE)
                        : ZERO;
    op->shift = (u8)__builtin_ctz(insn->scale);
    if (based)
        op->shift = 0;
    return true;
}

static bool indexed(const struct op *op)
{
    return op->index != ZERO;
}

static bool immediate_fits(const struct insn *insn)
{
    return insn->operand_size < 8 || (i64)insn->immediate == (i32)insn->immediate;
}

/* --- by group: the handler, or NULL ------------------------------------------------------ */

static op_fn reg_rm_form(struct op *op, const struct insn *insn, u16 offset, const op_fn *rr,
                         const op_fn *rm, bool to_reg, const op_fn *mr)
{
    u32 size = insn->operand_size, i = size_index(size);
    if (!plain_register(insn, insn->reg, size))
        return NULL;
    if (insn->has_memory) {
        op->dst = op->src = insn->reg;
        const op_fn *table = to_reg ? rm : mr;
        return table && take_memory(op, insn, offset) ? table[i] : NULL;
    }
    if (!plain_register(insn, insn->rm, size))
        return NULL;
    op->dst = to_reg ? insn->reg : insn->rm;
    op->src = to_reg ? insn->rm : insn->reg;
    return rr[i];
}

static op_fn rm_imm_form(struct op *op, const struct insn *insn, u16 offset, const op_fn *ri,
                         const op_fn *mi)
{
    u32 size = insn->operand_size, i = size_index(size);
    if (!immediate_fits(insn))
        return NULL;
    if (insn->has_memory) {
        if (!mi || !take_memory(op, insn, offset))
            return NULL;
        op->imm = (i32)insn->immediate;
        return mi[i];
    }
    op->dst = insn->rm;
    op->imm = (i32)insn->immediate;
    return plain_register(insn, insn->rm, size) ? ri[i] : NULL;
}

static op_fn acc_imm_form(struct op *op, const struct insn *insn, const op_fn *ri)
{
    op->dst = RAX;
    op->imm = (i32)insn->immediate;
    return immediate_fits(insn) ? ri[size_index(insn->operand_size)] : NULL;
}

static op_fn alu_form(struct op *op, const struct insn *insn, u16 offset)
{
    u32 operation = insn->opcode >> 3 & 7;
    if ((insn->opcode & 7) >= 4)
        return acc_imm_form(op, insn, fast_alu_ri[operation]);
    return reg_rm_form(op, insn, offset, fast_alu_rr[operation], fast_alu_rm[operation],
                       insn->opcode & 2, fast_alu_mr[operation]);
}

static op_fn mov_form(struct op *op, const struct insn *insn, u16 offset)
{
    bool to_reg = insn->opcode & 2;
    op_fn fn = reg_rm_form(op, insn, offset, fast_mov_rr, fast_load_x, to_reg, fast_store_x);
    if (fn && insn->has_memory && !indexed(op))
        return (to_reg ? fast_load_b : fast_store_b)[size_index(insn->operand_size)];
    return fn;
}

static op_fn mov_imm_form(struct op *op, const struct insn *insn)
{
    op->dst = insn->rm;
    op->imm64 = insn->immediate;
    return plain_register(insn, insn->rm, insn->operand_size)
               ? fast_mov_ri[size_index(insn->operand_size)]
               : NULL;
}

static op_fn mov_rm_imm_form(struct op *op, const struct insn *insn, u16 offset)
{
    if (!insn->has_memory)
        return mov_imm_form(op, insn);
    return rm_imm_form(op, insn, offset, fast_mov_ri, fast_mov_mi);
}

static op_fn extend_form(struct op *op, const struct insn *insn, u16 offset, u32 from,
                         const op_fn r[][4], const op_fn m[][4])
{
    u32 i = size_index(insn->operand_size), row = size_index(from);
    op->dst = insn->reg;
    op->src = insn->rm;
    if (insn->has_memory)
        return take_memory(op, insn, offset) ? m[row][i] : NULL;
    return plain_register(insn, insn->rm, from) ? r[row][i] : NULL;
}

static op_fn lea_form(struct op *op, const struct insn *insn, u16 offset)
{
    struct insn flat = *insn;
    flat.segment = SEG_DS;
    op->dst = insn->reg;
    if (!take_memory(op, &flat, offset))
        return NULL;
    return (indexed(op) ? fast_lea_x : fast_lea_b)[size_index(insn->operand_size)];
}

static op_fn shift_form(struct op *op, const struct insn *insn, bool by_cl)
{
    static const op_fn *const by_imm[8] = {fast_rol_i, fast_ror_i, NULL,       NULL,
                                           fast_shl_i, fast_shr_i, fast_shl_i, fast_sar_i};
    static const op_fn *const by_count[8] = {NULL,       NULL,       NULL,       NULL,
                                             fast_shl_c, fast_shr_c, fast_shl_c, fast_sar_c};
    const op_fn *table = (by_cl ? by_count : by_imm)[insn->reg & 7];
    u32 count = (insn->opcode & 0xf0) == 0xd0
                    ? 1
                    : (u32)insn->immediate & (insn->operand_size == 8 ? 63 : 31);
    if (!table || insn->has_memory || (!by_cl && !count))
        return NULL;
    op->dst = insn->rm;
    op->imm = (i32)count;
    return table[size_index(insn->operand_size)];
}

static op_fn group3_form(struct op *op, const struct insn *insn, u16 offset)
{
    u32 i = size_index(insn->operand_size), reg = insn->reg & 7;
    if (reg < 2)
        return rm_imm_form(op, insn, offset, fast_test_ri, fast_test_mi);
    if (reg == 4 && insn->has_memory)
        return take_memory(op, insn, offset) ? fast_mul_m[i] : NULL;
    if (insn->has_memory || !plain_register(insn, insn->rm, insn->operand_size))
        return NULL;
    op->dst = op->src = insn->rm;
    return reg == 2 ? fast_not[i] : reg == 3 ? fast_neg[i] : reg == 4 ? fast_mul_r[i] : NULL;
}

static op_fn inc_dec_form(struct op *op, const struct insn *insn, u16 offset)
{
    u32 i = size_index(insn->operand_size);
    bool dec = insn->reg & 1;
    if (insn->has_memory)
        return take_memory(op, insn, offset) ? (dec ? fast_dec_m : fast_inc_m)[i] : NULL;
    op->dst = insn->rm;
    return plain_register(insn, insn->rm, insn->operand_size) ? (dec ? fast_dec : fast_inc)[i]
                                                              : NULL;
}

static op_fn imul3_form(struct op *op, const struct insn *insn)
{
    op->dst = insn->reg;
    op->src = insn->rm;
    op->imm = (i32)insn->immediate;
    return insn->has_memory || !immediate_fits(insn)
               ? NULL
               : fast_imul_rri[size_index(insn->operand_size)];
}

static op_fn bit_form(struct op *op, const struct insn *insn, bool immediate)
{
    u32 i = size_index(insn->operand_size);
    if (insn->has_memory)
        return NULL;
    op->dst = insn->rm;
    op->src = insn->reg;
    op->imm = (i32)(insn->immediate & (8u * insn->operand_size - 1));
    return immediate ? (insn->reg & 7) == 4 ? fast_bt_ri[i] : NULL : fast_bt_rr[i];
}

static op_fn push_pop_form(struct op *op, const struct insn *insn)
{
    op->src = op->dst = insn->rm;
    if (insn->operand_size != 8)
        return NULL;
    return insn->opcode < 0x58 ? fast_push : fast_pop;
}

static op_fn push_imm_form(struct op *op, const struct insn *insn)
{
    op->imm = (i32)insn->immediate;
    return insn->operand_size == 8 ? fast_push_imm : NULL;
}

static op_fn accumulator_form(const struct insn *insn)
{
    if (insn->opcode == 0x98)
        return insn->operand_size == 8 ? fast_cdqe : insn->operand_size == 4 ? fast_cwde : NULL;
    return insn->operand_size == 8 ? fast_cqo : insn->operand_size == 4 ? fast_cdq : NULL;
}

static op_fn xchg_form(struct op *op, const struct insn *insn)
{
    if (insn->opcode == 0x90 && insn->rm == 0)
        return fast_nop;
    op->dst = RAX;
    op->src = insn->rm;
    return fast_xchg_rr[size_index(insn->operand_size)];
}

static op_fn legacy_form(struct op *op, const struct insn *insn, u16 offset)
{
    u8 opcode = insn->opcode;
    if (opcode < 0x40)
        return (opcode & 7) < 6 ? alu_form(op, insn, offset) : NULL;
    switch (opcode) {
    case 0x50 ... 0x5f:
        return push_pop_form(op, insn);
    case 0x63:
        return insn->operand_size > 2 ? extend_form(op, insn, offset, 4, fast_movsx_r, fast_movsx_m)
                                      : NULL;
    case 0x68:
    case 0x6a:
        return push_imm_form(op, insn);
    case 0x69:
    case 0x6b:
        return imul3_form(op, insn);
    case 0x80 ... 0x83:
        return rm_imm_form(op, insn, offset, fast_alu_ri[insn->reg & 7],
                           fast_alu_mi[insn->reg & 7]);
    case 0x84:
    case 0x85:
        return reg_rm_form(op, insn, offset, fast_test_rr, NULL, false, fast_test_mr);
    case 0x88 ... 0x8b:
        return mov_form(op, insn, offset);
    case 0x8d:
        return lea_form(op, insn, offset);
    case 0x90 ... 0x97:
        return xchg_form(op, insn);
    case 0x98:
    case 0x99:
        return accumulator_form(insn);
    case 0xa8:
    case 0xa9:
        return acc_imm_form(op, insn, fast_test_ri);
    case 0xb0 ... 0xbf:
        return mov_imm_form(op, insn);
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
        return shift_form(op, insn, false);
    case 0xd2:
    case 0xd3:
        return shift_form(op, insn, true);
    case 0xc6:
    case 0xc7:
        return mov_rm_imm_form(op, insn, offset);
    case 0xc9:
        return insn->operand_size == 8 ? fast_leave : NULL;
    case 0xf6:
    case 0xf7:
        return group3_form(op, insn, offset);
    case 0xfe:
        return inc_dec_form(op, insn, offset);
    default:
        return NULL;
    }
}

static op_fn setcc_form(struct op *op, const struct insn *insn)
{
    op->dst = insn->rm;
    return !insn->has_memory && plain_register(insn, insn->rm, 1) ? fast_setcc[insn->opcode & 15]
                                                                  : NULL;
}

static op_fn sse_form(struct op *op, const struct insn *insn, u16 offset)
{
    return !insn->has_memory || take_memory(op, insn, offset) ? fast_sse(op, insn) : NULL;
}

static op_fn two_byte_form(struct op *op, const struct insn *insn, u16 offset)
{
    u8 opcode = insn->opcode, condition = opcode & 15;
    switch (opcode) {
    case 0x0d:
    case 0x18 ... 0x1f:
        return fast_nop;
    case 0x40 ... 0x4f:
        return reg_rm_form(op, insn, offset, fast_cmov_rr[condition], fast_cmov_rm[condition], true,
                           NULL);
    case 0x90 ... 0x9f:
        return setcc_form(op, insn);
    case 0xa3:
        return bit_form(op, insn, false);
    case 0xae: /* fences */
        return !insn->has_memory && (insn->reg & 7) >= 5 &&
                       !(insn->prefixes & (PREFIX_REP | PREFIX_REPNE | PREFIX_OPSIZE))
                   ? fast_nop
                   : NULL;
    case 0xaf:
        return reg_rm_form(op, insn, offset, fast_imul_rr, fast_imul_rm, true, NULL);
    case 0xb6:
    case 0xb7:
        return extend_form(op, insn, offset, opcode & 1 ? 2 : 1, fast_movzx_r, fast_movzx_m);
    case 0xba:
        return bit_form(op, insn, true);
    case 0xbe:
    case 0xbf:
        return extend_form(op, insn, offset, opcode & 1 ? 2 : 1, fast_movsx_r, fast_movsx_m);
    case 0xc8 ... 0xcf:
        op->dst = insn->rm;
        return fast_bswap[size_index(insn->operand_size)];
    default:
        return sse_form(op, insn, offset);
    }
}

/* --- branches: they end the block; relative ones have links behind them ------------------ */

static bool take_target(struct op *op, const struct insn *insn, u16 offset)
{
    i64 next = offset + insn->length, target = next + (i64)insn->immediate;
    op->disp = (i32)next;
    op->imm = (i32)target;
    op[1] = (struct op){0};
    return target == (i32)target;
}

static struct lowered relative_branch(struct op *op, const struct insn *insn, u16 offset, op_fn fn)
{
    if (!take_target(op, insn, offset))
        return (struct lowered){0, false};
    op->fn = fn;
    op->condition = insn->opcode & 15;
    return (struct lowered){2, true};
}

static struct lowered indirect_branch(struct op *op, const struct insn *insn, u16 offset)
{
    u32 reg = insn->reg & 7;
    bool call = reg == 2;
    op_fn fn = NULL;
    op->src = insn->rm;
    if (reg == 6 && insn->has_memory && insn->operand_size == 8 && take_memory(op, insn, offset)) {
        op->fn = fast_push_mem;
        return (struct lowered){1, false};
    }
    if (reg < 2) {
        op->fn = inc_dec_form(op, insn, offset);
        return (struct lowered){op->fn ? 1 : 0, false};
    }
    if (reg != 2 && reg != 4)
        return (struct lowered){0, false};
    if (!insn->has_memory)
        fn = call ? fast_call_r : fast_jmp_r;
    else if (take_memory(op, insn, offset))
        fn = call ? fast_call_m : fast_jmp_m;
    op->fn = fn;
    return (struct lowered){fn ? 1 : 0, fn != NULL};
}

static struct lowered branch(struct op *op, const struct insn *insn, u16 offset)
{
    u8 opcode = insn->opcode;
    if (insn->map == MAP_0F)
        return (opcode & 0xf0) == 0x80 ? relative_branch(op, insn, offset, fast_jcc[opcode & 15])
                                       : (struct lowered){0, false};
    if ((opcode & 0xf0) == 0x70)
        return relative_branch(op, insn, offset, fast_jcc[opcode & 15]);
    if (opcode == 0xe9 || opcode == 0xeb)
        return relative_branch(op, insn, offset, fast_jmp);
    if (opcode == 0xe8)
        return relative_branch(op, insn, offset, fast_call);
    if (opcode == 0xff)
        return indirect_branch(op, insn, offset);
    if (opcode == 0xc3) {
        op->fn = fast_ret;
        return (struct lowered){1, true};
    }
    return (struct lowered){0, false};
}

struct lowered lower(struct op *op, const struct insn *insn, u16 offset)
{
    if (insn->prefixes & PREFIX_VEX || insn->map > MAP_0F)
        return (struct lowered){0, false};
    struct lowered low = branch(op, insn, offset);
    if (low.slots)
        return low;
    op_fn fn =
        insn->map == MAP_0F ? two_byte_form(op, insn, offset) : legacy_form(op, insn, offset);
    op->fn = fn;
    return (struct lowered){fn ? 1 : 0, false};
}

bool fuse(struct op *first, struct op *second)
{
    bool conditional = second->fn == fast_jcc[second->condition];
    op_fn fn = conditional ? fast_fused(first->fn, second->condition) : NULL;
    if (fn)
        first->fn = fn;
    return fn;
}
