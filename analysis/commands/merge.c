/* `hindvisor merge`: partial results of `hindvisor analyze --partial` into one report. */
#include "analysis/commands/commands.h"
#include "analysis/commands/print.h"
#include "analysis/frame/partial.h"
#include "analysis/guest/facts.h"
#include "trace/commands/cli.h"

#include <getopt.h>
#include <stdio.h>

static const struct cli_option options[] = {
    {'f', "format", "FORMAT", "table (default), json or csv"},
    {'n', "rows", "N", "at most N rows; the others add up in one more"},
    {'p', "partial", "FILE", "write a partial result instead, to be merged again"},
    {0},
};

static const struct cli_command command = {
    .name = "merge",
    .synopsis = "FILE... [--format table|json|csv] [--partial FILE]",
    .summary = "Merges partial results. The shards of one trace, in any order, give what an\n"
               "analysis of the whole trace gives, digit for digit; several traces add up.\n"
               "Exit status: 0 fine, 1 shards are missing or had damage, 2 trouble.",
    .options = options,
    .examples = "  for i in 1 2 3 4; do\n"
                "      hindvisor analyze exits --shard $i/4 --partial part.$i TRACE &\n"
                "  done; wait\n"
                "  hindvisor merge part.*",
};

static struct failure write_again(const char *path, const struct pass *pass,
                                  const struct result *result)
{
    if (result->gaps)
        return fail(BAD_INPUT, "there are gaps between the shards; name the missing ones as well");
    return partial_write(path, pass, result);
}

/* Words for the guest's addresses, if the trace is where it was and has them: as an analysis of it
 * would. */
static void find_words(struct pass *pass, const struct result *result, struct facts *facts)
{
    struct trace *trace;
    if (result->traces != 1 || trace_open(result->subject.name, &trace).code)
        return;
    if (trace_identity(trace) == result->subject.identity && facts_cached_words(trace, facts))
        pass->query.symbols = &facts->symbolizer;
    trace_close(trace);
}

static struct failure print_merged(struct pass *pass, const struct result *result, int format)
{
    struct facts facts = {0};
    find_words(pass, result, &facts);
    struct failure failure = print_result(pass, result, format);
    facts_free(&facts);
    return failure;
}

static int merge(struct pass *pass, char **paths, size_t count, int format, const char *partial)
{
    static struct result result;
    struct failure failure = partial_merge(paths, count, pass, &result);
    if (!failure.code)
        failure =
            partial ? write_again(partial, pass, &result) : print_merged(pass, &result, format);
    if (result.state)
        pass->view->end(result.state);
    if (failure.code)
        return cli_fail(&command, &failure);
    return print_missing(&command, &result);
}

int cmd_merge(int argc, char **argv)
{
    struct pass pass = {.query.rows = NEVER};
    const char *partial = NULL;
    int code, format = 0;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (code == 'p')
            partial = optarg;
        else if (code == 'f' && (format = cli_parse_choice(optarg, format_names)) < 0)
            return cli_misuse(&command, "unknown format '%s'", optarg);
        else if (code == 'n' && !cli_parse_u64(optarg, &pass.query.rows))
            return cli_misuse(&command, "not a number of rows: '%s'", optarg);
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (optind == argc)
        return cli_misuse(&command, "name the partial results");
    return merge(&pass, argv + optind, (size_t)(argc - optind), format, partial);
}
