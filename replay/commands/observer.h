/* `--lttng`: who watches the blocks of records that a run makes or replays. */
#ifndef REPLAY_COMMANDS_OBSERVER_H
#define REPLAY_COMMANDS_OBSERVER_H

#include "trace/failure.h"
#include "trace/lttng/plugin.h"

/* Loads the LTTng plug-in, which stays loaded to the process's end: an active provider must not
 * be taken away. Call before there are threads. */
struct failure observer_load(observe_function **);

#endif
