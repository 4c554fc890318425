/* What exits can be told apart by: reason, port, MSR, GPA, RIP or qualification. */
#ifndef ANALYSIS_EXITS_KEYS_H
#define ANALYSIS_EXITS_KEYS_H

#include "analysis/frame/view.h"

enum exit_by { BY_REASON, BY_PORT, BY_MSR, BY_GPA, BY_RIP, BY_QUALIFICATION };

/* Exit qualifications of I/O and EPT violations: SDM tables 28-5 and 28-7. */
enum { IO_SIZE = 7, IO_IN = 1 << 3, IO_STRING = 1 << 4, IO_PORT_SHIFT = 16 };
enum { EPT_BY_WRITE = 1 << 1, EPT_BY_FETCH = 1 << 2 };
enum way { WAY_IN, WAY_OUT, WAY_FETCH };
static inline enum way way_of_ept(u64 qualification)
{
    return qualification & EPT_BY_FETCH   ? WAY_FETCH
           : qualification & EPT_BY_WRITE ? WAY_OUT
                                          : WAY_IN;
}

extern const char *const exit_key_names[]; /* by enum exit_by, NULL-terminated */

/* The columns that the key is made of. */
void exit_key_wish(u32 by, struct column_wishes *);
/* The key of exit row i; false: it has none (a port key for an exit by MSR). */
bool exit_key(u32 by, const struct exit_columns *, size_t i, u64 *a, u64 *b);

enum { EXIT_KEY_TEXT = 96 };
/* The key as perf kvm stat writes it ("0x3f8:POUT"), and what it is ("uart"), or "". */
void exit_key_text(u32 by, u64 a, u64 b, char text[EXIT_KEY_TEXT]);
void exit_key_note(u32 by, u64 a, u64 b, const struct symbolizer *, char text[EXIT_KEY_TEXT]);

/* What is at a RIP: the cells symbol and instruction. `symbols` may be NULL. */
void exit_tell_code(const struct symbolizer *symbols, u64 rip, struct output *);
void exit_tell_instruction(const struct symbolizer *symbols, u64 rip, struct output *);

/* Time spent in this exit is not handling: the vCPU was halted. */
static inline bool exit_is_halt(u64 reason)
{
    enum { REASON_HLT = 12 };
    return reason == REASON_HLT;
}

#endif
