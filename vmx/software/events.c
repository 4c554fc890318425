/*
 * Delivery of interrupts and exceptions through the IDT (SDM vol. 3, 6.11-6.14, 20.1.4): IA-32e,
 * protected and real mode. Pushes are checked before the state changes, so that a fault on the way
 * leaves the guest where it was.
 */
#include "vmx/exits.h"
#include "vmx/software/cpu.h"

struct idt_gate {
    u16 selector;
    u32 access; /* type, DPL, P: bits 47:40 of the descriptor */
    u32 ist;
    u64 offset;
};

struct delivery {
    struct event event;
    u32 vector, ext;
    bool software;
    struct idt_gate gate;
    u64 back; /* RIP in the frame */
};

NORETURN static void idt_fault(struct cpu *c, const struct delivery *d, u32 vector)
{
    raise_error(c, vector, d->vector * 8 + 2 + d->ext);
}

static void read_gate(struct cpu *c, struct delivery *d)
{
    u32 size = c->long_mode ? 16 : 8;
    u64 at = V(GUEST_IDTR_BASE) + d->vector * size;
    if (d->vector * size + size - 1 > V(GUEST_IDTR_LIMIT))
        idt_fault(c, d, VECTOR_GP);
    u64 low = system_read(c, at, 8), high = c->long_mode ? system_read(c, at + 8, 8) : 0;
    d->gate = (struct idt_gate){
        .selector = (u16)(low >> 16),
        .access = low >> 40 & 0xff,
        .ist = low >> 32 & 7,
        .offset = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32,
    };
    if (c->long_mode && high >> 40 & 0x1f)
        idt_fault(c, d, VECTOR_GP);
}

static void check_gate(struct cpu *c, struct delivery *d)
{
    u32 type = d->gate.access & 0x1f;
    bool known =
        type == 14 || type == 15 || (!c->long_mode && (type == 5 || type == 6 || type == 7));
    if (!known)
        idt_fault(c, d, VECTOR_GP);
    if (d->software && AR_DPL(d->gate.access) < c->cpl)
        idt_fault(c, d, VECTOR_GP);
    if (!(d->gate.access & AR_P))
        idt_fault(c, d, VECTOR_NP);
    if (type == 5)
        switch_by_gate(c, (u64)d->gate.selector << 16, TASK_BY_IDT);
    if (type < 8)
        d->gate.offset &= 0xffff;
}

static struct descriptor gate_code(struct cpu *c, const struct delivery *d)
{
    u64 low;
    u16 selector = d->gate.selector;
    if (!(selector & 0xfffc))
        raise_error(c, VECTOR_GP, d->ext);
    if (!fetch_descriptor(c, selector, &low))
        raise_error(c, VECTOR_GP, (selector & 0xfffcu) | d->ext);
    struct descriptor code = parse_descriptor(low);
    if ((code.access & 0x18) != 0x18 || AR_DPL(code.access) > c->cpl)
        raise_error(c, VECTOR_GP, (selector & 0xfffcu) | d->ext);
    if (c->long_mode && (code.access & (AR_L | AR_D)) != AR_L)
        raise_error(c, VECTOR_GP, (selector & 0xfffcu) | d->ext);
    if (!(code.access & AR_P))
        raise_error(c, VECTOR_NP, (selector & 0xfffcu) | d->ext);
    return code;
}

static void enter_handler(struct cpu *c, const struct delivery *d, const struct descriptor *code,
                          u32 cpl)
{
    u64 clear = RF_TF | RF_NT | RF_RF | RF_VM | (d->gate.access & 1 ? 0 : RF_IF);
    set_code_segment(c, d->gate.selector, code, cpl);
    c->rflags &= ~clear;
    c->rip = d->gate.offset;
    derive_state(c);
}

/* --- IA-32e mode ------------------------------------------------------------------------- */

/* The frame goes to the new stack with the new privilege. */
void write_frame(struct cpu *c, u64 rsp, const u64 *words, u32 count)
{
    if (!canonical(rsp) || !canonical(rsp - 8 * count))
        raise_error(c, VECTOR_SS, 0);
    for (u32 i = 0; i < count; i++)
        if (c->cpl == 3)
            system_write(c, rsp - 8 * (i + 1), words[i], 8);
        else
            write_linear(c, rsp - 8 * (i + 1), words[i], 8);
}

static void deliver_long(struct cpu *c, struct delivery *d)
{
    struct descriptor code = gate_code(c, d);
    u32 dpl = AR_DPL(code.access);
    bool inner = !(code.access & 4) && dpl < c->cpl;
    u64 rsp = c->gpr[RSP];
    if (d->gate.ist)
        rsp = tss_read(c, 28 + 8 * d->gate.ist, 8);
    else if (inner)
        rsp = tss_read(c, 4 + 8 * dpl, 8);
    u64 words[6] = {SELECTOR(SEG_SS), c->gpr[RSP], get_rflags(c),
                    SELECTOR(SEG_CS), d->back,     d->event.error};
    u32 count = d->event.info & EVENT_HAS_ERROR ? 6 : 5;
    if (!canonical(d->gate.offset))
        raise_error(c, VECTOR_GP, d->ext);
    rsp &= ~15ull;
    write_frame(c, rsp, words, count);
    u32 cpl = inner ? dpl : c->cpl;
    if (inner)
        load_null(c, SEG_SS, (u16)dpl);
    c->gpr[RSP] = rsp - 8 * count;
    enter_handler(c, d, &code, cpl);
}

/* --- protected mode ---------------------------------------------------------------------- */

static void push_words(struct cpu *c, const u64 *words, u32 count, u32 size)
{
    u64 sp = stack_pointer(c);
    for (u32 i = 0; i < count; i++)
        poke(c, sp -= size, words[i], size);
    set_stack_pointer(c, sp);
}

/* From virtual-8086 mode its data segments go to the stack as well, and become null. */
static void push_inner_frame(struct cpu *c, const struct delivery *d, u32 dpl, u32 size)
{
    static const u8 segments[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    struct inner_stack s = inner_stack(c, dpl);
    const u64 words[6] = {SELECTOR(SEG_SS), c->gpr[RSP], get_rflags(c),
                          SELECTOR(SEG_CS), d->back,     d->event.error};
    for (u32 i = 0; c->rflags & RF_VM && i < ARRAY_SIZE(segments); i++)
        inner_push(c, &s, SELECTOR(segments[i]), size);
    for (u32 i = 0; i < (d->event.info & EVENT_HAS_ERROR ? 6 : 5); i++)
        inner_push(c, &s, words[i], size);
    if (c->rflags & RF_VM)
        drop_virtual_8086_segments(c);
    inner_take(c, &s);
}

static void deliver_protected(struct cpu *c, struct delivery *d)
{
    struct descriptor code = gate_code(c, d);
    u32 dpl = AR_DPL(code.access), size = d->gate.access & 8 ? 4 : 2;
    bool inner = !(code.access & 4) && dpl < c->cpl;
    const u64 words[4] = {get_rflags(c), SELECTOR(SEG_CS), d->back, d->event.error};
    if (c->rflags & RF_VM && (!inner || dpl))
        raise_error(c, VECTOR_GP, (d->gate.selector & 0xfffcu) | d->ext);
    if (d->gate.offset > code.limit)
        raise_error(c, VECTOR_GP, d->ext);
    if (inner)
        push_inner_frame(c, d, dpl, size);
    else
        push_words(c, words, d->event.info & EVENT_HAS_ERROR ? 4 : 3, size);
    enter_handler(c, d, &code, inner ? dpl : c->cpl);
}

/* --- real mode --------------------------------------------------------------------------- */

static void deliver_real(struct cpu *c, struct delivery *d)
{
    if (d->vector * 4 + 3 > V(GUEST_IDTR_LIMIT))
        raise_plain(c, VECTOR_GP);
    u64 entry = system_read(c, V(GUEST_IDTR_BASE) + d->vector * 4, 4);
    const u64 words[3] = {get_rflags(c) & 0xffff, SELECTOR(SEG_CS), d->back};
    push_words(c, words, 3, 2);
    SELECTOR(SEG_CS) = entry >> 16;
    SEG_BASE(SEG_CS) = entry >> 16 << 4;
    c->rip = entry & 0xffff;
    c->rflags &= ~(u64)(RF_IF | RF_TF | RF_AC | RF_RF);
    derive_state(c);
}

void deliver(struct cpu *c, struct event event)
{
    u32 type = EVENT_TYPE(event.info);
    struct delivery d = {.event = event, .vector = EVENT_VECTOR(event.info)};
    d.software = type == EVENT_SOFTWARE_INTERRUPT || type == EVENT_SOFTWARE_EXCEPTION;
    d.ext = type < EVENT_SOFTWARE_INTERRUPT || type == EVENT_PRIVILEGED_SOFTWARE;
    bool after = type >= EVENT_SOFTWARE_INTERRUPT; /* the return address is after the instruction */
    d.back = after ? c->rip + event.length : c->rip;
    if (!(V(GUEST_CR0) & CR0_PE)) {
        deliver_real(c, &d);
        return;
    }
    read_gate(c, &d);
    check_gate(c, &d);
    if (c->long_mode)
        deliver_long(c, &d);
    else
        deliver_protected(c, &d);
}

/* INT n, INT3, INTO, INT1: the delivery is part of the instruction. */
void software_interrupt(struct cpu *c, u32 vector, u32 type)
{
    struct event event = {.info = EVENT(type, vector), .length = (u32)(c->next - c->rip)};
    if (type != EVENT_SOFTWARE_INTERRUPT && V(EXCEPTION_BITMAP) >> vector & 1) {
        V(EXIT_EVENT) = event.info;
        c->exit.length = event.length;
        leave_vm(c, EXIT_EXCEPTION_NMI, 0);
    }
    c->delivering = event;
    deliver(c, event);
    c->delivering.info = 0;
    c->dropped_trap = true;
    c->next = c->rip;
}
