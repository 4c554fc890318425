/*
 * One run of the image on a carrier, for benchmarks: what `hindvisor record` and
 * `record --no-record` do, without their words and with the raw records handed to
 * the caller. Failures go to stderr and end the program.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "trace/manifest.h"
#include "trace/wire.h"
#include "vmx/carriers/carrier.h"

struct bench_guest {
    const char *kernel, *initrd, *command_line; /* initrd NULL: none */
    u64 memory;
};

/* Everything about the run that is not measured: the same each time. */
void bench_manifest(const struct bench_guest *, struct manifest *);
/* Runs the guest; mode RUN or RECORD. `sink` gets the chunks of raw records. */
void bench_run(const struct bench_guest *, enum mission_mode, struct carrier_sink sink,
               struct carrier_outcome *);
/* Ends the program when something failed. */
void bench_check(struct failure);

#endif
