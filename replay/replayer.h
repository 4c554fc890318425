/*
 * The gate that answers from a log and compares: every exit, injection, value
 * and state hash must be as recorded. The first difference stops the run.
 */
#ifndef REPLAY_REPLAYER_H
#define REPLAY_REPLAYER_H

#include "core/machine.h"
#include "replay/log.h"
#include "replay/world.h"
#include "trace/wire.h"

/* The first difference, for the report. */
struct difference {
    enum divergence kind;
    u64 expected, got;
    union record record; /* the log's; kind 0: none */
};

struct replayer {
    struct gate gate; /* first */
    struct world *output; /* only its output and progress are used */
    struct log_cursor *exits;  /* REC_EXIT, REC_INJECTION */
    struct log_cursor *values; /* REC_CLOCK */
    struct log_cursor *notes;  /* REC_TIMER, REC_RAISE, REC_IDLE; NULL: not compared */
    struct log_cursor *events; /* REC_STOP, REC_ARRIVAL, REC_STATE, REC_END */
    struct exit_record expected; /* the exit being handled, as recorded */
    bool compares;   /* the trace has observations */
    u64 limit;       /* ends at the last of so many exits; 0: where the log does */
    enum end_reason early; /* why the run ended without a difference before its end: END_LOG_ENDED,
                              END_REACHED; else END_NONE */
    u32 inputs;      /* running CRC-32C of all inputs */
    u64 states;      /* state hashes that matched */
    struct difference difference;
};

/* Where a replay's records come from: a cursor each for the kinds above. `notes` is NULL for
 * traces of formats that do not have all of these kinds. */
struct log_source {
    struct log_cursor *exits, *values, *events, *notes;
};

void replayer_init(struct replayer *, struct world *output, const struct log_source *);

#endif
