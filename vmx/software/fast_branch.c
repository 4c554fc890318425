/*
 * Hot transfers of control. Within a page the next block is linked; beyond it the jump cache
 * knows it by RIP. What neither knows goes back to the dispatcher, which fills in the link.
 * A comparison and the conditional jump after it run as one operation: condition from the operands,
 * flags as ever.
 */
#include "vmx/software/fast.h"

static inline __attribute__((always_inline)) void enter(struct cpu *c, struct block *b, i64 budget)
{
    return b->ops[0].fn(c, b->ops, budget);
}

static inline __attribute__((always_inline)) void jump_to(struct cpu *c, u64 rip, i64 budget)
{
    const struct jump *j = jump_slot(c, rip);
    if (likely(j->rip == rip && j->stamp == c->stamp)) {
        i64 left = budget - j->block->count;
        if (likely(left >= 0)) {
            R(PAGE_RIP) = rip & ~0xfffull;
            return enter(c, j->block, left);
        }
    }
    c->rip = rip;
    c->budget = budget;
}

static NOINLINE void leave_to(struct cpu *c, struct block **link, u64 rip, i64 budget)
{
    if ((rip ^ R(PAGE_RIP)) >> 12) {
        jump_to(c, rip, budget);
        return;
    }
    c->rip = rip;
    c->budget = budget;
    c->link = link;
}

/* To the block behind the link, or to `offset` bytes from the page's start. */
#define FOLLOW(link, offset)                                                                    \
    do {                                                                                        \
        struct block *b_ = (link);                                                              \
        if (likely(b_ != NULL)) {                                                               \
            i64 left_ = budget - b_->count;                                                     \
            if (likely(left_ >= 0))                                                             \
                return enter(c, b_, left_);                                                     \
        }                                                                                       \
        return leave_to(c, (struct block **)&(link), R(PAGE_RIP) + (u64)(i64)(offset), budget); \
    } while (0)

#define LINKS(slot) ((struct links *)(op + (slot)))

/* op->imm: offset of the target; op->disp: of the next instruction; the links follow. */
#define BRANCH(slot, condition)                             \
    do {                                                    \
        if (condition)                                      \
            FOLLOW(LINKS((slot) + 1)->taken, op[slot].imm); \
        FOLLOW(LINKS((slot) + 1)->next, op[slot].disp);     \
    } while (0)

#define CONDITIONS(X)        \
    X(0, s &ST_OF)           \
    X(2, s &ST_CF)           \
    X(4, s &ST_ZF)           \
    X(6, s &(ST_CF | ST_ZF)) \
    X(8, s &ST_SF)           \
    X(10, s &ST_PF)          \
    X(12, (s >> 15 ^ s) & 1) \
    X(14, (s & ST_ZF) || ((s >> 15 ^ s) & 1))

#define JCC(n, test)        \
    FAST(jcc_##n##_yes)     \
    {                       \
        u32 s = c->status;  \
        BRANCH(0, test);    \
    }                       \
    FAST(jcc_##n##_no)      \
    {                       \
        u32 s = c->status;  \
        BRANCH(0, !(test)); \
    }
CONDITIONS(JCC)
#define ROW(n, test) [n] = jcc_##n##_yes, [n + 1] = jcc_##n##_no,
const op_fn fast_jcc[16] = {CONDITIONS(ROW)};

void fast_jmp(struct cpu *c, const struct op *op, i64 budget)
{
    FOLLOW(LINKS(1)->taken, op->imm);
}

void fast_call(struct cpu *c, const struct op *op, i64 budget)
{
    if (unlikely(!push_fast(c, R(PAGE_RIP) + (u64)(i64)op->disp)))
        MISS_END;
    FOLLOW(LINKS(1)->taken, op->imm);
}

void fast_ret(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, R(RSP), p, MISS_END);
    u64 target = *p;
    if (unlikely((u64)((i64)(target << 16) >> 16) != target))
        MISS_END;
    R(RSP) += 8;
    return jump_to(c, target, budget);
}

/* Not canonical: the generic path raises #GP. */
#define CHECKED(target)                                           \
    if (unlikely((u64)((i64)((target) << 16) >> 16) != (target))) \
    MISS_END

void fast_jmp_r(struct cpu *c, const struct op *op, i64 budget)
{
    u64 target = R(op->src);
    CHECKED(target);
    return jump_to(c, target, budget);
}

void fast_call_r(struct cpu *c, const struct op *op, i64 budget)
{
    u64 target = R(op->src);
    CHECKED(target);
    if (unlikely(!push_fast(c, R(PAGE_RIP) + op->offset + op->length)))
        MISS_END;
    return jump_to(c, target, budget);
}

void fast_jmp_m(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, EA_X, p, MISS_END);
    u64 target = *p;
    CHECKED(target);
    return jump_to(c, target, budget);
}

void fast_call_m(struct cpu *c, const struct op *op, i64 budget)
{
    AT(u64, read, EA_X, p, MISS_END);
    u64 target = *p;
    CHECKED(target);
    if (unlikely(!push_fast(c, R(PAGE_RIP) + op->offset + op->length)))
        MISS_END;
    return jump_to(c, target, budget);
}

/* --- comparison and jump in one ---------------------------------------------------------- */

#define CATCH "\n\tlahf\n\tseto %%al"
#define COMPARE(name, target, source, st) \
    __asm__(name " %2, %1" CATCH : "=&a"(st) : "r"(target), "r"(source) : "cc")

typedef i8 signed_u8;
typedef i16 signed_u16;
typedef i32 signed_u32;
typedef i64 signed_u64;

/* CMP a, b: conditions as comparisons; TEST a, b: of a & b with 0. */
#define CMP_CONDITIONS(X, T, ...)                         \
    X(2, a < b, T, __VA_ARGS__)                           \
    X(3, a >= b, T, __VA_ARGS__)                          \
    X(4, a == b, T, __VA_ARGS__)                          \
    X(5, a != b, T, __VA_ARGS__)                          \
    X(6, a <= b, T, __VA_ARGS__)                          \
    X(7, a > b, T, __VA_ARGS__)                           \
    X(12, (signed_##T)a < (signed_##T)b, T, __VA_ARGS__)  \
    X(13, (signed_##T)a >= (signed_##T)b, T, __VA_ARGS__) \
    X(14, (signed_##T)a <= (signed_##T)b, T, __VA_ARGS__) \
    X(15, (signed_##T)a > (signed_##T)b, T, __VA_ARGS__)
#define TEST_CONDITIONS(X, T, ...)                  \
    X(4, !(a & b), T, __VA_ARGS__)                  \
    X(5, a &b, T, __VA_ARGS__)                      \
    X(8, (signed_##T)(a & b) < 0, T, __VA_ARGS__)   \
    X(9, (signed_##T)(a & b) >= 0, T, __VA_ARGS__)  \
    X(14, (signed_##T)(a & b) <= 0, T, __VA_ARGS__) \
    X(15, (signed_##T)(a & b) > 0, T, __VA_ARGS__)

#define FUSE_RR(n, test, T, name, mask)         \
    FAST(name##_rr_##T##_##n)                   \
    {                                           \
        T a = (T)R(op->dst), b = (T)R(op->src); \
        u32 st;                                 \
        COMPARE(#name, a, b, st);               \
        c->status = (u16)(st mask);             \
        BRANCH(1, test);                        \
    }
#define FUSE_RI(n, test, T, name, mask)      \
    FAST(name##_ri_##T##_##n)                \
    {                                        \
        T a = (T)R(op->dst), b = (T)op->imm; \
        u32 st;                              \
        COMPARE(#name, a, b, st);            \
        c->status = (u16)(st mask);          \
        BRANCH(1, test);                     \
    }
#define FUSE_MI(n, test, T, name, mask) \
    FAST(name##_mi_##T##_##n)           \
    {                                   \
        AT(T, read, EA_X, p, MISS);     \
        T a = *p, b = (T)op->imm;       \
        u32 st;                         \
        COMPARE(#name, a, b, st);       \
        c->status = (u16)(st mask);     \
        BRANCH(1, test);                \
    }
#define ALL_T(CONDS, X, name, mask) \
    CONDS(X, u8, name, mask)        \
    CONDS(X, u16, name, mask) CONDS(X, u32, name, mask) CONDS(X, u64, name, mask)
ALL_T(CMP_CONDITIONS, FUSE_RR, cmp, )
ALL_T(CMP_CONDITIONS, FUSE_RI, cmp, )
ALL_T(CMP_CONDITIONS, FUSE_MI, cmp, )
ALL_T(TEST_CONDITIONS, FUSE_RR, test, &~(u32)ST_AF)
ALL_T(TEST_CONDITIONS, FUSE_RI, test, &~(u32)ST_AF)
ALL_T(TEST_CONDITIONS, FUSE_MI, test, &~(u32)ST_AF)

#define CELL_RR(n, test, T, name, mask) [n] = name##_rr_##T##_##n,
#define CELL_RI(n, test, T, name, mask) [n] = name##_ri_##T##_##n,
#define CELL_MI(n, test, T, name, mask) [n] = name##_mi_##T##_##n,
#define CELLS(CONDS, X, name)                                                     \
    {                                                                             \
        {CONDS(X, u8, name, )}, {CONDS(X, u16, name, )}, {CONDS(X, u32, name, )}, \
        {                                                                         \
            CONDS(X, u64, name, )                                                 \
        }                                                                         \
    }
static const op_fn fused_cmp_rr[4][16] = CELLS(CMP_CONDITIONS, CELL_RR, cmp),
                   fused_cmp_ri[4][16] = CELLS(CMP_CONDITIONS, CELL_RI, cmp),
                   fused_cmp_mi[4][16] = CELLS(CMP_CONDITIONS, CELL_MI, cmp),
                   fused_test_rr[4][16] = CELLS(TEST_CONDITIONS, CELL_RR, test),
                   fused_test_ri[4][16] = CELLS(TEST_CONDITIONS, CELL_RI, test),
                   fused_test_mi[4][16] = CELLS(TEST_CONDITIONS, CELL_MI, test);

op_fn fast_fused(op_fn compare, u32 condition)
{
    static const struct {
        const op_fn *plain;
        const op_fn (*fused)[16];
    } kinds[] = {
        {fast_alu_rr[7], fused_cmp_rr}, {fast_alu_ri[7], fused_cmp_ri},
        {fast_alu_mi[7], fused_cmp_mi}, {fast_test_rr, fused_test_rr},
        {fast_test_ri, fused_test_ri},  {fast_test_mi, fused_test_mi},
    };
    for (u32 kind = 0; kind < ARRAY_SIZE(kinds); kind++)
        for (u32 size = 0; size < 4; size++)
            if (kinds[kind].plain[size] == compare)
                return kinds[kind].fused[size][condition];
    return NULL;
}
