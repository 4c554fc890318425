/*
 * The state that a test begins in, from its seed: registers, pointers, flags, x87 and SSE state,
 * segments; and the memory before.
 */
#include <string.h>

#include "tests/oracle/generator.h"

/* --- values ----------------------------------------------------------------------------------- */

u64 interesting(struct generator *g)
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

/* --- the state before -------------------------------------------------------------------- */

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

/* --- segments ---------------------------------------------------------------------------- */

static u16 choose_data_selector(struct generator *g)
{
    static const u8 segments[] = {LDT_SHORT, LDT_DOWN32, LDT_DOWN16, LDT_READ_ONLY, LDT_PAGES};
    if (chance(g, g->test->bits == 16 ? 10 : 60))
        return USER_DATA;
    return LDT_SELECTOR(chance(g, 50) ? LDT_DATA16 : segments[below(g, ARRAY_SIZE(segments))]);
}

/* Any, also such that do not exist or cannot be loaded. */
u16 choose_selector(struct generator *g)
{
    static const u16 others[] = {0, 1, 3, USER_CODE32, USER_DATA, USER_CODE64, 0x7f};
    u16 selector =
        chance(g, 60) ? LDT_SELECTOR(below(g, LDT_ENTRIES)) : others[below(g, ARRAY_SIZE(others))];
    return chance(g, 10) ? (u16)((selector & ~3u) | below(g, 4)) : selector;
}

/* CALL to another mode is left out: vendors push by the old or the new one. */
u16 choose_code_selector(struct generator *g, bool calls)
{
    static const u16 bad[] = {
        0, 3, USER_DATA, 0x7f, LDT_SELECTOR(LDT_ABSENT), LDT_SELECTOR(LDT_SHORT)};
    if (chance(g, 12)) {
        g->ends = true;
        return calls ? bad[below(g, ARRAY_SIZE(bad))] : choose_selector(g);
    }
    if (g->test->bits == 64)
        return USER_CODE64;
    return g->test->bits == 16 ? LDT_SELECTOR(LDT_CODE16)
           : chance(g, 70)     ? USER_CODE32
                               : LDT_SELECTOR(LDT_CODE32);
}

static void begin_segments(struct generator *g)
{
    u16 *selector = g->test->before.selector;
    if (g->test->bits == 64) {
        const u16 all[SEG_COUNT] = {[SEG_CS] = USER_CODE64, [SEG_SS] = USER_DATA};
        memcpy(selector, all, sizeof(all));
        g->base[SEG_FS] = FS_AT;
        g->base[SEG_GS] = GS_AT;
        return;
    }
    for (u32 i = 0; i < SEG_COUNT; i++)
        selector[i] = choose_data_selector(g);
    selector[SEG_CS] = g->test->bits == 16 ? LDT_SELECTOR(LDT_CODE16)
                       : chance(g, 85)     ? USER_CODE32
                                           : LDT_SELECTOR(LDT_CODE32);
    selector[SEG_SS] = g->test->bits == 16 ? LDT_SELECTOR(LDT_STACK16)
                       : chance(g, 80)     ? USER_DATA
                                           : LDT_SELECTOR(LDT_STACK32);
    for (u32 i = 0; i < SEG_COUNT; i++)
        g->base[i] = segment_base(selector[i]);
}

/* An offset in DS; natural numbers of 32 bits outside 64-bit mode. */
u64 offset_in(const struct generator *g, u32 segment, u64 linear)
{
    u64 offset = linear - g->base[segment];
    return g->test->bits == 64 ? offset : (u32)offset;
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
        return offset_in(g, SEG_DS, DATA + 0x100 + below(g, DATA_SIZE - 0x200) / 16 * 16);
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

void begin_state(struct generator *g)
{
    struct state *s = &g->test->before;
    memset(s, 0, sizeof(*s));
    for (u32 i = 0; i < 16; i++)
        s->gpr[i] = g->test->bits == 64 || i < 8 ? interesting(g) : 0;
    if (chance(g, 70))
        s->gpr[RCX] = below(g, 20);
    begin_segments(g);
    choose_pointers(g);
    for (u32 i = 0; i < POINTERS; i++)
        s->gpr[g->pointer[i]] = g->value[g->pointer[i]];
    s->gpr[g->index] = g->value[g->index];
    s->gpr[RSP] = STACK + 0x400 + below(g, 0x100) * 8;
    if (chance(g, 3))
        s->gpr[RSP] = STACK + below(g, 32);
    if (chance(g, 3))
        s->gpr[RSP] += below(g, 8);
    s->gpr[RSP] = offset_in(g, SEG_SS, s->gpr[RSP]);
    if (g->test->bits == 16)
        s->gpr[RSP] |= ENTRY_PAGE & 0xffff0000;
    if (g->test->bits != 64)
        for (u32 i = 0; i < 8; i++)
            s->gpr[i] = (u32)s->gpr[i];
    s->rflags = begin_flags(g);
    begin_x87(g, s->fx);
    begin_vectors(g, s->fx);
}
