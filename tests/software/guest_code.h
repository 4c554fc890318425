/*
 * Guest code in assembly beside the test that runs it. GUEST_CODE(name, "...") assembles Intel
 * syntax, 64-bit unless it says .code32 or .code16; it must not depend on where it lies.
 */
#ifndef TESTS_SOFTWARE_GUEST_CODE_H
#define TESTS_SOFTWARE_GUEST_CODE_H

#include <string.h>

#include "tests/software/machine.h"

#define GUEST_CODE(name, text)                                                                    \
    extern const u8 name[], name##_end[];                                                         \
    __asm__(".pushsection .rodata\n.intel_syntax noprefix\n.code64\n" #name ":\n" text "\n" #name \
            "_end:\n.code64\n.att_syntax prefix\n.popsection")

#define PUT_CODE(gpa, name) memcpy(bare_ram(gpa), name, (u64)(name##_end - name))

/* A machine in this mode, with this code where it begins. */
#define START(mode, name)          \
    do {                           \
        bare_start(mode);          \
        PUT_CODE(BARE_CODE, name); \
    } while (0)

/* Many more instructions than any test has. */
enum { ENOUGH = 100000 };

/* Runs to the next exit that is not the end of ENOUGH; returns its reason. */
static inline u32 run_to_exit(void)
{
    bare_enter(bare.h.vcpu.count + ENOUGH);
    return bare.h.vcpu.exit.reason;
}

/* Goes on behind the instruction that exited. */
static inline u32 run_on(void)
{
    vcpu_skip_instruction(&bare.h.vcpu);
    return run_to_exit();
}

static inline void run_to_count(u64 count)
{
    bare_enter(count);
}

#endif
