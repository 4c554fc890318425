/*
 * The gate that asks the world and logs what it answers. With a log that keeps
 * nothing it is a plain run.
 */
#ifndef REPLAY_RECORDER_H
#define REPLAY_RECORDER_H

#include "core/machine.h"
#include "replay/log.h"
#include "replay/world.h"

struct recorder {
    struct gate gate; /* first: the gate's ops cast back */
    struct world *world;
    struct log *log;
    enum clock_policy clock;
    u64 last_clock;       /* the clock as last told: it never goes back */
    u64 deadline;         /* the timer that the last stop() was about, guest ns */
    u64 world_stop;       /* the count at which the world wants the vCPU, or NEVER */
    u64 next_poll;        /* count from which on the console is looked at, */
    u64 next_poll_exit;   /* ... and exit, whichever comes first */
    u64 block_count;      /* count at which the block being filled began, */
    u64 block_exit;       /* ... and exit */
    u32 inputs;           /* running CRC-32C of all inputs */
    bool block_done;      /* hand the block on once its last exit is complete */
    struct exit_record *open; /* the last exit: its entry stamp is still to come */
};

void recorder_init(struct recorder *, struct world *, struct log *, enum clock_policy);

#endif
