/*
 * A guest for the fake processor: a program of made-up instructions whose exits
 * depend on what it was given. Time, interrupts, ports and RAM are real; every
 * instruction counts one, one that exits counts none. RBX gathers a hash of all
 * that it has seen, so that nothing it is given goes unnoticed.
 */
#ifndef TESTS_UNIT_TINY_GUEST_H
#define TESTS_UNIT_TINY_GUEST_H

#include "tests/unit/fake_processor.h"

enum tiny_op {
    TINY_MIX,   /* RBX = hash of RBX and RAX */
    TINY_SET,   /* RAX = argument */
    TINY_COUNT, /* RCX = argument */
    TINY_LOOP,  /* RCX--, jump while it is not 0 */
    TINY_JUMP,
    TINY_SKIP_UNLESS, /* skips the next one unless RAX & argument */
    TINY_SKIP_BELOW,  /* skips the next one while fewer events were taken than the argument */
    TINY_CLI,
    TINY_STI,
    TINY_TPR,   /* the TPR, by the shadow */
    TINY_STORE, /* RBX to RAM at the argument */
    TINY_IRET,
    /* these exit: */
    TINY_CPUID,
    TINY_RDTSC,
    TINY_IN,           /* AL */
    TINY_OUT,          /* AL */
    TINY_LOAD_DEVICE,  /* EAX, from the guest-physical address */
    TINY_STORE_DEVICE, /* EAX */
    TINY_HLT,
    TINY_SHUT_DOWN, /* triple fault */
};

struct tiny_insn {
    u8 op;
    u32 argument;
};

struct tiny_program {
    const struct tiny_insn *code;
    u32 length;
    u32 handler; /* of all events: index of its first instruction */
};

enum { TINY_STACK = 0x70000, TINY_STORED = 0x60000 };

/* Ticks 200000 times a second, halts, echoes what is typed, powers off after `TINY_EVENTS` events.
 */
extern const struct tiny_program tiny_echo;
enum { TINY_EVENTS = 300 };

/* Places the program in RAM and makes it what the fake processor runs. */
void tiny_start(struct vcpu *, const struct tiny_program *);

#endif
