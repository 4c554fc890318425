/*
 * Turns the fuzzer's bytes into a guest: code that is plausible enough to get somewhere, page
 * tables, descriptors and registers that are mostly right, and a list of what happens to the guest
 * from outside. The same bytes give the same guest.
 */
#ifndef TESTS_SOFTWARE_GENERATOR_H
#define TESTS_SOFTWARE_GENERATOR_H

#include "tests/software/machine.h"

enum { EVENTS_MAX = 4, HOLES_MAX = 3, COUNT_START = 1000 };

struct happening {
    u64 count; /* at which the event is delivered */
    u32 info, error;
};

/* A page whose EPT entry is not what it should be until the guest meets it. */
struct hole {
    u64 gpa, entry;
};

struct plan {
    enum bare_mode mode;
    u64 end; /* the guest count at which the run ends */
    u64 seed;
    u32 events, holes;
    struct happening event[EVENTS_MAX];
    struct hole hole[HOLES_MAX];
    u32 exception_bitmap, page_fault_mask, page_fault_match;
    bool windows; /* interrupt- and NMI-window exiting are on */
    u8 tpr_threshold;
};

/* Starts the bare machine and makes the guest in it. */
void generate(const u8 *data, size_t size, struct plan *);

#endif
