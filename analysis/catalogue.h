/*
 * A catalogue of runs: one SQLite file with a row for each trace below a directory
 * (table `runs`: what the manifest says, how large it is, what is wrong with it) and
 * its exits by reason (table `exits`: samples and latencies in ticks of the host's
 * TSC). Traces that have not changed since they were last looked at are not read
 * again; those that are gone lose their rows. Several processes may bring one
 * catalogue up to date; each trace is one transaction.
 */
#ifndef ANALYSIS_CATALOGUE_H
#define ANALYSIS_CATALOGUE_H

#include "trace/failure.h"

struct catalogue;

struct catalogue_changes {
    u64 traces, added, changed, gone, damaged; /* damaged: of all that are there */
};

/* Opens or makes the file; on success the caller owns *catalogue. BAD_INPUT: it is something else.
 */
struct failure catalogue_open(const char *file, struct catalogue **catalogue);
void catalogue_close(struct catalogue *); /* NULL is allowed */
/* Brings the rows of all traces below `directory` up to date. `looked` (may be NULL) is told of
 * each trace before it is looked at. */
struct failure catalogue_update(struct catalogue *, const char *directory,
                                void (*looked)(u64 traces), struct catalogue_changes *);

#endif
