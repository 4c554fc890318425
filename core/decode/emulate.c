/*
 * Emulates the instructions of insn_mmio() on values: registers and flags in, registers,
 * flags and the value to write out. Memory is the caller's.
 * Source: SDM vol. 2, the instruction pages; vol. 1, 3.4.1.1 for partial registers.
 */
#include "core/decode/emulate.h"

#include "core/decode/alu.h"
#include "core/mem.h"

enum { RAX = 0, RCX = 1, RSP = 4, RSI = 6, RDI = 7 };
enum { FLAG_DF = 1 << 10 };

static u64 mask_of(u8 size)
{
    return size == 8 ? ~0ull : BIT(8 * size) - 1;
}

/* 32-bit results clear the upper half, smaller ones leave the rest alone. */
static void set_register(u64 *reg, u8 size, u64 value)
{
    if (size >= 4)
        *reg = value & mask_of(size);
    else
        *reg = (*reg & ~mask_of(size)) | (value & mask_of(size));
}

static void advance(u64 *reg, u8 size, i64 by)
{
    set_register(reg, size, *reg + (u64)by);
}

static u64 sign_extend(u64 value, u8 size)
{
    u32 unused = 64 - 8 * size;
    return (u64)((i64)(value << unused) >> unused);
}

/* The register operand, or the immediate where there is none. */
static u64 get_operand(const struct mmio_insn *mmio, const u64 gpr[16])
{
    if (mmio->reg == NO_REGISTER)
        return mmio->immediate & mask_of(mmio->size);
    return gpr[mmio->reg] >> (mmio->high_byte ? 8 : 0) & mask_of(mmio->register_size);
}

static void set_operand(const struct mmio_insn *mmio, u64 gpr[16], u64 value)
{
    u64 *reg = &gpr[mmio->reg];
    if (mmio->high_byte)
        *reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
    else
        set_register(reg, mmio->register_size, value);
}

/* ---- where ----------------------------------------------------------------- */

static bool is_repeated(const struct insn *insn)
{
    return insn->prefixes & (PREFIX_REP | PREFIX_REPNE);
}

bool mmio_reads(const struct mmio_insn *mmio)
{
    return mmio->kind != MMIO_NONE && mmio->kind != MMIO_STORE && mmio->operation != OP_STOS;
}

static bool mmio_writes(const struct mmio_insn *mmio)
{
    switch (mmio->kind) {
    case MMIO_NONE:
    case MMIO_LOAD:
    case MMIO_COMPARE:
        return false;
    case MMIO_STRING:
        return mmio->operation != OP_LODS;
    default:
        return true;
    }
}

bool mmio_idle(const struct insn *insn, const struct mmio_insn *mmio, const u64 gpr[16])
{
    return mmio->kind == MMIO_STRING && is_repeated(insn) &&
           !(gpr[RCX] & mask_of(insn->address_size));
}

/* BT and friends with a register reach beyond their operand: the bit number also moves
 * the address, in steps of the operand size. */
static u64 bit_displacement(const struct mmio_insn *mmio, const u64 gpr[16])
{
    bool reaches =
        mmio->operation >= OP_BT && mmio->operation <= OP_BTC && mmio->reg != NO_REGISTER;
    if (!reaches)
        return 0;
    i64 bit = (i64)sign_extend(get_operand(mmio, gpr), mmio->size);
    u32 shift = mmio->size == 2 ? 4 : mmio->size == 4 ? 5 : 6;
    return (u64)(bit >> shift) * mmio->size;
}

static struct mmio_operand string_operand(const struct insn *insn, const u64 gpr[16], u32 reg)
{
    return (struct mmio_operand){
        .exists = true,
        .segment = reg == RDI ? (u8)SEG_ES : insn->segment,
        .offset = gpr[reg] & mask_of(insn->address_size),
    };
}

static struct mmio_operands stack_operands(const struct insn *insn, const struct mmio_insn *mmio,
                                           const u64 gpr[16], u64 rip, u8 stack_size)
{
    bool push = mmio->operation == OP_PUSH;
    u64 registers[16], top = gpr[RSP] - (push ? mmio->size : 0);
    memcpy(registers, gpr, sizeof(registers));
    if (!push) /* POP computes its target with the new stack pointer */
        advance(&registers[RSP], stack_size, mmio->size);
    struct mmio_operand stack = {true, SEG_SS, top & mask_of(stack_size)};
    struct mmio_operand memory = {true, insn->segment,
                                  insn_effective_address(insn, registers, rip)};
    return push ? (struct mmio_operands){.source = memory, .target = stack}
                : (struct mmio_operands){.source = stack, .target = memory};
}

struct mmio_operands mmio_operands(const struct insn *insn, const struct mmio_insn *mmio,
                                   const u64 gpr[16], u64 rip, u8 stack_size)
{
    struct mmio_operands operands = {0};
    if (mmio->kind == MMIO_STACK)
        return stack_operands(insn, mmio, gpr, rip, stack_size);
    struct mmio_operand memory = {true, insn->segment, 0};
    memory.offset = insn_effective_address(insn, gpr, rip) + bit_displacement(mmio, gpr);
    memory.offset &= mask_of(insn->address_size);
    bool string = mmio->kind == MMIO_STRING;
    if (mmio_reads(mmio))
        operands.source = string ? string_operand(insn, gpr, RSI) : memory;
    if (mmio_writes(mmio))
        operands.target = string ? string_operand(insn, gpr, RDI) : memory;
    return operands;
}

/* ---- what ------------------------------------------------------------------ */

static void load(const struct mmio_insn *mmio, u64 gpr[16], u64 *rflags, u64 value)
{
    if (mmio->sign_extend)
        value = sign_extend(value, mmio->size);
    if (mmio->operation != OP_MOV)
        value = alu(mmio->operation, mmio->size, get_operand(mmio, gpr), value, rflags);
    set_operand(mmio, gpr, value);
}

static void compare(const struct mmio_insn *mmio, const u64 gpr[16], u64 *rflags, u64 value)
{
    u64 other = get_operand(mmio, gpr);
    u64 target = mmio->to_register ? other : value, source = mmio->to_register ? value : other;
    alu(mmio->operation, mmio->size, target, source, rflags);
}

/* Returns what is written: CMPXCHG writes the old value back when it finds no match. */
static u64 exchange(const struct mmio_insn *mmio, u64 gpr[16], u64 *rflags, u64 value)
{
    u64 other = get_operand(mmio, gpr), accumulator = gpr[RAX] & mask_of(mmio->size);
    switch (mmio->operation) {
    case OP_XADD:
        set_operand(mmio, gpr, value);
        return alu(OP_ADD, mmio->size, value, other, rflags);
    case OP_CMPXCHG:
        alu(OP_CMP, mmio->size, accumulator, value, rflags);
        if (accumulator == value)
            return other;
        set_register(&gpr[RAX], mmio->size, value);
        return value;
    default:
        set_operand(mmio, gpr, value);
        return other;
    }
}

/* One iteration. Returns what is written. */
static u64 string(const struct insn *insn, const struct mmio_insn *mmio, u64 gpr[16], u64 rflags,
                  u64 value)
{
    i64 step = rflags & FLAG_DF ? -(i64)mmio->size : mmio->size;
    u64 written = mmio->operation == OP_STOS ? get_operand(mmio, gpr) : value;
    if (mmio->operation == OP_LODS)
        set_operand(mmio, gpr, value);
    if (mmio->operation != OP_STOS)
        advance(&gpr[RSI], insn->address_size, step);
    if (mmio->operation != OP_LODS)
        advance(&gpr[RDI], insn->address_size, step);
    if (is_repeated(insn))
        advance(&gpr[RCX], insn->address_size, -1);
    return written;
}

struct mmio_step mmio_complete(const struct insn *insn, const struct mmio_insn *mmio, u64 gpr[16],
                               u64 *rflags, u64 read_value, u8 stack_size)
{
    u64 value = read_value & mask_of(mmio->size);
    struct mmio_step step = {.writes = mmio_writes(mmio), .done = true};
    switch ((enum mmio_kind)mmio->kind) {
    case MMIO_NONE:
        break;
    case MMIO_LOAD:
        load(mmio, gpr, rflags, value);
        break;
    case MMIO_STORE:
        step.value = get_operand(mmio, gpr);
        break;
    case MMIO_MODIFY:
        step.value = alu(mmio->operation, mmio->size, value, get_operand(mmio, gpr), rflags);
        break;
    case MMIO_COMPARE:
        compare(mmio, gpr, rflags, value);
        break;
    case MMIO_EXCHANGE:
        step.value = exchange(mmio, gpr, rflags, value);
        break;
    case MMIO_STRING:
        step.value = string(insn, mmio, gpr, *rflags, value);
        step.done = !is_repeated(insn) || mmio_idle(insn, mmio, gpr);
        break;
    case MMIO_STACK:
        step.value = value;
        advance(&gpr[RSP], stack_size, mmio->operation == OP_PUSH ? -(i64)mmio->size : mmio->size);
        break;
    }
    return step;
}
