/*
 * The world outside the gate: what a recorder asks. One ops table; the image's
 * world is the carrier (vmx/image/carrier_world.c), that of a run in a process of the host is
 * the user's terminal and the host's clock (vmx/carriers/in_process.c), noise.c wraps any world and
 * perturbs it by a seed. A replay never meets a world, but for its output.
 */
#ifndef REPLAY_WORLD_H
#define REPLAY_WORLD_H

#include "core/gate.h"

struct world;

struct world_ops {
    u64 (*clock)(struct world *);         /* ns since the run began */
    u64 (*ticks)(struct world *, u64 ns); /* guest count that passes in `ns`, about */
    int (*console)(struct world *);       /* a byte typed, or -1; never waits */
    /* The guest is halted and nothing has come: may sleep until something may have, and for
     * `ns` at most (NEVER: no limit). */
    void (*idle)(struct world *, u64 ns);
    u32 (*stop)(struct world *);          /* enum end_reason: the user wants the run to end; 0: no */
    void (*output)(struct world *, u8 byte);
    /* Said now and then. Not 0: a replay is to be given up here for that reason (enum end_reason);
     * recordings are ended by stop(). */
    u32 (*progress)(struct world *, u64 exits, u64 guest_ns);
    /* The count, > `count`, at which the world interrupts the vCPU, or NEVER; and
     * how much time (ns) passed behind the guest's back there. Noise only. */
    u64 (*interruption)(struct world *, u64 count);
    u64 (*stolen)(struct world *);
};

struct world {
    const struct world_ops *ops;
};

#endif
