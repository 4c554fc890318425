/*
 * Random tests from a seed. Memory operands go by pointer registers whose values are known and that
 * few instructions write, so that an address can be chosen first and put into any addressing
 * form: inside the data, across pages, into the read-only page, into nothing, not canonical.
 */
#include <string.h>

#include "core/crc.h"
#include "tests/oracle/generator.h"

/* Operands of more than 16 bytes fault as a whole: vendors differ in what they write before. */
static u64 choose_large_target(struct generator *g)
{
    u32 kind = below(g, 100);
    u64 target = kind < 4   ? READ_ONLY + READ_ONLY_SIZE + 64
                 : kind < 8 ? READ_ONLY + 64
                            : DATA + below(g, DATA_SIZE - 600);
    return target & ~15ull;
}

static u64 choose_target(struct generator *g, bool aligned)
{
    u32 kind = below(g, 100);
    u64 target = DATA + below(g, DATA_SIZE - 64);
    if (kind >= 98)
        target = READ_ONLY + READ_ONLY_SIZE - below(g, 20);
    else if (kind >= 96)
        target = READ_ONLY + below(g, 64);
    else if (kind >= 94)
        target = READ_ONLY - below(g, 16);
    else if (kind >= 86)
        target = DATA + 0x1000 - below(g, 18);
    else if (kind >= 83)
        target = DATA - below(g, 16);
    if (aligned && (g->alignment || !chance(g, 2)))
        target &= ~15ull;
    return target;
}

/* 64-bit: FS or GS, but not beside pointers out of the data, as AMD's check base and offset apart.
 */
static void choose_segment(struct generator *g, struct place *p)
{
    bool wild = p->base < 16 && g->value[p->base] - DATA >= DATA_SIZE;
    if (wild || !chance(g, 6))
        return;
    p->segment = chance(g, 50) ? SEG_FS : SEG_GS;
    p->displacement -= g->base[p->segment];
}

/* Else pointers are offsets in DS; now and then another segment is tried. */
static void choose_legacy_segment(struct generator *g, struct place *p, bool large)
{
    bool stack = p->base == RBP && g->base[SEG_SS] != g->base[SEG_DS];
    if (stack)
        p->segment = SEG_DS;
    if (chance(g, 10) && !large) {
        p->segment = (u8)below(g, SEG_COUNT);
        p->displacement += (i64)g->base[SEG_DS] - g->base[p->segment];
    }
}

static bool fits(i64 displacement)
{
    return displacement == (i32)displacement;
}

/* #SS and #GP of misaligned large operands have no common order: RBP is none of their bases. */
static u8 choose_base(struct generator *g, bool large)
{
    u32 which = below(g, large ? 2 : POINTERS);
    if (large && g->pointer[which] == RBP)
        which ^= 1;
    return g->pointer[which];
}

static u8 address_size(const struct generator *g, bool narrow)
{
    return g->test->bits == 64 ? (narrow ? 4 : 8) : (g->test->bits == 32) != narrow ? 4 : 2;
}

static bool choose_narrow(struct generator *g)
{
    if (g->test->bits == 64)
        return chance(g, 4);
    return (g->test->bits == 16 || g->base[SEG_DS]) && chance(g, 15);
}

/* false: the pointer is no data pointer, so the target is what it leads to. */
static bool place_by_base(struct generator *g, struct place *p, bool large)
{
    p->base = choose_base(g, large);
    p->displacement -= (i64)g->value[p->base];
    if (fits(p->displacement) && !(p->narrow && g->value[p->base] >> 31))
        return true;
    p->displacement = below(g, 4) * 16;
    if (g->test->bits == 64)
        p->narrow = false;
    return false;
}

static void place_index(struct generator *g, struct place *p)
{
    bool pair_16 = (p->base == RBX || p->base == RBP) && (g->index == RSI || g->index == RDI);
    if (!chance(g, 25) || (p->narrow && g->test->bits == 64) || (p->address == 2 && !pair_16))
        return;
    p->index = g->index;
    p->scale = p->address == 2 ? 1 : (u8)(1u << below(g, 4));
    p->displacement -= (i64)(g->value[g->index] * p->scale);
}

static struct place choose_place(struct generator *g, bool aligned, bool large)
{
    struct place p = {.target = large ? choose_large_target(g) : choose_target(g, aligned),
                      .scale = 1,
                      .segment = NO_REGISTER,
                      .base = NO_REGISTER,
                      .index = NO_REGISTER};
    u32 kind = below(g, 100);
    bool known = true;
    p.narrow = choose_narrow(g);
    p.displacement = (i64)offset_in(g, SEG_DS, p.target);
    if (kind < 8 && g->test->bits == 64 && !p.narrow)
        p.base = RIP_RELATIVE;
    else if (kind < 90)
        known = place_by_base(g, &p, large);
    p.address = address_size(g, p.narrow);
    if (p.base != RIP_RELATIVE && known)
        place_index(g, &p);
    if (g->test->bits != 64)
        choose_legacy_segment(g, &p, large);
    else if (!p.narrow && p.base != RIP_RELATIVE)
        choose_segment(g, &p);
    return p;
}

/* A register to be written: rarely a pointer or the stack pointer. */
static u32 choose_register(struct generator *g)
{
    u32 limit = g->test->bits == 64 ? 16 : 8, reg = below(g, limit);
    for (u32 i = 0; i < 4; i++) {
        bool kept = reg == RSP || reg == g->index;
        for (u32 k = 0; k < POINTERS; k++)
            kept |= reg == g->pointer[k];
        if (!kept || chance(g, 2))
            return reg;
        reg = below(g, limit);
    }
    return RAX;
}

/* Only one of the two may fault: which operand CMPS reads first is the vendor's. */
static void prepare_strings(struct generator *g)
{
    u64 inside = DATA + 0x200 + below(g, 0x600), anywhere = choose_target(g, false);
    bool first = chance(g, 50);
    if (g->alignment)
        inside &= ~7ull, anywhere &= ~7ull;
    prepare_register(g, RSI, offset_in(g, SEG_DS, first ? inside : anywhere));
    prepare_register(g, RDI, offset_in(g, SEG_ES, first ? anywhere : inside));
    prepare_register(g, RCX, chance(g, 80) ? below(g, 12) : below(g, 60));
}

static void prepare_push(struct generator *g, u32 value)
{
    struct piece *p = open_piece(g, NULL);
    put(g, 0x68, 1);
    put(g, value, g->test->bits == 16 ? 2 : 4);
    close_piece(g, p);
}

/* For a POPF that does not set everything. */
static void prepare_popf(struct generator *g)
{
    u32 flags = 0x202 | ((u32)next_random(g) & 0x200cd5);
    flags |= g->alignment ? 1u << 18 : 0;
    flags |= chance(g, 4) && !g->saves ? 1u << 8 : 0;
    flags |= chance(g, 4) ? (u32)next_random(g) & 0x1f7000 & ~(1u << 18) : 0;
    prepare_push(g, flags);
}

static void prepare_divide(struct generator *g, const struct form *form)
{
    if (chance(g, 60))
        prepare_register(g, RDX, form->reg == 7 && chance(g, 30) ? ~0ull : below(g, 3));
}

static u8 choose_mandatory(struct generator *g, const struct form *f)
{
    static const u8 bytes[] = {0, 0x66, 0xf3, 0xf2};
    u32 which;
    if (!f->prefixes)
        return 0;
    do
        which = below(g, 4);
    while (!(f->prefixes >> which & 1));
    return bytes[which];
}

/* Instruction and data pointers, opcodes and MXCSR_MASK in saved x87 state are the vendor's. */
static void scrub_pointers(struct generator *g, const struct choice *c)
{
    static const u8 fxsave[] = {6, 8, 10, 12, 14, 16, 18, 20, 22, 28, 30, 0},
                    narrow[] = {6, 8, 10, 12, 0}, wide[] = {12, 14, 16, 18, 20, 22, 24, 26, 0};
    const u8 *word = c->form->map == MAP_0F ? fxsave : operand_size_of(g, c) == 2 ? narrow : wide;
    for (; *word; word++) {
        struct place there = moved(&c->place, *word);
        prepare_memory(g, &there, 0, 2);
    }
}

static void choose_immediate(struct generator *g, struct choice *c)
{
    u32 size = operand_size_of(g, c);
    c->immediate = interesting(g);
    switch ((enum immediate)c->form->immediate) {
    case NO_IMM:
        c->immediate_size = 0;
        break;
    case IMM8:
        c->immediate_size = 1;
        break;
    case IMM16:
        c->immediate_size = 2;
        c->immediate = below(g, 8) * 8;
        break;
    case IMMZ:
        c->immediate_size = size == 2 ? 2 : 4;
        break;
    case IMMV:
        c->immediate_size = size;
        break;
    case IMM_MOFFS:
        c->immediate_size = c->place.address;
        c->immediate = (u64)c->place.displacement;
        break;
    case IMM_ENTER:
        c->immediate_size = 3;
        c->immediate = below(g, 0x40) | (u64)(chance(g, 70) ? below(g, 3) : below(g, 256)) << 16;
        break;
    case IMM_REL8:
        c->immediate_size = 1;
        break;
    case IMM_REL32:
        c->immediate_size = g->test->bits == 16 ? 2 : 4;
        break;
    }
}

static struct place absolute_place(struct generator *g)
{
    struct place p = {.target = choose_target(g, false),
                      .scale = 1,
                      .segment = NO_REGISTER,
                      .base = NO_REGISTER,
                      .index = NO_REGISTER};
    p.narrow = choose_narrow(g);
    p.address = address_size(g, p.narrow);
    p.displacement = (i64)offset_in(g, SEG_DS, p.target);
    return p;
}

static void choose_registers(struct generator *g, struct choice *c)
{
    const struct form *f = c->form;
    u32 limit = g->test->bits == 64 ? 16 : 8;
    c->reg = f->reg >= 0             ? (u32)f->reg
             : f->flags & VECTOR_REG ? below(g, limit)
                                     : choose_register(g);
    c->rm = f->flags & VECTOR_RM ? below(g, limit) : choose_register(g);
    if (f->operands == NO_MODRM)
        c->rm = c->opcode & 7, c->reg = 0;
    c->vvvv = choose_register(g);
    c->memory = f->operands == MEMORY || (f->operands == RM && chance(g, 45));
    if (f->operands == NO_MODRM && f->immediate == IMM_MOFFS)
        c->place = absolute_place(g);
}

static void choose_prefixes(struct generator *g, struct choice *c)
{
    const struct form *f = c->form;
    bool wide = g->test->bits == 64;
    c->mandatory = choose_mandatory(g, f);
    c->opsize = f->flags & (SIZES | OPSIZE) && chance(g, 20) && c->mandatory != 0x66;
    if (f->setup == FOR_POPF && g->test->bits == 16)
        c->opsize = false; /* AC would come from what lies on the stack */
    if (f->setup == FOR_PUSH_SELECTOR)
        c->opsize = g->test->bits == 32;
    c->repeat = f->flags & REPEATS && chance(g, 60);
    if (wide && (f->flags & (SIZES | WIDE | VEX)) && chance(g, 45))
        c->rex |= 8;
    if (wide && chance(g, 5))
        c->rex |= 0x40;
}

static bool saves_state(const struct form *f)
{
    return f->setup >= FOR_FXRSTOR && f->setup <= FOR_POINTERS;
}

static struct choice choose(struct generator *g, const struct form *f)
{
    struct choice c = {.form = f};
    c.opcode = (u8)(f->first + below(g, f->last - f->first + 1u));
    c.place = choose_place(g, f->flags & ALIGNED, saves_state(f));
    choose_prefixes(g, &c);
    choose_registers(g, &c);
    choose_immediate(g, &c);
    if (f->operands == NO_MODRM && f->immediate != IMM_MOFFS)
        c.place.segment = NO_REGISTER, c.place.narrow = false;
    if (!c.memory && f->immediate != IMM_MOFFS)
        c.place.segment = NO_REGISTER, c.place.narrow = chance(g, 2) && !(f->flags & REPEATS);
    return c;
}

static void prepare_word(struct generator *g, const struct place *place, i64 by, u32 value)
{
    struct place there = moved(place, by);
    prepare_memory(g, &there, value, 2);
}

/* Control, status and tag word of an environment. */
static void prepare_environment(struct generator *g, const struct choice *c)
{
    u32 size = operand_size_of(g, c) == 2 ? 2 : 4;
    prepare_word(g, &c->place, 0, 0x7f | below(g, 16) << 8);
    prepare_word(g, &c->place, size, (u32)next_random(g));
    prepare_word(g, &c->place, 2 * size, (u32)next_random(g));
}

static void prepare_fxrstor(struct generator *g, const struct place *place)
{
    struct place mxcsr = moved(place, 24);
    prepare_memory(g, &mxcsr, 0x1f80 | below(g, 8) << 13, 4);
    prepare_word(g, place, 0, 0x37f);
}

/* SS of 16-bit tests keeps its 16-bit stack pointer: the high half of ESP leads to what the child
 * is entered from. */
static u16 choose_selector_for(struct generator *g, const struct form *f)
{
    static const u16 others[] = {0, 3, 0x7f, LDT_SELECTOR(LDT_ABSENT), LDT_SELECTOR(LDT_READ_ONLY)};
    bool loads_ss = (f->first == 0x8e && f->reg == SEG_SS) || f->first == 0x17 || f->first == 0xb2;
    if (g->test->bits != 16 || !loads_ss)
        return choose_selector(g);
    return chance(g, 60) ? LDT_SELECTOR(LDT_STACK16) : others[below(g, ARRAY_SIZE(others))];
}

/* For CMPXCHG8B and CMPXCHG16B: what is there already. */
static void prepare_pair(struct generator *g, const struct place *low)
{
    struct place high = moved(low, g->test->bits == 64 ? 8 : 4);
    prepare_load(g, low, RAX);
    prepare_load(g, &high, RDX);
}

/* For LDMXCSR: seldom with a bit that must be 0. */
static void prepare_mxcsr(struct generator *g, const struct place *place)
{
    u32 value = 0x1f80 | (u32)next_random(g) % 0x10000;
    prepare_memory(g, place, value | (chance(g, 5) ? 1u << 20 : 0), 4);
}

static void prepare_selector(struct generator *g, const struct choice *c)
{
    if (c->memory)
        prepare_memory(g, &c->place, choose_selector_for(g, c->form), 2);
    else
        prepare_register(g, c->rm, choose_selector_for(g, c->form));
}

static void prepare(struct generator *g, const struct choice *c)
{
    const struct form *form = c->form;
    const struct place *place = c->memory ? &c->place : NULL;
    switch ((enum setup)form->setup) {
    case FOR_STRING:
        prepare_strings(g);
        break;
    case FOR_XLAT:
        prepare_register(g, RBX, offset_in(g, SEG_DS, choose_target(g, false)));
        break;
    case FOR_MASKMOV:
        prepare_register(g, RDI,
                         DATA + below(g, DATA_SIZE - 64) / 16 *
                                    16); /* some CPUs are in MMX state after the fault */
        break;
    case FOR_POPF:
        prepare_popf(g);
        break;
    case FOR_DIVIDE:
        prepare_divide(g, form);
        break;
    case FOR_LEAVE:
        prepare_register(g, RBP, offset_in(g, SEG_SS, STACK + 0x200 + below(g, 0x600)));
        break;
    case FOR_LOOP:
        prepare_register(g, RCX, below(g, 3));
        break;
    case FOR_CMPXCHG:
        if (place && chance(g, 50))
            prepare_load(g, place, RAX);
        break;
    case FOR_PAIR:
        if (chance(g, 50))
            prepare_pair(g, place);
        break;
    case FOR_MXCSR:
        prepare_mxcsr(g, place);
        break;
    case FOR_FCW:
        prepare_memory(g, place, chance(g, 90) ? 0x7f | below(g, 16) << 8 : (u32)next_random(g), 2);
        break;
    case FOR_SELECTOR:
        prepare_selector(g, c);
        break;
    case FOR_FAR_POINTER:
        prepare_word(g, place, operand_size_of(g, c), choose_selector_for(g, form));
        break;
    case FOR_POP_SELECTOR:
        prepare_push(g, choose_selector_for(g, form));
        break;
    case FOR_FXRSTOR:
        prepare_fxrstor(g, place);
        break;
    case FOR_RELOAD:
        prepare_environment(g, c);
        break;
    default:
        break;
    }
}

/* OF is defined for shifts by 1, AF never; CF not for counts beyond the operand. */
static u16 undefined_flags(const struct generator *g, const struct choice *c)
{
    enum { CF = 1, AF = 16, OF = 2048 };
    const struct form *f = c->form;
    if (!(f->flags & SHIFTS))
        return f->undefined;
    bool rotate = f->map == MAP_LEGACY && (c->reg & 7) < 4,
         byte = f->map == MAP_LEGACY && !(c->opcode & 1);
    u32 size = byte ? 1 : operand_size_of(g, c);
    u32 count = f->immediate == IMM8 ? (u32)c->immediate & (size == 8 ? 63 : 31)
                : (c->opcode & 0xfe) == 0xd0 && f->map == MAP_LEGACY ? 1
                                                                     : 99;
    u16 undefined = rotate ? 0 : AF;
    if (!count)
        return 0;
    if (count > 1)
        undefined |= OF;
    if (!rotate && size < 4 && count > 8 * size)
        undefined |= CF;
    return undefined;
}

static void add_instruction(struct generator *g, const struct form *form);

/* BSWAP of 16 bits, SHLD and SHRD of 16 bits by more. */
static bool undefined_result(const struct generator *g, const struct form *f)
{
    bool shifts = f->flags & SHIFTS && f->map == MAP_0F,
         swaps = f->map == MAP_0F && f->first == 0xc8;
    return g->test->bits == 16 && (shifts || swaps);
}

/* DS has all of the data: large operands fault as a whole or not. */
static bool unlimited(const struct generator *g)
{
    u16 ds = g->test->before.selector[SEG_DS];
    return g->test->bits == 64 || ds == USER_DATA || ds == LDT_SELECTOR(LDT_DATA16);
}

static bool plain(const struct form *f)
{
    return !f->undefined && !f->setup && !(f->flags & SHIFTS);
}

static const struct form *choose_form(struct generator *g)
{
    for (;;) {
        u32 share = g->plain ? 0 : below(g, 100), i = 0;
        for (; share >= form_groups[i].share; i++)
            share -= form_groups[i].share;
        const struct form *f = &form_groups[i].forms[below(g, form_groups[i].count)];
        bool vector = f->map != MAP_LEGACY && f->flags & (VECTOR_REG | VECTOR_RM);
        if (f->flags & (g->test->bits == 64 ? NOT_64 : ONLY_64) ||
            (saves_state(f) && !(g->saves && unlimited(g))) ||
            (g->alignment && vector && f->operands != REGISTERS) || undefined_result(g, f) ||
            (g->plain && !plain(f)))
            continue;
        return f;
    }
}

/* A branch goes to the piece after the next one, or, by chance, just on. */
static void put_branch(struct generator *g, struct choice *c)
{
    struct piece *p = open_piece(g, c->form);
    c->immediate = 0;
    put_instruction(g, c);
    close_piece(g, p);
    u32 after = g->length, size = c->immediate_size;
    if (g->nested || chance(g, 30))
        return;
    g->nested++;
    add_instruction(g, choose_form(g));
    g->nested--;
    u32 distance = g->length - after;
    if (size > 1 || distance < 128)
        memcpy(g->test->code + after - size, &distance, size);
}

/* RAX becomes the offset of what follows; returns where it is to be patched in. */
static u32 put_next_address(struct generator *g)
{
    struct piece *p = open_piece(g, NULL);
    if (g->test->bits == 64) {
        put(g, 0x058d48, 3); /* lea rax, [rip + ...] */
    } else {
        put_opsize(g, 4);
        put(g, 0xb8, 1);
    }
    put(g, 0, 4);
    close_piece(g, p);
    return g->length - 4;
}

static u64 linear_here(const struct generator *g)
{
    return CODE + (u64)g->test->offset + g->length;
}

static void patch_next_address(struct generator *g, u32 at)
{
    u32 value =
        g->test->bits == 64 ? g->length - (at + 4) : (u32)offset_in(g, SEG_CS, linear_here(g));
    memcpy(g->test->code + at, &value, 4);
}

/* Jump, call or return to what follows, through RAX, memory or the stack. */
static void put_indirect(struct generator *g, struct choice *c)
{
    u32 at = put_next_address(g);
    struct piece *p;
    if (c->form->setup == FOR_RETURN) {
        p = open_piece(g, NULL);
        put(g, 0x50, 1); /* push rax */
        close_piece(g, p);
    }
    if (c->memory)
        prepare_store(g, &c->place, RAX);
    c->rm = RAX;
    p = open_piece(g, c->form);
    put_instruction(g, c);
    close_piece(g, p);
    patch_next_address(g, at);
}

/* Far transfers to what follows. The offset is patched in at `at` once that is known. */
static void patch_offset(struct generator *g, u32 at, u16 selector)
{
    u32 offset = (u32)(linear_here(g) - segment_base(selector));
    memcpy(g->test->code + at, &offset, g->test->bits == 16 ? 2 : 4);
}

static void put_far_direct(struct generator *g, const struct choice *c, u16 selector)
{
    u32 size = g->test->bits == 16 ? 2 : 4;
    struct piece *p = open_piece(g, c->form);
    put(g, c->opcode, 1);
    put(g, 0, size);
    put(g, selector, 2);
    close_piece(g, p);
    patch_offset(g, g->length - 2 - size, selector);
}

static void put_far_indirect(struct generator *g, struct choice *c, u16 selector)
{
    u32 size = g->test->bits == 16 ? 2 : 4;
    c->rex = 0;
    prepare_memory(g, &c->place, 0, size);
    u32 at = g->length - size;
    prepare_word(g, &c->place, size, selector);
    struct piece *p = open_piece(g, c->form);
    put_instruction(g, c);
    close_piece(g, p);
    patch_offset(g, at, selector);
}

/* RETF and IRET: what they pop is pushed first. */
static void put_far_return(struct generator *g, struct choice *c, u16 selector)
{
    u32 size = g->test->bits == 16 ? 2 : 4;
    bool iret = c->form->setup == FOR_IRET;
    if (iret && g->test->bits == 64) {
        prepare_push(g, chance(g, 90) ? USER_DATA : choose_selector(g));
        prepare_push(g, STACK + 0x400 + below(g, 0x80) * 8);
    }
    if (iret)
        prepare_popf(g);
    prepare_push(g, selector);
    prepare_push(g, 0);
    u32 at = g->length - size;
    c->rex = g->test->bits == 64 ? 8 : 0;
    struct piece *p = open_piece(g, c->form);
    put_instruction(g, c);
    close_piece(g, p);
    patch_offset(g, at, selector);
}

static void put_far(struct generator *g, struct choice *c)
{
    u16 selector = choose_code_selector(g, c->opcode == 0x9a || c->reg == 3);
    if (c->form->setup != FOR_FAR_JUMP)
        put_far_return(g, c, selector);
    else if (c->memory)
        put_far_indirect(g, c, selector);
    else
        put_far_direct(g, c, selector);
}

static void add_plain(struct generator *g, struct choice *c)
{
    const struct form *f = c->form;
    u16 undefined = undefined_flags(g, c);
    prepare(g, c);
    if (f->setup == FOR_BIT && c->memory && chance(g, 90))
        prepare_register(g, c->reg, (u64)((i64)below(g, 4000) - 2000));
    struct piece *p = open_piece(g, f);
    put_instruction(g, c);
    close_piece(g, p);
    p->undefined = undefined;
    if (undefined)
        scrub_flags(g, undefined);
    if (f->setup == FOR_POINTERS)
        scrub_pointers(g, c);
}

static void add_instruction(struct generator *g, const struct form *form)
{
    struct choice c = choose(g, form);
    if (form->immediate == IMM_REL8 || form->immediate == IMM_REL32) {
        if (form->setup == FOR_LOOP)
            prepare(g, &c);
        put_branch(g, &c);
    } else if (form->setup == FOR_INDIRECT || form->setup == FOR_RETURN) {
        put_indirect(g, &c);
    } else if (form->setup >= FOR_FAR_JUMP) {
        put_far(g, &c);
    } else {
        add_plain(g, &c);
    }
}

static void choose_offset(struct generator *g)
{
    u32 kind = below(g, g->saves ? 70 : 100);
    g->test->offset = (u16)(kind < 70   ? below(g, 0xc00)
                            : kind < 95 ? 0xfff - below(g, 100)
                                        : CODE_SIZE - 1 - below(g, 100));
}

void generate(struct test *test, u64 seed, u8 bits)
{
    struct generator g = {.test = test, .random = mix64(seed + 0x9e3779b97f4a7c15ull) | 1};
    test->seed = seed;
    test->bits = bits;
    test->pieces = 0;
    test->image = below(&g, IMAGES);
    g.plain = chance(&g, 20);
    u32 wanted = 1 + below(&g, g.plain ? 40 : 16);
    g.alignment = chance(&g, 5);
    g.saves = !g.alignment && chance(&g, 20);
    begin_state(&g);
    choose_offset(&g); /* RIP-relative operands need it */
    for (u32 i = 0;
         i < wanted && !g.ends && g.length < CODE_MAX - 220 && test->pieces < PIECES_MAX - 34; i++)
        add_instruction(&g, choose_form(&g));
    test->length = (u16)g.length;
    test->before.rip = offset_in(&g, SEG_CS, CODE + test->offset);
}
