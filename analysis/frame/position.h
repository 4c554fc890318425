/*
 * Positions as the user names them, and the range of exits between two of them.
 *
 *   123456       exit number
 *   count:N      guest count: the first exit at or after it
 *   1.25s 300ms  guest time (s, ms, us, ns): the first exit at or after it
 *
 * A range is inclusive: --from 100 --to 200 are 101 exits. An end given as a count
 * or a time is the last exit at or before it.
 */
#ifndef ANALYSIS_FRAME_POSITION_H
#define ANALYSIS_FRAME_POSITION_H

#include "core/types.h"
#include "trace/failure.h"
#include "trace/trace.h"

enum position_kind { POSITION_NONE, POSITION_EXIT, POSITION_COUNT, POSITION_TIME };

struct bound {
    enum position_kind kind; /* NONE: the trace's end */
    u64 value;               /* exit number, count or guest ns */
};

/* Exits first..last, both inclusive; first > last: none. */
struct exit_range {
    u64 first, last;
};

/* false: not a position. */
bool position_parse(const char *text, struct bound *);
/* Finds the exits, reading as few blocks as that takes. Only damage to those is a failure. */
struct failure position_resolve(struct trace *, struct bound from, struct bound to,
                                struct exit_range *);

#endif
