/*
 * The integer operations against the host CPU: the same operands and flags go through
 * the real instruction by inline assembly. Result and all status flags must be equal,
 * but for AF after OR, AND, XOR and TEST and all but CF after the BT family, which the SDM
 * leaves undefined: those are compared with what alu.h promises.
 */
#include <criterion/criterion.h>

#include "core/decode/alu.h"

enum { ROUNDS = 20000 };

static u64 seed = 99;

static u64 random_u64(void) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dull;
}

/* Corner cases matter more than the middle: often all ones, zero, or one bit. */
static u64 random_operand(void)
{
    u64 value = random_u64();
    switch (value >> 56 & 7) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return BIT(value & 63);
    case 3:
        return BIT(value & 63) - 1;
    case 4:
        return (value & 0xff) * 0x0101010101010101;
    }
    return value;
}

struct sample {
    u64 target, source, flags;
};

/* Runs `text` (operands %0 and %1) on the host with the given status flags, off the red zone. */
#define ON_HOST(s, text)                                                                \
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; popq %%rax; andq $~0x8d5, %%rax;" \
                     "orq %2, %%rax; pushq %%rax; popfq;" text ";"                      \
                     "pushfq; popq %2; lea 128(%%rsp), %%rsp"                           \
                     : "+r"((s)->target), "+r"((s)->source), "+r"((s)->flags)           \
                     :                                                                  \
                     : "rax", "cc", "memory")

typedef void host_operation(struct sample *, u8 size);

#define TWO(name, mnemonic)                     \
    static void name(struct sample *s, u8 size) \
    {                                           \
        if (size == 1)                          \
            ON_HOST(s, #mnemonic "b %b1, %b0"); \
        else if (size == 2)                     \
            ON_HOST(s, #mnemonic "w %w1, %w0"); \
        else if (size == 4)                     \
            ON_HOST(s, #mnemonic "l %k1, %k0"); \
        else                                    \
            ON_HOST(s, #mnemonic "q %q1, %q0"); \
    }
#define ONE(name, mnemonic)                     \
    static void name(struct sample *s, u8 size) \
    {                                           \
        if (size == 1)                          \
            ON_HOST(s, #mnemonic "b %b0");      \
        else if (size == 2)                     \
            ON_HOST(s, #mnemonic "w %w0");      \
        else if (size == 4)                     \
            ON_HOST(s, #mnemonic "l %k0");      \
        else                                    \
            ON_HOST(s, #mnemonic "q %q0");      \
    }
#define WIDE(name, mnemonic) /* no byte form */ \
    static void name(struct sample *s, u8 size) \
    {                                           \
        if (size == 2)                          \
            ON_HOST(s, #mnemonic "w %w1, %w0"); \
        else if (size == 4)                     \
            ON_HOST(s, #mnemonic "l %k1, %k0"); \
        else                                    \
            ON_HOST(s, #mnemonic "q %q1, %q0"); \
    }

TWO(host_add, add)
TWO(host_or, or)
TWO(host_adc, adc)
TWO(host_sbb, sbb)
TWO(host_and, and)
TWO(host_sub, sub)
TWO(host_xor, xor)
TWO(host_cmp, cmp)
TWO(host_test, test)
TWO(host_xadd, xadd)
ONE(host_inc, inc)
ONE(host_dec, dec)
ONE(host_not, not )
ONE(host_neg, neg)
WIDE(host_bt, bt)
WIDE(host_bts, bts)
WIDE(host_btr, btr)
WIDE(host_btc, btc)

/* Status flags that the SDM leaves undefined, and what alu.h promises of them. */
enum undefined { DEFINED, AF_CLEAR, KEPT };

static const struct {
    const char *name;
    enum mmio_operation operation;
    host_operation *host;
    enum undefined undefined;
    u8 smallest;
} operations[] = {
    {"add", OP_ADD, host_add, DEFINED, 1},    {"or", OP_OR, host_or, AF_CLEAR, 1},
    {"adc", OP_ADC, host_adc, DEFINED, 1},    {"sbb", OP_SBB, host_sbb, DEFINED, 1},
    {"and", OP_AND, host_and, AF_CLEAR, 1},   {"sub", OP_SUB, host_sub, DEFINED, 1},
    {"xor", OP_XOR, host_xor, AF_CLEAR, 1},   {"cmp", OP_CMP, host_cmp, DEFINED, 1},
    {"inc", OP_INC, host_inc, DEFINED, 1},    {"dec", OP_DEC, host_dec, DEFINED, 1},
    {"not", OP_NOT, host_not, DEFINED, 1},    {"neg", OP_NEG, host_neg, DEFINED, 1},
    {"bt", OP_BT, host_bt, KEPT, 2},          {"bts", OP_BTS, host_bts, KEPT, 2},
    {"btr", OP_BTR, host_btr, KEPT, 2},       {"btc", OP_BTC, host_btc, KEPT, 2},
    {"xadd", OP_XADD, host_xadd, DEFINED, 1}, {"test", OP_TEST, host_test, AF_CLEAR, 1},
};

static u64 expected_flags(const struct sample *before, const struct sample *host, enum undefined u)
{
    u64 flags = host->flags & FLAGS_STATUS;
    if (u == AF_CLEAR)
        return flags & ~(u64)FLAG_AF;
    if (u == KEPT)
        return (before->flags & ~(u64)FLAG_CF) | (flags & FLAG_CF);
    return flags;
}

static void check(u32 which, u8 size)
{
    const u64 mask = size == 8 ? UINT64_MAX : BIT(8 * size) - 1;
    const u64 others = BIT(9) | BIT(1); /* IF and the fixed bit: must stay */
    struct sample before = {random_operand(), random_operand(), random_u64() & FLAGS_STATUS};
    struct sample host = before;
    operations[which].host(&host, size);
    u64 flags = before.flags | others;
    u64 result = alu(operations[which].operation, size, before.target, before.source, &flags);
    cr_assert_eq(result, host.target & mask, "%s %u: %lx, %lx -> %lx, host %lx",
                 operations[which].name, size, before.target, before.source, result, host.target);
    u64 expected = expected_flags(&before, &host, operations[which].undefined) | others;
    cr_assert_eq(flags, expected, "%s %u: %lx, %lx, flags %lx -> %lx, host %lx",
                 operations[which].name, size, before.target, before.source, before.flags, flags,
                 expected);
}

Test(alu, agrees_with_the_host)
{
    for (u32 which = 0; which < ARRAY_SIZE(operations); which++)
        for (u8 size = operations[which].smallest; size <= 8; size *= 2)
            for (u32 round = 0; round < ROUNDS; round++)
                check(which, size);
}

Test(alu, others_pass_the_source_through)
{
    u64 flags = 0x8d7;
    cr_expect_eq(alu(OP_MOV, 2, 0x1111, 0x12345, &flags), 0x2345);
    cr_expect_eq(alu(OP_XCHG, 8, 1, 2, &flags), 2);
    cr_expect_eq(flags, 0x8d7);
}
