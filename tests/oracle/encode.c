/*
 * Bytes of the generator's choices: prefixes, REX or VEX, opcode, ModRM, SIB, displacement,
 * immediate (SDM vol. 2, chapter 2), and the fixed pieces that prepare and clean up.
 */
#include <string.h>

#include "tests/oracle/generator.h"

u64 next_random(struct generator *g)
{
    g->random ^= g->random << 13;
    g->random ^= g->random >> 7;
    g->random ^= g->random << 17;
    return g->random * 0x2545f4914f6cdd1dull;
}

u32 below(struct generator *g, u32 limit)
{
    return (u32)((next_random(g) >> 32) * limit >> 32);
}

bool chance(struct generator *g, u32 percent)
{
    return below(g, 100) < percent;
}

/* --- bytes ------------------------------------------------------------------------------- */

void put(struct generator *g, u64 value, u32 size)
{
    memcpy(g->test->code + g->length, &value, size);
    g->length += size;
}

struct piece *open_piece(struct generator *g, const struct form *form)
{
    struct piece *p = &g->test->piece[g->test->pieces++];
    *p = (struct piece){.start = (u16)g->length, .form = form};
    return p;
}

void close_piece(struct generator *g, struct piece *p)
{
    p->length = (u16)(g->length - p->start);
}

struct place moved(const struct place *p, i64 by)
{
    struct place there = *p;
    there.displacement += by;
    return there;
}

static void put_sib(struct generator *g, const struct place *p, u8 base)
{
    u8 index = p->index == NO_REGISTER ? 4 : p->index & 7;
    put(g, (u32)__builtin_ctz(p->scale) << 6 | (u32)index << 3 | base, 1);
}

static u32 modrm_base_16(const struct place *p)
{
    if (p->index != NO_REGISTER) /* BX or BP with SI or DI */
        return (p->base == RBP ? 2u : 0u) | (p->index == RDI ? 1u : 0u);
    return p->base == RSI ? 4 : p->base == RDI ? 5 : p->base == RBP ? 6 : 7;
}

static void put_place_16(struct generator *g, const struct place *p, u32 reg)
{
    bool small = (i16)p->displacement == (i8)p->displacement;
    if (p->base == NO_REGISTER) {
        put(g, reg | 6, 1);
        put(g, (u64)p->displacement, 2);
        return;
    }
    put(g, (small ? 0x40u : 0x80u) | reg | modrm_base_16(p), 1);
    put(g, (u64)p->displacement, small ? 1 : 2);
}

static void put_place_rip(struct generator *g, const struct place *p, u32 reg, u32 after)
{
    put(g, reg | 5, 1);
    u64 next = CODE + (u64)g->test->offset + g->length + 4 + after;
    put(g, (u64)p->displacement - next, 4);
}

static void put_place_absolute(struct generator *g, const struct place *p, u32 reg)
{
    bool plain = g->test->bits != 64 && p->index == NO_REGISTER;
    put(g, reg | (plain ? 5 : 4), 1);
    if (!plain)
        put_sib(g, p, 5);
    put(g, (u64)p->displacement, 4);
}

void put_place(struct generator *g, const struct place *p, u32 reg, u32 after)
{
    bool small = p->displacement == (i8)p->displacement;
    reg = (reg & 7) << 3;
    if (p->address == 2) {
        put_place_16(g, p, reg);
    } else if (p->base == RIP_RELATIVE) {
        put_place_rip(g, p, reg, after);
    } else if (p->base == NO_REGISTER) {
        put_place_absolute(g, p, reg);
    } else {
        bool sib = p->index != NO_REGISTER || (p->base & 7) == RSP;
        put(g, (small ? 0x40u : 0x80u) | reg | (sib ? 4u : p->base & 7u), 1);
        if (sib)
            put_sib(g, p, p->base & 7);
        put(g, (u64)p->displacement, small ? 1 : 4);
    }
}

u8 rex_of_place(const struct place *p)
{
    u8 rex = p->base < 16 && p->base & 8 ? 1 : 0;
    return rex | (p->index < 16 && p->index & 8 ? 2 : 0);
}

/* --- preparing and cleaning up ----------------------------------------------------------- */

void put_opsize(struct generator *g, u32 size)
{
    if (size <= 4 && (size == 2) != (g->test->bits == 16))
        put(g, 0x66, 1);
}

void prepare_register(struct generator *g, u32 reg, u64 value)
{
    struct piece *p = open_piece(g, NULL);
    if (g->test->bits == 64) {
        put(g, 0x48 | reg >> 3, 1);
        put(g, 0xc7, 1);
        put(g, 0xc0 | (reg & 7), 1);
    } else {
        put_opsize(g, 4);
        put(g, 0xb8 | reg, 1);
    }
    put(g, value, 4);
    close_piece(g, p);
}

static void put_place_prefixes(struct generator *g, const struct place *place)
{
    static const u8 prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    if (place->segment != NO_REGISTER)
        put(g, prefixes[place->segment], 1);
    if (place->narrow)
        put(g, 0x67, 1);
}

void prepare_memory(struct generator *g, const struct place *place, u32 value, u32 size)
{
    struct piece *p = open_piece(g, NULL);
    u8 rex = (u8)(rex_of_place(place) | (size == 8 ? 8 : 0));
    put_place_prefixes(g, place);
    put_opsize(g, size);
    if (rex)
        put(g, 0x40 | rex, 1);
    put(g, 0xc7, 1);
    put_place(g, place, 0, size == 2 ? 2 : 4);
    put(g, value, size == 2 ? 2 : 4);
    close_piece(g, p);
}

/* MOV between a register and memory: 8 bytes in 64-bit code, else 4. */
static void put_move(struct generator *g, u8 opcode, const struct place *place, u32 reg)
{
    struct piece *p = open_piece(g, NULL);
    put_place_prefixes(g, place);
    if (g->test->bits == 64)
        put(g, 0x48 | rex_of_place(place), 1);
    else
        put_opsize(g, 4);
    put(g, opcode, 1);
    put_place(g, place, reg, 0);
    close_piece(g, p);
}

void prepare_load(struct generator *g, const struct place *place, u32 reg)
{
    put_move(g, 0x8b, place, reg);
}

void prepare_store(struct generator *g, const struct place *place, u32 reg)
{
    put_move(g, 0x89, place, reg);
}

/* Without a 32-bit stack pointer: by BP. */
static void put_scrub_16(struct generator *g, u16 undefined)
{
    put(g, 0xec8b55, 3); /* push bp; mov bp, sp */
    put(g, 0x026681, 3); /* and word [bp+2], imm16 */
    put(g, ~(u64)undefined, 2);
    put(g, 0x5d, 1); /* pop bp */
}

void scrub_flags(struct generator *g, u16 undefined)
{
    struct piece *p = open_piece(g, NULL);
    p->scrub = true;
    p->undefined = undefined;
    put(g, 0x9c, 1); /* pushf */
    if (g->test->bits == 16) {
        put_scrub_16(g, undefined);
    } else {
        if (g->test->bits == 64)
            put(g, 0x48, 1);
        put(g, 0x242481, 3); /* and [rsp], imm32 */
        put(g, ~(u64)undefined, 4);
    }
    put(g, 0x9d, 1); /* popf */
    close_piece(g, p);
}

u32 operand_size_of(const struct generator *g, const struct choice *c)
{
    if (c->rex & 8)
        return 8;
    return (g->test->bits == 16) != c->opsize ? 2 : 4;
}

static u8 rex_bits(const struct choice *c)
{
    u8 rex = (u8)(c->rex & 8);
    if (c->form->operands == NO_MODRM)
        return c->form->immediate == IMM_MOFFS ? rex : (u8)(rex | (c->rm & 8 ? 1 : 0));
    rex |= c->form->reg < 0 && c->reg & 8 ? 4 : 0;
    return (u8)(rex | (c->memory ? rex_of_place(&c->place) : c->rm & 8 ? 1 : 0));
}

static void put_vex(struct generator *g, const struct choice *c)
{
    u8 rex = rex_bits(c), pp = c->mandatory == 0x66   ? 1
                               : c->mandatory == 0xf3 ? 2
                               : c->mandatory         ? 3
                                                      : 0;
    u32 vvvv = c->form->map == MAP_0F3A ? 0 : c->vvvv;
    put(g, 0xc4, 1);
    put(g, (~(u32)rex & 7) << 5 | (c->form->map == MAP_0F38 ? 2 : 3), 1);
    put(g, (rex & 8u) << 4 | (~vvvv & 15) << 3 | pp, 1);
}

static void put_prefixes(struct generator *g, const struct choice *c)
{
    static const u8 ignored[] = {0x26, 0x2e, 0x36, 0x3e};
    if (g->test->bits == 64 && chance(g, 1))
        put(g, ignored[below(g, 4)], 1);
    put_place_prefixes(g, &c->place);
    bool lockable = !(c->form->flags & VEX) && c->memory && c->form->setup != FOR_SELECTOR;
    if (lockable && chance(g, 1)) /* AMD's do not refuse a locked VERR */
        put(g, 0xf0, 1);
    if (c->opsize)
        put(g, 0x66, 1);
    if (c->repeat)
        put(g, chance(g, 50) ? 0xf2 : 0xf3, 1);
}

static void put_opcode(struct generator *g, const struct choice *c)
{
    u8 rex = rex_bits(c);
    if (c->form->flags & VEX) {
        put_vex(g, c);
        put(g, c->opcode, 1);
        return;
    }
    if (c->mandatory)
        put(g, c->mandatory, 1);
    if (rex || c->rex)
        put(g, 0x40 | rex, 1);
    if (c->form->map != MAP_LEGACY)
        put(g, 0x0f, 1);
    if (c->form->map > MAP_0F)
        put(g, c->form->map == MAP_0F38 ? 0x38 : 0x3a, 1);
    put(g, c->opcode, 1);
}

void put_instruction(struct generator *g, const struct choice *c)
{
    put_prefixes(g, c);
    put_opcode(g, c);
    if (c->form->operands != NO_MODRM && c->memory)
        put_place(g, &c->place, c->reg, c->immediate_size);
    else if (c->form->operands != NO_MODRM)
        put(g, 0xc0 | (c->reg & 7) << 3 | (c->rm & 7), 1);
    put(g, c->immediate, c->immediate_size);
}
