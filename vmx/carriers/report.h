/* The image's report (trace/wire.h) in words. Everything goes to the stream given. */
#ifndef VMX_CARRIERS_REPORT_H
#define VMX_CARRIERS_REPORT_H

#include <stdio.h>

#include "trace/wire.h"

enum { CAUSE_MAX = 400 };

/* "the guest powered off", with its detail where it has one. */
void report_end(FILE *, const struct report *);
/* Exits by reason with their share and their time from exit to entry; `rows` at most. */
void report_exits(FILE *, const struct report *, u64 tsc_hz, u32 rows);
/* The first difference: where, what was expected, what came, the likely cause, registers,
 * instruction and last exits. */
void report_divergence(FILE *, const struct report *, bool color);
/* The number of the exit at which the run ended; in a replay, those before it agreed. */
u64 report_place(const struct report *);
/* Registers, instruction, last exits and VMCS of a run that ended in trouble. */
void report_state(FILE *, const struct report *, bool color);
/* Did the run end by a fault of the guest or of ours, so that its state is worth a look? */
bool report_is_trouble(const struct report *);
/* The likely class of cause in a sentence. */
void report_cause(const struct report *, char text[CAUSE_MAX]);
/* The instruction at RIP, or "?" ; returns its length, 0: none. */
u32 report_disassemble(const struct report *, char *text, size_t size);

#endif
