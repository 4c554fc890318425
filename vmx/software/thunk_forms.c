/*
 * The MMX and SSE to SSE4.2 opcodes of the CPU model, a row each: prefix, what its operands are,
 * and how much memory it takes. The first row that fits counts. What has no row is #UD: silicon
 * below may have more than the model shows. Source: SDM vol. 2.
 */
#include "vmx/software/thunk.h"

enum {
    NP = 1 << PP_NONE,
    P66 = 1 << PP_66,
    PF3 = 1 << PP_F3,
    PF2 = 1 << PP_F2,
    PS_PD = NP | P66,
    ANY = 15
};
enum { X = ROLE_XMM, M = ROLE_MM, G = ROLE_GPR, E = ROLE_EXTENSION };
enum { STORES = 1, ALIGNED = 2, FLAGS = 4, FLOATS = 8 };
enum { REX_W = 0 }; /* memory: 4 or 8 bytes by REX.W */

struct row {
    u8 map, first, last, prefixes, reg, rm, memory, flags;
};

#define B MAP_0F
#define B38 MAP_0F38
#define B3A MAP_0F3A
/* Packed integers: MMX, or SSE with 66. */
#define INTEGER(map, first, last)                \
    {map, first, last, NP, M, M, 8, 0},          \
    {                                            \
        map, first, last, ANY, X, X, 16, ALIGNED \
    }
/* Packed or scalar numbers by prefix. */
#define PACKED_SCALAR(first, last, packed, all)                                               \
    {B, first, last, PS_PD, X, X, 16, (packed) | (all)}, {B, first, last, PF3, X, X, 4, all}, \
    {                                                                                         \
        B, first, last, PF2, X, X, 8, all                                                     \
    }

/* clang-format off */
static const struct row rows[] = {
    PACKED_SCALAR(0x10, 0x10, 0, 0), PACKED_SCALAR(0x11, 0x11, 0, STORES),
    {B, 0x12, 0x12, PF3, X, X, 16, ALIGNED}, {B, 0x16, 0x16, PF3, X, X, 16, ALIGNED},
    {B, 0x12, 0x12, ANY, X, X, 8, 0}, {B, 0x16, 0x16, ANY, X, X, 8, 0},
    {B, 0x13, 0x13, ANY, X, X, 8, STORES}, {B, 0x17, 0x17, ANY, X, X, 8, STORES},
    {B, 0x14, 0x15, ANY, X, X, 16, ALIGNED}, {B, 0x28, 0x28, ANY, X, X, 16, ALIGNED},
    {B, 0x29, 0x29, ANY, X, X, 16, ALIGNED | STORES}, {B, 0x2b, 0x2b, ANY, X, X, 16, ALIGNED | STORES},
    {B, 0x2a, 0x2a, PS_PD, X, M, 8, FLOATS}, {B, 0x2a, 0x2a, ANY, X, G, REX_W, FLOATS},
    {B, 0x2c, 0x2d, NP, M, X, 8, FLOATS}, {B, 0x2c, 0x2d, P66, M, X, 16, ALIGNED | FLOATS},
    {B, 0x2c, 0x2d, PF3, G, X, 4, FLOATS}, {B, 0x2c, 0x2d, PF2, G, X, 8, FLOATS},
    {B, 0x2e, 0x2f, NP, X, X, 4, FLAGS | FLOATS}, {B, 0x2e, 0x2f, P66, X, X, 8, FLAGS | FLOATS},
    {B, 0x50, 0x50, ANY, G, X, 16, 0},
    {B, 0x54, 0x57, ANY, X, X, 16, ALIGNED},
    {B, 0x5a, 0x5a, NP, X, X, 8, FLOATS}, {B, 0x5b, 0x5b, ANY, X, X, 16, ALIGNED | FLOATS},
    PACKED_SCALAR(0x51, 0x5f, ALIGNED, FLOATS),
    {B, 0x60, 0x62, NP, M, M, 4, 0}, INTEGER(B, 0x60, 0x6d),
    {B, 0x6e, 0x6e, NP, M, G, REX_W, 0}, {B, 0x6e, 0x6e, P66, X, G, REX_W, 0},
    {B, 0x6f, 0x6f, PF3, X, X, 16, 0}, INTEGER(B, 0x6f, 0x70),
    {B, 0x71, 0x73, NP, E, M, 8, 0}, {B, 0x71, 0x73, P66, E, X, 16, 0},
    INTEGER(B, 0x74, 0x76), {B, 0x7c, 0x7d, ANY, X, X, 16, ALIGNED | FLOATS},
    {B, 0x7e, 0x7e, NP, M, G, REX_W, STORES}, {B, 0x7e, 0x7e, P66, X, G, REX_W, STORES}, {B, 0x7e, 0x7e, PF3, X, X, 8, 0},
    {B, 0x7f, 0x7f, NP, M, M, 8, STORES}, {B, 0x7f, 0x7f, P66, X, X, 16, ALIGNED | STORES}, {B, 0x7f, 0x7f, PF3, X, X, 16, STORES},
    PACKED_SCALAR(0xc2, 0xc2, ALIGNED, FLOATS), {B, 0xc6, 0xc6, ANY, X, X, 16, ALIGNED},
    {B, 0xc4, 0xc4, NP, M, G, 2, 0}, {B, 0xc4, 0xc4, P66, X, G, 2, 0},
    {B, 0xc5, 0xc5, NP, G, M, 8, 0}, {B, 0xc5, 0xc5, P66, G, X, 16, 0},
    {B, 0xd7, 0xd7, NP, G, M, 8, 0}, {B, 0xd7, 0xd7, P66, G, X, 16, 0},
    {B, 0xd0, 0xd0, ANY, X, X, 16, ALIGNED | FLOATS},
    {B, 0xd6, 0xd6, P66, X, X, 8, STORES}, {B, 0xd6, 0xd6, PF3, X, M, 8, 0}, {B, 0xd6, 0xd6, PF2, M, X, 8, 0},
    {B, 0xe6, 0xe6, PF3, X, X, 8, FLOATS}, {B, 0xe6, 0xe6, ANY, X, X, 16, ALIGNED | FLOATS},
    {B, 0xe7, 0xe7, NP, M, M, 8, STORES}, {B, 0xe7, 0xe7, P66, X, X, 16, ALIGNED | STORES},
    {B, 0xf0, 0xf0, PF2, X, X, 16, 0}, INTEGER(B, 0xd1, 0xf6), INTEGER(B, 0xf8, 0xfe),

    INTEGER(B38, 0x00, 0x0b), {B38, 0x10, 0x10, P66, X, X, 16, ALIGNED}, {B38, 0x14, 0x15, P66, X, X, 16, ALIGNED},
    {B38, 0x17, 0x17, P66, X, X, 16, ALIGNED | FLAGS}, INTEGER(B38, 0x1c, 0x1e),
    {B38, 0x20, 0x20, P66, X, X, 8, 0}, {B38, 0x21, 0x21, P66, X, X, 4, 0}, {B38, 0x22, 0x22, P66, X, X, 2, 0},
    {B38, 0x23, 0x23, P66, X, X, 8, 0}, {B38, 0x24, 0x24, P66, X, X, 4, 0}, {B38, 0x25, 0x25, P66, X, X, 8, 0},
    {B38, 0x30, 0x30, P66, X, X, 8, 0}, {B38, 0x31, 0x31, P66, X, X, 4, 0}, {B38, 0x32, 0x32, P66, X, X, 2, 0},
    {B38, 0x33, 0x33, P66, X, X, 8, 0}, {B38, 0x34, 0x34, P66, X, X, 4, 0}, {B38, 0x35, 0x35, P66, X, X, 8, 0},
    {B38, 0x28, 0x2b, P66, X, X, 16, ALIGNED}, {B38, 0x37, 0x41, P66, X, X, 16, ALIGNED},

    {B3A, 0x08, 0x09, P66, X, X, 16, ALIGNED | FLOATS}, {B3A, 0x0a, 0x0a, P66, X, X, 4, FLOATS}, {B3A, 0x0b, 0x0b, P66, X, X, 8, FLOATS},
    {B3A, 0x0c, 0x0e, P66, X, X, 16, ALIGNED}, INTEGER(B3A, 0x0f, 0x0f),
    {B3A, 0x14, 0x14, P66, X, G, 1, STORES}, {B3A, 0x15, 0x15, P66, X, G, 2, STORES},
    {B3A, 0x16, 0x16, P66, X, G, REX_W, STORES}, {B3A, 0x17, 0x17, P66, X, G, 4, STORES},
    {B3A, 0x20, 0x20, P66, X, G, 1, 0}, {B3A, 0x21, 0x21, P66, X, X, 4, 0}, {B3A, 0x22, 0x22, P66, X, G, REX_W, 0},
    {B3A, 0x40, 0x41, P66, X, X, 16, ALIGNED | FLOATS}, {B3A, 0x42, 0x42, P66, X, X, 16, ALIGNED},
    {B3A, 0x60, 0x63, P66, X, X, 16, FLAGS},
};
/* clang-format on */

enum pp thunk_prefix(const struct insn *insn)
{
    if (insn->prefixes & PREFIX_REP)
        return PP_F3;
    if (insn->prefixes & PREFIX_REPNE)
        return PP_F2;
    return insn->prefixes & PREFIX_OPSIZE ? PP_66 : PP_NONE;
}

static const struct row *find_row(const struct insn *insn)
{
    u32 prefix = 1u << thunk_prefix(insn);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].map == insn->map && insn->opcode >= rows[i].first &&
            insn->opcode <= rows[i].last && rows[i].prefixes & prefix)
            return &rows[i];
    return NULL;
}

bool thunk_form(const struct insn *insn, struct form *f)
{
    const struct row *row = find_row(insn);
    if (!row)
        return false;
    *f = (struct form){
        .reg = row->reg,
        .rm = row->rm,
        .memory = row->memory == REX_W ? insn->operand_size : row->memory,
        .stores = row->flags & STORES,
        .aligned = row->flags & ALIGNED,
        .flags = row->flags & FLAGS,
        .floats = row->flags & FLOATS,
    };
    return true;
}
