/*
 * What the decoder must know of each opcode, packed into 32 bits, and which ModRM
 * forms exist in the opcodes where not all do. Facts only: SDM vol. 2, appendix A and B.
 */
#ifndef CORE_DECODE_TABLES_H
#define CORE_DECODE_TABLES_H

#include "core/decode/insn.h"

/* Bytes after ModRM, SIB and displacement. */
enum immediate_kind {
    IMM_NONE,
    IMM_BYTE,        /* 8 bits, as they are */
    IMM_BYTE_SIGNED, /* 8 bits, sign-extended */
    IMM_WORD,        /* 16 bits */
    IMM_OPERAND,     /* 16 or 32 bits by operand size; sign-extended for 64-bit operands */
    IMM_FULL,        /* 16, 32 or 64 bits: MOV register, immediate */
    IMM_RELATIVE,    /* branch distance, 16 or 32 bits, sign-extended */
    IMM_ADDRESS,     /* moffs: an address of the address size */
    IMM_FAR,         /* offset of 16 or 32 bits, then a selector */
    IMM_ENTER,       /* 16 bits, then 8 */
    IMM_TEST_BYTE,   /* TEST in opcode F6: only /0 and /1 have one */
    IMM_TEST,        /* the same in F7 */
};

/* How the size of the main operand follows from the mode and the prefixes. */
enum size_class {
    SIZE_V,      /* 2 or 4 by 66, 8 by REX.W */
    SIZE_BYTE,   /* 1 */
    SIZE_Z,      /* 2 or 4; REX.W changes nothing */
    SIZE_ARPL,   /* 2; in 64-bit mode it is MOVSXD, V */
    SIZE_STACK,  /* V, but in 64-bit mode 8, or 2 by 66 */
    SIZE_BRANCH, /* V, but in 64-bit mode always 8: Intel ignores 66 there */
    SIZE_Y,      /* 4, or 8 by REX.W */
    SIZE_NATIVE, /* 8 in 64-bit mode, else 4 */
    SIZE_FF,     /* opcode FF: BRANCH for CALL and JMP, STACK for PUSH, else V */
};

/* Prefixes that select among the opcode's instructions, as indices and as a set. */
enum mandatory { NP, P66, PF3, PF2 };

/* Sets of ModRM forms. Those from FORMS_BY_PREFIX on have four rows each, by enum mandatory. */
enum form_set {
    FORMS_ALL,
    FORMS_LOCKABLE, /* all; with memory, LOCK may be used */
    FORMS_MEMORY,   /* memory only */
    FORMS_REGISTER, /* register only */
    FORMS_1,
    FORMS_8F,
    FORMS_F6,
    FORMS_FE,
    FORMS_FF,
    FORMS_C6,
    FORMS_MOV_FROM_SEG,
    FORMS_MOV_TO_SEG,
    FORMS_CR,
    FORMS_DR,
    FORMS_0F00,
    FORMS_0F01,
    FORMS_0FBA,
    FORMS_BLS,        /* VEX 0F38 F3 */
    FORMS_SHIFT_WORD, /* 0F71, 0F72 */
    FORMS_X87,        /* eight rows, D8..DF */
    FORMS_BY_PREFIX = FORMS_X87 + 8,
    FORMS_SHIFT_QUAD = FORMS_BY_PREFIX, /* 0F73 */
    FORMS_0FAE = FORMS_SHIFT_QUAD + 4,
    FORMS_0FC7 = FORMS_0FAE + 4,
    FORMS_0F12 = FORMS_0FC7 + 4,  /* MOVLPS and MOVHPS: 66 has no register form */
    FORMS_0FD6 = FORMS_0F12 + 4,  /* F2, F3: registers only */
    FORMS_CRC32 = FORMS_0FD6 + 4, /* MOVBE: memory only */
    FORMS_COUNT = FORMS_CRC32 + 4,
};

struct forms {
    u64 registers; /* by the low six bits of ModRM */
    u8 memory;     /* by ModRM.reg */
    u8 lock;       /* by ModRM.reg: LOCK may be used with memory */
};

/* Fields of one opcode's 32 bits. */
enum {
    ROW_VALID = 1 << 0,
    ROW_MODRM = 1 << 1,
    ROW_NOT64 = 1 << 2,       /* #UD in 64-bit mode */
    ROW_PREFIX = 1 << 3,      /* a legacy prefix */
    ROW_REGISTERS = 1 << 4,   /* ModRM.mod counts as 3 whatever it says: MOV CR, MOV DR */
    ROW_IMMEDIATE_SHIFT = 8,  /* 4 bits */
    ROW_SIZE_SHIFT = 12,      /* 4 bits */
    ROW_MANDATORY_SHIFT = 16, /* 4 bits: the set of prefixes that exist; 0: they select nothing */
    ROW_FORMS_SHIFT = 20,     /* 8 bits */
};

extern const u32 insn_legacy[256], insn_0f[256], insn_0f38[256], insn_0f3a[256];
extern const u32 insn_vex[3][256]; /* by map - 1 */
extern const struct forms insn_forms[FORMS_COUNT];

#endif
