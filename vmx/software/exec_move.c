/* Data movement and the stack, complete: every operand form, every mode (SDM vol. 2). */
#include "vmx/software/exec.h"

void exec_mov_rm_reg(struct cpu *c, const struct insn *insn)
{
    write_rm(c, insn, get_reg(c, insn, insn->reg, insn->operand_size), insn->operand_size);
}

void exec_mov_reg_rm(struct cpu *c, const struct insn *insn)
{
    put_reg(c, insn, insn->reg, read_rm(c, insn, insn->operand_size), insn->operand_size);
}

void exec_mov_rm_imm(struct cpu *c, const struct insn *insn)
{
    write_rm(c, insn, insn->immediate, insn->operand_size);
}

void exec_mov_reg_imm(struct cpu *c, const struct insn *insn)
{
    put_reg(c, insn, insn->rm, insn->immediate, insn->operand_size);
}

void exec_mov_moffs_load(struct cpu *c, const struct insn *insn)
{
    put_gpr(c, RAX, read_memory(c, insn, insn->operand_size), insn->operand_size);
}

void exec_mov_moffs_store(struct cpu *c, const struct insn *insn)
{
    write_linear(c, operand_linear(c, insn, insn->operand_size, true), c->gpr[RAX],
                 insn->operand_size);
}

void exec_movnti(struct cpu *c, const struct insn *insn)
{
    exec_mov_rm_reg(c, insn);
}

void exec_movzx(struct cpu *c, const struct insn *insn)
{
    put_gpr(c, insn->reg, read_rm(c, insn, insn->opcode & 1 ? 2 : 1), insn->operand_size);
}

void exec_movsx(struct cpu *c, const struct insn *insn)
{
    u64 value = insn->opcode & 1 ? (u64)(i16)read_rm(c, insn, 2) : (u64)(i8)read_rm(c, insn, 1);
    put_gpr(c, insn->reg, value, insn->operand_size);
}

void exec_movsxd(struct cpu *c, const struct insn *insn)
{
    if (c->bits != 64) {
        exec_arpl(c, insn);
        return;
    }
    u32 size = insn->operand_size == 2 ? 2 : 4;
    u64 value = read_rm(c, insn, size);
    put_gpr(c, insn->reg, size == 4 ? (u64)(i32)value : value, insn->operand_size);
}

void exec_lea(struct cpu *c, const struct insn *insn)
{
    put_gpr(c, insn->reg, effective(c, insn), insn->operand_size);
}

void exec_xchg_rm(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    struct target t = open_rm(c, insn, size);
    u64 value = get_reg(c, insn, insn->reg, size);
    close_rm(c, insn, &t, value, size);
    put_reg(c, insn, insn->reg, t.value, size);
}

void exec_xchg_acc(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    if (insn->opcode == 0x90 && insn->rm == 0)
        return; /* NOP, PAUSE */
    u64 value = c->gpr[insn->rm];
    put_gpr(c, insn->rm, c->gpr[RAX], size);
    put_gpr(c, RAX, value, size);
}

void exec_cbw(struct cpu *c, const struct insn *insn)
{
    u64 rax = c->gpr[RAX];
    u64 value = insn->operand_size == 2   ? (u64)(i8)rax
                : insn->operand_size == 4 ? (u64)(i16)rax
                                          : (u64)(i32)rax;
    put_gpr(c, RAX, value, insn->operand_size);
}

void exec_cwd(struct cpu *c, const struct insn *insn)
{
    bool negative = c->gpr[RAX] >> (8 * insn->operand_size - 1) & 1;
    put_gpr(c, RDX, negative ? ~0ull : 0, insn->operand_size);
}

void exec_cmov(struct cpu *c, const struct insn *insn)
{
    u64 value = read_rm(c, insn, insn->operand_size);
    if (condition_holds(c, insn->opcode & 15))
        put_gpr(c, insn->reg, value, insn->operand_size);
    else if (insn->operand_size == 4)
        put_gpr(c, insn->reg, c->gpr[insn->reg], 4);
}

void exec_setcc(struct cpu *c, const struct insn *insn)
{
    write_rm(c, insn, condition_holds(c, insn->opcode & 15), 1);
}

void exec_xlat(struct cpu *c, const struct insn *insn)
{
    u64 offset = (c->gpr[RBX] + (c->gpr[RAX] & 0xff)) & size_mask(insn->address_size);
    put_gpr(c, RAX, read_linear(c, segment_linear(c, insn->segment, offset, 1, false), 1), 1);
}

void exec_lahf(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    c->gpr[RAX] = (c->gpr[RAX] & ~0xff00ull) | ((get_rflags(c) & 0xd5) | 2) << 8;
}

void exec_sahf(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    set_status(c, (get_rflags(c) & RF_OF) | (c->gpr[RAX] >> 8 & 0xd5));
}

void exec_salc(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    put_gpr(c, RAX, c->status & ST_CF ? 0xff : 0, 1);
}

void exec_nop(struct cpu *c, const struct insn *insn)
{
    (void)c, (void)insn;
}

void exec_fence(struct cpu *c, const struct insn *insn)
{
    (void)c, (void)insn;
}

void exec_clflush(struct cpu *c, const struct insn *insn)
{
    read_memory(c, insn, 1);
}

void exec_flag_op(struct cpu *c, const struct insn *insn)
{
    switch (insn->opcode) {
    case 0xf5:
        c->status ^= ST_CF;
        break;
    case 0xf8:
        c->status &= (u16)~ST_CF;
        break;
    case 0xf9:
        c->status |= ST_CF;
        break;
    case 0xfc:
        c->rflags &= ~(u64)RF_DF;
        break;
    case 0xfd:
        c->rflags |= RF_DF;
    }
}

/* --- stack ------------------------------------------------------------------------------- */

u64 stack_pointer(const struct cpu *c)
{
    return c->gpr[RSP] & size_mask(c->stack_bytes);
}

void set_stack_pointer(struct cpu *c, u64 value)
{
    put_gpr(c, RSP, value, c->stack_bytes);
}

void poke(struct cpu *c, u64 sp, u64 value, u32 size)
{
    write_linear(c, segment_linear(c, SEG_SS, sp & size_mask(c->stack_bytes), size, true), value,
                 size);
}

void push(struct cpu *c, u64 value, u32 size)
{
    u64 sp = stack_pointer(c) - size;
    poke(c, sp, value, size);
    set_stack_pointer(c, sp);
}

u64 peek(struct cpu *c, u32 offset, u32 size)
{
    u64 sp = (stack_pointer(c) + offset) & size_mask(c->stack_bytes);
    return read_linear(c, segment_linear(c, SEG_SS, sp, size, false), size);
}

u64 pop(struct cpu *c, u32 size)
{
    u64 value = peek(c, 0, size);
    set_stack_pointer(c, stack_pointer(c) + size);
    return value;
}

void exec_push_reg(struct cpu *c, const struct insn *insn)
{
    push(c, c->gpr[insn->rm], insn->operand_size);
}

void exec_pop_reg(struct cpu *c, const struct insn *insn)
{
    u64 value = pop(c, insn->operand_size);
    put_gpr(c, insn->rm, value, insn->operand_size);
}

void exec_push_imm(struct cpu *c, const struct insn *insn)
{
    push(c, insn->immediate, insn->operand_size);
}

/* The address is that after RSP has moved (SDM vol. 2, POP). */
void exec_pop_rm(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 before = c->gpr[RSP], value = peek(c, 0, size);
    if (!insn->has_memory) {
        set_stack_pointer(c, stack_pointer(c) + size);
        put_gpr(c, insn->rm, value, size);
        return;
    }
    set_stack_pointer(c, stack_pointer(c) + size);
    u64 after = c->gpr[RSP], offset = effective(c, insn);
    c->gpr[RSP] = before;
    write_linear(c, segment_linear(c, insn->segment, offset, size, true), value, size);
    c->gpr[RSP] = after;
}

static u32 segment_of_opcode(const struct insn *insn)
{
    return insn->opcode >> 3 & 7; /* 06 0e 16 1e, 0f a0, 0f a8 */
}

void exec_push_seg(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    if (insn->map == MAP_LEGACY)
        size = (c->bits == 16) != !!(insn->prefixes & PREFIX_OPSIZE) ? 2 : 4;
    u64 sp = stack_pointer(c) - size;
    poke(c, sp, SELECTOR(segment_of_opcode(insn)),
         size == 4 ? 2 : size); /* Bochs and silicon write two bytes */
    set_stack_pointer(c, sp);
}

void exec_pop_seg(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, segment = segment_of_opcode(insn);
    if (insn->map == MAP_LEGACY)
        size = (c->bits == 16) != !!(insn->prefixes & PREFIX_OPSIZE) ? 2 : 4;
    u32 bytes = c->stack_bytes;
    u64 sp = stack_pointer(c) + size;
    load_segment(c, segment, (u16)peek(c, 0, 2));
    put_gpr(c, RSP, sp, bytes);
    if (segment == SEG_SS)
        begin_stack_shadow(c);
}

void exec_pusha(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 sp = stack_pointer(c);
    for (u32 i = 0; i < 8; i++)
        poke(c, sp - size * (i + 1), c->gpr[i], size);
    set_stack_pointer(c, sp - 8 * size);
}

void exec_popa(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 values[8];
    for (u32 i = 0; i < 8; i++)
        values[i] = peek(c, size * i, size);
    for (u32 i = 0; i < 8; i++)
        if (i != 3)
            put_gpr(c, 7 - i, values[i], size);
    set_stack_pointer(c, stack_pointer(c) + 8 * size);
}

void exec_enter(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size, level = insn->immediate2 & 31;
    u64 mask = size_mask(c->stack_bytes), sp = stack_pointer(c) - size,
        frame = (c->gpr[RSP] & ~mask) | (sp & mask);
    poke(c, sp, c->gpr[RBP], size);
    for (u32 i = 1; i < level; i++) {
        u64 from = (c->gpr[RBP] - i * size) & mask;
        sp -= size;
        poke(c, sp, read_linear(c, segment_linear(c, SEG_SS, from, size, false), size), size);
    }
    if (level)
        poke(c, sp -= size, frame, size);
    sp -= insn->immediate & 0xffff;
    probe_write(c, segment_linear(c, SEG_SS, sp & mask, size, true), size);
    put_gpr(c, RBP, frame, size);
    set_stack_pointer(c, sp);
}

void exec_leave(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 frame = c->gpr[RBP] & size_mask(c->stack_bytes);
    u64 value = read_linear(c, segment_linear(c, SEG_SS, frame, size, false), size);
    set_stack_pointer(c, frame + size);
    put_gpr(c, RBP, value, size);
}

void exec_pushf(struct cpu *c, const struct insn *insn)
{
    push(c, flags_to_push(c, insn->operand_size) & ~(u64)(RF_VM | RF_RF), insn->operand_size);
}

void exec_popf(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    if (pop_virtual_flags(c, size))
        return;
    u64 flags = pop(c, size),
        change = RF_STATUS | RF_TF | RF_DF | RF_NT | (size > 2 ? RF_RF | RF_AC | RF_ID : 0);
    if (c->cpl == 0 || !(V(GUEST_CR0) & CR0_PE))
        change |= RF_IOPL;
    if (c->cpl <= iopl(c) || !(V(GUEST_CR0) & CR0_PE))
        change |= RF_IF;
    set_rflags(c, (get_rflags(c) & ~change) | (flags & change & ~(u64)RF_RF));
    derive_state(c);
}
