/*
 * One interrupt at every possible place of a piece of code: the TSC-deadline timer is set
 * to 0, 1, 2 ... ns after the code's start, so under clock policy `count` the
 * interrupt moves on by one instruction each time. Where it hit is what the guest
 * prints; a replay must print the same.
 */
#ifndef TESTS_GUESTS_LIB_SWEEP_H
#define TESTS_GUESTS_LIB_SWEEP_H

#include "tests/guests/lib/apic.h"

enum { SWEEP_VECTOR = 0x50 };

struct sweep {
    const char *name;
    void (*prepare)(void); /* before the timer is set; NULL: nothing */
    void (*code)(void);    /* enables interrupts itself where it wants them */
    u64 start, end;        /* of the addresses worth telling apart */
    const u64 *forbidden;  /* places where no interrupt may hit, or NULL */
    u32 forbidden_count;
    u32 first, last; /* ns after the start */
};

struct hit {
    u64 rip, rcx, count;
};

void sweep_on(void); /* APIC on, timer in TSC-deadline mode (or one-shot where there is none) */
void sweep_run(const struct sweep *);
/* The last interrupt of the sweep. */
extern volatile struct frame sweep_frame;
extern volatile u64 sweep_hits;

#endif
