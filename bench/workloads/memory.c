/* Memory: copying large blocks, and dependent reads at random places of 8 MiB. */
#include <stdlib.h>
#include <string.h>

#include "bench/workloads/workload.h"

enum { BLOCK = 4 << 20, PLACES = 1 << 20 };

static uint64_t run_copying(uint64_t copies)
{
    uint8_t *from = malloc(BLOCK), *to = malloc(BLOCK + 64);
    uint64_t sum = 0;
    must("malloc", from && to ? 0 : -1);
    for (uint32_t i = 0; i < BLOCK; i++)
        from[i] = (uint8_t)(i * 2654435761u >> 24);
    for (uint64_t n = 0; n < copies; n++) {
        memcpy(to + n % 64, from, BLOCK); /* aligned once in 64 times */
        sum = sum * 31 + to[n * 4099 % BLOCK];
    }
    free(from);
    free(to);
    return sum;
}

const struct workload copying = {"copying", "copies of 4 MiB", 200, run_copying};

/* One cycle through all places (Sattolo's shuffle). */
static void make_cycle(uint64_t *next)
{
    uint64_t seed = 88172645463325252ull;
    for (uint64_t i = 0; i < PLACES; i++)
        next[i] = i;
    for (uint64_t i = PLACES - 1; i > 0; i--) {
        uint64_t j = next_random(&seed) % i, other = next[i];
        next[i] = next[j];
        next[j] = other;
    }
}

static uint64_t run_chasing(uint64_t steps)
{
    uint64_t *next = malloc(PLACES * sizeof(*next)), at = 0;
    must("malloc", next ? 0 : -1);
    make_cycle(next);
    for (uint64_t n = 0; n < steps; n++)
        at = next[at];
    free(next);
    return at;
}

const struct workload chasing = {"chasing", "reads", 4000000, run_chasing};
