/* The options of `hindvisor record`, checked. */
#ifndef REPLAY_COMMANDS_RECORD_OPTIONS_H
#define REPLAY_COMMANDS_RECORD_OPTIONS_H

#include "trace/commands/cli.h"
#include "trace/manifest.h"

struct record_options {
    struct manifest manifest; /* all that was asked for the guest */
    const char *kernel, *initrd, *output;
    u64 wall_timeout; /* ns; NEVER */
    bool no_record, quiet, lttng;
};

extern const struct cli_command record_command;

/* CLI_END: go on. Else return it, or what cli_next() says for it. */
int record_parse(int argc, char **argv, struct record_options *);

#endif
