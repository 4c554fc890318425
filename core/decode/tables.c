/*
 * The opcode maps as tables: what follows each opcode byte and which of its forms
 * exist. No code. Sources: SDM vol. 2, appendix A (opcode maps) and the instruction
 * pages; aliases that silicon executes without documenting them (TEST /1, SAL /6,
 * SALC, the x87 aliases) are in. Encodings that no CPU model will have (3DNow!, SSE4a,
 * XOP, EVEX, TSX, SVM, PadLock) are not.
 */
#include "core/decode/tables.h"

/* One word of an opcode's row each, joined by |. */
#define OPCODE ROW_VALID
#define MODRM (ROW_VALID | ROW_MODRM)
#define NOT64 ROW_NOT64
#define IMM(kind) ((u32)IMM_##kind << ROW_IMMEDIATE_SHIFT)
#define SIZE(class) ((u32)SIZE_##class << ROW_SIZE_SHIFT)
#define FORMS(set) ((u32)FORMS_##set << ROW_FORMS_SHIFT)
#define ONLY(prefixes) ((u32)(prefixes) << ROW_MANDATORY_SHIFT)
#define BYTE SIZE(BYTE)

/* Sets of mandatory prefixes. */
enum {
    SET_NP = 1 << NP,
    SET_66 = 1 << P66,
    SET_F3 = 1 << PF3,
    SET_F2 = 1 << PF2,
    SET_MMX = SET_NP | SET_66,    /* MMX without prefix, SSE2 with 66 */
    SET_SCALAR = SET_NP | SET_F3, /* packed and scalar single */
    SET_ALL = SET_NP | SET_66 | SET_F3 | SET_F2,
};
#define MMX (MODRM | ONLY(SET_MMX))
#define SSE_66 (MODRM | ONLY(SET_66))

/* ADD OR ADC SBB AND SUB XOR CMP: six forms each from `base`; CMP cannot be locked. */
#define ARITHMETIC(base, forms)                                                           \
    [base] = MODRM | BYTE | forms, [base + 1] = MODRM | forms, [base + 2] = MODRM | BYTE, \
    [base + 3] = MODRM, [base + 4] = OPCODE | BYTE | IMM(BYTE), [base + 5] = OPCODE | IMM(OPERAND)

#define X87(n) [0xd8 + n] = MODRM | (FORMS(X87) + ((u32)n << ROW_FORMS_SHIFT))

/* clang-format off */
const u32 insn_legacy[256] = {
    ARITHMETIC(0x00, FORMS(LOCKABLE)), ARITHMETIC(0x08, FORMS(LOCKABLE)),
    ARITHMETIC(0x10, FORMS(LOCKABLE)), ARITHMETIC(0x18, FORMS(LOCKABLE)),
    ARITHMETIC(0x20, FORMS(LOCKABLE)), ARITHMETIC(0x28, FORMS(LOCKABLE)),
    ARITHMETIC(0x30, FORMS(LOCKABLE)), ARITHMETIC(0x38, 0),
    [0x06] = OPCODE | NOT64, [0x07] = OPCODE | NOT64, [0x0e] = OPCODE | NOT64, /* PUSH/POP ES, PUSH CS */
    [0x16] = OPCODE | NOT64, [0x17] = OPCODE | NOT64, /* SS */
    [0x1e] = OPCODE | NOT64, [0x1f] = OPCODE | NOT64, /* DS */
    [0x26] = ROW_PREFIX, [0x2e] = ROW_PREFIX, [0x36] = ROW_PREFIX, [0x3e] = ROW_PREFIX,
    [0x27] = OPCODE | NOT64, [0x2f] = OPCODE | NOT64, /* DAA, DAS */
    [0x37] = OPCODE | NOT64, [0x3f] = OPCODE | NOT64, /* AAA, AAS */
    [0x40 ... 0x4f] = OPCODE | NOT64, /* INC, DEC; REX in 64-bit mode */
    [0x50 ... 0x5f] = OPCODE | SIZE(STACK),
    [0x60 ... 0x61] = OPCODE | NOT64, /* PUSHA, POPA */
    [0x62] = MODRM | FORMS(MEMORY) | NOT64, /* BOUND; EVEX is refused */
    [0x63] = MODRM | SIZE(ARPL), /* ARPL, MOVSXD */
    [0x64 ... 0x67] = ROW_PREFIX,
    [0x68] = OPCODE | SIZE(STACK) | IMM(OPERAND),
    [0x69] = MODRM | IMM(OPERAND),
    [0x6a] = OPCODE | SIZE(STACK) | IMM(BYTE_SIGNED),
    [0x6b] = MODRM | IMM(BYTE_SIGNED),
    [0x6c] = OPCODE | BYTE, [0x6d] = OPCODE | SIZE(Z), [0x6e] = OPCODE | BYTE, [0x6f] = OPCODE | SIZE(Z),
    [0x70 ... 0x7f] = OPCODE | SIZE(BRANCH) | IMM(BYTE_SIGNED),
    [0x80] = MODRM | BYTE | IMM(BYTE) | FORMS(1),
    [0x81] = MODRM | IMM(OPERAND) | FORMS(1),
    [0x82] = MODRM | BYTE | IMM(BYTE) | FORMS(1) | NOT64,
    [0x83] = MODRM | IMM(BYTE_SIGNED) | FORMS(1),
    [0x84] = MODRM | BYTE, [0x85] = MODRM,
    [0x86] = MODRM | BYTE | FORMS(LOCKABLE), [0x87] = MODRM | FORMS(LOCKABLE),
    [0x88] = MODRM | BYTE, [0x89] = MODRM, [0x8a] = MODRM | BYTE, [0x8b] = MODRM,
    [0x8c] = MODRM | FORMS(MOV_FROM_SEG),
    [0x8d] = MODRM | FORMS(MEMORY),
    [0x8e] = MODRM | FORMS(MOV_TO_SEG),
    [0x8f] = MODRM | SIZE(STACK) | FORMS(8F),
    [0x90 ... 0x99] = OPCODE,
    [0x9a] = OPCODE | NOT64 | IMM(FAR),
    [0x9b] = OPCODE,
    [0x9c ... 0x9d] = OPCODE | SIZE(STACK),
    [0x9e ... 0x9f] = OPCODE | BYTE,
    [0xa0] = OPCODE | BYTE | IMM(ADDRESS), [0xa1] = OPCODE | IMM(ADDRESS),
    [0xa2] = OPCODE | BYTE | IMM(ADDRESS), [0xa3] = OPCODE | IMM(ADDRESS),
    [0xa4] = OPCODE | BYTE, [0xa5] = OPCODE, [0xa6] = OPCODE | BYTE, [0xa7] = OPCODE,
    [0xa8] = OPCODE | BYTE | IMM(BYTE), [0xa9] = OPCODE | IMM(OPERAND),
    [0xaa] = OPCODE | BYTE, [0xab] = OPCODE, [0xac] = OPCODE | BYTE, [0xad] = OPCODE,
    [0xae] = OPCODE | BYTE, [0xaf] = OPCODE,
    [0xb0 ... 0xb7] = OPCODE | BYTE | IMM(BYTE), [0xb8 ... 0xbf] = OPCODE | IMM(FULL),
    [0xc0] = MODRM | BYTE | IMM(BYTE), [0xc1] = MODRM | IMM(BYTE),
    [0xc2] = OPCODE | SIZE(BRANCH) | IMM(WORD), [0xc3] = OPCODE | SIZE(BRANCH),
    [0xc4] = MODRM | NOT64 | FORMS(MEMORY), [0xc5] = MODRM | NOT64 | FORMS(MEMORY), /* LES, LDS; VEX */
    [0xc6] = MODRM | BYTE | IMM(BYTE) | FORMS(C6), [0xc7] = MODRM | IMM(OPERAND) | FORMS(C6),
    [0xc8] = OPCODE | SIZE(STACK) | IMM(ENTER), [0xc9] = OPCODE | SIZE(STACK),
    [0xca] = OPCODE | IMM(WORD), [0xcb] = OPCODE,
    [0xcc] = OPCODE, [0xcd] = OPCODE | IMM(BYTE), [0xce] = OPCODE | NOT64, [0xcf] = OPCODE,
    [0xd0] = MODRM | BYTE, [0xd1] = MODRM, [0xd2] = MODRM | BYTE, [0xd3] = MODRM,
    [0xd4] = OPCODE | BYTE | NOT64 | IMM(BYTE), [0xd5] = OPCODE | BYTE | NOT64 | IMM(BYTE),
    [0xd6] = OPCODE | BYTE | NOT64, [0xd7] = OPCODE | BYTE, /* SALC, XLAT */
    X87(0), X87(1), X87(2), X87(3), X87(4), X87(5), X87(6), X87(7),
    [0xe0 ... 0xe3] = OPCODE | SIZE(BRANCH) | IMM(BYTE_SIGNED),
    [0xe4] = OPCODE | BYTE | IMM(BYTE), [0xe5] = OPCODE | SIZE(Z) | IMM(BYTE),
    [0xe6] = OPCODE | BYTE | IMM(BYTE), [0xe7] = OPCODE | SIZE(Z) | IMM(BYTE),
    [0xe8 ... 0xe9] = OPCODE | SIZE(BRANCH) | IMM(RELATIVE),
    [0xea] = OPCODE | NOT64 | IMM(FAR),
    [0xeb] = OPCODE | SIZE(BRANCH) | IMM(BYTE_SIGNED),
    [0xec] = OPCODE | BYTE, [0xed] = OPCODE | SIZE(Z), [0xee] = OPCODE | BYTE, [0xef] = OPCODE | SIZE(Z),
    [0xf0] = ROW_PREFIX, [0xf2] = ROW_PREFIX, [0xf3] = ROW_PREFIX,
    [0xf1] = OPCODE, [0xf4 ... 0xf5] = OPCODE,
    [0xf6] = MODRM | BYTE | IMM(TEST_BYTE) | FORMS(F6), [0xf7] = MODRM | IMM(TEST) | FORMS(F6),
    [0xf8 ... 0xfd] = OPCODE,
    [0xfe] = MODRM | BYTE | FORMS(FE), [0xff] = MODRM | SIZE(FF) | FORMS(FF),
};

const u32 insn_0f[256] = {
    [0x00] = MODRM | FORMS(0F00), [0x01] = MODRM | FORMS(0F01),
    [0x02 ... 0x03] = MODRM, /* LAR, LSL */
    [0x05 ... 0x09] = OPCODE, /* SYSCALL CLTS SYSRET INVD WBINVD */
    [0x0b] = OPCODE, /* UD2 */
    [0x0d] = MODRM, /* PREFETCHW; else hints */
    [0x10 ... 0x11] = MODRM | ONLY(SET_ALL),
    [0x12] = MODRM | ONLY(SET_ALL) | FORMS(0F12),
    [0x13] = MMX | FORMS(MEMORY),
    [0x14 ... 0x15] = MMX,
    [0x16] = MODRM | ONLY(SET_MMX | SET_F3) | FORMS(0F12),
    [0x17] = MMX | FORMS(MEMORY),
    [0x18 ... 0x1f] = MODRM, /* hints */
    [0x20] = MODRM | ROW_REGISTERS | SIZE(NATIVE) | FORMS(CR), [0x22] = MODRM | ROW_REGISTERS | SIZE(NATIVE) | FORMS(CR),
    [0x21] = MODRM | ROW_REGISTERS | SIZE(NATIVE) | FORMS(DR), [0x23] = MODRM | ROW_REGISTERS | SIZE(NATIVE) | FORMS(DR),
    [0x28 ... 0x29] = MMX,
    [0x2a] = MODRM | ONLY(SET_ALL) | SIZE(Y),
    [0x2b] = MMX | FORMS(MEMORY),
    [0x2c ... 0x2d] = MODRM | ONLY(SET_ALL) | SIZE(Y),
    [0x2e ... 0x2f] = MMX,
    [0x30 ... 0x35] = OPCODE, [0x37] = OPCODE | ONLY(SET_NP), /* GETSEC */
    [0x40 ... 0x4f] = MODRM,
    [0x50] = MMX | FORMS(REGISTER),
    [0x51] = MODRM | ONLY(SET_ALL), [0x52 ... 0x53] = MODRM | ONLY(SET_SCALAR),
    [0x54 ... 0x57] = MMX,
    [0x58 ... 0x5a] = MODRM | ONLY(SET_ALL), [0x5b] = MODRM | ONLY(SET_MMX | SET_F3),
    [0x5c ... 0x5f] = MODRM | ONLY(SET_ALL),
    [0x60 ... 0x6b] = MMX, [0x6c ... 0x6d] = SSE_66, [0x6e] = MMX | SIZE(Y),
    [0x6f] = MODRM | ONLY(SET_MMX | SET_F3),
    [0x70] = MODRM | ONLY(SET_ALL) | IMM(BYTE),
    [0x71 ... 0x72] = MMX | IMM(BYTE) | FORMS(SHIFT_WORD), [0x73] = MMX | IMM(BYTE) | FORMS(SHIFT_QUAD),
    [0x74 ... 0x76] = MMX, [0x77] = OPCODE | ONLY(SET_NP),
    [0x78 ... 0x79] = MODRM | ONLY(SET_NP) | SIZE(NATIVE), /* VMREAD, VMWRITE */
    [0x7c ... 0x7d] = MODRM | ONLY(SET_66 | SET_F2),
    [0x7e] = MODRM | ONLY(SET_MMX | SET_F3) | SIZE(Y), [0x7f] = MODRM | ONLY(SET_MMX | SET_F3),
    [0x80 ... 0x8f] = OPCODE | SIZE(BRANCH) | IMM(RELATIVE),
    [0x90 ... 0x9f] = MODRM | BYTE,
    [0xa0 ... 0xa1] = OPCODE | SIZE(STACK), [0xa2] = OPCODE,
    [0xa3] = MODRM, [0xa4] = MODRM | IMM(BYTE), [0xa5] = MODRM,
    [0xa8 ... 0xa9] = OPCODE | SIZE(STACK), [0xaa] = OPCODE,
    [0xab] = MODRM | FORMS(LOCKABLE), [0xac] = MODRM | IMM(BYTE), [0xad] = MODRM,
    [0xae] = MODRM | ONLY(SET_ALL) | SIZE(Y) | FORMS(0FAE),
    [0xaf] = MODRM,
    [0xb0] = MODRM | BYTE | FORMS(LOCKABLE), [0xb1] = MODRM | FORMS(LOCKABLE),
    [0xb2] = MODRM | FORMS(MEMORY), /* LSS */
    [0xb3] = MODRM | FORMS(LOCKABLE),
    [0xb4 ... 0xb5] = MODRM | FORMS(MEMORY), /* LFS, LGS */
    [0xb6 ... 0xb7] = MODRM,
    [0xb8] = MODRM | ONLY(SET_F3), /* POPCNT */
    [0xba] = MODRM | IMM(BYTE) | FORMS(0FBA), [0xbb] = MODRM | FORMS(LOCKABLE),
    [0xbc ... 0xbf] = MODRM,
    [0xc0] = MODRM | BYTE | FORMS(LOCKABLE), [0xc1] = MODRM | FORMS(LOCKABLE),
    [0xc2] = MODRM | ONLY(SET_ALL) | IMM(BYTE),
    [0xc3] = MODRM | ONLY(SET_NP) | SIZE(Y) | FORMS(MEMORY), /* MOVNTI */
    [0xc4] = MMX | IMM(BYTE), [0xc5] = MMX | IMM(BYTE) | FORMS(REGISTER), [0xc6] = MMX | IMM(BYTE),
    [0xc7] = MODRM | ONLY(SET_ALL) | FORMS(0FC7),
    [0xc8 ... 0xcf] = OPCODE, /* BSWAP */
    [0xd0] = MODRM | ONLY(SET_66 | SET_F2), [0xd1 ... 0xd5] = MMX,
    [0xd6] = MODRM | ONLY(SET_66 | SET_F3 | SET_F2) | FORMS(0FD6),
    [0xd7] = MMX | FORMS(REGISTER), [0xd8 ... 0xe5] = MMX,
    [0xe6] = MODRM | ONLY(SET_66 | SET_F3 | SET_F2),
    [0xe7] = MMX | FORMS(MEMORY), [0xe8 ... 0xef] = MMX,
    [0xf0] = MODRM | ONLY(SET_F2) | FORMS(MEMORY), [0xf1 ... 0xf6] = MMX,
    [0xf7] = MMX | FORMS(REGISTER), [0xf8 ... 0xfe] = MMX,
};

const u32 insn_0f38[256] = {
    [0x00 ... 0x0b] = MMX,
    [0x10] = SSE_66, [0x14 ... 0x15] = SSE_66, [0x17] = SSE_66,
    [0x1c ... 0x1e] = MMX,
    [0x20 ... 0x25] = SSE_66, [0x28 ... 0x29] = SSE_66, [0x2a] = SSE_66 | FORMS(MEMORY), [0x2b] = SSE_66,
    [0x30 ... 0x35] = SSE_66, [0x37 ... 0x41] = SSE_66,
    [0x80 ... 0x82] = SSE_66 | SIZE(NATIVE) | FORMS(MEMORY), /* INVEPT INVVPID INVPCID */
    [0xc8 ... 0xcd] = MODRM | ONLY(SET_NP), /* SHA */
    [0xcf] = SSE_66, /* GF2P8MULB */
    [0xdb ... 0xdf] = SSE_66, /* AES */
    [0xf0] = MODRM | ONLY(SET_MMX | SET_F2) | FORMS(CRC32), [0xf1] = MODRM | ONLY(SET_MMX | SET_F2) | FORMS(CRC32),
    [0xf6] = MODRM | ONLY(SET_66 | SET_F3) | SIZE(Y), /* ADCX, ADOX */
    [0xf8] = SSE_66 | FORMS(MEMORY), [0xf9] = MODRM | ONLY(SET_NP) | SIZE(Y) | FORMS(MEMORY), /* MOVDIR64B, MOVDIRI */
};

const u32 insn_0f3a[256] = {
    [0x08 ... 0x0e] = SSE_66 | IMM(BYTE), [0x0f] = MMX | IMM(BYTE),
    [0x14 ... 0x17] = SSE_66 | IMM(BYTE) | SIZE(Y), [0x20 ... 0x22] = SSE_66 | IMM(BYTE) | SIZE(Y),
    [0x40 ... 0x42] = SSE_66 | IMM(BYTE), [0x44] = SSE_66 | IMM(BYTE),
    [0x60 ... 0x63] = SSE_66 | IMM(BYTE) | SIZE(Y),
    [0xcc] = MODRM | ONLY(SET_NP) | IMM(BYTE), [0xce ... 0xcf] = SSE_66 | IMM(BYTE),
    [0xdf] = SSE_66 | IMM(BYTE),
};

/* VEX: exact for BMI1 and BMI2, which the CPU model has; for AVX only the lengths. */
const u32 insn_vex[3][256] = {
    [MAP_0F - 1] = {
        [0x10 ... 0x17] = MODRM, [0x28 ... 0x2f] = MODRM, [0x50 ... 0x6f] = MODRM,
        [0x70 ... 0x73] = MODRM | IMM(BYTE), [0x74 ... 0x76] = MODRM, [0x77] = OPCODE,
        [0x7c ... 0x7f] = MODRM, [0xae] = MODRM | FORMS(MEMORY), [0xc2] = MODRM | IMM(BYTE),
        [0xc4 ... 0xc6] = MODRM | IMM(BYTE), [0xd0 ... 0xfe] = MODRM,
    },
    [MAP_0F38 - 1] = {
        [0x00 ... 0x0f] = MODRM, [0x13] = MODRM, [0x16 ... 0x1e] = MODRM, [0x20 ... 0x41] = MODRM,
        [0x45 ... 0x47] = MODRM, [0x58 ... 0x5a] = MODRM, [0x78 ... 0x79] = MODRM, [0x8c] = MODRM,
        [0x8e] = MODRM, [0x90 ... 0x93] = MODRM, [0x96 ... 0x9f] = MODRM, [0xa6 ... 0xaf] = MODRM,
        [0xb6 ... 0xbf] = MODRM, [0xcf] = MODRM, [0xdb ... 0xdf] = MODRM,
        [0xf2] = MODRM | SIZE(Y) | ONLY(SET_NP),                    /* ANDN */
        [0xf3] = MODRM | SIZE(Y) | ONLY(SET_NP) | FORMS(BLS),       /* BLSR BLSMSK BLSI */
        [0xf5] = MODRM | SIZE(Y) | ONLY(SET_NP | SET_F3 | SET_F2),  /* BZHI PEXT PDEP */
        [0xf6] = MODRM | SIZE(Y) | ONLY(SET_F2),                    /* MULX */
        [0xf7] = MODRM | SIZE(Y) | ONLY(SET_ALL),                   /* BEXTR SHLX SARX SHRX */
    },
    [MAP_0F3A - 1] = {
        [0x00 ... 0x0f] = MODRM | IMM(BYTE), [0x14 ... 0x22] = MODRM | IMM(BYTE), [0x38 ... 0x4c] = MODRM | IMM(BYTE),
        [0x60 ... 0x63] = MODRM | IMM(BYTE), [0xce ... 0xcf] = MODRM | IMM(BYTE), [0xdf] = MODRM | IMM(BYTE),
        [0xf0] = MODRM | SIZE(Y) | IMM(BYTE) | ONLY(SET_F2), /* RORX */
    },
};

/* Register forms by ModRM: all with this reg field; this one byte. */
#define REG(n) (0xffull << 8 * (n))
#define ONE(modrm) BIT((modrm) & 0x3f)
#define SPAN(first, last) (((ONE(last) << 1) - 1) & ~(ONE(first) - 1)) /* not for last = ff */
#define EVERY (~0ull)
#define NONE 0ull
/* Memory forms by reg field. */
#define M(n) (1u << (n))
#define ANY 0xffu

const struct forms insn_forms[FORMS_COUNT] = {
    [FORMS_ALL] = {EVERY, ANY, 0},
    [FORMS_LOCKABLE] = {EVERY, ANY, ANY},
    [FORMS_MEMORY] = {NONE, ANY, 0},
    [FORMS_REGISTER] = {EVERY, 0, 0},
    [FORMS_1] = {EVERY, ANY, ANY & ~M(7)},
    [FORMS_8F] = {REG(0), M(0), 0},
    [FORMS_F6] = {EVERY, ANY, M(2) | M(3)},
    [FORMS_FE] = {REG(0) | REG(1), M(0) | M(1), M(0) | M(1)},
    [FORMS_FF] = {EVERY & ~(REG(3) | REG(5) | REG(7)), ANY & ~M(7), M(0) | M(1)},
    [FORMS_C6] = {REG(0), M(0), 0},
    [FORMS_MOV_FROM_SEG] = {EVERY & ~(REG(6) | REG(7)), ANY & ~(M(6) | M(7)), 0},
    [FORMS_MOV_TO_SEG] = {EVERY & ~(REG(1) | REG(6) | REG(7)), ANY & ~(M(1) | M(6) | M(7)), 0},
    [FORMS_CR] = {REG(0) | REG(2) | REG(3) | REG(4), 0, 0}, /* and CR8: insn.c */
    [FORMS_DR] = {EVERY, 0, 0},
    [FORMS_0F00] = {EVERY & ~(REG(6) | REG(7)), ANY & ~(M(6) | M(7)), 0},
    [FORMS_0F01] = {/* VMCALL VMLAUNCH VMRESUME VMXOFF */ SPAN(0xc1, 0xc4) |
                        /* MONITOR MWAIT CLAC STAC */ SPAN(0xc8, 0xcb) |
                        /* XGETBV XSETBV VMFUNC */ ONE(0xd0) | ONE(0xd1) | ONE(0xd4) |
                        /* SMSW LMSW */ REG(4) | REG(6) |
                        /* RDPKRU WRPKRU SWAPGS RDTSCP */ ONE(0xee) | ONE(0xef) | ONE(0xf8) | ONE(0xf9),
                    ANY & ~M(5), 0},
    [FORMS_0FBA] = {REG(4) | REG(5) | REG(6) | REG(7), M(4) | M(5) | M(6) | M(7), M(5) | M(6) | M(7)},
    [FORMS_BLS] = {REG(1) | REG(2) | REG(3), M(1) | M(2) | M(3), 0},
    [FORMS_SHIFT_WORD] = {REG(2) | REG(4) | REG(6), 0, 0},

    [FORMS_X87 + 0] = {EVERY, ANY, 0},
    [FORMS_X87 + 1] = {REG(0) | REG(1) | ONE(0xd0) | REG(3) | /* FCHS FABS */ SPAN(0xe0, 0xe1) |
                           /* FTST FXAM */ SPAN(0xe4, 0xe5) | /* FLD1..FLDZ */ SPAN(0xe8, 0xee) | REG(6) | REG(7),
                       ANY & ~M(1), 0},
    [FORMS_X87 + 2] = {REG(0) | REG(1) | REG(2) | REG(3) | /* FUCOMPP */ ONE(0xe9), ANY, 0},
    [FORMS_X87 + 3] = {REG(0) | REG(1) | REG(2) | REG(3) | /* FENI FDISI FCLEX FINIT FSETPM */ SPAN(0xe0, 0xe4) |
                           REG(5) | REG(6),
                       ANY & ~(M(4) | M(6)), 0},
    [FORMS_X87 + 4] = {EVERY, ANY, 0},
    [FORMS_X87 + 5] = {EVERY & ~(REG(6) | REG(7)), ANY & ~M(5), 0},
    [FORMS_X87 + 6] = {(EVERY & ~REG(3)) | /* FCOMPP */ ONE(0xd9), ANY, 0},
    [FORMS_X87 + 7] = {REG(0) | REG(1) | REG(2) | REG(3) | /* FSTSW AX */ ONE(0xe0) | REG(5) | REG(6), ANY, 0},

    [FORMS_SHIFT_QUAD + NP] = {REG(2) | REG(6), 0, 0},
    [FORMS_SHIFT_QUAD + P66] = {REG(2) | REG(3) | REG(6) | REG(7), 0, 0},
    [FORMS_0FAE + NP] = {/* fences */ REG(5) | REG(6) | REG(7), ANY, 0},
    [FORMS_0FAE + P66] = {NONE, /* CLWB CLFLUSHOPT */ M(6) | M(7), 0},
    [FORMS_0FAE + PF3] = {/* RDFSBASE.., insn.c: 64-bit mode only */ REG(0) | REG(1) | REG(2) | REG(3), 0, 0},
    [FORMS_0FC7 + NP] = {/* RDRAND RDSEED */ REG(6) | REG(7),
                         /* CMPXCHG8B XRSTORS XSAVEC XSAVES VMPTRLD VMPTRST */ M(1) | M(3) | M(4) | M(5) | M(6) | M(7), M(1)},
    [FORMS_0FC7 + P66] = {REG(6) | REG(7), /* CMPXCHG8B VMCLEAR */ M(1) | M(6), M(1)},
    [FORMS_0FC7 + PF3] = {/* RDPID */ REG(7), /* CMPXCHG8B VMXON */ M(1) | M(6), M(1)},
    [FORMS_0FC7 + PF2] = {NONE, M(1), M(1)},
    [FORMS_0F12 + NP] = {EVERY, ANY, 0},
    [FORMS_0F12 + P66] = {NONE, ANY, 0},
    [FORMS_0F12 + PF3] = {EVERY, ANY, 0},
    [FORMS_0F12 + PF2] = {EVERY, ANY, 0},
    [FORMS_0FD6 + P66] = {EVERY, ANY, 0},
    [FORMS_0FD6 + PF3] = {EVERY, 0, 0},
    [FORMS_0FD6 + PF2] = {EVERY, 0, 0},
    [FORMS_CRC32 + NP] = {NONE, ANY, 0},
    [FORMS_CRC32 + P66] = {NONE, ANY, 0},
    [FORMS_CRC32 + PF2] = {EVERY, ANY, 0},
};
