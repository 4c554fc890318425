/*
 * The MMIO emulator by hand-made cases: an instruction, the registers and the value in
 * memory before, and what must be there after. Flags are test_alu.c's.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "core/decode/alu.h"
#include "core/decode/emulate.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
#define RIP 0x1000ull

struct run {
    struct insn insn;
    struct mmio_insn mmio;
    struct mmio_operands where;
    struct mmio_step step;
    u64 gpr[16], rflags;
};

static void run_bits(struct run *r, const char *text, u32 bits, u64 memory)
{
    u8 bytes[15];
    u32 length = 0;
    for (unsigned byte; sscanf(text, "%2x", &byte) == 1; text += 2)
        bytes[length++] = (u8)byte;
    cr_assert_eq(insn_decode(&r->insn, bytes, length, bits), DECODE_OK);
    r->mmio = insn_mmio(&r->insn);
    cr_assert_neq(r->mmio.kind, MMIO_NONE, "%s", text - 2 * length);
    u8 stack = bits == 64 ? 8 : bits == 32 ? 4 : 2;
    r->where = mmio_operands(&r->insn, &r->mmio, r->gpr, RIP, stack);
    cr_assert_eq(r->where.source.exists, mmio_reads(&r->mmio));
    r->step = mmio_complete(&r->insn, &r->mmio, r->gpr, &r->rflags, memory, stack);
    cr_assert_eq(r->where.target.exists, r->step.writes);
}

static void run(struct run *r, const char *text, u64 memory)
{
    run_bits(r, text, 64, memory);
}

/* One memory operand at [RBX]; RAX, RCX are the registers. */
static const struct {
    const char *name, *text;
    u64 rax, rcx, memory; /* before */
    u64 rax_after, rcx_after;
    bool writes;
    u64 written;
    u64 flags; /* status flags after; before: none but CF */
} cases[] = {
    {"mov eax, [rbx]", "8b03", ~0ull, 0, 0x12345678, 0x12345678, 0, false, 0, FLAG_CF},
    {"mov ax, [rbx]", "668b03", ~0ull, 0, 0x5678, 0xffffffffffff5678, 0, false, 0, FLAG_CF},
    {"mov al, [rbx]", "8a03", ~0ull, 0, 0x78, 0xffffffffffffff78, 0, false, 0, FLAG_CF},
    {"mov ah, [rbx]", "8a23", ~0ull, 0, 0x78, 0xffffffffffff78ff, 0, false, 0, FLAG_CF},
    {"mov rax, [rbx]", "488b03", 0, 0, 0x8123456789abcdef, 0x8123456789abcdef, 0, false, 0,
     FLAG_CF},
    {"mov [rbx], ch", "882b", 0, 0xab12, 0, 0, 0xab12, true, 0xab, FLAG_CF},
    {"mov [rbx], eax", "8903", 0x1122334455667788, 0, 0, 0x1122334455667788, 0, true, 0x55667788,
     FLAG_CF},
    {"mov qword [rbx], -1", "48c703ffffffff", 0, 0, 0, 0, 0, true, ~0ull, FLAG_CF},
    {"mov dword [rbx], -1", "c703ffffffff", 0, 0, 0, 0, 0, true, 0xffffffff, FLAG_CF},
    {"movnti [rbx], rax", "480fc303", 0x1122334455667788, 0, 0, 0x1122334455667788, 0, true,
     0x1122334455667788, FLAG_CF},
    {"movzx eax, byte [rbx]", "0fb603", ~0ull, 0, 0x80, 0x80, 0, false, 0, FLAG_CF},
    {"movzx ax, byte [rbx]", "660fb603", ~0ull, 0, 0x80, 0xffffffffffff0080, 0, false, 0, FLAG_CF},
    {"movsx eax, byte [rbx]", "0fbe03", 0, 0, 0x80, 0xffffff80, 0, false, 0, FLAG_CF},
    {"movsx rax, word [rbx]", "480fbf03", 0, 0, 0x8000, 0xffffffffffff8000, 0, false, 0, FLAG_CF},
    {"movsxd rax, [rbx]", "486303", 0, 0, 0x80000000, 0xffffffff80000000, 0, false, 0, FLAG_CF},
    {"add [rbx], eax", "0103", 1, 0, 0xffffffff, 1, 0, true, 0,
     FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF},
    {"adc [rbx], eax", "1103", 1, 0, 1, 1, 0, true, 3, FLAG_PF},
    {"add eax, [rbx]", "0303", ~0ull, 0, 2, 1, 0, false, 0, FLAG_CF | FLAG_AF},
    {"sub al, [rbx]", "2a03", 0x100, 0, 1, 0x1ff, 0, false, 0,
     FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF},
    {"and dword [rbx], 0xf0", "8123f0000000", 0, 0, 0x1ff, 0, 0, true, 0xf0, FLAG_PF},
    {"or byte [rbx], 0x80", "800b80", 0, 0, 1, 0, 0, true, 0x81, FLAG_PF | FLAG_SF},
    {"or qword [rbx], -128", "48830b80", 0, 0, 1, 0, 0, true, 0xffffffffffffff81,
     FLAG_PF | FLAG_SF},
    {"xor [rbx], eax", "3103", 5, 0, 5, 5, 0, true, 0, FLAG_PF | FLAG_ZF},
    {"cmp [rbx], eax", "3903", 2, 0, 1, 2, 0, false, 0, FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF},
    {"cmp eax, [rbx]", "3b03", 2, 0, 1, 2, 0, false, 0, 0},
    {"test byte [rbx], 0x20", "f60320", 0, 0, 0x20, 0, 0, false, 0, 0},
    {"test [rbx], eax", "8503", 1, 0, 2, 1, 0, false, 0, FLAG_PF | FLAG_ZF},
    {"inc dword [rbx]", "ff03", 0, 0, 0x7fffffff, 0, 0, true, 0x80000000,
     FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF | FLAG_OF},
    {"dec word [rbx]", "66ff0b", 0, 0, 0, 0, 0, true, 0xffff,
     FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF},
    {"not byte [rbx]", "f613", 0, 0, 0x0f, 0, 0, true, 0xf0, FLAG_CF},
    {"neg dword [rbx]", "f71b", 0, 0, 1, 0, 0, true, 0xffffffff,
     FLAG_CF | FLAG_PF | FLAG_AF | FLAG_SF},
    {"xchg [rbx], eax", "8703", 0xffffffff00000001, 0, 2, 2, 0, true, 1, FLAG_CF},
    {"xchg [rbx], ah", "8623", 0x1234, 0, 0xff, 0xff34, 0, true, 0x12, FLAG_CF},
    {"xadd [rbx], eax", "0fc103", 3, 0, 4, 4, 0, true, 7, 0},
    {"cmpxchg [rbx], ecx, equal", "0fb10b", 0xffffffff00000007, 9, 7, 0xffffffff00000007, 9, true,
     9, FLAG_PF | FLAG_ZF},
    {"cmpxchg [rbx], ecx, other", "0fb10b", 0xffffffff00000008, 9, 7, 7, 9, true, 7, 0},
    {"bt dword [rbx], 3", "0fba2303", 0, 0, 8, 0, 0, false, 0, FLAG_CF},
    {"bts dword [rbx], 35", "0fba2b23", 0, 0, 0, 0, 0, true, 8, 0},
    {"btr [rbx], eax", "0fb303", 1, 0, 3, 1, 0, true, 1, FLAG_CF},
    {"btc [rbx], eax", "0fbb03", 2, 0, 0, 2, 0, true, 4, 0},
};

Test(emulate, values_registers_flags)
{
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        struct run r = {.gpr = {cases[i].rax, cases[i].rcx, 0, 0x5000}, .rflags = 0x202 | FLAG_CF};
        run(&r, cases[i].text, cases[i].memory);
        cr_expect_eq(r.gpr[RAX], cases[i].rax_after, "%s: rax %lx", cases[i].name, r.gpr[RAX]);
        cr_expect_eq(r.gpr[RCX], cases[i].rcx_after, "%s: rcx %lx", cases[i].name, r.gpr[RCX]);
        cr_expect_eq(r.step.writes, cases[i].writes, "%s: writes", cases[i].name);
        cr_expect_eq(r.step.value, cases[i].written, "%s: wrote %lx", cases[i].name, r.step.value);
        cr_expect_eq(r.rflags, 0x202 | cases[i].flags, "%s: flags %lx", cases[i].name, r.rflags);
        cr_expect(r.step.done);
        struct mmio_operand where = cases[i].writes ? r.where.target : r.where.source;
        cr_expect_eq(where.offset, 0x5000, "%s: at %lx", cases[i].name, where.offset);
    }
}

/* A REX prefix turns AH, CH, DH, BH into SPL, BPL, SIL, DIL. */
Test(emulate, low_bytes_by_rex)
{
    struct run r = {.gpr = {[RAX] = 0x1234, [RBX] = 0x5000, [RSP] = 0x9abc}};
    run(&r, "8823", 0); /* MOV [RBX], AH */
    cr_expect_eq(r.step.value, 0x12);
    run(&r, "408823", 0); /* MOV [RBX], SPL */
    cr_expect_eq(r.step.value, 0xbc);
    run(&r, "448823", 0); /* MOV [RBX], R12B */
    cr_expect_eq(r.step.value, 0);
    run(&r, "408a23", 0x77);
    cr_expect(r.gpr[RSP] == 0x9a77 && r.gpr[RAX] == 0x1234);
}

Test(emulate, moffs)
{
    struct run r = {.gpr = {[RAX] = ~0ull}};
    run(&r, "a1b000e0fe00000000", 0x14);
    cr_expect(r.gpr[RAX] == 0x14 && r.where.source.offset == 0xfee000b0);
    run_bits(&r, "a3b000e0fe", 32, 0);
    cr_expect(r.step.writes && r.step.value == 0x14 && r.where.target.offset == 0xfee000b0);
}

Test(emulate, bit_strings_reach_beyond)
{
    struct run r = {.gpr = {[RAX] = 100, [RBX] = 0x5000}};
    run(&r, "0fa303", 1 << 4);
    cr_expect(r.where.source.offset == 0x500c && r.rflags & FLAG_CF);
    r.gpr[RAX] = 0xffffffff; /* -1 */
    run(&r, "0fab03", 0);
    cr_expect(r.where.target.offset == 0x4ffc && r.step.value == 0x80000000);
    r.gpr[RAX] = (u64)-65;
    run(&r, "480fab03", 0);
    cr_expect(r.where.target.offset == 0x4ff0 && r.step.value == BIT(63));
}

Test(emulate, rep_stos)
{
    struct run r = {.gpr = {[RAX] = 0x11223344, [RCX] = 2, [RDI] = 0x8000}};
    run(&r, "f3ab", 0);
    cr_expect(r.where.target.offset == 0x8000 && r.where.target.segment == SEG_ES);
    cr_expect(r.step.value == 0x11223344 && !r.step.done && r.gpr[RDI] == 0x8004 &&
              r.gpr[RCX] == 1);
    run(&r, "f3ab", 0);
    cr_expect(r.step.done && r.gpr[RDI] == 0x8008 && r.gpr[RCX] == 0);
    cr_expect(mmio_idle(&r.insn, &r.mmio, r.gpr));
    r.rflags = BIT(10);
    run(&r, "66ab", 0); /* without REP, downwards */
    cr_expect(r.step.done && r.gpr[RDI] == 0x8006 && r.gpr[RCX] == 0 && r.step.value == 0x3344);
    cr_expect_not(mmio_idle(&r.insn, &r.mmio, r.gpr));
}

Test(emulate, lods_and_movs)
{
    struct run r = {
        .gpr = {[RAX] = ~0ull, [RCX] = 0x100000001, [RSI] = 0x1ffffffff, [RDI] = 0x2000}};
    run(&r, "64ac", 0x7f);
    cr_expect(r.gpr[RAX] == 0xffffffffffffff7f && r.gpr[RSI] == 0x200000000);
    cr_expect(r.where.source.segment == SEG_FS && r.where.source.offset == 0x1ffffffff);
    r.gpr[RSI] = 0x1fffffffe;
    run(&r, "f36748a5", 0xabcdef0123456789); /* REP MOVSQ with 32-bit addresses */
    cr_expect(r.step.writes && r.step.value == 0xabcdef0123456789 && r.step.done);
    cr_expect(r.where.source.offset == 0xfffffffe && r.where.target.offset == 0x2000);
    cr_expect(r.gpr[RSI] == 6 && r.gpr[RDI] == 0x2008 && r.gpr[RCX] == 0);
}

Test(emulate, strings_16_bit)
{
    struct run r = {.gpr = {[RCX] = 0x50000, [RSI] = 0x1ffff, [RDI] = 0x7000f}};
    run_bits(&r, "a4", 16, 0x33);
    cr_expect(r.gpr[RSI] == 0x10000 && r.gpr[RDI] == 0x70010 && r.step.value == 0x33);
    r.insn.prefixes |= PREFIX_REP;
    cr_expect(mmio_idle(&r.insn, &r.mmio, r.gpr));
}

Test(emulate, push_and_pop)
{
    struct run r = {.gpr = {[RBX] = 0x5000, [RSP] = 0x9000}};
    run(&r, "ff33", 0x1122334455667788); /* PUSH [RBX] */
    cr_expect(r.where.source.offset == 0x5000 && r.where.target.offset == 0x8ff8);
    cr_expect(r.gpr[RSP] == 0x8ff8 && r.step.value == 0x1122334455667788);
    cr_expect(r.where.target.segment == SEG_SS && r.mmio.size == 8);
    run(&r, "8f442408", 0x99); /* POP [RSP + 8]: with the new RSP */
    cr_expect(r.where.source.offset == 0x8ff8 && r.where.target.offset == 0x9008);
    cr_expect(r.gpr[RSP] == 0x9000 && r.step.value == 0x99);
    r.gpr[RSP] = 0x120000;
    run_bits(&r, "ff37", 16, 0xbeef); /* PUSH [BX]: SP wraps in 16 bits */
    cr_expect(r.gpr[RSP] == 0x12fffe && r.where.target.offset == 0xfffe && r.mmio.size == 2);
}

Test(emulate, refuses_the_rest)
{
    static const char *const refused[] = {"0f1003", "8e03",   "ff13",      "8bc3",
                                          "d103",   "0fc70b", "c4e270f203"};
    for (u32 i = 0; i < ARRAY_SIZE(refused); i++) {
        u8 bytes[15];
        u32 length = 0;
        struct insn insn;
        for (unsigned byte; sscanf(refused[i] + 2 * length, "%2x", &byte) == 1;)
            bytes[length++] = (u8)byte;
        cr_assert_eq(insn_decode(&insn, bytes, length, 64), DECODE_OK, "%s", refused[i]);
        cr_expect_eq(insn_mmio(&insn).kind, MMIO_NONE, "%s", refused[i]);
    }
    struct insn arpl;
    insn_decode(&arpl, (const u8[]){0x63, 0x03}, 2, 32);
    cr_expect_eq(insn_mmio(&arpl).kind, MMIO_NONE);
}
