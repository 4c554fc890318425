/*
 * The tables of kallsyms in guest memory. What they hold: kernel/kallsyms.c and the writer,
 * scripts/kallsyms.c, in Linux. Their order has changed over the years:
 *
 *   5.4 to 6.1     addresses, num_syms, names, markers, token_table, token_index
 *   6.1.60, 6.2    addresses, num_syms, names, markers, seqs_of_names, token_table, token_index
 *   from 6.5       num_syms, names, markers, token_table, token_index, addresses, seqs_of_names
 *
 * and so has what `addresses` are: see enum address_form. Each table begins on 8 bytes, and, since
 * none holds 64-bit numbers any more, on 4 from 7.0 on.
 * Private to analysis/guest/.
 */
#ifndef ANALYSIS_GUEST_KALLSYMS_H
#define ANALYSIS_GUEST_KALLSYMS_H

#include "analysis/guest/image.h"

enum address_form {
    FORM_PERCPU_ABSOLUTE, /* i32: not negative: the address; else base - 1 - it. To 6.14, SMP */
    FORM_UNSIGNED,        /* u32: base + it */
    FORM_PLACE_RELATIVE,  /* i32: its own place + it; there is no base. From 7.0 */
    FORM_ADDRESSES,       /* u64 each; CONFIG_KALLSYMS_BASE_RELATIVE off. To 6.11 */
};

enum { TOKENS = 256, MARKER_STRIDE = 256, NAME_MAX_LENGTH = 1023 };

/* Offsets from the start of `range`; all tables lie within it. */
struct kallsyms {
    const struct guest_range *range;
    u32 count, alignment;
    u64 names, markers, token_table, token_index;
    u64 addresses, base; /* base: value of kallsyms_relative_base */
    enum address_form form;
    u64 effort; /* steps of the search that are left: guest memory may be made to mislead it */
};

/* Finds the names and, given those, the addresses. false: not here. */
bool kallsyms_find(const struct guest_range *, struct kallsyms *);

u64 kallsyms_address(const struct kallsyms *, u32 index);

/* Walks the names: `*at` is the offset of one, 0 at first, and becomes that of the next. Writes
 * type and name, NUL-terminated; returns the length of both, 0 for a name that is broken. */
u32 kallsyms_next_name(const struct kallsyms *, u64 *at, char text[NAME_MAX_LENGTH + 1]);

#endif
