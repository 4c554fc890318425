/*
 * Replays a trace on the software processor, in this process, while somebody looks at the guest:
 * where analyses come from that a trace alone cannot answer.
 */
#ifndef ANALYSIS_GUEST_RERUN_H
#define ANALYSIS_GUEST_RERUN_H

#include "trace/trace.h"
#include "trace/wire.h"
#include "vmx/software/host_run.h"

enum rerun_show { RERUN_QUIET, RERUN_PROGRESS /* a bar on stderr, if that is a terminal */ };

/* Checks the trace first. A replay that differs from its trace, is interrupted or ends early is an
 * error, since what was seen there may be another run; the report holds what is known. A trace
 * that was cut is replayed up to its end. */
struct failure rerun(struct trace *, const struct observer *, enum rerun_show, struct report *);

#endif
