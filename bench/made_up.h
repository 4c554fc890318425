/*
 * Exits made up after a kernel's boot: few places in the code, most of them in loops, and costs
 * that belong to the place. And traces of any length of them.
 */
#ifndef BENCH_MADE_UP_H
#define BENCH_MADE_UP_H

#include "trace/schema.h"

/* As many as a block holds, in order; the same each time. */
const union record *made_up_records(u32 *count);

/* In a directory of its own under /tmp, which goes away when the program exits. */
struct made_up_trace {
    char path[64];
    char kernel[64], directory[32];
};

/* So many chunks of these records, each going on where the last one ended. false: it cannot be
 * written. *trace must live to the program's end. */
bool made_up_trace_write(struct made_up_trace *, u32 chunks);

#endif
