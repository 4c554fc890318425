/* What record and replay share around a carrier's run. */
#ifndef REPLAY_COMMANDS_SESSION_H
#define REPLAY_COMMANDS_SESSION_H

#include "trace/commands/cli.h"
#include "trace/trace.h"
#include "vmx/carriers/carrier.h"

/* A directory of our own for a run's files: in $TMPDIR, else /var/tmp. Made so that nobody else
 * can look into it; session_remove() deletes it and what is in it. */
struct failure session_directory(char path[CARRIER_PATH]);
/* Deletes a flat directory: its files, not what links point at. */
void session_remove(const char *path);
/* DIRECTORY/NAME; false: too long. */
bool session_join(char path[CARRIER_PATH], const char *directory, const char *name);

/* The processor to use when none is named: $HINDVISOR_PROCESSOR, else the software processor. */
const char *session_processor(void);

/* The mission that a manifest describes; modules[] are left empty. */
struct mission session_mission(const struct manifest *, enum mission_mode);

/* For tests: HINDVISOR_SABOTAGE (vmx/sabotage.h) if it is set, else `otherwise`. */
u32 session_sabotage(u32 otherwise);

/* Does the guest load: kernel, initrd, command line, all in this much RAM? The image's own loader
 * is tried on memory of this process, so both say the same. */
struct failure session_try_loading(const struct manifest *, const char *kernel, const char *initrd);

/* Runs a job that keeps no trace, with what its processor needs (directory, disk) made for it and
 * removed again. The job's processor, mission, kernel and initrd are set; a failure also when it
 * leaves no report. */
struct failure session_run(struct carrier_job *, struct carrier_outcome *);

/* "12.345 s", "0.048 ms" */
void session_time(u64 ns, char text[32]);
/* "3.1 MiB" */
void session_size(u64 bytes, char text[32]);

#endif
