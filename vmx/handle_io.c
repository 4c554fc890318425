/*
 * IN, OUT, INS and OUTS (SDM 28.2.1, table 28-5). String forms do at most a
 * bounded number of iterations an exit, so that interrupts come between them as they do on
 * a processor; the guest's registers always show what is done.
 */
#include "core/crc.h"
#include "core/mem.h"
#include "vmx/handlers.h"
#include "vmx/processor.h"

enum { RFLAGS_DF = 1 << 10 };
enum { STRING_BATCH = 256 }; /* iterations an exit */

struct string_io {
    u16 port;
    u8 size;
    bool in;
    u64 mask;   /* of the address size */
    u64 base;   /* linear address of the segment */
    i64 step;
    u32 pointer; /* RSI or RDI */
};

static u64 merge(u64 old, u64 new, u8 size) /* IN: AL and AX keep the rest, EAX zero-extends */
{
    if (size == 4)
        return (u32)new;
    u64 mask = BIT(size * 8) - 1;
    return (old & ~mask) | (new & mask);
}

static void plain_io(struct vcpu *v, u16 port, u8 size, bool in)
{
    u64 mask = BIT(size * 8) - 1;
    struct access access = {.size = size, .write = !in, .value = in ? 0 : v->gpr[RAX] & mask};
    machine_port(v->machine, port, &access);
    v->value = access.value & mask;
    if (in)
        v->gpr[RAX] = merge(v->gpr[RAX], access.value, size);
    vcpu_skip_instruction(v);
}

static struct string_io string_form(struct vcpu *v, u64 qualification)
{
    static const u64 masks[] = {0xffff, 0xffffffff, ~0ull, ~0ull};
    struct string_io s = {
        .port = (u16)(qualification >> 16),
        .size = (u8)((qualification & 7) + 1),
        .in = qualification & 8,
        .mask = masks[vmcs_read(VMCS_INSTRUCTION_INFO) >> 7 & 3],
    };
    s.pointer = s.in ? RDI : RSI;
    s.step = v->rflags & RFLAGS_DF ? -(i64)s.size : s.size;
    s.base = vmcs_read(VMCS_GUEST_LINEAR) - (v->gpr[s.pointer] & s.mask);
    return s;
}

/* One iteration. false: it faulted, nothing of it happened. */
static bool string_step(struct vcpu *v, const struct string_io *s)
{
    u64 offset = v->gpr[s->pointer] & s->mask, linear = s->base + offset;
    struct access access = {.size = s->size, .write = !s->in};
    if (!vcpu_long_mode())
        linear = (u32)linear;
    if (s->in) { /* first see whether the store can happen: an IN cannot be taken back */
        if (guest_copy(v, linear, &access.value, s->size, PROBE_OUT) == GUEST_FAULT_RAISED)
            return false;
        machine_port(v->machine, s->port, &access);
    }
    enum guest_access copied = guest_copy(v, linear, &access.value, s->size, s->in ? COPY_OUT : COPY_IN);
    if (copied == GUEST_FAULT_RAISED)
        return false;
    if (!s->in) {
        if (copied == GUEST_NOT_RAM)
            access.value = BIT(s->size * 8) - 1;
        machine_port(v->machine, s->port, &access);
    }
    v->value = crc32c_u64((u32)v->value, access.value);
    u64 moved = (offset + (u64)s->step) & s->mask;
    v->gpr[s->pointer] = s->mask == 0xffff ? (v->gpr[s->pointer] & ~s->mask) | moved : moved;
    return true;
}

static void string_io(struct vcpu *v, u64 qualification)
{
    enum { QUALIFICATION_REP = 1 << 5 };
    struct string_io s = string_form(v, qualification);
    if (!(qualification & QUALIFICATION_REP)) {
        if (string_step(v, &s))
            vcpu_skip_instruction(v);
        return;
    }
    for (u32 i = 0; i < STRING_BATCH && v->gpr[RCX] & s.mask; i++) {
        if (!string_step(v, &s))
            return;
        u64 left = (v->gpr[RCX] - 1) & s.mask;
        v->gpr[RCX] = s.mask == 0xffff ? (v->gpr[RCX] & ~s.mask) | left : left;
        if (left && vcpu_trap_step(v)) /* a single step is one iteration */
            return;
    }
    if (!(v->gpr[RCX] & s.mask))
        vcpu_skip_instruction(v);
}

void on_io(struct vcpu *v)
{
    enum { QUALIFICATION_STRING = 1 << 4 };
    u64 qualification = v->exit.qualification;
    if (qualification & QUALIFICATION_STRING)
        string_io(v, qualification);
    else
        plain_io(v, (u16)(qualification >> 16), (u8)((qualification & 7) + 1), qualification & 8);
}
