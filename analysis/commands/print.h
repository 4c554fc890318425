/* What the commands of the analysis print. */
#ifndef ANALYSIS_COMMANDS_PRINT_H
#define ANALYSIS_COMMANDS_PRINT_H

#include "analysis/frame/pass.h"
#include "trace/commands/cli.h"

extern const char *const format_names[]; /* by enum output_format, NULL-terminated */

/* The whole output, on stdout. */
struct failure print_result(const struct pass *, const struct result *, int format);
/* Says on stderr what the result lacks; the exit status. */
int print_missing(const struct cli_command *, const struct result *);

#endif
