/* `hindvisor diff`: where two traces differ, and how much. See analysis/diff/. */
#include "analysis/commands/commands.h"
#include "analysis/diff/report.h"
#include "trace/commands/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const formats[] = {"table", "json", NULL};

static const struct cli_option options[] = {
    {'f', "format", "FORMAT", "table (default) or json"},
    {'c', "context", "N", "show N records before and after the first difference (5)"},
    {'t', "ignore-timing", NULL, "traces that differ in the host's TSC only are the same"},
    {0},
};

static const struct cli_command command = {
    .name = "diff",
    .synopsis = "A B [--format table|json] [--context N] [--ignore-timing]",
    .summary = "Compares two traces: the first record in which they differ, with what is around\n"
               "it, how many differ, and exits and latencies by reason. After records that are\n"
               "missing on one side it goes on where both agree again.\n"
               "A and B are paths or names.\n"
               "Exit status: 0 the same, 1 different, 2 trouble.",
    .options = options,
    .examples = "  hindvisor diff before.trace after.trace\n"
                "  hindvisor diff --ignore-timing --format json a b | jq .first.kind",
};

struct request {
    int format;
    bool ignore_timing;
    struct diff_options options;
};

static int parse_option(struct request *r, int code)
{
    u64 context;
    switch (code) {
    case 'f':
        r->format = cli_parse_choice(optarg, formats);
        return r->format < 0 ? cli_misuse(&command, "unknown format '%s'", optarg) : 0;
    case 'c':
        if (!cli_parse_u64(optarg, &context) || context > DIFF_CONTEXT_MAX)
            return cli_misuse(&command, "--context %s: must be a number up to %d", optarg,
                              DIFF_CONTEXT_MAX);
        r->options.context = (u32)context;
        return 0;
    default:
        r->ignore_timing = true;
        return 0;
    }
}

static void show(void *context, u64 exit, u64 of)
{
    (void)context;
    cli_progress(&command, exit, of);
}

static int status_of(const struct request *r, const struct diff_result *result)
{
    bool timing = result->counts[DIFF_TIMING] && !r->ignore_timing;
    return result->first.kind || timing ? CLI_DIFFERENT : CLI_SAME;
}

static struct failure open_both(char **names, struct trace *traces[DIFF_SIDES])
{
    for (u32 s = 0; s < DIFF_SIDES; s++) {
        char path[CLI_PATH];
        ATTEMPT(cli_resolve_trace(names[s], path));
        ATTEMPT(trace_open(path, &traces[s]));
    }
    return NO_FAILURE;
}

static int compare(const struct request *r, char **names)
{
    static struct diff_result result; /* large */
    struct trace *traces[DIFF_SIDES] = {NULL, NULL};
    struct failure failure = open_both(names, traces);
    if (!failure.code)
        failure = diff_traces(traces[DIFF_A], traces[DIFF_B], &r->options, &result);
    cli_progress_end();
    if (!failure.code)
        (r->format ? diff_print_json : diff_print_table)(stdout, &result, traces);
    diff_free(&result);
    for (u32 s = 0; s < DIFF_SIDES; s++)
        trace_close(traces[s]);
    return failure.code ? cli_fail(&command, &failure) : status_of(r, &result);
}

int cmd_diff(int argc, char **argv)
{
    struct request r = {.options = {.context = 5, .progress = show}};
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (parse_option(&r, code))
            return CLI_TROUBLE;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (argc - optind != DIFF_SIDES)
        return cli_misuse(&command, "name two traces");
    return compare(&r, argv + optind);
}
