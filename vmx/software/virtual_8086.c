/*
 * Virtual-8086 mode, its extensions (CR4.VME) and protected-mode virtual interrupts (CR4.PVI):
 * SDM vol. 3, chapter 22. Segments are loaded as in real mode; what differs is here: the way in by
 * IRET, the way out by interrupts (events.c), and the instructions that look at IOPL.
 */
#include "vmx/software/exec.h"

enum { VME = 1 << 0, PVI = 1 << 1 };

static bool in_v86(const struct cpu *c)
{
    return c->rflags & RF_VM;
}

/* VIF and VIP serve instead of IF. */
static bool virtual_interrupts(const struct cpu *c)
{
    return c->cpl == 3 && iopl(c) < 3 && V(GUEST_CR4) & (in_v86(c) ? VME : PVI);
}

static u64 valid_flags(u64 flags)
{
    return (flags & 0x3f7fd7) | RF_FIXED;
}

/* --- in and out -------------------------------------------------------------------------- */

static void set_all_segments(struct cpu *c, const u16 selectors[SEG_COUNT])
{
    for (u32 i = 0; i < SEG_COUNT; i++) {
        const struct descriptor d = {
            .base = (u64)selectors[i] << 4, .limit = 0xffff, .access = 0xf3};
        set_segment(c, i, selectors[i], &d);
    }
}

/* IRET of CPL 0 to flags with VM; nine dwords are on the stack. */
void enter_virtual_8086(struct cpu *c)
{
    u32 words[9];
    for (u32 i = 0; i < ARRAY_SIZE(words); i++)
        words[i] = (u32)peek(c, 4 * i, 4);
    const u16 selectors[SEG_COUNT] = {
        [SEG_CS] = (u16)words[1], [SEG_SS] = (u16)words[4], [SEG_ES] = (u16)words[5],
        [SEG_DS] = (u16)words[6], [SEG_FS] = (u16)words[7], [SEG_GS] = (u16)words[8]};
    set_rflags(c, valid_flags(words[2]));
    set_all_segments(c, selectors);
    c->gpr[RSP] = words[3];
    c->next = words[0] & 0xffff;
    c->cpl = 3;
    derive_state(c);
}

void drop_virtual_8086_segments(struct cpu *c)
{
    static const u8 segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (u32 i = 0; i < ARRAY_SIZE(segments); i++) {
        SELECTOR(segments[i]) = 0;
        SEG_ACCESS(segments[i]) |= AR_UNUSABLE;
    }
}

/* --- flags ------------------------------------------------------------------------------- */

/* A program may not unmask what is pending, nor trace itself. */
static void take_virtual_flags(struct cpu *c, u64 flags)
{
    enum { CHANGE = RF_STATUS | RF_TF | RF_DF | RF_NT };
    if (flags & RF_TF || (flags & RF_IF && c->rflags & RF_VIP))
        raise_gp(c);
    u64 vif = flags & RF_IF ? RF_VIF : 0;
    set_rflags(c, (get_rflags(c) & ~(u64)(CHANGE | RF_VIF)) | (flags & CHANGE) | vif);
}

static u64 virtual_flags(const struct cpu *c)
{
    u64 flags = get_rflags(c) | RF_IOPL;
    return c->rflags & RF_VIF ? flags | RF_IF : flags & ~(u64)RF_IF;
}

u64 flags_to_push(struct cpu *c, u32 size)
{
    if (!in_v86(c) || iopl(c) == 3)
        return get_rflags(c);
    if (!virtual_interrupts(c) || size != 2)
        raise_gp(c);
    return virtual_flags(c);
}

bool pop_virtual_flags(struct cpu *c, u32 size)
{
    if (!in_v86(c) || iopl(c) == 3)
        return false;
    if (!virtual_interrupts(c) || size != 2)
        raise_gp(c);
    take_virtual_flags(c, peek(c, 0, 2));
    set_stack_pointer(c, stack_pointer(c) + 2);
    derive_state(c);
    return true;
}

/* CLI and STI. false: IF is meant. */
bool set_virtual_interrupt_flag(struct cpu *c, bool on)
{
    bool allowed = !(V(GUEST_CR0) & CR0_PE) || c->cpl <= iopl(c);
    if (allowed)
        return false;
    if (!virtual_interrupts(c) || (on && c->rflags & RF_VIP))
        raise_gp(c);
    c->rflags = on ? c->rflags | RF_VIF : c->rflags & ~(u64)RF_VIF;
    return true;
}

void iret_virtual_8086(struct cpu *c, u32 size)
{
    bool virtual = iopl(c) < 3;
    if (virtual && (!virtual_interrupts(c) || size != 2))
        raise_gp(c);
    u64 offset = peek(c, 0, size), flags = peek(c, 2 * size, size);
    u16 selector = (u16)peek(c, size, size);
    if (offset > SEG_LIMIT(SEG_CS))
        raise_gp(c);
    if (virtual) {
        take_virtual_flags(c, flags);
    } else {
        u64 change =
            RF_STATUS | RF_TF | RF_IF | RF_DF | RF_NT | (size == 4 ? RF_RF | RF_AC | RF_ID : 0);
        set_rflags(c, (get_rflags(c) & ~change) | (flags & change));
    }
    set_stack_pointer(c, stack_pointer(c) + 3 * size);
    load_segment(c, SEG_CS, selector);
    c->next = offset;
}

/* --- INT n ------------------------------------------------------------------------------- */

/* Does the bitmap below the I/O bitmap send this vector to the program's own table? */
static bool redirected(struct cpu *c, u32 vector)
{
    if (!(V(GUEST_CR4) & VME))
        return false;
    u64 map = system_read(c, SEG_BASE(SEG_TR) + 102, 2) - 32 + vector / 8;
    return !(system_read(c, SEG_BASE(SEG_TR) + map, 1) >> (vector & 7) & 1);
}

static void interrupt_by_own_table(struct cpu *c, u32 vector)
{
    u64 flags = iopl(c) < 3 ? virtual_flags(c) : get_rflags(c), sp = stack_pointer(c);
    u64 offset = system_read(c, vector * 4, 2);
    u16 selector = (u16)system_read(c, vector * 4 + 2, 2);
    poke(c, sp - 2, flags & 0xffff, 2);
    poke(c, sp - 4, SELECTOR(SEG_CS), 2);
    poke(c, sp - 6, c->next, 2);
    set_stack_pointer(c, sp - 6);
    load_segment(c, SEG_CS, selector);
    c->rflags &= ~(u64)(RF_TF | RF_RF | (iopl(c) < 3 ? RF_VIF : RF_IF));
    c->next = offset;
    derive_state(c);
}

bool interrupt_in_virtual_8086(struct cpu *c, u32 vector)
{
    if (!in_v86(c))
        return false;
    if (redirected(c, vector)) {
        interrupt_by_own_table(c, vector);
        return true;
    }
    if (iopl(c) < 3)
        raise_gp(c);
    return false;
}
