/* Hot moves: loads, stores, extensions, conditional moves, the stack. */
#include "vmx/software/fast.h"

#define MOVES(T)                                         \
    FAST(mov_rr_##T)                                     \
    {                                                    \
        SET_##T(op->dst, (T)R(op->src));                 \
        NEXT;                                            \
    }                                                    \
    FAST(mov_ri_##T)                                     \
    {                                                    \
        SET_##T(op->dst, (T)op->imm64);                  \
        NEXT;                                            \
    }                                                    \
    FAST(mov_mi_##T)                                     \
    {                                                    \
        AT(T, write, EA_X, p, MISS);                     \
        *p = (T)op->imm;                                 \
        NEXT;                                            \
    }                                                    \
    FAST(load_b_##T)                                     \
    {                                                    \
        AT(T, read, EA_B, p, MISS);                      \
        SET_##T(op->dst, *p);                            \
        NEXT;                                            \
    }                                                    \
    FAST(load_x_##T)                                     \
    {                                                    \
        AT(T, read, EA_X, p, MISS);                      \
        SET_##T(op->dst, *p);                            \
        NEXT;                                            \
    }                                                    \
    FAST(store_b_##T)                                    \
    {                                                    \
        AT(T, write, EA_B, p, MISS);                     \
        *p = (T)R(op->src);                              \
        NEXT;                                            \
    }                                                    \
    FAST(store_x_##T)                                    \
    {                                                    \
        AT(T, write, EA_X, p, MISS);                     \
        *p = (T)R(op->src);                              \
        NEXT;                                            \
    }                                                    \
    FAST(lea_b_##T)                                      \
    {                                                    \
        SET_##T(op->dst, (T)EA_B);                       \
        NEXT;                                            \
    }                                                    \
    FAST(lea_x_##T)                                      \
    {                                                    \
        SET_##T(op->dst, (T)EA_X);                       \
        NEXT;                                            \
    }                                                    \
    FAST(xchg_rr_##T)                                    \
    {                                                    \
        T first = (T)R(op->dst), second = (T)R(op->src); \
        SET_##T(op->dst, second);                        \
        SET_##T(op->src, first);                         \
        NEXT;                                            \
    }
MOVES(u8)
MOVES(u16)
MOVES(u32)
MOVES(u64)

const op_fn fast_mov_rr[4] = BY_SIZE(mov_rr), fast_mov_ri[4] = BY_SIZE(mov_ri),
            fast_mov_mi[4] = BY_SIZE(mov_mi), fast_load_b[4] = BY_SIZE(load_b),
            fast_load_x[4] = BY_SIZE(load_x), fast_store_b[4] = BY_SIZE(store_b),
            fast_store_x[4] = BY_SIZE(store_x), fast_lea_b[4] = BY_SIZE(lea_b),
            fast_lea_x[4] = BY_SIZE(lea_x), fast_xchg_rr[4] = BY_SIZE(xchg_rr);

/* --- extensions: from F to T ------------------------------------------------------------- */

#define EXTEND(name, F, T)                  \
    FAST(name##_r_##F##_##T)                \
    {                                       \
        SET_##T(op->dst, (T)(F)R(op->src)); \
        NEXT;                               \
    }                                       \
    FAST(name##_m_##F##_##T)                \
    {                                       \
        AT(F, read, EA_X, p, MISS);         \
        SET_##T(op->dst, (T)*p);            \
        NEXT;                               \
    }
#define EXTEND_TO(name, F) EXTEND(name, F, u16) EXTEND(name, F, u32) EXTEND(name, F, u64)
EXTEND_TO(movzx, u8)
EXTEND_TO(movzx, u16)
EXTEND_TO(movsx, i8)
EXTEND_TO(movsx, i16)
EXTEND_TO(movsx, i32)
#define TO(name)                                 \
    {                                            \
        NULL, name##_u16, name##_u32, name##_u64 \
    }
const op_fn fast_movzx_r[2][4] = {TO(movzx_r_u8), TO(movzx_r_u16)},
            fast_movzx_m[2][4] = {TO(movzx_m_u8), TO(movzx_m_u16)};
const op_fn fast_movsx_r[3][4] = {TO(movsx_r_i8), TO(movsx_r_i16), TO(movsx_r_i32)},
            fast_movsx_m[3][4] = {TO(movsx_m_i8), TO(movsx_m_i16), TO(movsx_m_i32)};

/* --- conditions -------------------------------------------------------------------------- */

#define CONDITIONS(X)        \
    X(0, s &ST_OF)           \
    X(2, s &ST_CF)           \
    X(4, s &ST_ZF)           \
    X(6, s &(ST_CF | ST_ZF)) \
    X(8, s &ST_SF)           \
    X(10, s &ST_PF)          \
    X(12, (s >> 15 ^ s) & 1) \
    X(14, (s & ST_ZF) || ((s >> 15 ^ s) & 1))

#define CMOV(n, test, T, sense, id)                      \
    FAST(cmov_rr_##id##_##T)                             \
    {                                                    \
        u32 s = c->status;                               \
        T value = (T)R(op->dst), other = (T)R(op->src);  \
        SET_##T(op->dst, (sense(test)) ? other : value); \
        NEXT;                                            \
    }                                                    \
    FAST(cmov_rm_##id##_##T)                             \
    {                                                    \
        AT(T, read, EA_X, p, MISS);                      \
        u32 s = c->status;                               \
        T value = (T)R(op->dst), other = *p;             \
        SET_##T(op->dst, (sense(test)) ? other : value); \
        NEXT;                                            \
    }
#define SETCC(test, sense, id)                  \
    FAST(setcc_##id)                            \
    {                                           \
        u32 s = c->status;                      \
        SET_u8(op->dst, (sense(test)) ? 1 : 0); \
        NEXT;                                   \
    }
#define BOTH(n, test)               \
    CMOV(n, test, u32, !!, n##_yes) \
    CMOV(n, test, u64, !!, n##_yes) \
    CMOV(n, test, u32, !, n##_no)   \
    CMOV(n, test, u64, !, n##_no) SETCC(test, !!, n##_yes) SETCC(test, !, n##_no)
CONDITIONS(BOTH)
#define ROW_RR(n, test)                                               \
    [n] = {NULL, NULL, cmov_rr_##n##_yes_u32, cmov_rr_##n##_yes_u64}, \
    [n + 1] = {NULL, NULL, cmov_rr_##n##_no_u32, cmov_rr_##n##_no_u64},
#define ROW_RM(n, test)                                               \
    [n] = {NULL, NULL, cmov_rm_##n##_yes_u32, cmov_rm_##n##_yes_u64}, \
    [n + 1] = {NULL, NULL, cmov_rm_##n##_no_u32, cmov_rm_##n##_no_u64},
#define ROW_SET(n, test) [n] = setcc_##n##_yes, [n + 1] = setcc_##n##_no,
const op_fn fast_cmov_rr[16][4] = {CONDITIONS(ROW_RR)}, fast_cmov_rm[16][4] = {CONDITIONS(ROW_RM)},
            fast_setcc[16] = {CONDITIONS(ROW_SET)};

/* --- stack, all of 8 bytes --------------------------------------------------------------- */

void fast_push(struct cpu *c, const struct op *op, i64 budget)
{
    if (!push_fast(c, R(op->src)))
        MISS;
    NEXT;
}

void fast_push_imm(struct cpu *c, const struct op *op, i64 budget)
{
    if (!push_fast(c, (u64)(i64)op->imm))
        MISS;
    NEXT;
}

void fast_push_mem(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, EA_X, p, MISS);
    if (!push_fast(c, *p))
        MISS;
    NEXT;
}

void fast_pop(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, R(RSP), p, MISS);
    u64 value = *p;
    R(RSP) += 8;
    R(op->dst) = value;
    NEXT;
}

void fast_leave(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, R(RBP), p, MISS);
    u64 value = *p;
    R(RSP) = R(RBP) + 8;
    R(RBP) = value;
    NEXT;
}

void fast_nop(struct cpu *c, const struct op *op, i64 budget)
{
    NEXT;
}

void fast_cdqe(struct cpu *c, const struct op *op, i64 budget)
{
    R(RAX) = (u64)(i32)R(RAX);
    NEXT;
}

void fast_cwde(struct cpu *c, const struct op *op, i64 budget)
{
    R(RAX) = (u32)(i16)R(RAX);
    NEXT;
}

void fast_cqo(struct cpu *c, const struct op *op, i64 budget)
{
    R(RDX) = (u64)((i64)R(RAX) >> 63);
    NEXT;
}

void fast_cdq(struct cpu *c, const struct op *op, i64 budget)
{
    R(RDX) = (u32)((i32)R(RAX) >> 31);
    NEXT;
}
