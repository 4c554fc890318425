/*
 * A noisy world around another one: interrupts the vCPU, steals time and holds
 * console bytes back at moments drawn from a seed. Carriers that repeat
 * themselves (Bochs) need it: a replay that ignored its log would pass there.
 */
#ifndef REPLAY_NOISE_H
#define REPLAY_NOISE_H

#include "replay/world.h"

struct noise {
    struct world world; /* first */
    struct world *inner;
    u64 state;  /* of the generator, splitmix64 */
    u64 next;   /* count of the next interruption */
    u64 stolen; /* ns taken away so far */
};

void noise_init(struct noise *, struct world *inner, u64 seed);

#endif
