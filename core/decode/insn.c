/*
 * The decoder: one pass over the bytes, steered by the tables. It reads at most
 * 15 bytes, allocates nothing, and never judges what depends on more than the bytes
 * and the code segment's mode (privilege, CR0, CPUID): that is the executor's.
 * Source: SDM vol. 2, chapter 2.
 *
 * Two rules where processors differ, both as Intel's and Bochs's do: in 64-bit mode
 * near branches ignore 66, and ES, CS, SS, DS overrides do not cancel an earlier FS or GS.
 */
#include "core/decode/insn.h"

#include "core/decode/tables.h"
#include "core/mem.h"

enum { LENGTH_MAX = 15 };
enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 }; /* shifted to 8, they extend a register */
enum { REG_BX = 3, REG_SP = 4, REG_BP = 5, REG_SI = 6, REG_DI = 7 };

struct decoder {
    struct insn *insn;
    const u8 *at, *end;
    u32 bits;
    u32 row; /* the opcode's word of the tables */
    u8 modrm;
};

/* Takes `size` (1, 2, 4 or 8) bytes, little-endian; false: there are not that many. */
static inline bool take(struct decoder *d, u32 size, u64 *value)
{
    if ((size_t)(d->end - d->at) < size)
        return false;
    u16 word;
    u32 dword;
    switch (size) {
    case 1:
        *value = *d->at;
        break;
    case 2:
        memcpy(&word, d->at, 2);
        *value = word;
        break;
    case 4:
        memcpy(&dword, d->at, 4);
        *value = dword;
        break;
    default:
        memcpy(value, d->at, 8);
    }
    d->at += size;
    return true;
}

static inline u64 extend(u64 value, u32 size)
{
    return size == 1   ? (u64)(i8)value
           : size == 2 ? (u64)(i16)value
           : size == 4 ? (u64)(i32)value
                       : value;
}

/* ---- prefixes and opcode ------------------------------------------------- */

static void legacy_prefix(struct decoder *d, u8 byte)
{
    struct insn *insn = d->insn;
    switch (byte) {
    case 0x66:
        insn->prefixes |= PREFIX_OPSIZE;
        break;
    case 0x67:
        insn->prefixes |= PREFIX_ADSIZE;
        break;
    case 0xf0:
        insn->prefixes |= PREFIX_LOCK;
        break;
    case 0xf2: /* of F2 and F3 the last one counts */
        insn->prefixes = (insn->prefixes & ~PREFIX_REP) | PREFIX_REPNE;
        break;
    case 0xf3:
        insn->prefixes = (insn->prefixes & ~PREFIX_REPNE) | PREFIX_REP;
        break;
    case 0x64:
    case 0x65:
        insn->segment = SEG_FS + (byte & 1);
        break;
    default: /* 26 2e 36 3e */
        if (d->bits != 64)
            insn->segment = byte >> 3 & 3;
    }
}

/* Takes all prefixes and the byte after them. A REX counts only right before the opcode. */
static bool take_prefixes(struct decoder *d, u64 *byte)
{
    u8 rex = 0;
    for (;;) {
        if (!take(d, 1, byte))
            return false;
        if (insn_legacy[*byte] & ROW_PREFIX) {
            legacy_prefix(d, (u8)*byte);
            rex = 0;
        } else if (d->bits == 64 && (*byte & 0xf0) == 0x40) {
            rex = (u8)*byte;
        } else {
            break;
        }
    }
    d->insn->rex = rex & 0xf;
    d->insn->prefixes |= rex ? PREFIX_REX : 0;
    return true;
}

static bool take_opcode_map(struct decoder *d, u64 *byte)
{
    static const u32 *const maps[] = {insn_legacy, insn_0f, insn_0f38, insn_0f3a};
    u8 map = MAP_LEGACY;
    if (*byte == 0x0f) {
        if (!take(d, 1, byte))
            return false;
        map = *byte == 0x38 ? MAP_0F38 : *byte == 0x3a ? MAP_0F3A : MAP_0F;
        if (map != MAP_0F && !take(d, 1, byte))
            return false;
    }
    d->insn->map = map;
    d->insn->opcode = (u8)*byte;
    d->row = maps[map][*byte];
    return true;
}

/* C4 and C5 are LES and LDS outside 64-bit mode, unless the next byte would be a register form. */
static bool is_vex(const struct decoder *d, u64 byte)
{
    return (byte & 0xfe) == 0xc4 && (d->bits == 64 || (d->at < d->end && *d->at >= 0xc0));
}

static enum decode_status take_vex(struct decoder *d, u64 byte)
{
    struct insn *insn = d->insn;
    u64 first, last, opcode;
    if (!take(d, 1, &first))
        return DECODE_SHORT;
    last = first;
    if (byte == 0xc4 && !take(d, 1, &last))
        return DECODE_SHORT;
    u32 map = byte == 0xc4 ? first & 0x1f : MAP_0F;
    if (insn->prefixes & ~PREFIX_ADSIZE || map < MAP_0F || map > MAP_0F3A)
        return DECODE_INVALID;
    if (!take(d, 1, &opcode))
        return DECODE_SHORT;
    insn->map = (u8)map;
    insn->opcode = (u8)opcode;
    insn->prefixes |= PREFIX_VEX;
    insn->rex = byte == 0xc4 ? (~first >> 5 & 7) | (last >> 4 & REX_W) : ~first >> 5 & REX_R;
    insn->vvvv = ~last >> 3 & 0xf;
    if (d->bits != 64) { /* W and the fourth bit of each register do nothing there */
        insn->rex = 0;
        insn->vvvv &= 7;
    }
    insn->vex_l = last >> 2 & 1;
    insn->vex_pp = last & 3;
    d->row = insn_vex[map - 1][opcode];
    return DECODE_OK;
}

/* BMI is scalar: VEX.L must be 0; RORX has no third operand. */
static bool vex_fields_valid(const struct insn *insn)
{
    bool bmi = (insn->map == MAP_0F38 && insn->opcode >= 0xf2 && insn->opcode <= 0xf7) ||
               (insn->map == MAP_0F3A && insn->opcode == 0xf0);
    bool rorx = bmi && insn->map == MAP_0F3A;
    return !(bmi && insn->vex_l) && !(rorx && insn->vvvv);
}

/* Which of an opcode's instructions the prefixes select, as enum mandatory. */
static inline u32 mandatory(const struct insn *insn)
{
    if (insn->prefixes & PREFIX_VEX)
        return insn->vex_pp;
    if (insn->prefixes & (PREFIX_REP | PREFIX_REPNE))
        return insn->prefixes & PREFIX_REP ? PF3 : PF2;
    return insn->prefixes & PREFIX_OPSIZE ? P66 : NP;
}

static bool opcode_valid(const struct decoder *d)
{
    u32 row = d->row, set = row >> ROW_MANDATORY_SHIFT & 0xf;
    if (!(row & ROW_VALID) ||
        (row & ROW_NOT64 && d->bits == 64 && !(d->insn->prefixes & PREFIX_VEX)))
        return false;
    if (d->insn->prefixes & PREFIX_VEX && !vex_fields_valid(d->insn))
        return false;
    return !set || set >> mandatory(d->insn) & 1;
}

/* ---- ModRM ------------------------------------------------------------------ */

static u32 memory_16(struct insn *insn, u8 rm)
{
    static const u8 bases[8] = {REG_BX, REG_BX, REG_BP, REG_BP, REG_SI, REG_DI, REG_BP, REG_BX};
    static const u8 indices[8] = {REG_SI,      REG_DI,      REG_SI,      REG_DI,
                                  NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER};
    if (insn->mod == 0 && rm == 6)
        return 2;
    insn->base = bases[rm];
    insn->index = indices[rm];
    return insn->mod;
}

/* Takes the SIB byte. Returns the displacement's size; *short_of: bytes ended. */
static u32 memory_sib(struct decoder *d, bool *short_of)
{
    struct insn *insn = d->insn;
    u64 sib;
    if (!take(d, 1, &sib)) {
        *short_of = true;
        return 0;
    }
    u8 index = (sib >> 3 & 7) | (insn->rex & REX_X) << 2;
    insn->scale = (u8)(1u << (sib >> 6));
    insn->index = index == REG_SP ? NO_REGISTER : index;
    if ((sib & 7) == REG_BP && insn->mod == 0)
        return 4;
    insn->base = (sib & 7) | (insn->rex & REX_B) << 3;
    return insn->mod == 2 ? 4 : insn->mod;
}

static u32 memory_32(struct decoder *d, u8 rm, bool *short_of)
{
    struct insn *insn = d->insn;
    if (rm == REG_SP)
        return memory_sib(d, short_of);
    if (rm == REG_BP && insn->mod == 0) {
        insn->base = d->bits == 64 ? RIP_RELATIVE : NO_REGISTER;
        return 4;
    }
    insn->base = rm | (insn->rex & REX_B) << 3;
    return insn->mod == 2 ? 4 : insn->mod;
}

static bool take_memory(struct decoder *d)
{
    struct insn *insn = d->insn;
    bool short_of = false;
    u8 rm = d->modrm & 7;
    u64 value;
    insn->has_memory = true;
    u32 size = insn->address_size == 2 ? memory_16(insn, rm) : memory_32(d, rm, &short_of);
    if (short_of)
        return false;
    if (size) {
        if (!take(d, size, &value))
            return false;
        insn->displacement = (i64)extend(value, size);
    }
    return true;
}

static bool take_modrm(struct decoder *d)
{
    struct insn *insn = d->insn;
    u64 modrm;
    if (!take(d, 1, &modrm))
        return false;
    d->modrm = (u8)modrm;
    insn->has_modrm = true;
    insn->mod = d->row & ROW_REGISTERS ? 3 : (u8)(modrm >> 6);
    insn->reg = (modrm >> 3 & 7) | (insn->rex & REX_R) << 1;
    insn->rm = (modrm & 7) | (insn->rex & REX_B) << 3;
    return insn->mod == 3 || take_memory(d);
}

/* What the sets of forms cannot say: it depends on REX.R or the mode. */
static bool exceptions_valid(const struct decoder *d)
{
    const struct insn *insn = d->insn;
    if (d->row & ROW_REGISTERS) /* CR8 is the only one of CR8-15, DR8-15 */
        return !(insn->rex & REX_R) || (insn->reg == 8 && !(insn->opcode & 1));
    if (insn->map == MAP_0F && insn->opcode == 0xae && insn->prefixes & PREFIX_REP)
        return d->bits == 64; /* RDFSBASE and friends */
    return true;
}

static const struct forms *forms_of(const struct decoder *d)
{
    u32 set = d->insn->has_modrm ? d->row >> ROW_FORMS_SHIFT : FORMS_ALL;
    return &insn_forms[set >= FORMS_BY_PREFIX ? set + mandatory(d->insn) : set];
}

static bool form_valid(const struct decoder *d)
{
    const struct forms *forms = forms_of(d);
    if (!d->insn->has_modrm || !(d->row >> ROW_FORMS_SHIFT))
        return true;
    if (d->insn->has_memory)
        return forms->memory >> (d->modrm >> 3 & 7) & 1;
    return forms->registers >> (d->modrm & 0x3f) & 1 && exceptions_valid(d);
}

/* Judged last: the instruction must be there to its end, or its fetch faults first. */
static bool lock_valid(const struct decoder *d)
{
    const struct insn *insn = d->insn;
    if (!(insn->prefixes & PREFIX_LOCK))
        return true;
    return insn->has_modrm && insn->has_memory && forms_of(d)->lock >> (d->modrm >> 3 & 7) & 1;
}

/* ---- sizes and immediates ------------------------------------------------------ */

static u8 stack_size(const struct decoder *d, u8 v)
{
    return d->bits == 64 && v == 4 ? 8 : v;
}

static u8 operand_size(const struct decoder *d)
{
    enum size_class class = d->row >> ROW_SIZE_SHIFT & 0xf;
    if (class == SIZE_BYTE)
        return 1;
    const struct insn *insn = d->insn;
    bool small = (d->bits == 16) != !!(insn->prefixes & PREFIX_OPSIZE);
    u8 v = insn->rex & REX_W ? 8 : small ? 2 : 4;
    switch (class) {
    case SIZE_V:
    case SIZE_BYTE:
        break;
    case SIZE_Z:
        return small ? 2 : 4;
    case SIZE_ARPL:
        return d->bits == 64 ? v : 2;
    case SIZE_STACK:
        return stack_size(d, v);
    case SIZE_BRANCH:
        return d->bits == 64 ? 8 : v;
    case SIZE_Y:
        return insn->rex & REX_W ? 8 : 4;
    case SIZE_NATIVE:
        return d->bits == 64 ? 8 : 4;
    case SIZE_FF:
        switch (d->modrm >> 3 & 7) {
        case 2:
        case 4:
            return d->bits == 64 ? 8 : v;
        case 6:
            return stack_size(d, v);
        }
    }
    return v;
}

/* Size of the immediate, and whether it is sign-extended to 64 bits. */
static u32 immediate_size(const struct decoder *d, enum immediate_kind kind, bool *is_signed)
{
    const struct insn *insn = d->insn;
    u32 size = insn->operand_size;
    *is_signed = false;
    switch (kind) {
    case IMM_NONE:
        break;
    case IMM_BYTE_SIGNED:
        *is_signed = true;
        return 1;
    case IMM_BYTE:
        return 1;
    case IMM_WORD:
    case IMM_ENTER:
        return 2;
    case IMM_TEST_BYTE:
    case IMM_TEST:
        if (d->modrm & 0x30) /* not /0 or /1 */
            return 0;
        *is_signed = size == 8;
        return size == 8 ? 4 : size;
    case IMM_OPERAND:
        *is_signed = size == 8;
        return size == 8 ? 4 : size;
    case IMM_RELATIVE:
        *is_signed = true;
        return size == 8 ? 4 : size;
    case IMM_FULL:
    case IMM_FAR:
        return size;
    case IMM_ADDRESS:
        return insn->address_size;
    }
    return 0;
}

static bool take_immediate(struct decoder *d)
{
    struct insn *insn = d->insn;
    enum immediate_kind kind = d->row >> ROW_IMMEDIATE_SHIFT & 0xf;
    bool is_signed;
    if (kind == IMM_NONE)
        return true;
    u32 size = immediate_size(d, kind, &is_signed);
    if (!size)
        return true;
    u64 value;
    if (!take(d, size, &value))
        return false;
    if (kind == IMM_ADDRESS) {
        insn->has_memory = true;
        insn->displacement = (i64)value;
        return true;
    }
    insn->immediate_size = (u8)size;
    insn->immediate = is_signed ? extend(value, size) : value;
    if (kind == IMM_FAR)
        return take(d, 2, &insn->immediate2);
    return kind != IMM_ENTER || take(d, 1, &insn->immediate2);
}

/* ---- the whole -------------------------------------------------------------------- */

static u8 address_size(u32 bits, u8 prefixes)
{
    bool other = prefixes & PREFIX_ADSIZE;
    return bits == 64 ? (other ? 4 : 8) : (bits == 32) != other ? 4 : 2;
}

static enum decode_status decode_opcode(struct decoder *d)
{
    u64 byte;
    if (!take_prefixes(d, &byte))
        return DECODE_SHORT;
    if (is_vex(d, byte)) {
        enum decode_status status = take_vex(d, byte);
        if (status != DECODE_OK)
            return status;
    } else if (!take_opcode_map(d, &byte)) {
        return DECODE_SHORT;
    }
    return opcode_valid(d) ? DECODE_OK : DECODE_INVALID;
}

static enum decode_status decode_operands(struct decoder *d)
{
    struct insn *insn = d->insn;
    insn->address_size = address_size(d->bits, insn->prefixes);
    if (!(d->row & ROW_MODRM))
        insn->rm = (insn->opcode & 7) | (insn->rex & REX_B) << 3;
    else if (!take_modrm(d))
        return DECODE_SHORT;
    if (!form_valid(d))
        return DECODE_INVALID;
    insn->operand_size = operand_size(d);
    if (!take_immediate(d))
        return DECODE_SHORT;
    return lock_valid(d) ? DECODE_OK : DECODE_INVALID;
}

/* Facts that follow from everything else. */
static void settle(struct insn *insn)
{
    if (insn->segment == NO_REGISTER)
        insn->segment = insn->base == REG_SP || insn->base == REG_BP ? SEG_SS : SEG_DS;
    if (insn->map == MAP_LEGACY && (insn->opcode & 0xfd) == 0x8c)
        insn->reg &= 7; /* MOV to and from segment registers has no use for REX.R */
}

enum decode_status insn_decode(struct insn *insn, const u8 *bytes, u32 length, u32 bits)
{
    struct decoder d = {
        .insn = insn,
        .at = bytes,
        .end = bytes + (length < LENGTH_MAX ? length : LENGTH_MAX),
        .bits = bits,
    };
    *insn = (struct insn){.bits = (u8)bits,
                          .base = NO_REGISTER,
                          .index = NO_REGISTER,
                          .segment = NO_REGISTER,
                          .scale = 1};
    enum decode_status status = decode_opcode(&d);
    if (status == DECODE_OK)
        status = decode_operands(&d);
    if (status == DECODE_SHORT && length >= LENGTH_MAX)
        return DECODE_TOO_LONG;
    insn->length = (u8)(d.at - bytes);
    settle(insn);
    return status;
}

u64 insn_effective_address(const struct insn *insn, const u64 gpr[16], u64 rip)
{
    u64 address = (u64)insn->displacement;
    if (insn->base == RIP_RELATIVE)
        address += rip + insn->length;
    else if (insn->base != NO_REGISTER)
        address += gpr[insn->base];
    if (insn->index != NO_REGISTER)
        address += gpr[insn->index] * insn->scale;
    return insn->address_size == 8 ? address : address & (BIT(8 * insn->address_size) - 1);
}
