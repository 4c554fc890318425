/*
 * The host CPU as the judge of the software processor. A test is a short run of random user-mode
 * instructions with the state that it begins in; it runs natively in a child process (native.c)
 * and as ring 3 of a guest on vmx/software/ (software.c) until something stops it, and all that a
 * program can see afterwards must be equal.
 *
 * Undefined flags are made equal inside the run: after an instruction that leaves some, the
 * generator clears them by PUSHF, AND, POPF. What vendors are free to do differently is left out of
 * the generated code or of the comparison; each such place says so.
 */
#ifndef TESTS_ORACLE_ORACLE_H
#define TESTS_ORACLE_ORACLE_H

#include "core/types.h"

/* Linear addresses, the same natively and in the guest; what is not named here is not mapped. */
enum {
    CODE = 0x10000000, /* read and execute */
    CODE_SIZE = 0x2000,
    DATA = 0x10010000, /* read and write; the page behind it is read-only */
    DATA_SIZE = 0x2000,
    READ_ONLY = DATA + DATA_SIZE,
    READ_ONLY_SIZE = 0x1000,
    STACK = 0x10020000, /* read and write */
    STACK_SIZE = 0x1000,
    FS_AT = DATA + 0x400,
    GS_AT = DATA + 0x1480,
};

/* Vectors that no CPU has. */
enum { STOP_LIMIT = 0x100 /* ran too long: not compared */, STOP_NONE };
enum { COUNT_LIMIT = 20000 };

struct state {
    u8 fx[512] __attribute__((aligned(64))); /* as FXSAVE64 has it */
    u64 gpr[16];
    u64 rip, rflags;
    u16 selector[6]; /* by enum segment */
};

/* segments.c: the LDT, by index; its selectors are 8 * index + 7. */
enum {
    LDT_CODE16,
    LDT_DATA16, /* data at offset 0x1000 */
    LDT_STACK16,
    LDT_SHORT, /* ends in the middle of the data */
    LDT_DOWN32,
    LDT_DOWN16,
    LDT_READ_ONLY,
    LDT_EXECUTE_ONLY,
    LDT_ABSENT,
    LDT_STACK32,
    LDT_CODE32, /* code at offset 0 */
    LDT_PAGES,  /* flat, ends with the data */
    LDT_ENTRIES,
};
#define LDT_SELECTOR(index) (8 * (index) + 7)
enum { USER_CODE32 = 0x23, USER_DATA = 0x2b, USER_CODE64 = 0x33 };
u64 segment_descriptor(u16 selector); /* 0: there is none */
u32 segment_base(u16 selector);
bool segments_install(void);            /* for this process */
u64 code_address(const struct state *); /* RIP, linear */

/* Where the child has what it enters from: IRET to a 16-bit stack keeps ESP's high half. */
enum { ENTRY_PAGE = 0x5a5af000 };

struct memory_image {
    u8 data[DATA_SIZE], stack[STACK_SIZE];
};
enum { IMAGES = 16 };

enum { CODE_MAX = 400, PIECES_MAX = 64 };

struct form;

/* A random instruction, or what prepares for it or cleans up behind it. */
struct piece {
    u16 start, length;       /* in code[] */
    u16 undefined;           /* flags that it leaves undefined */
    bool scrub;              /* clears the undefined flags of the piece before it */
    const struct form *form; /* NULL: it only prepares or cleans up */
};

struct test {
    struct state before;
    u64 seed;
    u32 image;  /* memory before */
    u16 offset; /* of the code from CODE */
    u16 length, pieces;
    u8 bits; /* 16, 32, 64 */
    u8 code[CODE_MAX];
    struct piece piece[PIECES_MAX];
};

struct outcome {
    struct state state;
    u32 vector, error;
    u64 address; /* of a page fault */
    struct memory_image memory;
};

/* --- generate.c ------------------------------------------------------------------------------- */
void generate(struct test *, u64 seed, u8 bits);
void generate_images(struct memory_image images[IMAGES], u8 read_only[READ_ONLY_SIZE]);

/* --- native.c: the child ----------------------------------------------------------------- */
enum { NATIVE_TESTS = 64 };
struct exchange {
    struct test test[NATIVE_TESTS];
    struct outcome outcome[NATIVE_TESTS];
    volatile u32 at; /* the test that runs */
};
extern struct exchange *exchange;
/* false: this machine does not let a process run such code; errno says why. */
bool native_start(const struct memory_image images[IMAGES], const u8 *read_only);
/* Runs the first `count` tests. false: the child died at test exchange->at; start it again. */
bool native_run(u32 count);
void native_stop(void);

/* --- software.c -------------------------------------------------------------------------- */
enum variant {
    VARIANT_FAST,
    VARIANT_STEPS /* an entry each instruction */,
    VARIANT_GENERIC,
    VARIANTS
};
void software_start(const struct memory_image images[IMAGES], const u8 *read_only);
/* Returns the guest count that passed. */
u64 software_run(const struct test *, struct outcome *, enum variant);

/* --- compare.c --------------------------------------------------------------------------- */
bool same_outcome(const struct test *, const struct outcome *native,
                  const struct outcome *software);
void show_difference(const struct test *, const struct state *before, const struct outcome *native,
                     const struct outcome *software);

/* --- forms.c ----------------------------------------------------------------------------- */
enum operands { NO_MODRM, RM, MEMORY, REGISTERS };
enum immediate { NO_IMM, IMM8, IMM16, IMMZ, IMMV, IMM_MOFFS, IMM_ENTER, IMM_REL8, IMM_REL32 };
enum prefix_set { PLAIN = 1, WITH_66 = 2, WITH_F3 = 4, WITH_F2 = 8 };
enum form_flags {
    SIZES = 1,      /* 66 and REX.W choose the operand size */
    VECTOR_REG = 2, /* ModRM.reg is no general register */
    VECTOR_RM = 4,  /* nor ModRM.rm */
    ALIGNED = 8,    /* memory by 16 bytes, mostly */
    REPEATS = 16,   /* F2 and F3 repeat it */
    VEX = 32,       /* BMI */
    SHIFTS = 64,    /* undefined flags by count and size */
    NOT_64 = 128,   /* 16- and 32-bit code only */
    ONLY_64 = 256,
    WIDE = 512,    /* REX.W only: 66 selects the instruction or nothing */
    OPSIZE = 1024, /* 66 only */
    ENDS = 2048,   /* faults always, or leaves the code: at the end of the test */
};
/* Instructions that want registers or memory prepared. */
enum setup {
    NO_SETUP,
    FOR_STRING,
    FOR_XLAT,
    FOR_MASKMOV,
    FOR_DIVIDE,
    FOR_BIT,
    FOR_CMPXCHG,
    FOR_PAIR,
    FOR_MXCSR,
    FOR_FCW,
    FOR_LEAVE,
    FOR_LOOP,
    FOR_FXRSTOR,
    FOR_RELOAD,
    FOR_POINTERS,
    FOR_INDIRECT,
    FOR_RETURN,
    FOR_POPF,
    FOR_PUSH_SELECTOR,
    FOR_SELECTOR,
    FOR_FAR_POINTER,
    FOR_POP_SELECTOR,
    FOR_FAR_JUMP,
    FOR_FAR_RETURN,
    FOR_IRET,
};

struct form {
    u8 map, first, last; /* enum insn_map; opcodes */
    i8 reg;              /* ModRM.reg, or -1: any */
    u8 prefixes;         /* enum prefix_set, one of them; 0: none selects anything */
    u8 operands, immediate;
    u16 flags;
    u16 undefined;
    u8 setup;
};
/* Rows by kind of instruction, and how many of a hundred instructions are of that kind. */
struct form_group {
    const char *name;
    const struct form *forms;
    u32 count, share;
};
extern const struct form_group form_groups[];
extern const u32 form_group_count;

#endif
