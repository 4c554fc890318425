/*
 * Random tests from a seed. Memory operands go by pointer registers whose values are known and that
 * few instructions write, so that an address can be chosen first and put into any addressing
 * form: inside the data, across pages, into the read-only page, into nothing, not canonical.
 */
#include <string.h>

#include "core/crc.h"
#include "tests/oracle/generator.h"

/* --- values ----------------------------------------------------------------------------------- */

static u64 interesting(struct generator *g)
{
    static const u64 values[] = {0,
                                 1,
                                 2,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0x8000,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 ~0ull,
                                 0x3ff0000000000000,
                                 0x7ff0000000000000,
                                 0xfff8000000000000,
                                 0x7ff4000000000001,
                                 0x000fffffffffffff,
                                 0x8000000000000001,
                                 0x3f80000000000000,
                                 0x3f8000003f800000,
                                 0x7f8000007fc00000,
                                 0x7fa0000000000001,
                                 0x00000001807fffff,
                                 0x4b0000004f000000,
                                 0x41e0000000000000,
                                 0x43e0000000000000};
    switch (below(g, 4)) {
    case 0:
        return values[below(g, ARRAY_SIZE(values))];
    case 1:
        return (u64)(i64)(i8)next_random(g);
    case 2:
        return next_random(g) >> below(g, 64);
    default:
        return next_random(g);
    }
}

static void fill(struct generator *g, u8 *to, u32 size)
{
    for (u32 i = 0; i < size; i += 8) {
        u64 value = interesting(g);
        memcpy(to + i, &value, 8);
    }
}

void generate_images(struct memory_image images[IMAGES], u8 read_only[READ_ONLY_SIZE])
{
    struct generator g = {.random = 0x1234567};
    for (u32 i = 0; i < IMAGES; i++) {
        fill(&g, images[i].data, DATA_SIZE);
        fill(&g, images[i].stack, STACK_SIZE);
    }
    fill(&g, read_only, READ_ONLY_SIZE);
}

/* --- the state before ----------------------------------------------------------------------------
 */

static void begin_x87(struct generator *g, u8 *fx)
{
    u16 fcw = 0x37f, fsw = (u16)(below(g, 8) << 11 | (below(g, 16) & 7) << 8);
    if (chance(g, 30))
        fcw = (u16)(0x7f | below(g, 4) << 8 | below(g, 4) << 10);
    if (chance(g, 4))
        fcw &= (u16) ~(1u << below(g, 6));
    memcpy(fx, &fcw, 2);
    memcpy(fx + 2, &fsw, 2);
    fx[4] = chance(g, 50) ? 0xff : (u8)next_random(g);
    for (u32 i = 0; i < 8; i++) {
        u64 fraction = interesting(g);
        u16 exponent = (u16)(chance(g, 70) ? 0x3fff - 40 + below(g, 80) : next_random(g));
        if (chance(g, 80))
            fraction |= 1ull << 63;
        exponent |= (u16)(below(g, 2) << 15);
        memcpy(fx + 32 + 16 * i, &fraction, 8);
        memcpy(fx + 40 + 16 * i, &exponent, 2);
    }
}

static void begin_vectors(struct generator *g, u8 *fx)
{
    u32 mxcsr = 0x1f80;
    if (chance(g, 30))
        mxcsr |= below(g, 4) << 13 | (u32)chance(g, 30) << 15 | (u32)chance(g, 30) << 6;
    if (chance(g, 4))
        mxcsr &= ~(0x80u << below(g, 6));
    memcpy(fx + 24, &mxcsr, 4);
    fill(g, fx + 160, 256);
}

static u64 begin_flags(struct generator *g)
{
    u64 flags = 0x202 | (next_random(g) & 0x8d5);
    flags |= chance(g, 20) ? 1 << 10 : 0; /* DF */
    flags |= g->alignment ? 1 << 18 : 0;  /* AC */
    flags |= chance(g, 2) ? 1 << 8 : 0;   /* TF */
    if (g->saves)
        flags &= ~(1ull << 8);
    return flags | (chance(g, 10) ? 1 << 21 : 0);
}

/* Pointers: two into the data, one that may be anywhere. */
static u64 pointer_value(struct generator *g, u32 which)
{
    static const u64 anywhere[] = {READ_ONLY + 0x100,      READ_ONLY + READ_ONLY_SIZE - 8,
                                   STACK + 0x800,          0x0000800000000000,
                                   0x00007ffffffffff8,     0xffff800000000000,
                                   0x4000000000000000,     CODE + 0x80,
                                   DATA + DATA_SIZE - 0x8, DATA};
    if (which < 2 || chance(g, 60))
        return DATA + 0x100 + below(g, DATA_SIZE - 0x200) / 16 * 16;
    return anywhere[below(g, ARRAY_SIZE(anywhere))] & (g->test->bits == 64 ? ~0ull : 0xffffffff) &
           (g->alignment ? ~15ull : ~0ull);
}

static void choose_pointers(struct generator *g)
{
    static const u8 candidates[] = {RBX, RSI, RDI, RBP, R8, R9, R12, R13, R14, R15};
    u32 limit = g->test->bits == 64 ? ARRAY_SIZE(candidates) : 4, first = below(g, limit);
    for (u32 i = 0; i < POINTERS; i++) {
        g->pointer[i] = candidates[(first + i) % limit];
        g->value[g->pointer[i]] = pointer_value(g, i);
    }
    g->index = candidates[(first + POINTERS) % limit];
    g->value[g->index] = (u64)(i64)(i8)below(g, 256) / 4;
}

static void begin(struct generator *g)
{
    struct state *s = &g->test->before;
    memset(s, 0, sizeof(*s));
    for (u32 i = 0; i < 16; i++)
        s->gpr[i] = g->test->bits == 64 || i < 8 ? interesting(g) : 0;
    if (chance(g, 70))
        s->gpr[RCX] = below(g, 20);
    choose_pointers(g);
    for (u32 i = 0; i < POINTERS; i++)
        s->gpr[g->pointer[i]] = g->value[g->pointer[i]];
    s->gpr[g->index] = g->value[g->index];
    s->gpr[RSP] = STACK + 0x400 + below(g, 0x100) * 8;
    if (chance(g, 3))
        s->gpr[RSP] = STACK + below(g, 32);
    if (chance(g, 3))
        s->gpr[RSP] += below(g, 8);
    if (g->test->bits != 64)
        for (u32 i = 0; i < 8; i++)
            s->gpr[i] = (u32)s->gpr[i];
    s->rflags = begin_flags(g);
    begin_x87(g, s->fx);
    begin_vectors(g, s->fx);
}

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

static void choose_segment(struct generator *g, struct place *p)
{
    bool wild = p->base < 16 &&
                g->value[p->base] - DATA >= DATA_SIZE; /* AMD's check base and offset apart */
    if (g->test->bits != 64 || wild || !chance(g, 6))
        return;
    p->segment = chance(g, 50) ? SEG_FS : SEG_GS;
    p->displacement -= p->segment == SEG_FS ? FS_AT : GS_AT;
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

static struct place choose_place(struct generator *g, bool aligned, bool large)
{
    struct place p = {.target = large ? choose_large_target(g) : choose_target(g, aligned),
                      .scale = 1,
                      .segment = NO_REGISTER,
                      .base = NO_REGISTER,
                      .index = NO_REGISTER};
    u32 kind = below(g, 100);
    bool wild = false;
    p.narrow = g->test->bits == 64 && chance(g, 4);
    p.displacement = (i64)p.target;
    if (kind < 8 && g->test->bits == 64 && !p.narrow) {
        p.base = RIP_RELATIVE;
    } else if (kind < 90) {
        p.base = choose_base(g, large);
        p.displacement -= (i64)g->value[p.base];
        if (!fits(p.displacement) || p.narrow != (p.narrow && g->value[p.base] < BIT(31)))
            p.displacement = below(g, 4) * 16, p.narrow = false, wild = true;
    }
    if (p.base != RIP_RELATIVE && !wild && chance(g, 25)) {
        p.index = g->index;
        p.scale = (u8)(1u << below(g, 4));
        if (p.narrow)
            p.index = NO_REGISTER;
        else
            p.displacement -= (i64)(g->value[g->index] * p.scale);
    }
    if (!p.narrow && p.base != RIP_RELATIVE)
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
    prepare_register(g, RSI, first ? inside : anywhere);
    prepare_register(g, RDI, first ? anywhere : inside);
    prepare_register(g, RCX, chance(g, 80) ? below(g, 12) : below(g, 60));
}

/* PUSH imm32, for a POPF that does not set everything. */
static void prepare_popf(struct generator *g)
{
    u32 flags = 0x202 | ((u32)next_random(g) & 0x200cd5);
    flags |= g->alignment ? 1u << 18 : 0;
    flags |= chance(g, 4) && !g->saves ? 1u << 8 : 0;
    flags |= chance(g, 4) ? (u32)next_random(g) & 0x1f7000 & ~(1u << 18) : 0;
    struct piece *p = open_piece(g, NULL);
    put(g, 0x68, 1);
    put(g, flags, 4);
    close_piece(g, p);
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
        c->immediate_size = g->test->bits == 64 && !c->place.narrow ? 8 : 4;
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
        c->immediate_size = 4;
        break;
    }
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
        c->place.base = c->place.index = NO_REGISTER, c->place.displacement = (i64)c->place.target;
}

static void choose_prefixes(struct generator *g, struct choice *c)
{
    const struct form *f = c->form;
    bool wide = g->test->bits == 64;
    c->mandatory = choose_mandatory(g, f);
    c->opsize = f->flags & (SIZES | OPSIZE) && chance(g, 20) && c->mandatory != 0x66;
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

static void prepare(struct generator *g, const struct choice *c)
{
    const struct form *form = c->form;
    const struct place *place = c->memory ? &c->place : NULL;
    switch ((enum setup)form->setup) {
    case FOR_STRING:
        prepare_strings(g);
        break;
    case FOR_XLAT:
        prepare_register(g, RBX, choose_target(g, false));
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
        prepare_register(g, RBP, STACK + 0x200 + below(g, 0x600));
        break;
    case FOR_LOOP:
        prepare_register(g, RCX, below(g, 3));
        break;
    case FOR_CMPXCHG:
        if (place && chance(g, 50))
            prepare_load(g, place, RAX);
        break;
    case FOR_PAIR:
        if (chance(g, 50)) {
            struct place high = moved(place, g->test->bits == 64 ? 8 : 4);
            prepare_load(g, place, RAX);
            prepare_load(g, &high, RDX);
        }
        break;
    case FOR_MXCSR:
        prepare_memory(g, place,
                       0x1f80 | (u32)next_random(g) % 0x10000 | (chance(g, 5) ? 1u << 20 : 0), 4);
        break;
    case FOR_FCW:
        prepare_memory(g, place, chance(g, 90) ? 0x7f | below(g, 16) << 8 : (u32)next_random(g), 2);
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

static const struct form *choose_form(struct generator *g)
{
    for (;;) {
        u32 share = below(g, 100), i = 0;
        for (; share >= form_groups[i].share; i++)
            share -= form_groups[i].share;
        const struct form *f = &form_groups[i].forms[below(g, form_groups[i].count)];
        bool vector = f->map != MAP_LEGACY && f->flags & (VECTOR_REG | VECTOR_RM);
        if (f->flags & (g->test->bits == 64 ? NOT_64 : ONLY_64) || (saves_state(f) && !g->saves) ||
            (g->alignment && vector && f->operands != REGISTERS))
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
    if (size == 4 || distance < 128)
        memcpy(g->test->code + after - size, &distance, size);
}

/* LEA RAX, [RIP + what follows]; then the jump, call or return through it. */
static void put_indirect(struct generator *g, struct choice *c)
{
    bool returns = c->form->setup == FOR_RETURN;
    struct piece *p = open_piece(g, NULL);
    put(g, 0x058d48, 3);
    u32 at = g->length;
    put(g, 0, 4);
    close_piece(g, p);
    if (returns) {
        p = open_piece(g, NULL);
        put(g, 0x50, 1);
        close_piece(g, p);
    }
    if (c->memory) { /* through memory: the address goes there first */
        p = open_piece(g, NULL);
        if (c->place.segment != NO_REGISTER)
            put(g, 0x60 | c->place.segment, 1);
        if (c->place.narrow)
            put(g, 0x67, 1);
        put(g, 0x48 | rex_of_place(&c->place), 1);
        put(g, 0x89, 1);
        put_place(g, &c->place, RAX, 0);
        close_piece(g, p);
    }
    c->rm = RAX;
    p = open_piece(g, c->form);
    put_instruction(g, c);
    close_piece(g, p);
    u32 distance = g->length - (at + 4);
    memcpy(g->test->code + at, &distance, 4);
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
    u32 wanted = 1 + below(&g, 16);
    test->seed = seed;
    test->bits = bits;
    test->pieces = 0;
    test->image = below(&g, IMAGES);
    g.alignment = chance(&g, 5);
    g.saves = !g.alignment && chance(&g, 20);
    begin(&g);
    choose_offset(&g); /* RIP-relative operands need it */
    for (u32 i = 0; i < wanted && g.length < CODE_MAX - 220 && test->pieces < PIECES_MAX - 34; i++)
        add_instruction(&g, choose_form(&g));
    test->length = (u16)g.length;
    test->before.rip = CODE + test->offset;
}
