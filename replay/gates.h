/*
 * The gate of a run, chosen by its mission: what the image (vmx/image/run.c) and a
 * run in a process of the host (vmx/software/host_run.c) have in common.
 */
#ifndef REPLAY_GATES_H
#define REPLAY_GATES_H

#include "replay/noise.h"
#include "replay/recorder.h"
#include "replay/replayer.h"

struct gates {
    struct noise noise;
    struct recorder recorder;
    struct replayer replayer;
    struct log log; /* recording: set up by the owner; without a buffer nothing is kept */
};

/* The recording gate: of this world, made noisy if the mission asks for it. */
struct gate *gates_record(struct gates *, const struct mission *, struct world *);
struct gate *gates_replay(struct gates *, const struct mission *, const struct log_source *,
                          struct world *output);
/* What a replay found, into the report. */
void gates_add_verdict(const struct gates *, struct report *);

#endif
