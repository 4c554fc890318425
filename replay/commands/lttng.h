/* `--lttng`: the plug-in that watches the blocks of records which a run makes or replays. (Who looks
 * at the guest itself is a struct observer, vmx/software/host_run.h.) */
#ifndef REPLAY_COMMANDS_LTTNG_H
#define REPLAY_COMMANDS_LTTNG_H

#include "trace/failure.h"
#include "trace/lttng/plugin.h"

/* Loads the LTTng plug-in, which stays loaded to the process's end: an active provider must not
 * be taken away. Call before there are threads. */
struct failure lttng_load(observe_function **);

#endif
