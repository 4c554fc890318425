/*
 * Segment registers, far transfers and returns, descriptor checks (SDM vol. 2: MOV, POP, CALL, JMP,
 * RET, IRET; vol. 3, 3.4, 5.8). Everything is checked before anything changes. Gates and tasks:
 * gates.c; virtual-8086 mode: virtual_8086.c.
 */
#include "vmx/exits.h"
#include "vmx/software/cpu.h"

enum { NULL_ACCESS = AR_UNUSABLE | AR_S };

struct descriptor parse_descriptor(u64 low)
{
    u32 limit = (u32)((low & 0xffff) | (low >> 32 & 0xf0000)), access = (u32)(low >> 40 & 0xf0ff);
    if (access & AR_G)
        limit = limit << 12 | 0xfff;
    return (struct descriptor){(low >> 16 & 0xffffff) | (low >> 32 & 0xff000000), limit, access,
                               low, 0};
}

u64 descriptor_linear(struct cpu *c, u16 selector)
{
    u64 base = selector & 4 ? SEG_BASE(SEG_LDTR) : V(GUEST_GDTR_BASE);
    return base + (selector & ~7u);
}

bool fetch_descriptor(struct cpu *c, u16 selector, u64 *low)
{
    u64 limit = selector & 4 ? SEG_LIMIT(SEG_LDTR) : V(GUEST_GDTR_LIMIT);
    if (selector & 4 && SEG_ACCESS(SEG_LDTR) & AR_UNUSABLE)
        return false;
    if ((selector | 7u) > limit)
        return false;
    *low = system_read(c, descriptor_linear(c, selector), 8);
    return true;
}

static struct descriptor need_descriptor(struct cpu *c, u16 selector, u32 vector)
{
    u64 low;
    if (!fetch_descriptor(c, selector, &low))
        raise_error(c, vector, selector & 0xfffc);
    return parse_descriptor(low);
}

void mark_accessed(struct cpu *c, u16 selector, struct descriptor *d)
{
    if (d->access & 1)
        return;
    system_write(c, descriptor_linear(c, selector) + 5, (d->access & 0xff) | 1, 1);
    d->access |= 1;
}

void set_segment(struct cpu *c, u32 segment, u16 selector, const struct descriptor *d)
{
    SELECTOR(segment) = selector;
    SEG_BASE(segment) = d->base;
    SEG_LIMIT(segment) = d->limit;
    SEG_ACCESS(segment) = d->access;
    if (segment == SEG_FS)
        c->gpr[FS_BASE] = d->base;
    if (segment == SEG_GS)
        c->gpr[GS_BASE] = d->base;
}

/* A null selector leaves what Bochs leaves: S, and nothing else but unusable. SS keeps the CPL as
 * its DPL. */
void load_null(struct cpu *c, u32 segment, u16 selector)
{
    struct descriptor d = {.access = NULL_ACCESS};
    if (segment == SEG_SS)
        d.access |= (selector & 3u) << 5;
    set_segment(c, segment, selector, &d);
}

static void load_real(struct cpu *c, u32 segment, u16 selector)
{
    SELECTOR(segment) = selector;
    SEG_BASE(segment) = (u64)selector << 4;
    if (c->rflags & RF_VM) {
        SEG_LIMIT(segment) = 0xffff;
        SEG_ACCESS(segment) = 0xf3;
    } else if (segment == SEG_CS) {
        SEG_ACCESS(segment) = 0x9b | (SEG_ACCESS(segment) & AR_G);
    } else if (SEG_ACCESS(segment) & AR_UNUSABLE) {
        SEG_ACCESS(segment) = 0x93;
        SEG_LIMIT(segment) = 0xffff;
    }
    if (segment == SEG_FS)
        c->gpr[FS_BASE] = SEG_BASE(segment);
    if (segment == SEG_GS)
        c->gpr[GS_BASE] = SEG_BASE(segment);
}

static void load_ss(struct cpu *c, u16 selector)
{
    if (!(selector & 0xfffc)) {
        if (c->bits != 64 || c->cpl == 3 || (selector & 3) != c->cpl)
            raise_gp(c);
        load_null(c, SEG_SS, selector);
        return;
    }
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    bool writable_data = (d.access & 0x1a) == 0x12;
    if ((selector & 3) != c->cpl || !writable_data || AR_DPL(d.access) != c->cpl)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_SS, selector & 0xfffc);
    mark_accessed(c, selector, &d);
    set_segment(c, SEG_SS, selector, &d);
}

static bool data_allowed(const struct cpu *c, const struct descriptor *d, u16 selector)
{
    u32 access = d->access;
    if (!(access & AR_S) || (access & 0xa) == 8) /* execute-only code */
        return false;
    bool conforming = (access & 0xc) == 0xc;
    return conforming || ((selector & 3u) <= AR_DPL(access) && c->cpl <= AR_DPL(access));
}

void load_segment(struct cpu *c, u32 segment, u16 selector)
{
    if (!protected_mode(c)) {
        load_real(c, segment, selector);
    } else if (segment == SEG_SS) {
        load_ss(c, selector);
        derive_state(c);
    } else if (!(selector & 0xfffc)) {
        load_null(c, segment, selector);
    } else {
        struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
        if (!data_allowed(c, &d, selector))
            raise_error(c, VECTOR_GP, selector & 0xfffc);
        if (!(d.access & AR_P))
            raise_error(c, VECTOR_NP, selector & 0xfffc);
        mark_accessed(c, selector, &d);
        set_segment(c, segment, selector, &d);
    }
}

/* The second half of an LDT's or TSS's descriptor in IA-32e mode (SDM vol. 3, 7.2.3). */
static void widen_base(struct cpu *c, u16 selector, struct descriptor *d)
{
    if (!c->long_mode)
        return;
    if ((selector | 7u) + 8 > V(GUEST_GDTR_LIMIT))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    u64 high = system_read(c, descriptor_linear(c, selector) + 8, 8);
    d->base |= high << 32;
    if (high >> 40 & 0x1f || !canonical(d->base))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
}

void load_ldtr(struct cpu *c, u16 selector)
{
    if (!(selector & 0xfffc)) {
        SELECTOR(SEG_LDTR) = selector;
        SEG_ACCESS(SEG_LDTR) |= AR_UNUSABLE;
        return;
    }
    if (selector & 4)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    if ((d.access & 0x1f) != 2)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    widen_base(c, selector, &d);
    set_segment(c, SEG_LDTR, selector, &d);
}

void load_tr(struct cpu *c, u16 selector)
{
    if (!(selector & 0xfffc))
        raise_gp(c);
    if (selector & 4)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    u32 type = d.access & 0x1f;
    if (type != 9 && (type != 1 || c->long_mode))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    widen_base(c, selector, &d);
    system_write(c, descriptor_linear(c, selector) + 5, (d.access & 0xff) | 2, 1); /* busy */
    d.access |= 2;
    set_segment(c, SEG_TR, selector, &d);
}

/* --- code segments ---------------------------------------------------------------------------- */

void set_code_segment(struct cpu *c, u16 selector, const struct descriptor *d, u32 cpl)
{
    struct descriptor loaded = *d;
    mark_accessed(c, selector, &loaded);
    set_segment(c, SEG_CS, (u16)((selector & ~3u) | cpl), &loaded);
    c->cpl = (u8)cpl;
    derive_state(c);
}

void check_target(struct cpu *c, const struct descriptor *d, u64 offset)
{
    bool long_code = c->long_mode && d->access & AR_L;
    if (long_code ? !canonical(offset) : offset > d->limit)
        raise_gp(c);
}

/* JMP and CALL to a code segment at the same privilege (SDM 5.8.1). */
static struct descriptor direct_target(struct cpu *c, u16 selector)
{
    if (!(selector & 0xfffc))
        raise_gp(c);
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    u32 dpl = AR_DPL(d.access);
    bool code = (d.access & 0x18) == 0x18, conforming = d.access & 4;
    bool both = c->long_mode && d.access & AR_L && d.access & AR_D;
    if (!code || both || (conforming ? dpl > c->cpl : (selector & 3u) > c->cpl || dpl != c->cpl))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    return d;
}

void far_jump(struct cpu *c, u16 selector, u64 offset, u32 size)
{
    offset &= size_mask(size);
    if (!protected_mode(c)) {
        if (offset > SEG_LIMIT(SEG_CS))
            raise_gp(c);
        load_real(c, SEG_CS, selector);
        derive_state(c);
    } else if (far_through_gate(c, selector, false)) {
        return;
    } else {
        struct descriptor d = direct_target(c, selector);
        check_target(c, &d, offset);
        set_code_segment(c, selector, &d, c->cpl);
    }
    c->next = offset;
}

/* To 64-bit code the return address goes where that code's stack is: without SS's base. */
static u64 return_slot(struct cpu *c, bool to_long, u64 below, u32 size)
{
    u64 at = to_long ? c->gpr[RSP] - below : (stack_pointer(c) - below) & size_mask(c->stack_bytes);
    if (!to_long)
        at = segment_linear(c, SEG_SS, at, size, true);
    else if (!canonical(at) || !canonical(at + size - 1))
        raise_error(c, VECTOR_SS, 0);
    return at;
}

static void push_return(struct cpu *c, bool to_long, u64 back, u32 size)
{
    write_linear(c, return_slot(c, to_long, size, size), SELECTOR(SEG_CS), size);
    write_linear(c, return_slot(c, to_long, 2 * size, size), back, size);
}

static void far_call_direct(struct cpu *c, u16 selector, u64 offset, u32 size)
{
    struct descriptor d = direct_target(c, selector);
    bool to_long = c->long_mode && d.access & AR_L;
    push_return(c, to_long, c->next, size);
    check_target(c, &d, offset); /* after the pushes, on silicon and under Bochs */
    put_gpr(c, RSP, c->gpr[RSP] - 2 * size, to_long ? 8 : c->stack_bytes);
    set_code_segment(c, selector, &d, c->cpl);
    c->next = offset;
}

void far_call(struct cpu *c, u16 selector, u64 offset, u32 size)
{
    offset &= size_mask(size);
    if (protected_mode(c)) {
        if (!far_through_gate(c, selector, true))
            far_call_direct(c, selector, offset, size);
        return;
    }
    if (offset > SEG_LIMIT(SEG_CS))
        raise_gp(c);
    push_return(c, false, c->next, size);
    set_stack_pointer(c, stack_pointer(c) - 2 * size);
    load_real(c, SEG_CS, selector);
    derive_state(c);
    c->next = offset;
}

/* --- returns ----------------------------------------------------------------------------- */

static struct descriptor return_code(struct cpu *c, u16 selector, u64 offset)
{
    if (!(selector & 0xfffc))
        raise_gp(c);
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    u32 dpl = AR_DPL(d.access), rpl = selector & 3;
    bool both = c->long_mode && d.access & AR_L && d.access & AR_D;
    if ((d.access & 0x18) != 0x18 || rpl < c->cpl || both ||
        (d.access & 4 ? dpl > rpl : dpl != rpl))
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_NP, selector & 0xfffc);
    check_target(c, &d, offset);
    return d;
}

/* The stack segment of a return to `rpl`; null is allowed to 64-bit code below CPL 3. */
static struct descriptor return_stack(struct cpu *c, u16 selector, u32 rpl, bool to_long)
{
    if (!(selector & 0xfffc)) {
        if (!to_long || rpl == 3 || (selector & 3) != rpl)
            raise_gp(c);
        return (struct descriptor){.access = NULL_ACCESS | rpl << 5};
    }
    struct descriptor d = need_descriptor(c, selector, VECTOR_GP);
    if ((selector & 3) != rpl || (d.access & 0x1a) != 0x12 || AR_DPL(d.access) != rpl)
        raise_error(c, VECTOR_GP, selector & 0xfffc);
    if (!(d.access & AR_P))
        raise_error(c, VECTOR_SS, selector & 0xfffc);
    return d;
}

static void set_stack_segment(struct cpu *c, u16 selector, struct descriptor *d)
{
    if (!(d->access & AR_UNUSABLE))
        mark_accessed(c, selector, d);
    set_segment(c, SEG_SS, selector, d);
}

/* Data segments that the outer level may not have become null (SDM 5.8.6); base, limit and
 * rights stay, as in Bochs. */
static void drop_privileged(struct cpu *c)
{
    static const u8 segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (u32 i = 0; i < ARRAY_SIZE(segments); i++) {
        u64 access = SEG_ACCESS(segments[i]);
        bool conforming = !(access & AR_UNUSABLE) && (access & 0x1c) == 0x1c;
        if (conforming || AR_DPL(access) >= c->cpl)
            continue;
        SELECTOR(segments[i]) = 0;
        SEG_ACCESS(segments[i]) |= AR_UNUSABLE;
    }
}

void far_return(struct cpu *c, u32 size, u32 pop_bytes)
{
    u64 offset = peek(c, 0, size);
    u16 selector = (u16)peek(c, size, size);
    if (!protected_mode(c)) {
        if (offset > SEG_LIMIT(SEG_CS))
            raise_gp(c);
        set_stack_pointer(c, stack_pointer(c) + 2 * size + pop_bytes);
        load_real(c, SEG_CS, selector);
        derive_state(c);
        c->next = offset;
        return;
    }
    struct descriptor code = return_code(c, selector, offset);
    u32 rpl = selector & 3;
    if (rpl == c->cpl) {
        set_stack_pointer(c, stack_pointer(c) + 2 * size + pop_bytes);
        set_code_segment(c, selector, &code, rpl);
    } else {
        u64 sp = peek(c, 2 * size + pop_bytes, size);
        u16 ss = (u16)peek(c, 3 * size + pop_bytes, size);
        struct descriptor stack = return_stack(c, ss, rpl, code.access & AR_L);
        set_code_segment(c, selector, &code, rpl);
        set_stack_segment(c, ss, &stack);
        derive_state(c);
        set_stack_pointer(c, sp + pop_bytes);
        drop_privileged(c);
    }
    c->next = offset;
}

static void set_returned_flags(struct cpu *c, u64 flags, u32 size, u32 cpl)
{
    u64 change = RF_STATUS | RF_TF | RF_DF | RF_NT | (size > 2 ? RF_RF | RF_AC | RF_ID : 0);
    if (cpl == 0)
        change |= RF_IOPL | (size > 2 ? RF_VIF | RF_VIP : 0);
    if (cpl <= iopl(c))
        change |= RF_IF;
    set_rflags(c, (get_rflags(c) & ~change) | (flags & change));
}

static void iret_real(struct cpu *c, u32 size)
{
    u64 offset = peek(c, 0, size), flags = peek(c, 2 * size, size);
    u16 selector = (u16)peek(c, size, size);
    if (offset > SEG_LIMIT(SEG_CS))
        raise_gp(c);
    set_stack_pointer(c, stack_pointer(c) + 3 * size);
    load_real(c, SEG_CS, selector);
    set_returned_flags(c, flags, size, 0);
    c->next = offset;
}

void interrupt_return(struct cpu *c, u32 size)
{
    V(GUEST_INTERRUPTIBILITY) &= ~(u64)BLOCKED_BY_NMI; /* virtual NMIs: SDM 26.3 */
    if (!protected_mode(c)) {
        if (c->rflags & RF_VM)
            iret_virtual_8086(c, size);
        else
            iret_real(c, size);
        derive_state(c);
        return;
    }
    if (c->rflags & RF_NT) {
        if (c->long_mode)
            raise_gp(c);
        switch_back(c);
    }
    u64 offset = peek(c, 0, size), flags = peek(c, 2 * size, size);
    u16 selector = (u16)peek(c, size, size);
    if (flags & RF_VM && size == 4 && c->cpl == 0 && !c->long_mode) {
        enter_virtual_8086(c);
        return;
    }
    struct descriptor code = return_code(c, selector, offset);
    u32 rpl = selector & 3, from = c->cpl;
    bool outer = rpl != c->cpl;
    if (!outer && c->bits != 64) {
        set_stack_pointer(c, stack_pointer(c) + 3 * size);
        set_code_segment(c, selector, &code, rpl);
    } else {
        u64 sp = peek(c, 3 * size, size);
        u16 ss = (u16)peek(c, 4 * size, size);
        struct descriptor stack = return_stack(c, ss, rpl, code.access & AR_L);
        set_code_segment(c, selector, &code, rpl);
        set_stack_segment(c, ss, &stack);
        derive_state(c);
        if (size == 8 || c->stack_bytes == 8)
            c->gpr[RSP] = sp;
        else
            set_stack_pointer(c, sp);
        if (outer)
            drop_privileged(c);
    }
    set_returned_flags(c, flags, size, from);
    derive_state(c);
    c->next = offset;
}
