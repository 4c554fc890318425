/*
 * 32-bit protected mode without paging, as a ring for small experiments: each begins with an IRET
 * to a given state and ends with the first interrupt or exception, of which everything that the CPU
 * has put on the stack is kept. lib/protected.S.
 */
#ifndef TESTS_GUESTS_LIB_PROTECTED_H
#define TESTS_GUESTS_LIB_PROTECTED_H

#include "tests/guests/lib/guest.h"

struct experiment {
    u32 eip, cs, eflags, esp, ss, es, ds, fs, gs; /* for IRET; SS on: only from CPL 3 or with VM */
    u32 cr4, eax;
};

struct ending {
    u32 gs, fs, es, ds; /* as they were when the handler began */
    u32 edi, esi, ebp, handler_esp, ebx, edx, ecx, eax;
    u32 vector, error; /* error: 0 if the exception has none */
    u32 eip, cs, eflags;
    u32 stack[16]; /* above that: ESP and SS when the privilege changed, and so on */
};

enum { /* selectors of protected_gdt */
       P_CODE32 = 0x08,
       P_CODE64 = 0x10,
       P_DATA = 0x18,
       P_USER_CODE = 0x23,
       P_USER_DATA = 0x2b,
       P_TSS = 0x30,
       P_FREE = 0x38 /* the guest's own, up to 0xf8 */
};
extern u64 protected_gdt[32];
extern u64
    protected_idt[256]; /* empty gates go to the handler; 3, 4 and 0x40-0x5f for all levels */
extern u8
    protected_tss[104 + 32 + 8193]; /* 32 bytes of interrupt redirection, then the I/O bitmap */

void protected_run(const struct experiment *, struct ending *, u64 count);

#endif
