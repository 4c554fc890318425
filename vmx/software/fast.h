/*
 * Fast handlers: 64-bit mode, operands at hand. A handler that finds anything else hands its
 * operation to op_generic() before it has changed anything. The tables below are indexed by log2 of
 * the operand size, and by operation or condition where there are several.
 */
#ifndef VMX_SOFTWARE_FAST_H
#define VMX_SOFTWARE_FAST_H

#include "vmx/software/cpu.h"

#define FAST(name) static void name(struct cpu *c, const struct op *op, i64 budget)
#define NEXT return op[1].fn(c, op + 1, budget)
#define MISS return op_generic(c, op, budget)
#define MISS_END return op_generic_end(c, op, budget)
#define R(n) c->gpr[n]

/* Effective addresses: base + displacement, or with an index. Registers that are not there are
 * ZERO. */
#define EA_B (R(op->base) + (u64)(i64)op->disp)
#define EA_X (R(op->base) + (R(op->index) << op->shift) + (u64)(i64)op->disp)

/* Host pointer of an operand of type T at `linear`, or `miss`. */
#define AT(T, tag, linear, pointer, miss)                         \
    u64 linear_ = (linear);                                       \
    const struct tlb_entry *e_ = tlb_slot(c, linear_);            \
    if (unlikely((linear_ ^ e_->tag) > 4096 - sizeof(T)))         \
        miss;                                                     \
    typedef T pointer##_t __attribute__((aligned(1), may_alias)); \
    pointer##_t *pointer = (pointer##_t *)(linear_ + e_->delta)

typedef u8 reg8 __attribute__((may_alias));
typedef u16 reg16 __attribute__((may_alias));

#define SET_u8(n, v) (*(reg8 *)&R(n) = (v))
#define SET_u16(n, v) (*(reg16 *)&R(n) = (v))
#define SET_u32(n, v) (R(n) = (u32)(v))
#define SET_u64(n, v) (R(n) = (v))

#define SIZES(X, ...) X(u8, __VA_ARGS__) X(u16, __VA_ARGS__) X(u32, __VA_ARGS__) X(u64, __VA_ARGS__)
#define BY_SIZE(prefix)                                       \
    {                                                         \
        prefix##_u8, prefix##_u16, prefix##_u32, prefix##_u64 \
    }

/* fast_alu.c: ADD OR ADC SBB AND SUB XOR CMP */
extern const op_fn fast_alu_rr[8][4], fast_alu_ri[8][4], fast_alu_rm[8][4], fast_alu_mr[8][4],
    fast_alu_mi[8][4];
extern const op_fn fast_test_rr[4], fast_test_ri[4], fast_test_mi[4], fast_test_mr[4];
extern const op_fn fast_inc[4], fast_dec[4], fast_neg[4], fast_not[4], fast_inc_m[4], fast_dec_m[4];
extern const op_fn fast_shl_i[4], fast_shr_i[4], fast_sar_i[4], fast_rol_i[4],
    fast_ror_i[4]; /* sizes 4 and 8 only */
extern const op_fn fast_shl_c[4], fast_shr_c[4], fast_sar_c[4];
extern const op_fn fast_imul_rr[4], fast_imul_rri[4], fast_imul_rm[4], fast_mul_r[4], fast_mul_m[4];
extern const op_fn fast_bt_ri[4], fast_bt_rr[4], fast_bswap[4];
/* fast_move.c */
extern const op_fn fast_mov_rr[4], fast_mov_ri[4], fast_mov_mi[4];
extern const op_fn fast_load_b[4], fast_load_x[4], fast_store_b[4], fast_store_x[4];
extern const op_fn fast_movzx_r[2][4], fast_movzx_m[2][4], fast_movsx_r[3][4],
    fast_movsx_m[3][4]; /* by source size */
extern const op_fn fast_lea_b[4], fast_lea_x[4], fast_cmov_rr[16][4], fast_cmov_rm[16][4],
    fast_setcc[16], fast_xchg_rr[4];
void fast_push(struct cpu *, const struct op *, i64);
void fast_push_imm(struct cpu *, const struct op *, i64);
void fast_push_mem(struct cpu *, const struct op *, i64);
void fast_pop(struct cpu *, const struct op *, i64);
void fast_nop(struct cpu *, const struct op *, i64);
void fast_cdqe(struct cpu *, const struct op *, i64);
void fast_cwde(struct cpu *, const struct op *, i64);
void fast_cqo(struct cpu *, const struct op *, i64);
void fast_cdq(struct cpu *, const struct op *, i64);
void fast_leave(struct cpu *, const struct op *, i64);
/* fast_sse.c: by opcode and prefixes; sets op->dst and op->src. NULL: there is none. */
op_fn fast_sse(struct op *, const struct insn *);
/* fast_branch.c */
extern const op_fn fast_jcc[16];
void fast_jmp(struct cpu *, const struct op *, i64);
void fast_call(struct cpu *, const struct op *, i64);
void fast_ret(struct cpu *, const struct op *, i64);
void fast_jmp_r(struct cpu *, const struct op *, i64);
void fast_call_r(struct cpu *, const struct op *, i64);
void fast_jmp_m(struct cpu *, const struct op *, i64);
void fast_call_m(struct cpu *, const struct op *, i64);
op_fn fast_fused(op_fn compare, u32 condition); /* NULL: these do not fuse */

/* Pushes 8 bytes; false: nothing happened, the slow way must. */
static inline __attribute__((always_inline)) bool push_fast(struct cpu *c, u64 value)
{
    u64 sp = R(RSP) - 8;
    const struct tlb_entry *e = tlb_slot(c, sp);
    if (unlikely((sp ^ e->write) > 4088))
        return false;
    *(mem64 *)(sp + e->delta) = value;
    R(RSP) = sp;
    return true;
}

#endif
