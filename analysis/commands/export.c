/*
 * `hindvisor export`: a trace in the formats of other tools (trace/export/), with what is known of
 * the guest's kernel (analysis/guest/facts.h); with --scheduler a replay finds that out if need be.
 */
#include "trace/export/export.h"
#include "analysis/commands/commands.h"
#include "analysis/guest/facts.h"
#include "analysis/interrupts/guest_events.h"
#include "analysis/scheduler/guest_events.h"
#include "trace/commands/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPTION_FROM = 256, OPTION_TO, OPTION_SCHEDULER };

static const struct cli_option options[] = {
    {OPTION_TO, "to", "FORMAT",
     "ctf       Common Trace Format 1.8: babeltrace2, Trace Compass (directory)\n"
     "perfetto  protobuf: ui.perfetto.dev, trace_processor\n"
     "sqlite    a database with indexes and views\n"
     "csv       a file for each kind of record (directory)\n"
     "folded    folded stacks for flame graphs: reason and place by handling time\n"
     "ftrace    ftrace's text, with kvm_exit and kvm_entry events"},
    {'o', "output", "PATH", "where it goes; without it, folded and ftrace go to stdout"},
    {OPTION_FROM, "from", "EXIT", "begin at this exit number"},
    {OPTION_SCHEDULER, "scheduler", NULL,
     "with the guest's scheduler events and symbols (Linux 5.4 and later), by a\n"
     "replay if they are not known; once they are, every export has them"},
    {OPTION_TO, "to", "EXIT", "(a number) stop after this exit number"},
    {0},
};

static const struct cli_command command = {
    .name = "export",
    .synopsis = "--to FORMAT -o PATH [TRACE] [--from EXIT] [--to EXIT] [--scheduler]",
    .summary = "Writes a trace in a format that other tools read. Time is guest time.\n"
               "TRACE is a path or a name; without it, the newest trace.\n"
               "PATH must not exist yet; it appears when the export is whole.\n"
               "Exit status: 0 all was exported, 2 trouble (and nothing was left).",
    .options = options,
    .examples = "  hindvisor export --to ctf -o boot.ctf && babeltrace2 boot.ctf\n"
                "  hindvisor export --to sqlite -o boot.db vmlinuz-6.1-3 &&\n"
                "      sqlite3 boot.db 'SELECT * FROM exits_by_reason'\n"
                "  hindvisor export --to folded | flamegraph.pl >boot.svg",
};

struct export_request {
    const struct export_format *format;
    const char *path;
    u64 from, to;
    bool scheduler;
};

/* What is known of the guest's kernel. */
struct guest {
    struct facts facts;
    struct sched_source state;
    struct event_source events;
};

static int parse_to(struct export_request *r, const char *text)
{
    if (isdigit((u8)*text) && cli_parse_u64(text, &r->to))
        return 0;
    for (u32 i = 0; export_formats[i]; i++) {
        if (!strcmp(export_formats[i]->name, text)) {
            r->format = export_formats[i];
            return 0;
        }
    }
    return cli_misuse(&command, "--to %s: neither a format nor an exit number", text);
}

static int parse_option(struct export_request *r, int code)
{
    switch (code) {
    case OPTION_TO:
        return parse_to(r, optarg);
    case OPTION_SCHEDULER:
        r->scheduler = true;
        return 0;
    case 'o':
        r->path = strcmp(optarg, "-") ? optarg : NULL;
        return 0;
    default:
        return cli_parse_u64(optarg, &r->from)
                   ? 0
                   : cli_misuse(&command, "'%s' is not an exit number", optarg);
    }
}

static void show(void *context, u64 exit, u64 of)
{
    (void)context;
    cli_progress(&command, exit, of);
}

static const char *symbol(void *context, u64 rip, char buffer[NAME_MAX_LENGTH])
{
    const struct symbolizer *symbolizer = context;
    char *plus;
    if (!symbolizer->name(symbolizer, rip, buffer, NAME_MAX_LENGTH))
        return NULL;
    if ((plus = strchr(buffer, '+')))
        *plus = 0; /* all of a function in one stack */
    return buffer;
}

/* --- being told to stop: what was made so far has to go first ---------------------------- */

static volatile sig_atomic_t told; /* the signal; 0: none yet */

static void on_signal(int number)
{
    told = number;
}

static bool stopped(void)
{
    return told;
}

/* A second one ends the process at once. What the user has ignored (nohup) stays ignored. */
static void watch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}, before;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

/* --- the command ------------------------------------------------------------------------- */

static struct failure look_at_guest(bool needed, struct guest *guest, struct export_job *job)
{
    if (needed)
        ATTEMPT(facts_find(job->trace, &guest->facts));
    else if (!facts_cached(job->trace, &guest->facts))
        return NO_FAILURE;
    struct failure failure = facts_kernel(&guest->facts);
    if (failure.code)
        return needed ? failure : NO_FAILURE;
    guest->events = sched_source(&guest->state, &guest->facts.log);
    job->events = &guest->events;
    job->symbol = symbol;
    job->symbols = &guest->facts.symbolizer;
    return NO_FAILURE;
}

static struct failure export_to(const struct export_request *r, const char *argument,
                                struct guest *guest)
{
    char path[CLI_PATH];
    struct handler_watch watch;
    struct event_watcher watcher = handler_watcher(&watch);
    struct export_job job = {.path = r->path,
                             .from = r->from,
                             .to = r->to,
                             .watcher = &watcher,
                             .progress = show,
                             .stopped = stopped};
    ATTEMPT(cli_resolve_trace(argument, path));
    ATTEMPT(trace_open(path, &job.trace));
    struct failure failure = look_at_guest(r->scheduler, guest, &job);
    if (!failure.code) {
        if (r->path)
            watch_signals();
        failure = export_trace(r->format, &job);
    }
    cli_progress_end();
    trace_close(job.trace);
    return failure;
}

int cmd_export(int argc, char **argv)
{
    struct export_request r = {.to = NEVER};
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (parse_option(&r, code))
            return CLI_TROUBLE;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (!r.format)
        return cli_misuse(&command, "name a format with --to");
    if (!r.path && r.format == &format_perfetto && isatty(STDOUT_FILENO))
        return cli_misuse(&command, "%s is not for a terminal: name a file with -o",
                          r.format->name);
    if (argc - optind > 1)
        return cli_misuse(&command, "name one trace, not %d", argc - optind);
    struct guest guest = {0};
    struct failure failure = export_to(&r, optind < argc ? argv[optind] : NULL, &guest);
    facts_free(&guest.facts);
    if (!failure.code)
        return CLI_SAME;
    int status = cli_fail(&command, &failure);
    if (told)
        raise(told); /* SA_RESETHAND: its parent sees that it died of it */
    return status;
}
