/*
 * Which exec function an instruction has, by opcode, and whether it ends a block: everything that
 * may change RIP, the mode, translations or the interrupt flag does. An opcode without a row is
 * #UD, as the decoder has refused what the CPU model does not have.
 */
#include "vmx/software/exec.h"

struct row {
    exec_fn fn;
    bool ends;
};

#define E(name)            \
    {                      \
        exec_##name, false \
    }
#define END(name)         \
    {                     \
        exec_##name, true \
    }

/* clang-format off */
#define ALU_ROWS(base) \
    [base ... base + 1] = E(alu_rm_reg), [base + 2 ... base + 3] = E(alu_reg_rm), [base + 4 ... base + 5] = E(alu_acc_imm)

static const struct row legacy[256] = {
    ALU_ROWS(0x00), ALU_ROWS(0x08), ALU_ROWS(0x10), ALU_ROWS(0x18), ALU_ROWS(0x20), ALU_ROWS(0x28), ALU_ROWS(0x30), ALU_ROWS(0x38),
    [0x06] = E(push_seg), [0x0e] = E(push_seg), [0x16] = E(push_seg), [0x1e] = E(push_seg),
    [0x07] = END(pop_seg), [0x17] = END(pop_seg), [0x1f] = END(pop_seg),
    [0x27] = E(ascii), [0x2f] = E(ascii), [0x37] = E(ascii), [0x3f] = E(ascii),
    [0x40 ... 0x4f] = E(inc_dec_reg), [0x50 ... 0x57] = E(push_reg), [0x58 ... 0x5f] = E(pop_reg),
    [0x60] = E(pusha), [0x61] = E(popa), [0x62] = E(bound), [0x63] = E(movsxd),
    [0x68] = E(push_imm), [0x69] = E(imul3), [0x6a] = E(push_imm), [0x6b] = E(imul3),
    [0x6c ... 0x6d] = END(ins), [0x6e ... 0x6f] = END(outs),
    [0x70 ... 0x7f] = END(jcc), [0x80 ... 0x83] = E(alu_rm_imm), [0x84 ... 0x85] = E(test_rm_reg), [0x86 ... 0x87] = E(xchg_rm),
    [0x88 ... 0x89] = E(mov_rm_reg), [0x8a ... 0x8b] = E(mov_reg_rm), [0x8c] = E(mov_from_seg), [0x8d] = E(lea),
    [0x8e] = END(mov_to_seg), [0x8f] = E(pop_rm), [0x90 ... 0x97] = E(xchg_acc), [0x98] = E(cbw), [0x99] = E(cwd),
    [0x9a] = END(far_call), [0x9c] = E(pushf), [0x9d] = END(popf), [0x9e] = E(sahf), [0x9f] = E(lahf),
    [0xa0 ... 0xa1] = E(mov_moffs_load), [0xa2 ... 0xa3] = E(mov_moffs_store),
    [0xa4 ... 0xa5] = END(movs), [0xa6 ... 0xa7] = END(cmps), [0xa8 ... 0xa9] = E(test_acc_imm), [0xaa ... 0xab] = END(stos),
    [0xac ... 0xad] = END(lods), [0xae ... 0xaf] = END(scas), [0xb0 ... 0xbf] = E(mov_reg_imm),
    [0xc0 ... 0xc1] = E(shift_imm), [0xc2 ... 0xc3] = END(ret), [0xc4 ... 0xc5] = END(lds), [0xc6 ... 0xc7] = E(mov_rm_imm),
    [0xc8] = E(enter), [0xc9] = E(leave), [0xca ... 0xcb] = END(far_ret), [0xcc] = END(int3), [0xcd] = END(int_n), [0xce] = END(into),
    [0xcf] = END(iret), [0xd0 ... 0xd1] = E(shift_1), [0xd2 ... 0xd3] = E(shift_cl), [0xd4] = E(aam), [0xd5] = E(aad),
    [0xd6] = E(salc), [0xd7] = E(xlat), [0xe0 ... 0xe2] = END(loop), [0xe3] = END(jcxz), [0xe4 ... 0xe5] = END(in_imm),
    [0xe6 ... 0xe7] = END(out_imm), [0xe8] = END(call_rel), [0xe9] = END(jmp_rel), [0xea] = END(far_jmp), [0xeb] = END(jmp_rel),
    [0xec ... 0xed] = END(in_dx), [0xee ... 0xef] = END(out_dx), [0xf1] = END(int1), [0xf4] = END(hlt), [0xf5] = E(flag_op),
    [0xf6 ... 0xf7] = E(group3), [0xf8 ... 0xf9] = E(flag_op), [0xfa] = E(cli), [0xfb] = END(sti), [0xfc ... 0xfd] = E(flag_op),
    [0xfe] = E(group45), [0xff] = END(group45),
};

static const struct row two_byte[256] = {
    [0x00] = END(group6), [0x01] = END(group7), [0x02] = E(lar), [0x03] = E(lsl), [0x05] = END(syscall), [0x06] = END(clts),
    [0x07] = END(sysret), [0x08] = END(invd), [0x09] = END(wbinvd), [0x0b] = END(ud), [0x0d] = E(nop), [0x18 ... 0x1f] = E(nop),
    [0x20] = END(mov_from_cr), [0x21] = END(mov_from_dr), [0x22] = END(mov_to_cr), [0x23] = END(mov_to_dr),
    [0x30] = END(wrmsr), [0x31] = END(rdtsc), [0x32] = END(rdmsr), [0x33] = END(rdpmc), [0x34] = END(sysenter), [0x35] = END(sysexit),
    [0x40 ... 0x4f] = E(cmov), [0x78] = END(vmread), [0x79] = END(vmwrite), [0x80 ... 0x8f] = END(jcc), [0x90 ... 0x9f] = E(setcc),
    [0xa0] = E(push_seg), [0xa1] = END(pop_seg), [0xa2] = END(cpuid), [0xa3] = E(bit_reg), [0xa4] = E(shld_imm), [0xa5] = E(shld_cl),
    [0xa8] = E(push_seg), [0xa9] = END(pop_seg), [0xaa] = END(ud), [0xab] = E(bit_reg), [0xac] = E(shrd_imm), [0xad] = E(shrd_cl),
    [0xae] = E(group15), [0xaf] = E(imul2), [0xb0 ... 0xb1] = E(cmpxchg), [0xb2] = END(lds), [0xb3] = E(bit_reg), [0xb4 ... 0xb5] = END(lds),
    [0xb6 ... 0xb7] = E(movzx), [0xb8] = E(popcnt), [0xb9] = END(ud), [0xba] = E(bit_imm), [0xbb] = E(bit_reg), [0xbc] = E(bsf),
    [0xbd] = E(bsr), [0xbe ... 0xbf] = E(movsx), [0xc0 ... 0xc1] = E(xadd), [0xc3] = E(movnti), [0xc7] = E(group9),
    [0xc8 ... 0xcf] = E(bswap), [0xff] = END(ud),
};
/* clang-format on */

static struct row find_long_opcode(const struct insn *insn)
{
    if (insn->prefixes & PREFIX_VEX) {
        bool bmi = (insn->map == MAP_0F38 && insn->opcode >= 0xf2 && insn->opcode <= 0xf7) ||
                   (insn->map == MAP_0F3A && insn->opcode == 0xf0);
        return bmi ? (struct row)E(bmi) : (struct row)END(ud);
    }
    if (insn->map == MAP_0F38 && insn->opcode >= 0x80 && insn->opcode <= 0x82)
        return insn->opcode == 0x80   ? (struct row)END(invept)
               : insn->opcode == 0x81 ? (struct row)END(invvpid)
                                      : (struct row)END(ud);
    return (struct row){thunk_find(insn), false};
}

exec_fn exec_find(const struct insn *insn, bool *ends)
{
    struct row row = {0};
    if (insn->map == MAP_LEGACY && insn->opcode >= 0xd8 && insn->opcode <= 0xdf)
        row = (struct row){x87_find(insn), false};
    else if (insn->map == MAP_LEGACY)
        row = insn->opcode == 0x9b ? (struct row){x87_find(insn), false} : legacy[insn->opcode];
    else if (insn->map == MAP_0F && !(insn->prefixes & PREFIX_VEX)) {
        row = two_byte[insn->opcode];
        if (!row.fn)
            row.fn = thunk_find(insn);
        if (insn->opcode == 0xc7)
            row.ends = (insn->reg & 7) != 1 || !insn->has_memory;
    } else
        row = find_long_opcode(insn);
    if (!row.fn)
        row = (struct row)END(ud);
    *ends = row.ends;
    return row.fn;
}
