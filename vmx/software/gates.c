/*
 * Far transfers through call gates, and everything that would switch tasks (SDM vol.
 * 3, 5.8.3-5.8.6, 7.3; 26.4.2). VT-x has no task switches in a guest: after the checks that come
 * before them they exit. Stacks of inner levels are written before anything is loaded.
 */
#include "vmx/exits.h"
#include "vmx/software/exec.h"

enum { TYPE_TSS16 = 1, TYPE_CALL16 = 4, TYPE_TASK = 5, TYPE_TSS32 = 9, TYPE_CALL32 = 12, BUSY = 2 };

/* --- the stack of an inner level ------------------------------------------------------------- */

u64 tss_read(struct cpu *c, u32 offset, u32 size)
{
    if (offset + size - 1 > SEG_LIMIT(SEG_TR))
        raise_error(c, VECTOR_TS, SELECTOR(SEG_TR) & 0xfffc);
    return system_read(c, SEG_BASE(SEG_TR) + offset, size);
}

struct inner_stack inner_stack(struct cpu *c, u32 dpl)
{
    bool wide = SEG_ACCESS(SEG_TR) & 8;
    struct inner_stack s;
    u64 low;
    s.sp = wide ? tss_read(c, 4 + 8 * dpl, 4) : tss_read(c, 2 + 4 * dpl, 2);
    s.selector = (u16)(wide ? tss_read(c, 8 + 8 * dpl, 2) : tss_read(c, 4 + 4 * dpl, 2));
    if (!(s.selector & 0xfffc) || !fetch_descriptor(c, s.selector, &low))
        raise_error(c, VECTOR_TS, s.selector & 0xfffc);
    s.segment = parse_descriptor(low);
    if ((s.selector & 3) != dpl || AR_DPL(s.segment.access) != dpl ||
        (s.segment.access & 0x1a) != 0x12)
        raise_error(c, VECTOR_TS, s.selector & 0xfffc);
    if (!(s.segment.access & AR_P))
        raise_error(c, VECTOR_SS, s.selector & 0xfffc);
    return s;
}

static u32 sp_size(const struct inner_stack *s)
{
    return s->segment.access & AR_D ? 4 : 2;
}

/* With the privilege of the new level. */
void inner_push(struct cpu *c, struct inner_stack *s, u64 value, u32 size)
{
    bool down = (s->segment.access & 0xc) == 4;
    s->sp = (s->sp - size) & size_mask(sp_size(s));
    u64 last = s->sp + size - 1;
    if (down ? s->sp <= s->segment.limit || last > size_mask(sp_size(s)) : last > s->segment.limit)
        raise_error(c, VECTOR_SS, s->selector & 0xfffc);
    system_write(c, (u32)(s->segment.base + s->sp), value, size);
}

void inner_take(struct cpu *c, struct inner_stack *s)
{
    mark_accessed(c, s->selector, &s->segment);
    set_segment(c, SEG_SS, s->selector, &s->segment);
    put_gpr(c, RSP, s->sp, sp_size(s));
}

/* --- task switches: exits ---------------------------------------------------------------- */

NORETURN static void leave_for_task(struct cpu *c, u16 selector, const struct descriptor *tss,
                                    enum task_source source)
{
    if (tss->limit < (tss->access & 8 ? 103u : 43u))
        raise_error(c, VECTOR_TS, selector & 0xfffc);
    if (source == TASK_BY_IDT)
        leave_vm(c, EXIT_TASK_SWITCH, selector | (u64)source << 30);
    leave_at(c, EXIT_TASK_SWITCH, selector | (u64)source << 30);
}

/* The TSS that a task gate or a back link names: in the GDT, of the right kind, present. */
static struct descriptor named_tss(struct cpu *c, u16 selector, bool busy, u32 vector)
{
    u64 low;
    if (selector & 4 || !(selector & 0xfffc) || !fetch_descriptor(c, selector, &low))
        raise_error(c, vector, selector & 0xfffc);
    struct descriptor d = parse_descriptor(low);
    u32 type = d.access & 0x1f & ~(busy ? BUSY : 0u);
    if ((type != TYPE_TSS16 && type != TYPE_TSS32) || (busy && !(d.access & BUSY)))
        raise_error(c, vector, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    return d;
}

void switch_by_gate(struct cpu *c, u64 gate, enum task_source source)
{
    u16 selector = (u16)(gate >> 16);
    struct descriptor tss = named_tss(c, selector, false, VECTOR_GP);
    leave_for_task(c, selector, &tss, source);
}

/* IRET with NT: back to the task that the TSS links to. */
void switch_back(struct cpu *c)
{
    u16 selector = (u16)system_read(c, SEG_BASE(SEG_TR), 2);
    struct descriptor tss = named_tss(c, selector, true, VECTOR_TS);
    leave_for_task(c, selector, &tss, TASK_BY_IRET);
}

static void switch_to_tss(struct cpu *c, u16 selector, const struct descriptor *tss, bool call)
{
    if (selector & 4)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(tss->access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    leave_for_task(c, selector, tss, call ? TASK_BY_CALL : TASK_BY_JMP);
}

/* --- call gates -------------------------------------------------------------------------- */

struct call_gate {
    u16 selector;
    u64 offset;
    u32 parameters, size; /* of what it pushes: 2, 4, 8 */
};

static struct call_gate read_call_gate(struct cpu *c, u16 selector, const struct descriptor *d)
{
    u64 low = d->low, high = 0;
    if (c->long_mode) {
        if ((selector | 7u) + 8 > (selector & 4 ? SEG_LIMIT(SEG_LDTR) : V(GUEST_GDTR_LIMIT)))
            raise_error(c, VECTOR_GP, selector & 0xfffc);
        high = system_read(c, descriptor_linear(c, selector) + 8, 8);
        if (high >> 40 & 0x1f)
            raise_error(c, VECTOR_GP, selector & 0xfffc);
    }
    if (!(d->access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    bool wide = d->access & 8;
    return (struct call_gate){
        .selector = (u16)(low >> 16),
        .offset = (low & 0xffff) | (wide ? low >> 32 & 0xffff0000 : 0) | high << 32,
        .parameters = low >> 32 & 31,
        .size = c->long_mode ? 8
                : wide       ? 4
                             : 2,
    };
}

static struct descriptor gate_target(struct cpu *c, u16 selector, bool call)
{
    u64 low;
    if (!(selector & 0xfffc))
        raise_gp(c);
    if (!fetch_descriptor(c, selector, &low))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    struct descriptor d = parse_descriptor(low);
    u32 dpl = AR_DPL(d.access);
    bool code = (d.access & 0x18) == 0x18, same_only = !call && !(d.access & 4);
    bool long_code = (d.access & (AR_L | AR_D)) == AR_L;
    if (!code || dpl > c->cpl || (same_only && dpl != c->cpl) || (c->long_mode && !long_code))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    return d;
}

static void enter_code(struct cpu *c, const struct call_gate *g, const struct descriptor *code,
                       u32 cpl)
{
    set_code_segment(c, g->selector, code, cpl);
    c->next = g->offset;
}

static void call_same_level(struct cpu *c, const struct call_gate *g, const struct descriptor *code)
{
    u64 sp = stack_pointer(c);
    poke(c, sp - g->size, SELECTOR(SEG_CS), g->size);
    poke(c, sp - 2 * g->size, c->next, g->size);
    check_target(c, code, g->offset);
    set_stack_pointer(c, sp - 2 * g->size);
    enter_code(c, g, code, c->cpl);
}

static void call_inner(struct cpu *c, const struct call_gate *g, const struct descriptor *code)
{
    u32 dpl = AR_DPL(code->access);
    struct inner_stack s = inner_stack(c, dpl);
    u64 parameters[32];
    for (u32 i = 0; i < g->parameters; i++)
        parameters[i] = peek(c, i * g->size, g->size);
    inner_push(c, &s, SELECTOR(SEG_SS), g->size);
    inner_push(c, &s, stack_pointer(c), g->size);
    for (u32 i = g->parameters; i-- > 0;)
        inner_push(c, &s, parameters[i], g->size);
    inner_push(c, &s, SELECTOR(SEG_CS), g->size);
    inner_push(c, &s, c->next, g->size);
    check_target(c, code, g->offset);
    inner_take(c, &s);
    enter_code(c, g, code, dpl);
}

static void call_inner_long(struct cpu *c, const struct call_gate *g, const struct descriptor *code)
{
    u32 dpl = AR_DPL(code->access);
    u64 rsp = tss_read(c, 4 + 8 * dpl, 8);
    const u64 words[4] = {SELECTOR(SEG_SS), c->gpr[RSP], SELECTOR(SEG_CS), c->next};
    write_frame(c, rsp, words, 4);
    check_target(c, code, g->offset);
    load_null(c, SEG_SS, (u16)dpl);
    c->gpr[RSP] = rsp - 32;
    enter_code(c, g, code, dpl);
}

static void through_call_gate(struct cpu *c, u16 selector, const struct descriptor *d, bool call)
{
    struct call_gate g = read_call_gate(c, selector, d);
    struct descriptor code = gate_target(c, g.selector, call);
    bool inner = call && !(code.access & 4) && AR_DPL(code.access) < c->cpl;
    if (!call) {
        check_target(c, &code, g.offset);
        enter_code(c, &g, &code, c->cpl);
    } else if (!inner) {
        call_same_level(c, &g, &code);
    } else if (c->long_mode) {
        call_inner_long(c, &g, &code);
    } else {
        call_inner(c, &g, &code);
    }
}

bool far_through_gate(struct cpu *c, u16 selector, bool call)
{
    u64 low;
    if (!(selector & 0xfffc) || !fetch_descriptor(c, selector, &low))
        return false;
    struct descriptor d = parse_descriptor(low);
    u32 type = d.access & 15, dpl = AR_DPL(d.access);
    if (d.access & AR_S)
        return false;
    if (dpl < c->cpl || dpl < (selector & 3u))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (type == TYPE_CALL32 || (type == TYPE_CALL16 && !c->long_mode)) {
        through_call_gate(c, selector, &d, call);
        return true;
    }
    if (c->long_mode || (type != TYPE_TASK && type != TYPE_TSS16 && type != TYPE_TSS32))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (type != TYPE_TASK)
        switch_to_tss(c, selector, &d, call);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    switch_by_gate(c, low, call ? TASK_BY_CALL : TASK_BY_JMP);
}
