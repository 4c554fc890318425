/*
 * Google Benchmark for C: benchmarks are C functions that loop while bench_next()
 * and then say how much they did. The C++ is in shim.cc and nowhere else.
 */
#ifndef BENCH_SHIM_H
#define BENCH_SHIM_H

#include "core/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bench;
typedef void bench_function(struct bench *);

/* Before bench_main(). The argument is what bench_argument() gives; it is part of the name
 * in the results unless it is 0. */
void bench_register(const char *name, bench_function *, i64 argument);
/* Runs what --benchmark_filter and the like choose; gives the exit status. */
int bench_main(int argc, char **argv);

/* Once more? What comes before the first call is not measured. */
bool bench_next(struct bench *);
i64 bench_argument(const struct bench *);
/* After the loop; all are totals over it. */
u64 bench_iterations(const struct bench *);
void bench_items(struct bench *, u64 items);
void bench_bytes(struct bench *, u64 bytes);
void bench_counter(struct bench *, const char *name, double value);
/* Instead of the loop: it cannot run, and why. */
void bench_skip(struct bench *, const char *why);

/* The compiler must think that this memory is read. */
static inline void bench_keep(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

#ifdef __cplusplus
}
#endif

#endif
