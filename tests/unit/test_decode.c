/*
 * The decoder against Capstone: every opcode systematically and hundreds of thousands
 * of random byte strings, in all three modes. Lengths and memory operands must agree;
 * where they do not, a row of `exceptions` says why. Then what Capstone cannot tell:
 * insn_mmio() and the emulator, by hand-made cases.
 */
#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/decode/emulate.h"
#include "core/decode/insn.h"

enum { CODE_LENGTH = 15 };
#ifndef SHOWN_LIMIT
#define SHOWN_LIMIT 20u
#endif

/* ---- two opinions ------------------------------------------------------------ */

struct opinion {
    u8 bytes[CODE_LENGTH];
    u32 bits;
    struct insn insn;
    enum decode_status status;
    const cs_insn *theirs; /* NULL: Capstone refuses */
};

static csh handles[3];
static cs_insn *theirs[3];
static const u32 modes[3] = {16, 32, 64};

static void open_capstone(void)
{
    static const cs_mode cs_modes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};
    for (u32 i = 0; i < 3; i++) {
        cr_assert_eq(cs_open(CS_ARCH_X86, cs_modes[i], &handles[i]), CS_ERR_OK);
        cs_option(handles[i], CS_OPT_DETAIL, CS_OPT_ON);
        theirs[i] = cs_malloc(handles[i]);
    }
}

static void close_capstone(void)
{
    for (u32 i = 0; i < 3; i++) {
        cs_free(theirs[i], 1);
        cs_close(&handles[i]);
    }
}

TestSuite(decode, .init = open_capstone, .fini = close_capstone);

/* ---- where they disagree, and why ------------------------------------------- */

#include "tests/unit/decode_exceptions.h"

static void describe(const struct opinion *o, const char *what)
{
    char bytes[3 * CODE_LENGTH + 1] = "";
    for (u32 i = 0; i < CODE_LENGTH; i++)
        sprintf(bytes + 3 * i, "%02x ", o->bytes[i]);
    fprintf(stderr, "%s: %u-bit %s| ours %d length %u map %u opcode %02x | Capstone %d %s %s\n",
            what, o->bits, bytes, o->status, o->insn.length, o->insn.map, o->insn.opcode,
            o->theirs ? o->theirs->size : 0, o->theirs ? o->theirs->mnemonic : "-",
            o->theirs ? o->theirs->op_str : "");
}

static u8 from_capstone(x86_reg reg)
{
    static const x86_reg names[3][16] = {
        {X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX, X86_REG_SP, X86_REG_BP, X86_REG_SI,
         X86_REG_DI},
        {X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX, X86_REG_ESP, X86_REG_EBP, X86_REG_ESI,
         X86_REG_EDI, X86_REG_R8D, X86_REG_R9D, X86_REG_R10D, X86_REG_R11D, X86_REG_R12D,
         X86_REG_R13D, X86_REG_R14D, X86_REG_R15D},
        {X86_REG_RAX, X86_REG_RCX, X86_REG_RDX, X86_REG_RBX, X86_REG_RSP, X86_REG_RBP, X86_REG_RSI,
         X86_REG_RDI, X86_REG_R8, X86_REG_R9, X86_REG_R10, X86_REG_R11, X86_REG_R12, X86_REG_R13,
         X86_REG_R14, X86_REG_R15}};
    if (reg == X86_REG_RIP || reg == X86_REG_EIP)
        return RIP_RELATIVE;
    for (u32 i = 0; i < 3; i++)
        for (u32 j = 0; j < 16; j++)
            if (reg != X86_REG_INVALID && names[i][j] == reg)
                return (u8)j;
    return NO_REGISTER; /* none, or the pseudo-registers EIZ and RIZ */
}

static bool same_memory(const struct insn *insn, const cs_x86_op *op)
{
    u64 mask = insn->address_size == 8 ? ~0ull : BIT(8 * insn->address_size) - 1;
    u8 index = from_capstone(op->mem.index);
    return insn->base == from_capstone(op->mem.base) && insn->index == index &&
           (index == NO_REGISTER || insn->scale == op->mem.scale) &&
           !(((u64)insn->displacement ^ (u64)op->mem.disp) & mask);
}

static u64 width_mask(u32 bytes)
{
    return bytes >= 8 ? ~0ull : BIT(8 * bytes) - 1;
}

static const char *immediate_differs(const struct insn *insn, const cs_x86_op *op)
{
    u32 width = op->size < insn->operand_size ? op->size : insn->operand_size;
    return ((u64)op->imm ^ insn->immediate) & width_mask(width) ? "immediate" : NULL;
}

/* The instructions of insn_mmio() by Capstone's names. */
static const struct {
    u16 id;
    u8 operation;
} mmio_names[] = {{X86_INS_ADD, OP_ADD},    {X86_INS_OR, OP_OR},      {X86_INS_ADC, OP_ADC},
                  {X86_INS_SBB, OP_SBB},    {X86_INS_AND, OP_AND},    {X86_INS_SUB, OP_SUB},
                  {X86_INS_XOR, OP_XOR},    {X86_INS_CMP, OP_CMP},    {X86_INS_TEST, OP_TEST},
                  {X86_INS_INC, OP_INC},    {X86_INS_DEC, OP_DEC},    {X86_INS_NOT, OP_NOT},
                  {X86_INS_NEG, OP_NEG},    {X86_INS_XCHG, OP_XCHG},  {X86_INS_CMPXCHG, OP_CMPXCHG},
                  {X86_INS_XADD, OP_XADD},  {X86_INS_BT, OP_BT},      {X86_INS_BTS, OP_BTS},
                  {X86_INS_BTR, OP_BTR},    {X86_INS_BTC, OP_BTC},    {X86_INS_MOV, OP_MOV},
                  {X86_INS_MOVABS, OP_MOV}, {X86_INS_MOVZX, OP_MOV},  {X86_INS_MOVSX, OP_MOV},
                  {X86_INS_MOVSXD, OP_MOV}, {X86_INS_MOVNTI, OP_MOV}, {X86_INS_PUSH, OP_PUSH},
                  {X86_INS_POP, OP_POP}};

/* insn_mmio() against Capstone's name, size and direction of the memory operand `m`. */
static const char *mmio_differs(const struct opinion *o, u32 m)
{
    const cs_x86 *x86 = &o->theirs->detail->x86;
    struct mmio_insn mmio = insn_mmio(&o->insn);
    bool to_segment = o->insn.map == MAP_LEGACY && (o->insn.opcode & 0xfd) == 0x8c;
    u32 i = 0;
    while (i < ARRAY_SIZE(mmio_names) && mmio_names[i].id != o->theirs->id)
        i++;
    if (i == ARRAY_SIZE(mmio_names) || to_segment)
        return mmio.kind == MMIO_NONE ? NULL : "MMIO operation that should not be";
    if (mmio.kind == MMIO_NONE || mmio.operation != mmio_names[i].operation)
        return "MMIO operation";
    if (mmio.size != x86->operands[m].size)
        return "MMIO size";
    bool register_first = x86->op_count > 1 && m == 1;
    if (mmio.to_register != register_first && mmio.kind != MMIO_EXCHANGE &&
        mmio.kind != MMIO_COMPARE)
        return "MMIO direction";
    return NULL;
}

/* Compares what both say of the operands, for instructions with a ModRM or moffs operand in memory.
 */
static const char *operands_differ(const struct opinion *o)
{
    const cs_x86 *x86 = &o->theirs->detail->x86;
    const char *what = NULL;
    bool memory = !o->insn.has_memory;
    for (u32 i = 0; i < x86->op_count && !what; i++) {
        const cs_x86_op *op = &x86->operands[i];
        if (op->type == X86_OP_MEM && o->insn.has_memory) {
            memory = true;
            what = same_memory(&o->insn, op) ? mmio_differs(o, i) : "memory operand";
        }
        if (op->type == X86_OP_IMM && o->insn.immediate_size && o->insn.has_modrm)
            what = immediate_differs(&o->insn, op);
    }
    return memory ? what : "no memory operand";
}

static const char *disagreement(const struct opinion *o)
{
    if (!o->theirs)
        return o->status == DECODE_OK ? "Capstone refuses" : NULL;
    if (o->status != DECODE_OK)
        return "we refuse";
    if (o->insn.length != o->theirs->size)
        return "length";
    return operands_differ(o);
}

/* Returns whether the two agree that this is an instruction. */
static bool compare(const u8 *bytes, u32 mode, u32 *failures)
{
    struct opinion o = {.bits = modes[mode]};
    memcpy(o.bytes, bytes, CODE_LENGTH);
    o.status = insn_decode(&o.insn, bytes, CODE_LENGTH, o.bits);
    const u8 *code = bytes;
    size_t size = CODE_LENGTH;
    u64 address = 0;
    o.theirs =
        cs_disasm_iter(handles[mode], &code, &size, &address, theirs[mode]) ? theirs[mode] : NULL;
    const char *what = disagreement(&o);
    if (what && !find_exception(&o, what) && ++*failures <= SHOWN_LIMIT)
        describe(&o, what);
    return !what && o.theirs;
}

static u64 seed = 20261123;

static u64 random_u64(void) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dull;
}

static void random_bytes(u8 *to, u32 length)
{
    for (u32 i = 0; i < length; i++)
        to[i] = (u8)(random_u64() >> 32);
}

/* ---- every opcode ----------------------------------------------------------------- */

/* All ModRM bytes of one opcode; the bytes after them are random. */
static u32 sweep_opcode(const u8 *head, u32 length, u32 mode, u32 *failures)
{
    u32 agreed = 0;
    for (u32 modrm = 0; modrm < 256; modrm++) {
        u8 bytes[CODE_LENGTH];
        random_bytes(bytes, CODE_LENGTH);
        memcpy(bytes, head, length);
        bytes[length] = (u8)modrm;
        agreed += compare(bytes, mode, failures);
    }
    return agreed;
}

static u32 sweep_map(const u8 *prefix, u32 prefix_length, enum insn_map map, u32 mode,
                     u32 *failures)
{
    static const u8 escapes[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    static const u8 escape_length[4] = {0, 1, 2, 2};
    u32 agreed = 0;
    for (u32 opcode = 0; opcode < 256; opcode++) {
        u8 head[CODE_LENGTH];
        u32 length = prefix_length;
        memcpy(head, prefix, prefix_length);
        memcpy(head + length, escapes[map], escape_length[map]);
        length += escape_length[map];
        head[length++] = (u8)opcode;
        agreed += sweep_opcode(head, length, mode, failures);
    }
    return agreed;
}

static u32 sweep_mode(const u8 *prefix, u32 prefix_length, u32 mode, u32 *failures)
{
    u32 agreed = 0;
    for (u32 map = MAP_LEGACY; map <= MAP_0F3A; map++)
        agreed += sweep_map(prefix, prefix_length, map, mode, failures);
    return agreed;
}

static void sweep(u8 first, u32 length)
{
    u32 failures = 0, agreed = 0;
    for (u32 mode = 0; mode < 3; mode++)
        agreed += sweep_mode(&first, length, mode, &failures);
    cr_expect_eq(failures, 0, "%u disagreements outside the table, prefix %02x", failures, first);
    cr_expect_gt(agreed, 50000, "only %u encodings compared", agreed);
}

Test(decode, every_opcode)
{
    sweep(0, 0);
}

Test(decode, every_opcode_66)
{
    sweep(0x66, 1);
}

Test(decode, every_opcode_f3)
{
    sweep(0xf3, 1);
}

Test(decode, every_opcode_f2)
{
    sweep(0xf2, 1);
}

Test(decode, every_opcode_67)
{
    sweep(0x67, 1);
}

Test(decode, every_opcode_locked)
{
    u32 failures = 0;
    for (u32 mode = 0; mode < 3; mode++)
        sweep_mode((const u8[]){0xf0}, 1, mode, &failures);
    cr_expect_eq(failures, 0, "%u disagreements outside the table", failures);
}

Test(decode, every_opcode_rex)
{
    static const u8 prefixes[][2] = {{0x48}, {0x47}, {0x66, 0x4f}};
    u32 failures = 0;
    for (u32 i = 0; i < ARRAY_SIZE(prefixes); i++)
        sweep_mode(prefixes[i], prefixes[i][1] ? 2 : 1, 2, &failures);
    cr_expect_eq(failures, 0, "%u disagreements outside the table", failures);
}

/* BMI1 and BMI2: every ModRM, pp, W and L of their opcodes. */
Test(decode, every_vex_bmi)
{
    static const u8 opcodes[][2] = {{2, 0xf2}, {2, 0xf3}, {2, 0xf5},
                                    {2, 0xf6}, {2, 0xf7}, {3, 0xf0}};
    u32 failures = 0, agreed = 0;
    for (u32 i = 0; i < ARRAY_SIZE(opcodes); i++)
        for (u32 third = 0; third < 256; third++)
            for (u32 mode = 1; mode < 3; mode++) {
                u8 map = opcodes[i][0] | (u8)(random_u64() >> 56 & 0xe0);
                u8 head[4] = {0xc4, mode == 2 ? map : map | 0xe0, (u8)third, opcodes[i][1]};
                agreed += sweep_opcode(head, 4, mode, &failures);
            }
    cr_expect_eq(failures, 0, "%u disagreements outside the table", failures);
    cr_expect_gt(agreed, 10000, "only %u encodings compared", agreed);
}

/* ---- random bytes ----------------------------------------------------------------- */

static void random_instruction(u8 *bytes)
{
    static const u8 prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65};
    u64 choice = random_u64();
    u32 count = choice & 3, i;
    random_bytes(bytes, CODE_LENGTH);
    for (i = 0; i < count; i++)
        bytes[i] = prefixes[(choice >> (8 + 8 * i) & 0xff) % ARRAY_SIZE(prefixes)];
    if (choice >> 40 & 1)
        bytes[i++] = 0x40 | (choice >> 41 & 0xf);
    if (choice >> 48 & 1)
        bytes[i] = 0x0f;
}

Test(decode, random_bytes)
{
    u32 failures = 0, agreed = 0;
    for (u32 i = 0; i < 600000; i++) {
        u8 bytes[CODE_LENGTH];
        random_instruction(bytes);
        agreed += compare(bytes, i % 3, &failures);
    }
    cr_expect_eq(failures, 0, "%u disagreements outside the table", failures);
    cr_expect_gt(agreed, 200000, "only %u encodings compared", agreed);
}

/* ---- what Capstone cannot tell ------------------------------------------------------ */

static enum decode_status decode_text(struct insn *insn, const char *text, u32 bits)
{
    u8 bytes[32];
    u32 length = 0;
    for (unsigned byte; length < sizeof(bytes) && sscanf(text, "%2x", &byte) == 1; text += 2)
        bytes[length++] = (u8)byte;
    return insn_decode(insn, bytes, length, bits);
}

Test(decode, statuses)
{
    static const struct {
        const char *text;
        u32 bits;
        enum decode_status status;
        u32 length;
    } cases[] = {
        {"90", 64, DECODE_OK, 1},
        {"", 64, DECODE_SHORT, 0},
        {"48", 64, DECODE_SHORT, 0},
        {"48c7c001020304", 64, DECODE_OK, 7},
        {"48c7c0010203", 64, DECODE_SHORT, 0},
        {"666666666666666666666666666690", 64, DECODE_OK, 15},
        {"66666666666666666666666666666690", 64, DECODE_TOO_LONG, 0},
        {"66666666666666666666666666666666", 64, DECODE_TOO_LONG, 0},
        {"676666666666666648c7800102030405060708", 64, DECODE_TOO_LONG, 0},
        {"06", 64, DECODE_INVALID, 0},
        {"06", 32, DECODE_OK, 1},
        {"62f17c4858c1", 64, DECODE_INVALID, 0}, /* EVEX */
        {"c5f877", 64, DECODE_OK, 3},            /* VZEROUPPER */
        {"c4e27bf6c1", 64, DECODE_OK, 5},        /* MULX */
        {"66c4e27bf6c1", 64, DECODE_INVALID, 0},
        {"48c4e27bf6c1", 64, DECODE_INVALID, 0},
        {"c4e27ff6c1", 64, DECODE_INVALID, 0}, /* L */
        {"c508", 32, DECODE_OK, 2},            /* LDS */
        {"f00fb10f", 64, DECODE_OK, 4},
        {"f00fb1cf", 64, DECODE_INVALID, 0},
        {"f0390f", 64, DECODE_INVALID, 0},
        {"660f80010203040506", 64, DECODE_OK, 7},
        {"660f800102", 32, DECODE_OK, 5},
        {"ea0102030405061122", 32, DECODE_OK, 7},
        {"c8010203", 64, DECODE_OK, 4},
    };
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        struct insn insn;
        enum decode_status status = decode_text(&insn, cases[i].text, cases[i].bits);
        cr_expect_eq(status, cases[i].status, "%s: status %d", cases[i].text, status);
        if (status == DECODE_OK)
            cr_expect_eq(insn.length, cases[i].length, "%s: length %u", cases[i].text, insn.length);
    }
}

/* A decoder given fewer bytes than the instruction has must ask for more, never guess. */
Test(decode, prefixes_of_instructions_are_short)
{
    for (u32 i = 0; i < 50000; i++) {
        u8 bytes[CODE_LENGTH];
        struct insn whole, part;
        random_instruction(bytes);
        if (insn_decode(&whole, bytes, CODE_LENGTH, modes[i % 3]) != DECODE_OK)
            continue;
        for (u32 n = 0; n < whole.length; n++)
            cr_assert_eq(insn_decode(&part, bytes, n, modes[i % 3]), DECODE_SHORT);
        cr_assert_eq(insn_decode(&part, bytes, whole.length, modes[i % 3]), DECODE_OK);
    }
}

Test(decode, segments_and_immediates)
{
    struct insn insn;
    decode_text(&insn, "8b4500", 32); /* MOV EAX, [EBP] */
    cr_expect_eq(insn.segment, SEG_SS);
    decode_text(&insn, "648b4500", 32);
    cr_expect_eq(insn.segment, SEG_FS);
    decode_text(&insn, "648b042e", 64); /* FS, and base RSI */
    cr_expect_eq(insn.segment, SEG_FS);
    decode_text(&insn, "643e8b06", 64); /* DS does not cancel FS */
    cr_expect_eq(insn.segment, SEG_FS);
    decode_text(&insn, "418b4500", 64); /* [R13] */
    cr_expect_eq(insn.segment, SEG_DS);
    decode_text(&insn, "c8341205", 64);
    cr_expect(insn.immediate == 0x1234 && insn.immediate2 == 5);
    decode_text(&insn, "ea785634122301", 32);
    cr_expect(insn.immediate == 0x12345678 && insn.immediate2 == 0x123);
    decode_text(&insn, "48b8f0debc9a78563412", 64);
    cr_expect_eq(insn.immediate, 0x123456789abcdef0);
    decode_text(&insn, "4883c0ff", 64);
    cr_expect_eq(insn.immediate, UINT64_MAX);
    decode_text(&insn, "488b0510000000", 64); /* MOV RAX, [RIP + 16] */
    cr_expect_eq(insn_effective_address(&insn, (u64[16]){0}, 0x1000), 0x1017);
}

Test(decode, effective_address_wraps)
{
    struct insn insn;
    u64 gpr[16] = {[3] = 0xfff0, [6] = 0x20, [0] = 0xfffffffffffffff0};
    decode_text(&insn, "8a00", 16); /* MOV AL, [BX + SI] */
    cr_expect_eq(insn_effective_address(&insn, gpr, 0), 0x10);
    decode_text(&insn, "678b4020", 64); /* MOV EAX, [EAX + 32] */
    cr_expect_eq(insn_effective_address(&insn, gpr, 0), 0x10);
    decode_text(&insn, "8b4020", 64);
    cr_expect_eq(insn_effective_address(&insn, gpr, 0), 0x10);
    decode_text(&insn, "8b448010", 64); /* [RAX + RAX * 4 + 16] */
    cr_expect_eq(insn_effective_address(&insn, gpr, 0), (u64)-16 * 5 + 16);
}
