/* A trace as what a replay in this process reads from: its blocks, decoded when they are wanted. */
#ifndef REPLAY_COMMANDS_TRACE_LOG_H
#define REPLAY_COMMANDS_TRACE_LOG_H

#include "replay/commands/lttng.h"
#include "replay/gates.h"
#include "trace/trace.h"

struct trace_log;

/* On success the caller owns *log, which the cursors of `source` belong to; the trace must outlive
 * it. The trace has passed trace_verify(): a block that cannot be read later ends the log.
 * `observe` sees each record once, as the replay comes to need it; NULL: nobody watches. */
struct failure trace_log_open(struct trace *, observe_function *observe, struct trace_log **log,
                              struct log_source *source);
void trace_log_close(struct trace_log *); /* NULL is allowed */

#endif
