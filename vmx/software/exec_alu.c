/*
 * Integer arithmetic, complete: every operand form, every mode. Flags that the SDM leaves
 * undefined follow Bochs: AF is 0 after logic, shifts and multiplications; OF after shifts by any
 * count is as for one; DIV, and BSF and BSR of 0 (but for ZF), leave the flags alone.
 */
#include "core/decode/alu.h"
#include "vmx/software/exec.h"

static u64 operate(struct cpu *c, u32 operation, u32 size, u64 target, u64 source)
{
    u64 flags = get_rflags(c);
    u64 result = alu(operation, (u8)size, target, source, &flags);
    set_status(c, flags);
    return result;
}

/* Only the status flags change, and only once nothing can fault any more. */
static void rm_operation(struct cpu *c, const struct insn *insn, u32 operation, u64 source)
{
    u32 size = insn->operand_size;
    if (operation == OP_CMP || operation == OP_TEST) {
        operate(c, operation, size, read_rm(c, insn, size), source);
        return;
    }
    struct target t = open_rm(c, insn, size);
    close_rm(c, insn, &t, operate(c, operation, size, t.value, source), size);
}

void exec_alu_rm_reg(struct cpu *c, const struct insn *insn)
{
    rm_operation(c, insn, insn->opcode >> 3 & 7, get_reg(c, insn, insn->reg, insn->operand_size));
}

void exec_alu_reg_rm(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, operation = insn->opcode >> 3 & 7;
    u64 source = read_rm(c, insn, size);
    u64 result = operate(c, operation, size, get_reg(c, insn, insn->reg, size), source);
    if (operation != OP_CMP)
        put_reg(c, insn, insn->reg, result, size);
}

void exec_alu_acc_imm(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, operation = insn->opcode >> 3 & 7;
    u64 result = operate(c, operation, size, c->gpr[RAX], insn->immediate);
    if (operation != OP_CMP)
        put_gpr(c, RAX, result, size);
}

void exec_alu_rm_imm(struct cpu *c, const struct insn *insn)
{
    rm_operation(c, insn, insn->reg & 7, insn->immediate);
}

void exec_test_rm_reg(struct cpu *c, const struct insn *insn)
{
    rm_operation(c, insn, OP_TEST, get_reg(c, insn, insn->reg, insn->operand_size));
}

void exec_test_acc_imm(struct cpu *c, const struct insn *insn)
{
    operate(c, OP_TEST, insn->operand_size, c->gpr[RAX], insn->immediate);
}

void exec_inc_dec_reg(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->opcode & 7;
    put_gpr(c, reg,
            operate(c, insn->opcode & 8 ? OP_DEC : OP_INC, insn->operand_size, c->gpr[reg], 0),
            insn->operand_size);
}

/* --- multiplication and division ------------------------------------------------------------- */

static void logic_flags(struct cpu *c, u64 result, u32 size, bool carry, bool overflow)
{
    u64 flags = 0;
    alu(OP_TEST, (u8)size, result, ~0ull, &flags);
    set_status(c, flags | (carry ? RF_CF : 0) | (overflow ? RF_OF : 0));
}

static i64 sign_extend(u64 value, u32 size)
{
    u32 shift = 64 - 8 * size;
    return (i64)(value << shift) >> shift;
}

static void multiply(struct cpu *c, u64 factor, u32 size, bool is_signed)
{
    unsigned __int128 product;
    if (is_signed)
        product = (unsigned __int128)((__int128)sign_extend(c->gpr[RAX], size) *
                                      sign_extend(factor, size));
    else
        product = (unsigned __int128)(c->gpr[RAX] & size_mask(size)) * factor;
    u64 low = (u64)product & size_mask(size), high = (u64)(product >> 8 * size) & size_mask(size);
    bool over = is_signed ? (__int128)product != sign_extend(low, size) : high != 0;
    if (size == 1) {
        put_gpr(c, RAX, (u64)product, 2);
    } else {
        put_gpr(c, RAX, low, size);
        put_gpr(c, RDX, high, size);
    }
    logic_flags(c, low, size, over, over);
}

static void set_quotient(struct cpu *c, u64 quotient, u64 remainder, u32 size)
{
    if (size == 1) {
        put_gpr(c, RAX, (quotient & 0xff) | (remainder & 0xff) << 8, 2);
        return;
    }
    put_gpr(c, RAX, quotient, size);
    put_gpr(c, RDX, remainder, size);
}

static unsigned __int128 dividend_of(const struct cpu *c, u32 size)
{
    if (size == 1)
        return c->gpr[RAX] & 0xffff;
    return (unsigned __int128)(c->gpr[RDX] & size_mask(size)) << 8 * size |
           (c->gpr[RAX] & size_mask(size));
}

static void divide(struct cpu *c, u64 divisor, u32 size)
{
    unsigned __int128 dividend = dividend_of(c, size);
    if (!divisor || dividend / divisor > size_mask(size))
        raise_plain(c, VECTOR_DE);
    set_quotient(c, (u64)(dividend / divisor), (u64)(dividend % divisor), size);
}

static void divide_signed(struct cpu *c, u64 by, u32 size)
{
    u32 shift = 128 - 16 * size;
    __int128 dividend = (__int128)(dividend_of(c, size) << shift) >> shift;
    i64 divisor = sign_extend(by, size);
    __int128 lowest = (__int128)((unsigned __int128)1 << 127);
    if (!divisor || (divisor == -1 && dividend == lowest))
        raise_plain(c, VECTOR_DE);
    __int128 quotient = dividend / divisor;
    if (quotient != sign_extend((u64)quotient, size))
        raise_plain(c, VECTOR_DE);
    set_quotient(c, (u64)quotient, (u64)(dividend % divisor), size);
}

void exec_group3(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    switch (insn->reg & 7) {
    case 0:
    case 1:
        rm_operation(c, insn, OP_TEST, insn->immediate);
        break;
    case 2: {
        struct target t = open_rm(c, insn, size);
        close_rm(c, insn, &t, ~t.value, size);
        break;
    }
    case 3:
        rm_operation(c, insn, OP_NEG, 0);
        break;
    case 4:
    case 5:
        multiply(c, read_rm(c, insn, size), size, insn->reg & 1);
        break;
    case 6:
        divide(c, read_rm(c, insn, size), size);
        break;
    case 7:
        divide_signed(c, read_rm(c, insn, size), size);
    }
}

static void multiply_to_reg(struct cpu *c, const struct insn *insn, u64 a, u64 b)
{
    u32 size = insn->operand_size;
    __int128 product = (__int128)sign_extend(a, size) * sign_extend(b, size);
    bool over = product != sign_extend((u64)product, size);
    put_reg(c, insn, insn->reg, (u64)product, size);
    logic_flags(c, (u64)product & size_mask(size), size, over, over);
}

void exec_imul2(struct cpu *c, const struct insn *insn)
{
    u64 source = read_rm(c, insn, insn->operand_size);
    multiply_to_reg(c, insn, c->gpr[insn->reg], source);
}

void exec_imul3(struct cpu *c, const struct insn *insn)
{
    multiply_to_reg(c, insn, read_rm(c, insn, insn->operand_size), insn->immediate);
}

void exec_group45(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, reg = insn->reg & 7;
    switch (reg) {
    case 0:
    case 1:
        rm_operation(c, insn, reg ? OP_DEC : OP_INC, 0);
        return;
    case 2:
        near_call(c, read_rm(c, insn, size), size);
        return;
    case 4:
        c->next = near_target(c, read_rm(c, insn, size), size);
        return;
    case 6:
        push(c, read_rm(c, insn, size), size);
        return;
    default: { /* 3, 5: far, through memory */
        u64 linear = operand_linear(c, insn, size + 2, false);
        u64 offset = read_linear(c, linear, size);
        u16 selector = (u16)read_linear(c, linear + size, 2);
        if (reg == 3)
            far_call(c, selector, offset, size);
        else
            far_jump(c, selector, offset, size);
    }
    }
}

/* --- shifts: Bochs's flags --------------------------------------------------------------- */

struct shifted {
    u64 result;
    bool carry, overflow;
};

static u64 top(u64 value, u32 size)
{
    return value >> (8 * size - 1) & 1;
}

static u64 shift_right_flag(u64 result, u32 size) /* bits n-1 and n-2 differ */
{
    return top(result ^ result << 1, size);
}

static struct shifted rotate(u64 value, u32 count, u32 size, bool left)
{
    u32 width = 8 * size;
    count %= width;
    u64 mask = size_mask(size), result = value;
    if (count)
        result = (left ? value << count | value >> (width - count)
                       : value >> count | value << (width - count)) &
                 mask;
    bool carry = left ? result & 1 : top(result, size);
    bool overflow = left ? carry ^ top(result, size) : shift_right_flag(result, size);
    return (struct shifted){result, carry, overflow};
}

static struct shifted rotate_carry(u64 value, u32 count, u32 size, bool left, bool carry)
{
    for (u32 i = 0; i < count; i++) {
        bool out = left ? top(value, size) : value & 1;
        value = left ? (value << 1 | carry) & size_mask(size)
                     : value >> 1 | (u64)carry << (8 * size - 1);
        carry = out;
    }
    bool overflow = left ? carry ^ top(value, size) : shift_right_flag(value, size);
    return (struct shifted){value, carry, overflow};
}

static struct shifted shift_left(u64 value, u32 count, u32 size)
{
    u32 width = 8 * size;
    if (count > width)
        return (struct shifted){0, false, false};
    u64 result = count == 64 ? 0 : value << count & size_mask(size);
    bool carry = value >> (width - count) & 1;
    return (struct shifted){result, carry, carry ^ top(result, size)};
}

static struct shifted shift_right(u64 value, u32 count, u32 size)
{
    u64 result = value >> count;
    return (struct shifted){result, value >> (count - 1) & 1, shift_right_flag(result, size)};
}

static struct shifted shift_arithmetic(u64 value, u32 count, u32 size)
{
    i64 wide = sign_extend(value, size);
    return (struct shifted){(u64)(wide >> count) & size_mask(size), wide >> (count - 1) & 1, false};
}

static void set_carry_overflow(struct cpu *c, bool carry, bool overflow)
{
    u64 flags = get_rflags(c) & ~(u64)(RF_CF | RF_OF);
    set_status(c, flags | (carry ? RF_CF : 0) | (overflow ? RF_OF : 0));
}

static void shift(struct cpu *c, const struct insn *insn, u32 count)
{
    u32 size = insn->operand_size, kind = insn->reg & 7;
    struct shifted s;
    count &= size == 8 ? 63 : 31;
    struct target t = open_rm(c, insn, size);
    if ((kind & 6) == 2 && size < 4)
        count %= 8 * size + 1;
    if (!count) {
        close_rm(c, insn, &t, t.value, size);
        return;
    }
    switch (kind) {
    case 0:
    case 1:
        s = rotate(t.value, count, size, kind == 0);
        break;
    case 2:
    case 3:
        s = rotate_carry(t.value, count, size, kind == 2, c->status & ST_CF);
        break;
    case 5:
        s = shift_right(t.value, count, size);
        break;
    case 7:
        s = shift_arithmetic(t.value, count, size);
        break;
    default:
        s = shift_left(t.value, count, size);
    }
    close_rm(c, insn, &t, s.result, size);
    if (kind < 4)
        set_carry_overflow(c, s.carry, s.overflow);
    else
        logic_flags(c, s.result, size, s.carry, s.overflow);
}

void exec_shift_imm(struct cpu *c, const struct insn *insn)
{
    shift(c, insn, (u32)insn->immediate);
}

void exec_shift_1(struct cpu *c, const struct insn *insn)
{
    shift(c, insn, 1);
}

void exec_shift_cl(struct cpu *c, const struct insn *insn)
{
    shift(c, insn, (u32)c->gpr[RCX] & 0xff);
}

static void double_shift(struct cpu *c, const struct insn *insn, u32 count, bool left)
{
    u32 size = insn->operand_size, width = 8 * size;
    count &= size == 8 ? 63 : 31;
    struct target t = open_rm(c, insn, size);
    if (!count) {
        close_rm(c, insn, &t, t.value, size);
        return;
    }
    u64 other = get_reg(c, insn, insn->reg, size), result;
    bool carry;
    if (size == 2) {
        u32 both = left ? (u32)(t.value << 16 | other) : (u32)(other << 16 | t.value);
        u32 wide = left ? both << count : both >> count;
        if (count > 16)
            wide |= left ? (u32)t.value << (count - 16) : (u32)t.value << (32 - count);
        result = left ? wide >> 16 : wide & 0xffff;
        carry = left ? both >> (32 - count) & 1 : both >> (count - 1) & 1;
    } else if (left) {
        result = (t.value << count | other >> (width - count)) & size_mask(size);
        carry = t.value >> (width - count) & 1;
    } else {
        result = (t.value >> count | other << (width - count)) & size_mask(size);
        carry = t.value >> (count - 1) & 1;
    }
    bool overflow = left ? carry ^ top(result, size) : shift_right_flag(result, size);
    close_rm(c, insn, &t, result, size);
    logic_flags(c, result, size, carry, overflow);
}

void exec_shld_imm(struct cpu *c, const struct insn *insn)
{
    double_shift(c, insn, (u32)insn->immediate, true);
}

void exec_shld_cl(struct cpu *c, const struct insn *insn)
{
    double_shift(c, insn, (u32)c->gpr[RCX], true);
}

void exec_shrd_imm(struct cpu *c, const struct insn *insn)
{
    double_shift(c, insn, (u32)insn->immediate, false);
}

void exec_shrd_cl(struct cpu *c, const struct insn *insn)
{
    double_shift(c, insn, (u32)c->gpr[RCX], false);
}

/* --- bits -------------------------------------------------------------------------------- */

static void bit_test(struct cpu *c, const struct insn *insn, u32 kind, u64 linear, u64 bit)
{
    u32 size = insn->operand_size;
    u64 mask = BIT(bit), value, result;
    if (insn->has_memory) {
        if (kind)
            probe_write(c, linear, size);
        value = read_linear(c, linear, size);
    } else {
        value = get_reg(c, insn, insn->rm, size);
    }
    result = kind == 0   ? value
             : kind == 1 ? value | mask
             : kind == 2 ? value & ~mask
                         : value ^ mask;
    if (kind && insn->has_memory)
        write_linear(c, linear, result, size);
    else if (kind)
        put_reg(c, insn, insn->rm, result, size);
    c->status = (u16)((c->status & ~ST_CF) | (value & mask ? ST_CF : 0));
}

void exec_bit_reg(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, kind = insn->opcode >> 3 & 3;
    i64 bit = sign_extend(c->gpr[insn->reg], size);
    u64 linear = 0;
    if (insn->has_memory) {
        u64 offset = effective(c, insn) + (u64)(bit >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
        linear = segment_linear(c, insn->segment, offset & size_mask(insn->address_size), size,
                                kind != 0);
    }
    bit_test(c, insn, kind, linear, (u64)bit & (8 * size - 1));
}

void exec_bit_imm(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, kind = insn->reg & 3;
    u64 linear = insn->has_memory ? operand_linear(c, insn, size, kind != 0) : 0;
    bit_test(c, insn, kind, linear, insn->immediate & (8 * size - 1));
}

static void count_zeros(struct cpu *c, const struct insn *insn, u64 value, u32 zeros)
{
    u64 flags = get_rflags(c) & ~(u64)(RF_CF | RF_ZF);
    put_reg(c, insn, insn->reg, zeros, insn->operand_size);
    set_status(c, flags | (value ? 0 : RF_CF) | (zeros ? 0 : RF_ZF));
}

static void bit_scan(struct cpu *c, const struct insn *insn, u64 value, u32 at)
{
    if (!value) {
        c->status |= ST_ZF;
        return;
    }
    put_reg(c, insn, insn->reg, at, insn->operand_size);
    logic_flags(c, at, insn->operand_size, false, false);
    c->status &= (u16)~ST_ZF;
}

void exec_bsf(struct cpu *c, const struct insn *insn)
{
    u64 value = read_rm(c, insn, insn->operand_size);
    u32 zeros = value ? (u32)__builtin_ctzll(value) : 8 * insn->operand_size;
    if (insn->prefixes & PREFIX_REP) /* TZCNT */
        count_zeros(c, insn, value, zeros);
    else
        bit_scan(c, insn, value, zeros);
}

void exec_bsr(struct cpu *c, const struct insn *insn)
{
    u32 width = 8 * insn->operand_size;
    u64 value = read_rm(c, insn, insn->operand_size);
    u32 leading = value ? (u32)__builtin_clzll(value) - (64 - width) : width;
    if (insn->prefixes & PREFIX_REP) /* LZCNT */
        count_zeros(c, insn, value, leading);
    else
        bit_scan(c, insn, value, value ? width - 1 - leading : 0);
}

void exec_popcnt(struct cpu *c, const struct insn *insn)
{
    u64 value = read_rm(c, insn, insn->operand_size);
    put_reg(c, insn, insn->reg, (u64)__builtin_popcountll(value), insn->operand_size);
    set_status(c, value ? 0 : RF_ZF);
}

/* BMI1, BMI2 (VEX). */
static void bmi_flags(struct cpu *c, u64 result, u32 size, bool carry)
{
    u64 parity = get_rflags(c) & RF_PF;
    logic_flags(c, result, size, carry, false);
    set_status(c, (get_rflags(c) & ~(u64)RF_PF) | parity);
}

static u64 deposit(u64 source, u64 mask)
{
    u64 result = 0;
    for (u64 bit = 1; mask; bit <<= 1, mask &= mask - 1)
        result |= source & bit ? mask & -mask : 0;
    return result;
}

static u64 extract(u64 source, u64 mask)
{
    u64 result = 0;
    for (u64 bit = 1; mask; bit <<= 1, mask &= mask - 1)
        result |= source & mask & -mask ? bit : 0;
    return result;
}

static void bmi_shift(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    u32 count = (u32)c->gpr[insn->vvvv] & (8 * size - 1);
    u64 result = insn->vex_pp == 1   ? value << count
                 : insn->vex_pp == 2 ? (u64)(sign_extend(value, size) >> count)
                                     : value >> count;
    put_gpr(c, insn->reg, result, size);
}

static void bextr(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    u32 start = c->gpr[insn->vvvv] & 0xff, length = c->gpr[insn->vvvv] >> 8 & 0xff;
    u64 result = start < 64 ? value >> start : 0;
    result &= length < 64 ? BIT(length) - 1 : ~0ull;
    put_gpr(c, insn->reg, result, size);
    logic_flags(c, result, size, false, false);
}

static void bls(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    u32 kind = insn->reg & 7;
    u64 result = (kind == 1   ? value & (value - 1)
                  : kind == 2 ? value ^ (value - 1)
                              : value & -value) &
                 size_mask(size);
    put_gpr(c, insn->vvvv, result, size);
    bmi_flags(c, result, size, kind == 3 ? value != 0 : value == 0);
}

static void bzhi(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    u32 index = c->gpr[insn->vvvv] & 0xff;
    bool over = index >= 8 * size;
    u64 result = over ? value : value & (BIT(index) - 1);
    put_gpr(c, insn->reg, result, size);
    bmi_flags(c, result, size, over);
}

static void mulx(struct cpu *c, const struct insn *insn, u64 value, u32 size)
{
    unsigned __int128 product = (unsigned __int128)(c->gpr[RDX] & size_mask(size)) * value;
    put_gpr(c, insn->vvvv, (u64)product, size);
    put_gpr(c, insn->reg, (u64)(product >> 8 * size), size);
}

void exec_bmi(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 value;
    if (!protected_mode(c))
        raise_ud(c);
    value = read_rm(c, insn, size);
    if (insn->map == MAP_0F3A) { /* RORX */
        put_gpr(c, insn->reg,
                rotate(value, (u32)insn->immediate & (8 * size - 1), size, false).result, size);
        return;
    }
    switch (insn->opcode) {
    case 0xf2: {
        u64 result = ~c->gpr[insn->vvvv] & value & size_mask(size);
        put_gpr(c, insn->reg, result, size);
        bmi_flags(c, result, size, false);
        break;
    }
    case 0xf3:
        bls(c, insn, value, size);
        break;
    case 0xf5:
        if (!insn->vex_pp)
            bzhi(c, insn, value, size);
        else if (insn->vex_pp == 2)
            put_gpr(c, insn->reg, extract(c->gpr[insn->vvvv] & size_mask(size), value), size);
        else
            put_gpr(c, insn->reg, deposit(c->gpr[insn->vvvv] & size_mask(size), value), size);
        break;
    case 0xf6:
        mulx(c, insn, value, size);
        break;
    default:
        if (insn->vex_pp)
            bmi_shift(c, insn, value, size);
        else
            bextr(c, insn, value, size);
    }
}

/* --- exchange ---------------------------------------------------------------------------- */

void exec_xadd(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    struct target t = open_rm(c, insn, size);
    u64 sum = operate(c, OP_ADD, size, t.value, get_reg(c, insn, insn->reg, size));
    if (insn->has_memory)
        close_rm(c, insn, &t, sum, size);
    put_reg(c, insn, insn->reg, t.value, size);
    if (!insn->has_memory)
        close_rm(c, insn, &t, sum, size);
}

void exec_cmpxchg(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    struct target t = open_rm(c, insn, size);
    u64 accumulator = c->gpr[RAX] & size_mask(size);
    operate(c, OP_CMP, size, accumulator, t.value);
    if (accumulator == t.value) {
        close_rm(c, insn, &t, get_reg(c, insn, insn->reg, size), size);
    } else {
        if (insn->has_memory)
            close_rm(c, insn, &t, t.value, size);
        put_gpr(c, RAX, t.value, size);
    }
}

static void cmpxchg_pair(struct cpu *c, const struct insn *insn)
{
    u32 half = insn->operand_size == 8 ? 8 : 4;
    u64 linear = half == 8 ? aligned_linear(c, insn, 16, true) : operand_linear(c, insn, 8, true);
    probe_write(c, linear, 2 * half);
    u64 low = read_linear(c, linear, half), high = read_linear(c, linear + half, half),
        mask = size_mask(half);
    bool same = low == (c->gpr[RAX] & mask) && high == (c->gpr[RDX] & mask);
    write_linear(c, linear, same ? c->gpr[RBX] : low, half);
    write_linear(c, linear + half, same ? c->gpr[RCX] : high, half);
    if (!same) {
        put_gpr(c, RAX, low, half);
        put_gpr(c, RDX, high, half);
    }
    c->status = (u16)((c->status & ~ST_ZF) | (same ? ST_ZF : 0));
}

void exec_group9(struct cpu *c, const struct insn *insn)
{
    u32 reg = insn->reg & 7;
    if (insn->has_memory && reg == 1)
        cmpxchg_pair(c, insn);
    else if (!insn->has_memory && reg == 6)
        exec_rdrand(c, insn);
    else if (!insn->has_memory && reg == 7 && !(insn->prefixes & PREFIX_REP))
        exec_rdseed(c, insn);
    else
        exec_vmx_0fc7(c, insn);
}

void exec_bswap(struct cpu *c, const struct insn *insn)
{
    u64 value = c->gpr[insn->rm];
    if (insn->operand_size == 8)
        c->gpr[insn->rm] = __builtin_bswap64(value);
    else if (insn->operand_size == 4)
        c->gpr[insn->rm] = __builtin_bswap32((u32)value);
    else
        put_gpr(c, insn->rm, 0, 2); /* undefined: silicon and Bochs clear it */
}

/* --- decimal, outside 64-bit mode -------------------------------------------------------- */

static void adjust_packed(struct cpu *c, bool subtract)
{
    u64 flags = get_rflags(c), old = c->gpr[RAX] & 0xff;
    bool half = (old & 15) > 9 || flags & RF_AF, full = old > 0x99 || flags & RF_CF;
    u64 amount = (half ? 6u : 0u) + (full ? 0x60u : 0u),
        al = (subtract ? old - amount : old + amount) & 0xff;
    bool carry = full || (half && !(flags & RF_CF) && (subtract ? old < 6 : old > 0xf9));
    put_gpr(c, RAX, al, 1);
    logic_flags(c, al, 1, carry, false);
    c->status |= half ? ST_AF : 0;
}

static void adjust_unpacked(struct cpu *c, bool subtract)
{
    u64 ax = c->gpr[RAX] & 0xffff;
    bool adjust = (ax & 15) > 9 || c->status & ST_AF;
    if (adjust)
        ax = subtract ? ax - 0x106 : ax + 0x106;
    put_gpr(c, RAX, ax & 0xff0f, 2);
    logic_flags(c, ax & 0x0f, 1, adjust, false);
    c->status |= adjust ? ST_AF : 0;
}

void exec_ascii(struct cpu *c, const struct insn *insn)
{
    if (insn->opcode < 0x30)
        adjust_packed(c, insn->opcode & 8);
    else
        adjust_unpacked(c, insn->opcode & 8);
}

void exec_aam(struct cpu *c, const struct insn *insn)
{
    u64 al = c->gpr[RAX] & 0xff, by = insn->immediate & 0xff;
    if (!by)
        raise_plain(c, VECTOR_DE);
    put_gpr(c, RAX, al / by << 8 | al % by, 2);
    logic_flags(c, al % by, 1, false, false);
}

void exec_aad(struct cpu *c, const struct insn *insn)
{
    u64 ax = c->gpr[RAX], al = ((ax & 0xff) + (ax >> 8 & 0xff) * insn->immediate) & 0xff;
    put_gpr(c, RAX, al, 2);
    logic_flags(c, al, 1, false, false);
}
