/* `hindvisor repair`: see trace/repair.c for what it keeps. */
#include "trace/commands/cli.h"
#include "trace/commands/commands.h"
#include "trace/trace.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

enum { OPTION_DROP = 256 };

static const struct cli_option options[] = {
    {'n', "dry-run", NULL, "only say what would be done"},
    {OPTION_DROP, "drop-observations", NULL,
     "take the observations out of a whole trace: it still replays"},
    {0},
};

static const struct cli_command command = {
    .name = "repair",
    .synopsis = "TRACE [--dry-run | --drop-observations]",
    .summary = "Makes a trace readable again whose recording was killed, or that was damaged.\n"
               "Keeps everything up to the first block that is not whole, recovers what is\n"
               "still on the trace disk, and says how much was lost. The old files are replaced\n"
               "only when the new ones are complete.\n"
               "Exit status: 0 nothing was lost, 1 something was, 2 it could not be repaired.",
    .options = options,
    .examples = "  hindvisor repair vmlinuz-6.1-3\n"
                "  hindvisor repair --dry-run ./trace\n"
                "  hindvisor repair --drop-observations ./trace",
};

static void print_lost(const struct repair_result *result)
{
    if (result->lost_chunks || result->lost_bytes)
        printf("lost: %" PRIu64 " block(s) with %" PRIu64 " exits known of, %" PRIu64
               " bytes dropped\n",
               result->lost_chunks, result->lost_exits, result->lost_bytes);
    else
        printf("lost: nothing that had reached the trace\n");
}

static int print_result(const char *path, bool dry_run, const struct repair_result *result)
{
    if (!result->needed) {
        printf("%s: whole, nothing to repair (%" PRIu64 " exits)\n", path, result->exits);
        return CLI_SAME;
    }
    if (result->damage[0])
        printf("damage: %s\n", result->damage);
    printf("%s: %s %" PRIu64 " block(s), %" PRIu64 " exits, up to guest count %" PRIu64 "\n", path,
           dry_run ? "would keep" : "kept", result->chunks, result->exits, result->count);
    if (result->recovered)
        printf("recovered from the trace disk: %" PRIu64 " block(s) of these\n", result->recovered);
    print_lost(result);
    return result->lost_chunks || result->lost_bytes ? CLI_DIFFERENT : CLI_SAME;
}

static struct failure drop(const char *path)
{
    ATTEMPT(trace_drop_observations(path));
    printf("%s: without observations now; it replays, and exits can no longer be analysed\n", path);
    return NO_FAILURE;
}

int cmd_repair(int argc, char **argv)
{
    bool dry_run = false, drops = false;
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        dry_run = dry_run || code == 'n';
        drops = drops || code == OPTION_DROP;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (argc - optind != 1)
        return cli_misuse(&command, "name one trace");
    if (dry_run && drops)
        return cli_misuse(&command, "--drop-observations has no --dry-run");
    char path[CLI_PATH];
    struct repair_result result;
    struct failure failure = cli_resolve_trace(argv[optind], path);
    if (!failure.code)
        failure = drops ? drop(path) : trace_repair(path, dry_run, &result);
    if (failure.code)
        return cli_fail(&command, &failure);
    return drops ? CLI_SAME : print_result(path, dry_run, &result);
}
