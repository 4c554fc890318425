/*
 * Integer operations with exact flags, computed bit by bit from operands and result
 * rather than by the host's ALU, so that every host and every recording agrees.
 * Source: SDM vol. 1, 3.4.3.1 and the instruction pages of vol. 2.
 */
#include "core/decode/alu.h"

/* An addition or subtraction and what it carried. */
struct sum {
    u64 target, source, result;
    u64 carries; /* bit n: carry or borrow out of bit n */
};

static u64 mask_of(u8 size)
{
    return size == 8 ? ~0ull : BIT(8 * size) - 1;
}

static u64 parity_zero_sign(u64 result, u8 size)
{
    bool even = !__builtin_parity((u32)result & 0xff);
    bool negative = result >> (8 * size - 1) & 1;
    return (even ? FLAG_PF : 0) | (result ? 0 : FLAG_ZF) | (negative ? FLAG_SF : 0);
}

static u64 sum_flags(const struct sum *sum, u8 size)
{
    u32 top = 8 * size - 1;
    u64 flags = parity_zero_sign(sum->result, size);
    flags |= sum->carries >> top & 1 ? FLAG_CF : 0;
    flags |= sum->carries >> 3 & 1 ? FLAG_AF : 0;
    flags |= (sum->carries >> top ^ sum->carries >> (top - 1)) & 1 ? FLAG_OF : 0;
    return flags;
}

static struct sum add(u64 target, u64 source, u64 carry, u8 size)
{
    u64 result = (target + source + carry) & mask_of(size);
    u64 carries = (target & source) | ((target | source) & ~result);
    return (struct sum){target, source, result, carries};
}

static struct sum subtract(u64 target, u64 source, u64 borrow, u8 size)
{
    u64 result = (target - source - borrow) & mask_of(size);
    u64 borrows = (~target & source) | ((~target | source) & result);
    return (struct sum){target, source, result, borrows};
}

static void set_flags(u64 *rflags, u64 which, u64 flags)
{
    *rflags = (*rflags & ~which) | (flags & which);
}

static u64 logic(u64 result, u8 size, u64 *rflags)
{
    set_flags(rflags, FLAGS_STATUS, parity_zero_sign(result, size));
    return result;
}

static u64 arithmetic(struct sum sum, u8 size, u64 which, u64 *rflags)
{
    set_flags(rflags, which, sum_flags(&sum, size));
    return sum.result;
}

static u64 bit_operation(enum mmio_operation operation, u8 size, u64 target, u64 source,
                         u64 *rflags)
{
    u64 bit = BIT(source & (8u * size - 1));
    set_flags(rflags, FLAG_CF, target & bit ? FLAG_CF : 0);
    switch (operation) {
    case OP_BTS:
        return target | bit;
    case OP_BTR:
        return target & ~bit;
    case OP_BTC:
        return target ^ bit;
    default:
        return target;
    }
}

u64 alu(enum mmio_operation operation, u8 size, u64 target, u64 source, u64 *rflags)
{
    const u64 all = FLAGS_STATUS, but_carry = FLAGS_STATUS & ~FLAG_CF;
    u64 carry = *rflags & FLAG_CF;
    target &= mask_of(size);
    source &= operation >= OP_BT && operation <= OP_BTC ? ~0ull : mask_of(size);
    switch (operation) {
    case OP_ADD:
    case OP_XADD:
        return arithmetic(add(target, source, 0, size), size, all, rflags);
    case OP_ADC:
        return arithmetic(add(target, source, carry, size), size, all, rflags);
    case OP_SUB:
        return arithmetic(subtract(target, source, 0, size), size, all, rflags);
    case OP_SBB:
        return arithmetic(subtract(target, source, carry, size), size, all, rflags);
    case OP_CMP:
        arithmetic(subtract(target, source, 0, size), size, all, rflags);
        return target;
    case OP_NEG:
        return arithmetic(subtract(0, target, 0, size), size, all, rflags);
    case OP_INC:
        return arithmetic(add(target, 1, 0, size), size, but_carry, rflags);
    case OP_DEC:
        return arithmetic(subtract(target, 1, 0, size), size, but_carry, rflags);
    case OP_OR:
        return logic(target | source, size, rflags);
    case OP_AND:
        return logic(target & source, size, rflags);
    case OP_XOR:
        return logic(target ^ source, size, rflags);
    case OP_TEST:
        logic(target & source, size, rflags);
        return target;
    case OP_NOT:
        return ~target & mask_of(size);
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        return bit_operation(operation, size, target, source, rflags);
    default:
        return source;
    }
}
