/*
 * Workloads that bench/peers.c times in a guest: one static Linux program, and a workload is one
 * function of it. Each does a fixed amount of work and gives a checksum of what it computed, which
 * is the same on every machine.
 */
#ifndef BENCH_WORKLOADS_WORKLOAD_H
#define BENCH_WORKLOADS_WORKLOAD_H

#include <stdint.h>

struct workload {
    const char *name, *unit;
    uint64_t units; /* that run() does */
    uint64_t (*run)(uint64_t units);
};

extern const struct workload integer, bignum, copying, chasing, calling, forking, timing;

/* A pseudo-random sequence (xorshift64). */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Ends the program when a system call failed. */
void must(const char *what, long result);

#endif
