/* `hindvisor index`: brings a catalogue of traces up to date. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/catalogue.h"
#include "analysis/commands/commands.h"
#include "trace/commands/cli.h"

#include <getopt.h>

#define CATALOGUE_NAME "catalogue.sqlite"

static const struct cli_option options[] = {
    {'o', "output", "FILE", "the catalogue (" CATALOGUE_NAME " in the first directory)"},
    {0},
};

static const struct cli_command command = {
    .name = "index",
    .synopsis = "[DIR...] [-o FILE]",
    .summary =
        "Keeps an SQLite catalogue of the traces below directories (the trace home, if none is\n"
        "named): one row a trace in `runs', and its exits by reason in `exits'. Only what is new "
        "or\n"
        "has changed is read. Several processes may keep one catalogue at a time.\n"
        "Exit status: 0 fine, 1 some trace is damaged (its row says how), 2 trouble.",
    .options = options,
    .examples =
        "  hindvisor index\n"
        "  hindvisor index /data/traces -o runs.sqlite\n"
        "  sqlite3 runs.sqlite 'SELECT path, p99 FROM exits WHERE reason = \"CPUID\" ORDER BY p99'",
};

static void show_progress(u64 traces)
{
    cli_progress(&command, traces, 0);
}

static struct failure update(char **directories, int count, const char *file,
                             struct catalogue_changes *all)
{
    struct catalogue *catalogue;
    ATTEMPT(catalogue_open(file, &catalogue));
    struct failure failure = NO_FAILURE;
    for (int i = 0; i < count && !failure.code; i++) {
        struct catalogue_changes changes = {0};
        failure = catalogue_update(catalogue, directories[i], show_progress, &changes);
        all->traces += changes.traces;
        all->added += changes.added;
        all->changed += changes.changed;
        all->gone += changes.gone;
        all->damaged = changes.damaged;
    }
    cli_progress_end();
    catalogue_close(catalogue);
    return failure;
}

int cmd_index(int argc, char **argv)
{
    char home[CLI_PATH], *home_only[] = {home}, file[CLI_PATH + sizeof(CATALOGUE_NAME) + 1];
    const char *output = NULL;
    int code;
    while ((code = cli_next(&command, argc, argv)) != CLI_END) {
        if (code == CLI_HELP || code == CLI_BAD)
            return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
        output = optarg;
    }
    char **directories = argv + optind;
    int count = argc - optind;
    struct failure failure = count ? NO_FAILURE : cli_trace_home(home);
    if (failure.code)
        return cli_fail(&command, &failure);
    if (!count) {
        directories = home_only;
        count = 1;
    }
    snprintf(file, sizeof(file), "%s/" CATALOGUE_NAME, directories[0]);
    struct catalogue_changes changes = {0};
    failure = update(directories, count, output ? output : file, &changes);
    if (failure.code)
        return cli_fail(&command, &failure);
    printf("%s: %lu traces: %lu new, %lu changed, %lu gone, %lu damaged\n", output ? output : file,
           changes.traces, changes.added, changes.changed, changes.gone, changes.damaged);
    return changes.damaged ? CLI_DIFFERENT : CLI_SAME;
}
