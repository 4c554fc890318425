/*
 * What an instruction does to its memory operand, for those that may meet device
 * memory. One row per opcode; opcodes that hold several instructions are told apart
 * by ModRM.reg. An opcode without a row is no such instruction.
 * Source: SDM vol. 2, appendix A.
 */
#include "core/decode/insn.h"

enum { ACCUMULATOR = 0 };

/* Where the other operand is. */
enum other {
    OTHER_NONE,
    OTHER_REGISTER, /* ModRM.reg is the source */
    OTHER_TARGET,   /* ModRM.reg is the target */
    OTHER_RAX,      /* the accumulator is the source */
    OTHER_RAX_TARGET,
    OTHER_IMMEDIATE,
};

/* Opcodes that hold several instructions. */
enum group { GROUP_NONE, GROUP_80, GROUP_F6, GROUP_FE, GROUP_FF, GROUP_C6, GROUP_8F, GROUP_0FBA };

struct rule {
    u8 kind, operation, other, group;
    u8 memory_size; /* if not the operand size: MOVZX, MOVSX, MOVSXD */
    bool sign_extend;
};

#define RULE(k, op, from)                                             \
    {                                                                 \
        .kind = MMIO_##k, .operation = OP_##op, .other = OTHER_##from \
    }
#define PAIR(first, k, op, from) [first] = RULE(k, op, from), [first + 1] = RULE(k, op, from)
#define ARITHMETIC(first, op) PAIR(first, MODIFY, op, REGISTER), PAIR(first + 2, LOAD, op, TARGET)
#define GROUP(opcode, g, from) [opcode] = {.group = GROUP_##g, .other = OTHER_##from}
#define EXTEND(opcode, bytes, is_signed) \
    [opcode] = {MMIO_LOAD, OP_MOV, OTHER_TARGET, GROUP_NONE, bytes, is_signed}

static const struct rule legacy[256] = {
    ARITHMETIC(0x00, ADD),
    ARITHMETIC(0x08, OR),
    ARITHMETIC(0x10, ADC),
    ARITHMETIC(0x18, SBB),
    ARITHMETIC(0x20, AND),
    ARITHMETIC(0x28, SUB),
    ARITHMETIC(0x30, XOR),
    PAIR(0x38, COMPARE, CMP, REGISTER),
    PAIR(0x3a, COMPARE, CMP, TARGET),
    EXTEND(0x63, 4, true), /* MOVSXD */
    GROUP(0x80, 80, IMMEDIATE),
    GROUP(0x81, 80, IMMEDIATE),
    GROUP(0x82, 80, IMMEDIATE),
    GROUP(0x83, 80, IMMEDIATE),
    PAIR(0x84, COMPARE, TEST, REGISTER),
    PAIR(0x86, EXCHANGE, XCHG, REGISTER),
    PAIR(0x88, STORE, MOV, REGISTER),
    PAIR(0x8a, LOAD, MOV, TARGET),
    GROUP(0x8f, 8F, NONE),
    PAIR(0xa0, LOAD, MOV, RAX_TARGET),
    PAIR(0xa2, STORE, MOV, RAX),
    PAIR(0xa4, STRING, MOVS, NONE),
    PAIR(0xaa, STRING, STOS, RAX),
    PAIR(0xac, STRING, LODS, RAX_TARGET),
    GROUP(0xc6, C6, IMMEDIATE),
    GROUP(0xc7, C6, IMMEDIATE),
    GROUP(0xf6, F6, IMMEDIATE),
    GROUP(0xf7, F6, IMMEDIATE),
    GROUP(0xfe, FE, NONE),
    GROUP(0xff, FF, NONE),
};

static const struct rule two_byte[256] = {
    [0xa3] = RULE(COMPARE, BT, REGISTER),
    [0xab] = RULE(MODIFY, BTS, REGISTER),
    [0xb3] = RULE(MODIFY, BTR, REGISTER),
    [0xbb] = RULE(MODIFY, BTC, REGISTER),
    PAIR(0xb0, EXCHANGE, CMPXCHG, REGISTER),
    EXTEND(0xb6, 1, false),
    EXTEND(0xb7, 2, false),
    EXTEND(0xbe, 1, true),
    EXTEND(0xbf, 2, true),
    GROUP(0xba, 0FBA, IMMEDIATE),
    PAIR(0xc0, EXCHANGE, XADD, REGISTER),
    [0xc3] = RULE(STORE, MOV, REGISTER), /* MOVNTI */
};

/* Members of each group by ModRM.reg. */
static const struct rule groups[][8] = {
    [GROUP_80] = {RULE(MODIFY, ADD, IMMEDIATE), RULE(MODIFY, OR, IMMEDIATE),
                  RULE(MODIFY, ADC, IMMEDIATE), RULE(MODIFY, SBB, IMMEDIATE),
                  RULE(MODIFY, AND, IMMEDIATE), RULE(MODIFY, SUB, IMMEDIATE),
                  RULE(MODIFY, XOR, IMMEDIATE), RULE(COMPARE, CMP, IMMEDIATE)},
    [GROUP_F6] = {RULE(COMPARE, TEST, IMMEDIATE), RULE(COMPARE, TEST, IMMEDIATE),
                  RULE(MODIFY, NOT, NONE), RULE(MODIFY, NEG, NONE)},
    [GROUP_FE] = {RULE(MODIFY, INC, NONE), RULE(MODIFY, DEC, NONE)},
    [GROUP_FF] = {RULE(MODIFY, INC, NONE), RULE(MODIFY, DEC, NONE), [6] = RULE(STACK, PUSH, NONE)},
    [GROUP_C6] = {RULE(STORE, MOV, IMMEDIATE)},
    [GROUP_8F] = {RULE(STACK, POP, NONE)},
    [GROUP_0FBA] = {[4] = RULE(COMPARE, BT, IMMEDIATE),
                    [5] = RULE(MODIFY, BTS, IMMEDIATE),
                    [6] = RULE(MODIFY, BTR, IMMEDIATE),
                    [7] = RULE(MODIFY, BTC, IMMEDIATE)},
};

static const struct rule *find_rule(const struct insn *insn)
{
    static const struct rule none = {0};
    if (insn->map > MAP_0F || insn->prefixes & PREFIX_VEX)
        return &none;
    const struct rule *rule = &(insn->map == MAP_LEGACY ? legacy : two_byte)[insn->opcode];
    return rule->group ? &groups[rule->group][insn->reg & 7] : rule;
}

/* SPL, BPL, SIL, DIL need a REX prefix; without one the same numbers are AH, CH, DH, BH. */
static void name_register(struct mmio_insn *mmio, const struct insn *insn, u8 number)
{
    mmio->reg = number;
    if (mmio->register_size != 1 || number < 4 || number > 7 || insn->prefixes & PREFIX_REX)
        return;
    mmio->high_byte = true;
    mmio->reg = number - 4;
}

static u8 memory_size(const struct rule *rule, u8 operand_size)
{
    u8 size = rule->memory_size ? rule->memory_size : operand_size;
    return rule->sign_extend && size > operand_size ? operand_size : size; /* MOVSXD r16, r/m16 */
}

static bool is_rule_for(const struct rule *rule, const struct insn *insn)
{
    bool arpl = insn->map == MAP_LEGACY && insn->opcode == 0x63 && insn->bits != 64;
    return rule->kind != MMIO_NONE && (insn->has_memory || rule->kind == MMIO_STRING) && !arpl;
}

struct mmio_insn insn_mmio(const struct insn *insn)
{
    const struct rule *rule = find_rule(insn);
    if (!is_rule_for(rule, insn))
        return (struct mmio_insn){.kind = MMIO_NONE, .reg = NO_REGISTER};
    struct mmio_insn mmio = {
        .kind = rule->kind,
        .operation = rule->operation,
        .size = memory_size(rule, insn->operand_size),
        .register_size = insn->operand_size,
        .sign_extend = rule->sign_extend,
        .to_register = rule->other == OTHER_TARGET || rule->other == OTHER_RAX_TARGET,
        .reg = NO_REGISTER,
        .immediate = rule->other == OTHER_IMMEDIATE ? insn->immediate : 0,
    };
    if (rule->other == OTHER_RAX || rule->other == OTHER_RAX_TARGET)
        mmio.reg = ACCUMULATOR;
    else if (rule->other == OTHER_REGISTER || rule->other == OTHER_TARGET)
        name_register(&mmio, insn, insn->reg);
    return mmio;
}
