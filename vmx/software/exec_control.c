/* Transfers of control: jumps, calls, returns, software interrupts (SDM vol. 2). */
#include "vmx/software/exec.h"

bool condition_holds(const struct cpu *c, u32 condition)
{
    u32 s = c->status;
    bool holds;
    switch (condition >> 1) {
    case 0:
        holds = s & ST_OF;
        break;
    case 1:
        holds = s & ST_CF;
        break;
    case 2:
        holds = s & ST_ZF;
        break;
    case 3:
        holds = s & (ST_CF | ST_ZF);
        break;
    case 4:
        holds = s & ST_SF;
        break;
    case 5:
        holds = s & ST_PF;
        break;
    case 6:
        holds = (s >> 15 ^ s) & 1;
        break;
    default:
        holds = (s >> 15 ^ s) & 1 || s & ST_ZF;
    }
    return holds != (condition & 1);
}

/* The target of a near transfer: truncated by operand size, within the segment or canonical. */
u64 near_target(struct cpu *c, u64 target, u32 size)
{
    if (c->bits == 64) {
        if (!canonical(target))
            raise_gp(c);
        return target;
    }
    target &= size_mask(size);
    if (target > SEG_LIMIT(SEG_CS))
        raise_gp(c);
    return target;
}

/* CALL: the stack is looked at before the target, and written after it. */
void near_call(struct cpu *c, u64 target, u32 size)
{
    u64 sp = (stack_pointer(c) - size) & size_mask(c->stack_bytes);
    probe_write(c, segment_linear(c, SEG_SS, sp, size, true), size);
    target = near_target(c, target, size);
    push(c, c->next, size);
    c->next = target;
}

static u64 relative(struct cpu *c, const struct insn *insn)
{
    return near_target(c, c->next + insn->immediate, insn->operand_size);
}

void exec_jcc(struct cpu *c, const struct insn *insn)
{
    if (condition_holds(c, insn->opcode & 15))
        c->next = relative(c, insn);
}

void exec_jmp_rel(struct cpu *c, const struct insn *insn)
{
    c->next = relative(c, insn);
}

void exec_call_rel(struct cpu *c, const struct insn *insn)
{
    near_call(c, c->next + insn->immediate, insn->operand_size);
}

void exec_ret(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 target = near_target(c, peek(c, 0, size), size);
    u64 more = insn->opcode == 0xc2 ? insn->immediate & 0xffff : 0;
    set_stack_pointer(c, stack_pointer(c) + size + more);
    c->next = target;
}

void exec_loop(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->address_size;
    u64 count = (c->gpr[RCX] - 1) & size_mask(size);
    bool zero = c->status & ST_ZF, again = count != 0;
    if (insn->opcode == 0xe0)
        again = again && !zero;
    else if (insn->opcode == 0xe1)
        again = again && zero;
    u64 target = again ? relative(c, insn) : c->next;
    put_gpr(c, RCX, count, size);
    c->next = target;
}

void exec_jcxz(struct cpu *c, const struct insn *insn)
{
    if (!(c->gpr[RCX] & size_mask(insn->address_size)))
        c->next = relative(c, insn);
}

void exec_int3(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    software_interrupt(c, VECTOR_BP, EVENT_SOFTWARE_EXCEPTION);
}

void exec_int_n(struct cpu *c, const struct insn *insn)
{
    u32 vector = (u32)insn->immediate & 0xff;
    if (!interrupt_in_virtual_8086(c, vector))
        software_interrupt(c, vector, EVENT_SOFTWARE_INTERRUPT);
}

void exec_into(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    if (c->status & ST_OF)
        software_interrupt(c, VECTOR_OF, EVENT_SOFTWARE_EXCEPTION);
}

void exec_int1(struct cpu *c, const struct insn *insn)
{
    (void)insn;
    software_interrupt(c, VECTOR_DB, EVENT_PRIVILEGED_SOFTWARE);
}

void exec_iret(struct cpu *c, const struct insn *insn)
{
    interrupt_return(c, insn->operand_size);
}

void exec_far_jmp(struct cpu *c, const struct insn *insn)
{
    far_jump(c, (u16)insn->immediate2, insn->immediate, insn->operand_size);
}

void exec_far_call(struct cpu *c, const struct insn *insn)
{
    far_call(c, (u16)insn->immediate2, insn->immediate, insn->operand_size);
}

void exec_far_ret(struct cpu *c, const struct insn *insn)
{
    far_return(c, insn->operand_size, insn->opcode == 0xca ? insn->immediate & 0xffff : 0);
}

void exec_bound(struct cpu *c, const struct insn *insn)
{
    u32 size = insn->operand_size;
    u64 offset = effective(c, insn), above = (offset + size) & size_mask(insn->address_size);
    u64 low = read_linear(c, segment_linear(c, insn->segment, offset, size, false), size),
        high = read_linear(c, segment_linear(c, insn->segment, above, size, false), size);
    u64 index = get_reg(c, insn, insn->reg, size);
    bool outside = size == 2 ? (i16)index < (i16)low || (i16)index > (i16)high
                             : (i32)index < (i32)low || (i32)index > (i32)high;
    if (outside)
        raise_plain(c, 5);
}
