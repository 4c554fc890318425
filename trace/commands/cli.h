/*
 * What every command shares: options from a table (parsed by getopt_long,
 * printed by --help), exit statuses, messages on stderr, and where traces live.
 */
#ifndef TRACE_COMMANDS_CLI_H
#define TRACE_COMMANDS_CLI_H

#include "core/types.h"
#include "trace/failure.h"

enum cli_status {
    CLI_SAME = 0,      /* fine; nothing differs */
    CLI_DIFFERENT = 1, /* something differs, or was found */
    CLI_TROUBLE = 2,   /* could not do it */
};

struct cli_option {
    int code; /* what cli_next() returns: a short option's letter, or >= 256 for long only */
    const char *name;     /* long name without dashes; NULL ends the table */
    const char *argument; /* its name in the help, e.g. "FILE"; NULL: takes none */
    const char *help;     /* may hold '\n' */
};

struct cli_command {
    const char *name;                 /* "info" */
    const char *synopsis;             /* "[TRACE] [--format table|json]" */
    const char *summary;              /* a sentence or a paragraph */
    const struct cli_option *options; /* --help/-h is added to them */
    const char *examples;             /* lines; may be NULL */
};

enum { CLI_END = -1, CLI_HELP = -2, CLI_BAD = -3 };

/*
 * The next option's code; its argument is in `optarg`. CLI_END: operands start at argv[optind].
 * CLI_HELP: the help was printed on stdout, return CLI_SAME. CLI_BAD: the message was printed,
 * return CLI_TROUBLE. Call from the first option to the last without other getopt calls between.
 */
int cli_next(const struct cli_command *, int argc, char **argv);
void cli_help(const struct cli_command *);
/* Prints "hindvisor NAME: text" on stderr; returns CLI_TROUBLE. `command` may be NULL. */
int cli_fail(const struct cli_command *, const struct failure *);
/* Wrong use: prints the message and how to get help; returns CLI_TROUBLE. */
int cli_misuse(const struct cli_command *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Numbers: decimal or 0x; sizes with K, M, G (powers of 1024); times with ns, us, ms, s, m, h,
 * in nanoseconds (a bare number: seconds). The whole text must be used; false otherwise. */
bool cli_parse_u64(const char *text, u64 *);
bool cli_parse_size(const char *text, u64 *);
bool cli_parse_time(const char *text, u64 *);
/* Index of `text` in a NULL-terminated list, or -1. */
int cli_parse_choice(const char *text, const char *const *choices);

/* Traces live in $XDG_DATA_HOME/hindvisor, by default ~/.local/share/hindvisor. */
enum { CLI_PATH = 4096 };
struct failure cli_trace_home(char path[CLI_PATH]);
/* A path, a name in the trace home, or (NULL) what `latest` points at. */
struct failure cli_resolve_trace(const char *argument, char path[CLI_PATH]);
/* Where a new trace goes: `output` if given, else a fresh name in the trace home (made if
 * missing), from the kernel's file name and a number: "vmlinuz-6.1-1". */
struct failure cli_new_trace(const char *output, const char *kernel, char path[CLI_PATH]);
/* Points `latest` at the trace. */
struct failure cli_point_latest(const char *path);

/* A line on stderr that says how far the work is (`of` 0: nobody knows how far it goes), if that is a terminal; and taking it away. */
void cli_progress(const struct cli_command *, u64 done, u64 of);
void cli_progress_end(void);

/* Colour and progress only on a terminal and without NO_COLOR. */
bool cli_color(int descriptor);

#endif
