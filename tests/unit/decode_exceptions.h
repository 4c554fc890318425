/*
 * Where our decoder and Capstone 4.0.2 disagree, and why: facts of test_decode.c, which
 * includes this file once. Each row is as narrow as its reason; a disagreement that no
 * row explains fails the test.
 */
#ifndef TESTS_UNIT_DECODE_EXCEPTIONS_H
#define TESTS_UNIT_DECODE_EXCEPTIONS_H

/* What a row may ask of a disagreement beyond its opcode. */
typedef bool condition(const struct opinion *);

static u8 modrm_of(const struct opinion *o)
{
    const struct insn *insn = &o->insn;
    if (insn->has_modrm) /* insn.mod is not the byte's own in MOV CR */
        return (u8)(insn->mod << 6 | (insn->reg & 7) << 3 | (insn->rm & 7));
    return o->bytes[insn->length];
}

static bool memory_form(const struct opinion *o)
{
    return modrm_of(o) < 0xc0;
}

static bool register_form(const struct opinion *o)
{
    return modrm_of(o) >= 0xc0;
}

/* Capstone says itself which extension the instruction belongs to. */
static bool outside_model(const struct opinion *o)
{
    static const u8 groups[] = {X86_GRP_3DNOW, X86_GRP_AVX512, X86_GRP_CDI, X86_GRP_ERI,
                                X86_GRP_PFI,   X86_GRP_VLX,    X86_GRP_TBM, X86_GRP_XOP,
                                X86_GRP_SSE4A, X86_GRP_FMA4,   X86_GRP_HLE, X86_GRP_RTM,
                                X86_GRP_AVX,   X86_GRP_AVX2,   X86_GRP_SGX};
    for (u32 i = 0; i < ARRAY_SIZE(groups); i++)
        if (cs_insn_group(handles[0], o->theirs, groups[i]))
            return true;
    return false;
}

/* SDM vol. 2, LOCK: these, and only with a memory target. */
static bool lock_illegal(const struct opinion *o)
{
    static const u16 may_lock[] = {
        X86_INS_ADD, X86_INS_ADC,     X86_INS_AND,       X86_INS_BTC,        X86_INS_BTR,
        X86_INS_BTS, X86_INS_CMPXCHG, X86_INS_CMPXCHG8B, X86_INS_CMPXCHG16B, X86_INS_DEC,
        X86_INS_INC, X86_INS_NEG,     X86_INS_NOT,       X86_INS_OR,         X86_INS_SBB,
        X86_INS_SUB, X86_INS_XOR,     X86_INS_XADD,      X86_INS_XCHG};
    const cs_x86 *x86 = &o->theirs->detail->x86;
    bool to_memory =
        x86->op_count && (x86->operands[0].type == X86_OP_MEM ||
                          (o->theirs->id == X86_INS_XCHG && x86->operands[1].type == X86_OP_MEM));
    if (!(o->insn.prefixes & PREFIX_LOCK))
        return false;
    for (u32 i = 0; i < ARRAY_SIZE(may_lock); i++)
        if (o->theirs->id == may_lock[i])
            return !to_memory;
    return true;
}

static bool is_legacy_prefix(u8 byte)
{
    return strchr("\x66\x67\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65", byte) && byte;
}

/* Drops `unwanted` from the prefixes; returns the new length of all prefixes. */
static u32 without_prefix(const struct opinion *o, const char *unwanted, u8 *to)
{
    u32 n = 0, i = 0;
    memset(to, 0, CODE_LENGTH);
    for (; i < CODE_LENGTH &&
           (is_legacy_prefix(o->bytes[i]) || (o->bits == 64 && o->bytes[i] >> 4 == 4));
         i++)
        if (!strchr(unwanted, o->bytes[i]))
            to[n++] = o->bytes[i];
    memcpy(to + n, o->bytes + i, CODE_LENGTH - i);
    return n;
}

static bool reads_alike(const struct opinion *o, const char *unwanted)
{
    u8 bytes[CODE_LENGTH];
    cs_insn *other;
    without_prefix(o, unwanted, bytes);
    csh handle = handles[o->bits == 16 ? 0 : o->bits == 32 ? 1 : 2];
    if (!cs_disasm(handle, bytes, CODE_LENGTH, 0, 1, &other))
        return false;
    bool same = other->id == o->theirs->id && !strcmp(other->op_str, o->theirs->op_str);
    cs_free(other, 1);
    return same;
}

/* Capstone reads the same instruction without F2 and F3, or without any of 66, F2, F3: it
 * ignores a prefix that, says the SDM (NP), selects an instruction which does not exist. */
static bool prefix_ignored(const struct opinion *o)
{
    return reads_alike(o, "\xf2\xf3") || reads_alike(o, "\x66\xf2\xf3");
}

static bool no_such_control_register(const struct opinion *o)
{
    return o->insn.reg != 8 && (o->insn.reg > 4 || o->insn.reg == 1);
}

static bool no_such_debug_register(const struct opinion *o)
{
    return o->insn.reg > 7;
}

static bool to_cs(const struct opinion *o)
{
    return (modrm_of(o) >> 3 & 7) == 1;
}

static bool rex_r(const struct opinion *o)
{
    return o->insn.rex & 4;
}

/* A REX that another prefix follows counts for nothing, and neither do prefixes before it. */
static bool dead_rex(const struct opinion *o)
{
    for (u32 i = 0; o->bits == 64 && i + 1 < CODE_LENGTH; i++) {
        bool rex = o->bytes[i] >> 4 == 4;
        if (!rex && !is_legacy_prefix(o->bytes[i]))
            return false;
        if (rex && (is_legacy_prefix(o->bytes[i + 1]) || o->bytes[i + 1] >> 4 == 4))
            return true;
    }
    return false;
}

static bool rex_w(const struct opinion *o)
{
    return o->insn.rex & 8;
}

/* Some prefix other than REX stands between the mandatory prefix and the opcode. */
static bool not_adjacent(const struct opinion *o)
{
    u8 last = 0;
    for (u32 i = 0; i < CODE_LENGTH; i++) {
        if (is_legacy_prefix(o->bytes[i]))
            last = o->bytes[i];
        else if (o->bits != 64 || o->bytes[i] >> 4 != 4)
            break;
    }
    u8 prefixes = o->insn.prefixes;
    return last != (prefixes & PREFIX_REP ? 0xf3 : prefixes & PREFIX_REPNE ? 0xf2 : 0x66);
}

static bool rep_and_66(const struct opinion *o)
{
    return o->insn.prefixes & (PREFIX_REP | PREFIX_REPNE) && o->insn.prefixes & PREFIX_OPSIZE;
}

static bool vex_byte(const struct opinion *o)
{
    u8 bytes[CODE_LENGTH];
    u8 opcode = bytes[without_prefix(o, "", memcpy(bytes, o->bytes, CODE_LENGTH))];
    return opcode == 0xc4 || opcode == 0xc5;
}

static bool other_makers(const struct opinion *o) /* SGX, SVM, TSX */
{
    u8 modrm = modrm_of(o);
    return modrm == 0xcf || (modrm >= 0xd5 && modrm <= 0xdf);
}

static bool pkru(const struct opinion *o)
{
    return modrm_of(o) == 0xee || modrm_of(o) == 0xef;
}

enum who { WE_REFUSE, CAPSTONE_REFUSES, LENGTHS, SIZES, OTHERS };
enum { M16 = 1, M32 = 2, M64 = 4, MODES = 7 };
enum { VEX = 4 }; /* added to a map */

struct exception {
    u8 who, modes, map, first, last; /* opcodes first..last */
    u8 prefixes;                     /* one of these is present, if not 0 */
    condition *when;
    const char *why;
};

#define ANY_MAP 0xff
#define MANDATORY (PREFIX_OPSIZE | PREFIX_REP | PREFIX_REPNE)
#define NO_SUCH "a mandatory prefix selects no instruction here: SDM #UD, Capstone ignores it"

static const struct exception exceptions[] = {
    {WE_REFUSE, MODES, ANY_MAP, 0, 0xff, 0, outside_model,
     "3DNow!, SSE4a, XOP, FMA4, TBM, AVX-512, TSX, SGX: not in the CPU model"},
    {WE_REFUSE, MODES, ANY_MAP, 0, 0xff, PREFIX_LOCK, lock_illegal,
     "LOCK that the SDM forbids; Capstone does not check it"},
    {WE_REFUSE, MODES, MAP_0F, 0x10, 0x17, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0x28, 0x2f, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0x37, 0x37, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0x50, 0x7f, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0xae, 0xae, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0xc2, 0xc7, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F, 0xd0, 0xfe, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F38, 0x00, 0x82, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F38, 0xc8, 0xf6, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, MODES, MAP_0F3A, 0x08, 0xdf, MANDATORY, prefix_ignored, NO_SUCH},
    {WE_REFUSE, M64, MAP_0F, 0x10, 0xfe, PREFIX_ADSIZE, rex_w,
     "Capstone takes 67 with REX.W for 66"},
    {WE_REFUSE, M64, MAP_0F38, 0x00, 0xf1, PREFIX_ADSIZE, rex_w,
     "Capstone takes 67 with REX.W for 66"},
    {WE_REFUSE, M64, MAP_0F3A, 0x00, 0xdf, PREFIX_ADSIZE, rex_w,
     "Capstone takes 67 with REX.W for 66"},
    {WE_REFUSE, M64, MAP_0F, 0x10, 0xfe, MANDATORY, dead_rex,
     "Capstone counts or obeys a REX that another prefix follows"},
    {WE_REFUSE, M64, MAP_0F38, 0x00, 0xf1, MANDATORY, dead_rex,
     "Capstone counts or obeys a REX that another prefix follows"},
    {CAPSTONE_REFUSES, M64, MAP_0F, 0x10, 0xfe, MANDATORY, dead_rex,
     "Capstone counts or obeys a REX that another prefix follows"},
    {WE_REFUSE, MODES, MAP_LEGACY, 0x00, 0x00, MANDATORY, vex_byte,
     "66, F2, F3 before VEX are #UD"},
    {WE_REFUSE, MODES, MAP_0F, 0x01, 0x01, 0, other_makers, "SGX, SVM, TSX: not in the CPU model"},
    {WE_REFUSE, MODES, MAP_LEGACY, 0x8e, 0x8e, 0, to_cs, "MOV to CS is #UD"},
    {WE_REFUSE, MODES, MAP_0F, 0x20, 0x20, 0, no_such_control_register,
     "only CR0, 2, 3, 4, 8 exist"},
    {WE_REFUSE, MODES, MAP_0F, 0x22, 0x22, 0, no_such_control_register,
     "only CR0, 2, 3, 4, 8 exist"},
    {WE_REFUSE, M64, MAP_0F, 0x21, 0x21, 0, no_such_debug_register, "DR8-15 are #UD"},
    {WE_REFUSE, M64, MAP_0F, 0x23, 0x23, 0, no_such_debug_register, "DR8-15 are #UD"},
    {WE_REFUSE, MODES, MAP_0F, 0x0e, 0x0e, 0, NULL, "FEMMS: 3DNow!"},
    {WE_REFUSE, MODES, MAP_0F, 0xa6, 0xa7, 0, register_form, "VIA PadLock"},
    {WE_REFUSE, MODES, MAP_0F, 0xb9, 0xb9, 0, NULL, "UD1 is #UD; its length matters to nobody"},
    {WE_REFUSE, MODES, MAP_0F, 0xff, 0xff, 0, NULL, "UD0 is #UD; its length matters to nobody"},
    {LENGTHS, M64, MAP_LEGACY, 0xe8, 0xe9, PREFIX_OPSIZE, NULL,
     "near branches ignore 66 in 64-bit mode on Intel; Capstone does as AMD"},
    {LENGTHS, M64, MAP_0F, 0x80, 0x8f, PREFIX_OPSIZE, NULL,
     "near branches ignore 66 in 64-bit mode on Intel; Capstone does as AMD"},
    {LENGTHS, M64, MAP_LEGACY, 0xe8, 0xe9, PREFIX_ADSIZE, rex_w,
     "Capstone takes 67 with REX.W for 66"},
    {LENGTHS, M64, MAP_0F, 0x78, 0x8f, PREFIX_ADSIZE, rex_w, "Capstone takes 67 with REX.W for 66"},
    {LENGTHS, M64, MAP_LEGACY, 0xc2, 0xc2, PREFIX_OPSIZE | PREFIX_ADSIZE, rex_w,
     "Capstone counts RET's immediate as four bytes"},
    {LENGTHS, MODES, MAP_LEGACY, 0xe8, 0xe9, 0, rep_and_66,
     "Capstone forgets 66 when F2 or F3 is there"},
    {LENGTHS, MODES, MAP_LEGACY, 0x68, 0x68, 0, rep_and_66,
     "Capstone forgets 66 when F2 or F3 is there"},
    {CAPSTONE_REFUSES, MODES, MAP_LEGACY, 0xa0, 0xa3, 0, rep_and_66,
     "Capstone's tables lack moffs with both 66 and F2 or F3"},
    {CAPSTONE_REFUSES, MODES, MAP_0F, 0x01, 0x01, 0, pkru, "RDPKRU, WRPKRU: not in Capstone"},
    {CAPSTONE_REFUSES, MODES, MAP_0F, 0xae, 0xae, 0, register_form,
     "fences ignore ModRM.rm: SDM, LFENCE"},
    {CAPSTONE_REFUSES, M16, MAP_0F, 0x10, 0xfe, MANDATORY, NULL,
     "Capstone's 16-bit tables lack mandatory prefixes in part"},
    {CAPSTONE_REFUSES, M32 | M64, MAP_0F, 0x10, 0xfe, MANDATORY, not_adjacent,
     "Capstone wants the mandatory prefix next to the opcode"},
    {CAPSTONE_REFUSES, M32 | M64, MAP_0F38, 0x00, 0xff, MANDATORY, not_adjacent,
     "Capstone wants the mandatory prefix next to the opcode"},
    {CAPSTONE_REFUSES, M32 | M64, MAP_0F3A, 0x00, 0xff, MANDATORY, not_adjacent,
     "Capstone wants the mandatory prefix next to the opcode"},
    {CAPSTONE_REFUSES, M64, MAP_LEGACY, 0x8c, 0x8c, 0, rex_r,
     "REX.R is ignored for segment registers"},
    {CAPSTONE_REFUSES, M64, MAP_LEGACY, 0x8e, 0x8e, 0, rex_r,
     "REX.R is ignored for segment registers"},
    {CAPSTONE_REFUSES, MODES, MAP_0F, 0x0d, 0x0d, 0, NULL,
     "PREFETCHW and hints: Capstone has them as 3DNow!, in part"},
    {CAPSTONE_REFUSES, MODES, MAP_0F, 0x18, 0x1f, 0, register_form, "hints, also with registers"},
    {CAPSTONE_REFUSES, M16, MAP_0F38, 0x00, 0xff, MANDATORY, NULL,
     "Capstone's 16-bit tables lack mandatory prefixes in this map"},
    {CAPSTONE_REFUSES, M16, MAP_0F3A, 0x00, 0xff, MANDATORY, NULL,
     "Capstone's 16-bit tables lack mandatory prefixes in this map"},
    {CAPSTONE_REFUSES, MODES, MAP_0F38, 0xcf, 0xcf, PREFIX_OPSIZE, NULL,
     "GFNI is newer than Capstone"},
    {CAPSTONE_REFUSES, MODES, MAP_0F3A, 0xce, 0xcf, PREFIX_OPSIZE, NULL,
     "GFNI is newer than Capstone"},
    {CAPSTONE_REFUSES, MODES, MAP_0F38, 0xf8, 0xf8, PREFIX_OPSIZE, memory_form,
     "MOVDIR64B is newer than Capstone"},
    {CAPSTONE_REFUSES, MODES, MAP_0F38, 0xf9, 0xf9, 0, memory_form,
     "MOVDIRI is newer than Capstone"},
    {CAPSTONE_REFUSES, MODES, VEX + MAP_0F, 0x00, 0xff, 0, NULL,
     "AVX is decoded for its length only: W, L, vvvv are not checked"},
    {CAPSTONE_REFUSES, MODES, VEX + MAP_0F38, 0x00, 0xef, 0, NULL,
     "AVX is decoded for its length only: W, L, vvvv are not checked"},
    {CAPSTONE_REFUSES, MODES, VEX + MAP_0F3A, 0x00, 0xef, 0, NULL,
     "AVX is decoded for its length only: W, L, vvvv are not checked"},
    {SIZES, M64, MAP_LEGACY, 0x63, 0x63, PREFIX_OPSIZE, NULL,
     "MOVSXD with 66 reads 16 bits; Capstone ignores 66"},
    {SIZES, MODES, ANY_MAP, 0, 0xff, 0, rep_and_66,
     "Capstone forgets 66 for memory when F2 or F3 is there"},
    {SIZES, M64, MAP_LEGACY, 0x8f, 0x8f, PREFIX_OPSIZE | PREFIX_ADSIZE, rex_w,
     "REX.W overrides 66 (silicon does); Capstone obeys 66, and takes 67 for 66"},
    {SIZES, M64, MAP_LEGACY, 0xff, 0xff, PREFIX_OPSIZE | PREFIX_ADSIZE, rex_w,
     "REX.W overrides 66 (silicon does); Capstone obeys 66, and takes 67 for 66"},
    {OTHERS, MODES, VEX + MAP_0F3A, 0xf0, 0xf0, 0, NULL, "Capstone sign-extends the count of RORX"},
    {LENGTHS, M64, ANY_MAP, 0, 0xff, 0, dead_rex,
     "Capstone counts or obeys a REX that another prefix follows"},
};

static enum who who_of(const char *what)
{
    return what[0] == 'w'               ? WE_REFUSE
           : what[0] == 'C'             ? CAPSTONE_REFUSES
           : what[0] == 'l'             ? LENGTHS
           : !strcmp(what, "MMIO size") ? SIZES
                                        : OTHERS;
}

static bool matches(const struct exception *e, const struct opinion *o, enum who who)
{
    const struct insn *insn = &o->insn;
    u8 map = insn->map + (insn->prefixes & PREFIX_VEX ? VEX : 0);
    u8 mode = o->bits == 16 ? M16 : o->bits == 32 ? M32 : M64;
    return e->who == who && e->modes & mode && (e->map == ANY_MAP || e->map == map) &&
           insn->opcode >= e->first && insn->opcode <= e->last &&
           (!e->prefixes || e->prefixes & insn->prefixes) && (!e->when || e->when(o));
}

static bool find_exception(const struct opinion *o, const char *what)
{
    for (u32 i = 0; i < ARRAY_SIZE(exceptions); i++)
        if (matches(&exceptions[i], o, who_of(what)))
            return true;
    return false;
}

#endif
