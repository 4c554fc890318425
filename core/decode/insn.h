/*
 * The x86 instruction decoder, for MMIO emulation and for the software processor.
 * Tables for facts (tables.c), one pass over the bytes, no allocation. It knows
 * every encoding of the CPU model (SDM vol. 2, appendix A) and the lengths of
 * those beyond it (AVX, EVEX lengths are not needed: #UD); what is
 * not an instruction is refused.
 */
#ifndef CORE_DECODE_INSN_H
#define CORE_DECODE_INSN_H

#include "core/types.h"

enum insn_map { MAP_LEGACY, MAP_0F, MAP_0F38, MAP_0F3A };

enum insn_prefix { /* bits of insn.prefixes */
                   PREFIX_LOCK = 1 << 0,
                   PREFIX_REPNE = 1 << 1, /* F2 */
                   PREFIX_REP = 1 << 2,   /* F3 */
                   PREFIX_OPSIZE = 1 << 3,
                   PREFIX_ADSIZE = 1 << 4,
                   PREFIX_VEX = 1 << 5,
                   PREFIX_REX = 1 << 6,
};

enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };
enum { NO_REGISTER = 0xff, RIP_RELATIVE = 0xfe };

struct insn {
    u8 length;
    u8 bits;         /* 16, 32 or 64: the mode that it was decoded for */
    u8 map;          /* enum insn_map */
    u8 opcode;       /* last opcode byte */
    u8 prefixes;     /* enum insn_prefix */
    u8 segment;      /* of the memory operand: override, or SS for rBP/rSP bases, or DS */
    u8 operand_size; /* 1, 2, 4 or 8 bytes: what the instruction's main operand has.
                        SSE and x87: nothing, except where a general register takes part */
    u8 address_size; /* 2, 4 or 8 bytes */
    bool has_modrm, has_memory; /* has_memory: ModRM names memory, or the opcode is a moffs MOV */
    u8 mod, reg,
        rm; /* reg and rm with their REX/VEX bits; rm: a register number when !has_memory;
                 without ModRM, rm is the opcode's register (50..5f, 90..97, b0..bf, BSWAP) */
    u8 base, index,
        scale; /* memory operand; scale 1, 2, 4, 8; base may be RIP_RELATIVE; NO_REGISTER: absent */
    u8 rex;    /* the REX byte, or VEX's, as W R X B bits, 0 if none */
    u8 vvvv;   /* VEX register operand; vex_pp: 0, 1, 2, 3 for none, 66, F3, F2 */
    u8 vex_l, vex_pp;
    u8 immediate_size; /* of `immediate`, 0 if none */
    i64 displacement;  /* sign-extended; moffs: the address */
    u64 immediate;     /* sign-extended to 64 bits where the instruction sign-extends it */
    u64 immediate2;    /* ENTER's level, far pointers' selector */
};

enum decode_status {
    DECODE_OK,
    DECODE_SHORT /* needs more bytes */,
    DECODE_INVALID /* #UD */,
    DECODE_TOO_LONG /* over 15 bytes: #GP */
};

/* Decodes one instruction from at most `length` bytes. `bits`: 16, 32 or 64, the code segment's
 * mode. */
enum decode_status insn_decode(struct insn *, const u8 *bytes, u32 length, u32 bits);

/*
 * What an instruction does to one memory operand, for those that may touch MMIO:
 * MOV (all forms but segment registers), MOVNTI, MOVZX, MOVSX, MOVSXD, STOS, LODS, MOVS, ADD OR ADC
 * SBB AND SUB XOR CMP TEST, INC DEC NOT NEG, XCHG, CMPXCHG, XADD, BT BTS BTR BTC, PUSH, POP with
 * memory operand.
 */
enum mmio_kind {
    MMIO_NONE,     /* not such an instruction */
    MMIO_LOAD,     /* register <- memory (OP_MOV), or register <- register op memory, flags */
    MMIO_STORE,    /* memory <- register or immediate */
    MMIO_MODIFY,   /* memory <- memory op source, flags */
    MMIO_COMPARE,  /* flags <- memory op source (CMP, TEST, BT) or source op memory */
    MMIO_EXCHANGE, /* XCHG, CMPXCHG, XADD */
    MMIO_STRING,   /* STOS, LODS, MOVS: one iteration at a time */
    MMIO_STACK,    /* PUSH, POP: the other side is the stack */
};
enum mmio_operation {
    OP_ADD,
    OP_OR,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_SUB,
    OP_XOR,
    OP_CMP, /* as in opcodes 00-3f */
    OP_TEST,
    OP_INC,
    OP_DEC,
    OP_NOT,
    OP_NEG,
    OP_XCHG,
    OP_CMPXCHG,
    OP_XADD,
    OP_BT,
    OP_BTS,
    OP_BTR,
    OP_BTC,
    OP_MOV,
    OP_STOS,
    OP_LODS,
    OP_MOVS,
    OP_PUSH,
    OP_POP
};

struct mmio_insn {
    u8 kind;          /* enum mmio_kind */
    u8 operation;     /* enum mmio_operation */
    u8 size;          /* bytes accessed in memory */
    u8 register_size; /* bytes written in the register (MOVZX, MOVSX) */
    bool sign_extend;
    bool high_byte;   /* the register is AH, CH, DH or BH (number already 0..3) */
    bool to_register; /* direction, for operations with a register: the register is the target */
    u8 reg;           /* register operand, or NO_REGISTER when the source is the immediate */
    u64 immediate;
};

struct mmio_insn insn_mmio(const struct insn *);

/* Effective address within its segment (without the segment base), truncated to the address
 * size. `gpr` in encoding order; `rip` is the instruction's own address. */
u64 insn_effective_address(const struct insn *, const u64 gpr[16], u64 rip);

#endif
