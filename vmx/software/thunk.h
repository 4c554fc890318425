/*
 * Thunks: small host routines, one per instruction form, that load the operands from a frame,
 * run the very same opcode, and store everything back. Registers are renamed (reg is number 1, rm
 * number 2, or 1 when they are the same), memory lies in the frame, so the forms are few and
 * bounded.
 */
#ifndef VMX_SOFTWARE_THUNK_H
#define VMX_SOFTWARE_THUNK_H

#include "vmx/software/cpu.h"

struct thunk_frame {
    u8 reg[16], rm[16], xmm0[16]; /* 0 */
    u64 mm_reg, mm_rm;            /* 48 */
    u64 gpr_reg, gpr_rm;          /* 64 */
    u64 rax, rdx, rcx, flags;     /* 80 */
    u8 memory[16];                /* 112 */
} __attribute__((aligned(64)));

struct x87_frame {
    u8 image[512]; /* FXSAVE */
    u8 memory[16]; /* 512 */
    u64 flags;     /* 528 */
} __attribute__((aligned(64)));

typedef void (*thunk_fn)(void *frame);

/* Where thunks find their frame of `bytes`: one place for all. A page without rights begins where
 * it ends, so that no thunk reads or writes beyond. NULL: there is no thunk yet. */
void *thunk_frame(u32 bytes);

/* The thunk of these bytes, made once; `key` names the form. NULL: no room. */
thunk_fn thunk_for(u64 key, const u8 *code, u32 length);

struct code {
    u8 bytes[128];
    u32 length;
};
void emit(struct code *, u32 count, ...);

/* --- thunk_forms.c: what an opcode's operands are --- */
enum role { ROLE_XMM, ROLE_MM, ROLE_GPR, ROLE_EXTENSION };
enum pp { PP_NONE, PP_66, PP_F3, PP_F2 };

struct form {
    u8 reg, rm;   /* enum role; EXTENSION: the target is rm */
    u8 memory;    /* bytes */
    bool stores;  /* rm is the target */
    bool aligned; /* memory, to 16 bytes */
    bool flags;   /* status flags are a result */
    bool floats;  /* looks at MXCSR, may raise floating-point exceptions */
    bool spare;
};
_Static_assert(sizeof(struct form) == 8, "kept in insn.immediate, once the thunk is made");

enum pp thunk_prefix(const struct insn *);
bool thunk_form(const struct insn *, struct form *); /* false: the CPU model has no such opcode */

#endif
