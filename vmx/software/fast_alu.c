/*
 * Hot integer operations. The host's own instruction gives result and flags, which LAHF and SETO
 * catch; flags that the SDM leaves undefined are then set by Bochs's rules (AF 0 after logic,
 * shifts and multiplications).
 */
#include "vmx/software/fast.h"

#define CATCH "\n\tlahf\n\tseto %%al"

/* target = target op source; st: LAHF and SETO. */
#define PLAIN(name, target, source, st) \
    __asm__(name " %2, %0" CATCH : "+&r"(target), "=&a"(st) : "r"(source) : "cc")
#define WITH_CARRY(name, target, source, st)      \
    __asm__("btl $8, %3\n\t" name " %2, %0" CATCH \
            : "+&r"(target), "=&a"(st)            \
            : "r"(source), "r"((u32)c->status)    \
            : "cc")
#define COMPARE(name, target, source, st) \
    __asm__(name " %2, %1" CATCH : "=&a"(st) : "r"(target), "r"(source) : "cc")

#define HANDLERS(name, T)                                 \
    FAST(name##_rr_##T)                                   \
    {                                                     \
        T target = (T)R(op->dst), source = (T)R(op->src); \
        OPERATE_(name);                                   \
        SET_##T(op->dst, target);                         \
        NEXT;                                             \
    }                                                     \
    FAST(name##_ri_##T)                                   \
    {                                                     \
        T target = (T)R(op->dst), source = (T)op->imm;    \
        OPERATE_(name);                                   \
        SET_##T(op->dst, target);                         \
        NEXT;                                             \
    }                                                     \
    FAST(name##_rm_##T)                                   \
    {                                                     \
        AT(T, read, EA_X, p, MISS);                       \
        T target = (T)R(op->dst), source = *p;            \
        OPERATE_(name);                                   \
        SET_##T(op->dst, target);                         \
        NEXT;                                             \
    }                                                     \
    FAST(name##_mr_##T)                                   \
    {                                                     \
        AT(T, write, EA_X, p, MISS);                      \
        T target = *p, source = (T)R(op->src);            \
        OPERATE_(name);                                   \
        *p = target;                                      \
        NEXT;                                             \
    }                                                     \
    FAST(name##_mi_##T)                                   \
    {                                                     \
        AT(T, write, EA_X, p, MISS);                      \
        T target = *p, source = (T)op->imm;               \
        OPERATE_(name);                                   \
        *p = target;                                      \
        NEXT;                                             \
    }

/* Statement macros of the operations. */
#define CATCH_INTO c->status = (u16)st
#define OPERATE_(name)              \
    u32 st;                         \
    OPERATE_##name(target, source); \
    CATCH_INTO
#define OPERATE_add(t, s) PLAIN("add", t, s, st)
#define OPERATE_sub(t, s) PLAIN("sub", t, s, st)
#define OPERATE_adc(t, s) WITH_CARRY("adc", t, s, st)
#define OPERATE_sbb(t, s) WITH_CARRY("sbb", t, s, st)
#define OPERATE_or(t, s)   \
    PLAIN("or", t, s, st); \
    st &= ~(u32)ST_AF
#define OPERATE_and(t, s)   \
    PLAIN("and", t, s, st); \
    st &= ~(u32)ST_AF
#define OPERATE_xor(t, s)   \
    PLAIN("xor", t, s, st); \
    st &= ~(u32)ST_AF

#define ALL_SIZES(name) \
    HANDLERS(name, u8) HANDLERS(name, u16) HANDLERS(name, u32) HANDLERS(name, u64)
ALL_SIZES(add)
ALL_SIZES(or)
ALL_SIZES(adc)
ALL_SIZES(sbb)
ALL_SIZES(and)
ALL_SIZES(sub)
ALL_SIZES(xor)

/* --- CMP, TEST: no target -------------------------------------------------------------------- */

#define COMPARE_AND_GO(name, mask, T, a, b) \
    T target = (T)(a), source = (T)(b);     \
    u32 st;                                 \
    COMPARE(#name, target, source, st);     \
    c->status = (u16)(st mask);             \
    NEXT
#define COMPARISONS(name, mask, T)                             \
    FAST(name##_rr_##T)                                        \
    {                                                          \
        COMPARE_AND_GO(name, mask, T, R(op->dst), R(op->src)); \
    }                                                          \
    FAST(name##_ri_##T)                                        \
    {                                                          \
        COMPARE_AND_GO(name, mask, T, R(op->dst), op->imm);    \
    }                                                          \
    FAST(name##_rm_##T)                                        \
    {                                                          \
        AT(T, read, EA_X, p, MISS);                            \
        COMPARE_AND_GO(name, mask, T, R(op->dst), *p);         \
    }                                                          \
    FAST(name##_mr_##T)                                        \
    {                                                          \
        AT(T, read, EA_X, p, MISS);                            \
        COMPARE_AND_GO(name, mask, T, *p, R(op->src));         \
    }                                                          \
    FAST(name##_mi_##T)                                        \
    {                                                          \
        AT(T, read, EA_X, p, MISS);                            \
        COMPARE_AND_GO(name, mask, T, *p, op->imm);            \
    }
#define COMPARISON_SIZES(name, mask) \
    COMPARISONS(name, mask, u8)      \
    COMPARISONS(name, mask, u16) COMPARISONS(name, mask, u32) COMPARISONS(name, mask, u64)
COMPARISON_SIZES(cmp, )
COMPARISON_SIZES(test, &~(u32)ST_AF)

#define TABLE(form)                                                                            \
    {                                                                                          \
        BY_SIZE(add_##form), BY_SIZE(or_##form), BY_SIZE(adc_##form), BY_SIZE(sbb_##form),     \
            BY_SIZE(and_##form), BY_SIZE(sub_##form), BY_SIZE(xor_##form), BY_SIZE(cmp_##form) \
    }
const op_fn fast_alu_rr[8][4] = TABLE(rr), fast_alu_ri[8][4] = TABLE(ri),
            fast_alu_rm[8][4] = TABLE(rm), fast_alu_mr[8][4] = TABLE(mr),
            fast_alu_mi[8][4] = TABLE(mi);
const op_fn fast_test_rr[4] = BY_SIZE(test_rr), fast_test_ri[4] = BY_SIZE(test_ri),
            fast_test_mi[4] = BY_SIZE(test_mi), fast_test_mr[4] = BY_SIZE(test_mr);
static const op_fn unused_forms[4] __attribute__((unused)) = BY_SIZE(test_rm);

/* --- INC DEC NEG NOT --------------------------------------------------------------------- */

/* INC and DEC leave CF as it was. */
#define STEP(instruction, target)                    \
    u32 st;                                          \
    __asm__("btl $8, %2\n\t" instruction " %0" CATCH \
            : "+&r"(target), "=&a"(st)               \
            : "r"((u32)c->status)                    \
            : "cc");                                 \
    c->status = (u16)st
#define STEPS(name, T)               \
    FAST(name##_##T)                 \
    {                                \
        T target = (T)R(op->dst);    \
        STEP(#name, target);         \
        SET_##T(op->dst, target);    \
        NEXT;                        \
    }                                \
    FAST(name##_m_##T)               \
    {                                \
        AT(T, write, EA_X, p, MISS); \
        T target = *p;               \
        STEP(#name, target);         \
        *p = target;                 \
        NEXT;                        \
    }
#define UNARY(T)                                                     \
    STEPS(inc, T)                                                    \
    STEPS(dec, T)                                                    \
    FAST(neg_##T)                                                    \
    {                                                                \
        T target = (T)R(op->dst);                                    \
        u32 st;                                                      \
        __asm__("neg %0" CATCH : "+&r"(target), "=&a"(st) : : "cc"); \
        c->status = (u16)st;                                         \
        SET_##T(op->dst, target);                                    \
        NEXT;                                                        \
    }                                                                \
    FAST(not_##T)                                                    \
    {                                                                \
        SET_##T(op->dst, (T)~R(op->dst));                            \
        NEXT;                                                        \
    }
UNARY(u8)
UNARY(u16)
UNARY(u32)
UNARY(u64)
const op_fn fast_inc[4] = BY_SIZE(inc), fast_dec[4] = BY_SIZE(dec), fast_neg[4] = BY_SIZE(neg),
            fast_not[4] = BY_SIZE(not ), fast_inc_m[4] = BY_SIZE(inc_m),
            fast_dec_m[4] = BY_SIZE(dec_m);

/* --- shifts: flags by hand ---------------------------------------------------------------- */

/* SF, ZF and PF of the result; AF 0. */
#define STATUS(T, result, carry, overflow)                                                    \
    ({                                                                                        \
        u32 st_;                                                                              \
        __asm__("test %1, %1\n\tlahf" : "=a"(st_) : "r"((T)(result)) : "cc");                 \
        (u16)((st_ & (ST_SF | ST_ZF | ST_PF | 0x200)) | (u32)(carry) << 8 | (u32)(overflow)); \
    })

#define TOP(T) (8 * sizeof(T) - 1)
#define SHL(T, n)                                        \
    T value = (T)R(op->dst), result = (T)(value << (n)); \
    bool carry = value >> (TOP(T) + 1 - (n)) & 1, over = carry ^ (result >> TOP(T))
#define SHR(T, n)                                   \
    T value = (T)R(op->dst), result = value >> (n); \
    bool carry = value >> ((n)-1) & 1, over = (T)(result ^ result << 1) >> TOP(T)
#define SAR(T, n)                                                    \
    T value = (T)R(op->dst), result = (T)((T##_signed)value >> (n)); \
    bool carry = (T##_signed)value >> ((n)-1) & 1, over = false
typedef i32 u32_signed;
typedef i64 u64_signed;

#define SHIFT(name, KIND, T)                        \
    FAST(name##_i_##T)                              \
    {                                               \
        u32 n = (u32)op->imm;                       \
        KIND(T, n);                                 \
        c->status = STATUS(T, result, carry, over); \
        SET_##T(op->dst, result);                   \
        NEXT;                                       \
    }                                               \
    FAST(name##_c_##T)                              \
    {                                               \
        u32 n = R(RCX) & TOP(T);                    \
        if (!n) {                                   \
            SET_##T(op->dst, (T)R(op->dst));        \
            NEXT;                                   \
        }                                           \
        KIND(T, n);                                 \
        c->status = STATUS(T, result, carry, over); \
        SET_##T(op->dst, result);                   \
        NEXT;                                       \
    }
SHIFT(shl, SHL, u32)
SHIFT(shl, SHL, u64)
SHIFT(shr, SHR, u32)
SHIFT(shr, SHR, u64)
SHIFT(sar, SAR, u32)
SHIFT(sar, SAR, u64)

#define ROTATES(T)                                                                            \
    FAST(rol_i_##T)                                                                           \
    {                                                                                         \
        u32 n = (u32)op->imm;                                                                 \
        T value = (T)R(op->dst), result = (T)(value << n | value >> (TOP(T) + 1 - n));        \
        bool carry = result & 1, over = carry ^ (result >> TOP(T));                           \
        c->status =                                                                           \
            (u16)((c->status & ~(ST_CF | ST_OF)) | (carry ? ST_CF : 0) | (over ? ST_OF : 0)); \
        SET_##T(op->dst, result);                                                             \
        NEXT;                                                                                 \
    }                                                                                         \
    FAST(ror_i_##T)                                                                           \
    {                                                                                         \
        u32 n = (u32)op->imm;                                                                 \
        T value = (T)R(op->dst), result = (T)(value >> n | value << (TOP(T) + 1 - n));        \
        bool carry = result >> TOP(T), over = (T)(result ^ result << 1) >> TOP(T);            \
        c->status =                                                                           \
            (u16)((c->status & ~(ST_CF | ST_OF)) | (carry ? ST_CF : 0) | (over ? ST_OF : 0)); \
        SET_##T(op->dst, result);                                                             \
        NEXT;                                                                                 \
    }
ROTATES(u32)
ROTATES(u64)

#define WIDE(name)                         \
    {                                      \
        NULL, NULL, name##_u32, name##_u64 \
    }
const op_fn fast_shl_i[4] = WIDE(shl_i), fast_shr_i[4] = WIDE(shr_i), fast_sar_i[4] = WIDE(sar_i),
            fast_rol_i[4] = WIDE(rol_i), fast_ror_i[4] = WIDE(ror_i), fast_shl_c[4] = WIDE(shl_c),
            fast_shr_c[4] = WIDE(shr_c), fast_sar_c[4] = WIDE(sar_c);

/* --- multiplication ------------------------------------------------------------------------ */

typedef u64 u32_unsigned;
typedef unsigned __int128 u64_unsigned;

#define IMUL(T, a, b)                                                     \
    T product = (T)(a);                                                   \
    bool over;                                                            \
    __asm__("imul %2, %0" : "+&r"(product), "=@ccc"(over) : "r"((T)(b))); \
    c->status = STATUS(T, product, over, over);                           \
    SET_##T(op->dst, product)
#define MUL(T, b)                                            \
    T##_unsigned product = (T##_unsigned)(T)R(RAX) * (b);    \
    T low = (T)product, high = (T)(product >> (TOP(T) + 1)); \
    c->status = STATUS(T, low, high != 0, high != 0);        \
    SET_##T(RAX, low);                                       \
    SET_##T(RDX, high)
#define MULTIPLICATIONS(T)               \
    FAST(imul_rr_##T)                    \
    {                                    \
        IMUL(T, R(op->dst), R(op->src)); \
        NEXT;                            \
    }                                    \
    FAST(imul_rri_##T)                   \
    {                                    \
        IMUL(T, R(op->src), op->imm);    \
        NEXT;                            \
    }                                    \
    FAST(imul_rm_##T)                    \
    {                                    \
        AT(T, read, EA_X, p, MISS);      \
        T source = *p;                   \
        IMUL(T, R(op->dst), source);     \
        NEXT;                            \
    }                                    \
    FAST(mul_r_##T)                      \
    {                                    \
        MUL(T, (T)R(op->src));           \
        NEXT;                            \
    }                                    \
    FAST(mul_m_##T)                      \
    {                                    \
        AT(T, read, EA_X, p, MISS);      \
        T source = *p;                   \
        MUL(T, source);                  \
        NEXT;                            \
    }
MULTIPLICATIONS(u32)
MULTIPLICATIONS(u64)
const op_fn fast_imul_rr[4] = WIDE(imul_rr), fast_imul_rri[4] = WIDE(imul_rri),
            fast_imul_rm[4] = WIDE(imul_rm), fast_mul_r[4] = WIDE(mul_r),
            fast_mul_m[4] = WIDE(mul_m);

/* --- bits -------------------------------------------------------------------------------- */

#define BITS(T)                                                                              \
    FAST(bt_ri_##T)                                                                          \
    {                                                                                        \
        c->status = (u16)((c->status & ~ST_CF) | ((T)R(op->dst) >> op->imm & 1) << 8);       \
        NEXT;                                                                                \
    }                                                                                        \
    FAST(bt_rr_##T)                                                                          \
    {                                                                                        \
        c->status =                                                                          \
            (u16)((c->status & ~ST_CF) | ((T)R(op->dst) >> (R(op->src) & TOP(T)) & 1) << 8); \
        NEXT;                                                                                \
    }
BITS(u32)
BITS(u64)
FAST(bswap_u32)
{
    R(op->dst) = __builtin_bswap32((u32)R(op->dst));
    NEXT;
}
FAST(bswap_u64)
{
    R(op->dst) = __builtin_bswap64(R(op->dst));
    NEXT;
}
const op_fn fast_bt_ri[4] = WIDE(bt_ri), fast_bt_rr[4] = WIDE(bt_rr), fast_bswap[4] = WIDE(bswap);
