/*
 * The generator's inside: what it knows while it makes a test, and the bytes of instructions
 * (encode.c) apart from the choice of them (generate.c).
 */
#ifndef TESTS_ORACLE_GENERATOR_H
#define TESTS_ORACLE_GENERATOR_H

#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"
#include "vmx/vcpu.h"

enum { POINTERS = 3 };

struct generator {
    struct test *test;
    u64 random;
    u8 pointer[POINTERS]; /* registers: two into the data, one anywhere */
    u8 index;             /* a register with a small number */
    u64 value[16];        /* of those, and of RBP and RSP at the start */
    u32 length;           /* of the code so far */
    u32 nested;
    bool ends;  /* what follows may run in another mode */
    bool plain; /* integer operations alone, without cleaning: runs that are compiled as one */
    u32 base[SEG_COUNT]; /* of the segments at the start */
    bool alignment;      /* AC may be set; no SSE operands in memory: only some CPUs check those */
    bool saves; /* x87 state is saved; its clean-up must run: no steps, no end of the page */
};

struct place { /* a memory operand */
    u64 target;
    u8 base, index, scale; /* registers or NO_REGISTER; RIP_RELATIVE */
    u8 segment;            /* NO_REGISTER: none to write */
    bool narrow;           /* 67 */
    u8 address;            /* bytes: 2, 4, 8 */
    i64 displacement;
};

struct choice { /* what an instruction is made of */
    const struct form *form;
    u8 opcode, mandatory; /* mandatory: 0, 66, f3 or f2 */
    u8 rex;
    bool opsize, repeat, memory;
    u32 reg, rm, vvvv;
    struct place place;
    u32 immediate_size;
    u64 immediate;
};

/* --- encode.c: numbers, bytes, pieces, whole instructions -------------------------------- */
u64 next_random(struct generator *g);
u32 below(struct generator *g, u32 limit);
bool chance(struct generator *g, u32 percent);
void put(struct generator *g, u64 value, u32 size);
struct piece *open_piece(struct generator *g, const struct form *form);
void close_piece(struct generator *g, struct piece *p);
/* The place `by` bytes behind it. */
struct place moved(const struct place *p, i64 by);
/* ModRM, SIB and displacement; `after`: bytes of immediate that follow. */
void put_place(struct generator *g, const struct place *p, u32 reg, u32 after);
u8 rex_of_place(const struct place *p);
/* Pieces of one MOV each: to a register, to memory (2, 4 or 8 bytes), from memory. */
void prepare_register(struct generator *g, u32 reg, u64 value);
void prepare_memory(struct generator *g, const struct place *place, u32 value, u32 size);
void prepare_load(struct generator *g, const struct place *place, u32 reg);
void prepare_store(struct generator *g, const struct place *place, u32 reg);
/* PUSHF, AND, POPF. */
void scrub_flags(struct generator *g, u16 undefined);
u32 operand_size_of(const struct generator *g, const struct choice *c);
/* Bytes of an operand of full size: what 66 is for depends on the mode. */
void put_opsize(struct generator *g, u32 size);
void put_instruction(struct generator *g, const struct choice *c);

/* --- begin.c --- */
void begin_state(struct generator *g);
/* A number that tries something; a selector, also such that do not exist or cannot be loaded; one
 * for a far transfer. */
u64 interesting(struct generator *g);
u16 choose_selector(struct generator *g);
u16 choose_code_selector(struct generator *g, bool calls);
/* The offset of a linear address in a segment of the start; 32 bits outside 64-bit mode. */
u64 offset_in(const struct generator *g, u32 segment, u64 linear);

#endif
