/* Recording and replaying on machines that the user boots: what to do, in words. */
#ifndef REPLAY_COMMANDS_BY_HAND_H
#define REPLAY_COMMANDS_BY_HAND_H

#include "vmx/carriers/carrier.h"

/* A new directory for an ISO and its disk; BAD_INPUT: something of that name is there. */
struct failure by_hand_directory(const char *path);
/* The steps, to stdout: `directory` holds ISO and disk. */
void by_hand_explain(const struct carrier_job *, const char *directory, const char *then);

#endif
