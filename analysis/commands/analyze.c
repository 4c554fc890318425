/* `hindvisor analyze`: the command line around one pass over a trace. */
#include "analysis/commands/commands.h"
#include "analysis/commands/print.h"
#include "analysis/frame/intervals.h"
#include "analysis/frame/partial.h"
#include "analysis/guest/facts.h"
#include "trace/commands/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTION_FROM = 256,
    OPTION_TO,
    OPTION_CPU,
    OPTION_SHARD,
    OPTION_INTERVAL,
    OPTION_INTERVALS,
    OPTION_SYMBOLS
};

static const struct cli_option options[] = {
    {'s', "show", "WHAT", "what to show of the view; see Views, where its first is the default"},
    {'b', "by", "KEY", "of exits: reason (default), port, msr, gpa, rip or qualification"},
    {'f', "format", "FORMAT", "table (default), json or csv"},
    {'n', "rows", "N", "at most N rows; in statistics the others add up in one more"},
    {OPTION_FROM, "from", "POSITION", "begin at this exit number, count:N or guest time (1.25s)"},
    {OPTION_TO, "to", "POSITION", "end with this one"},
    {OPTION_CPU, "cpu", "N", "only this vCPU"},
    {OPTION_INTERVAL, "interval", "TIME", "of freq, in guest time (1ms)"},
    {OPTION_INTERVALS, "intervals", "N", "of freq and activity: at most N, as long as that takes"},
    {OPTION_SHARD, "shard", "I/N", "only part I (from 1) of N about equal parts"},
    {OPTION_SYMBOLS, "symbols", NULL,
     "name the guest kernel's functions and instructions, by a replay if they are not known"},
    {'p', "partial", "FILE", "write a partial result for `hindvisor merge` instead"},
    {0},
};

static const struct cli_command command = {
    .name = "analyze",
    .synopsis = "VIEW [TRACE] [--show WHAT] [--by KEY] [--format table|json|csv] [--from P] "
                "[--to P]",
    .summary =
        "Statistics of a trace, from the trace alone; what the guest's scheduler did, from a "
        "replay\n"
        "the first time. TRACE is a path or a name; without it,\n"
        "the newest trace. Times are in ticks of the host's TSC, or in guest ns where they say "
        "so.\n"
        "Exit status: 0 fine, 1 part of the trace could not be read, 2 trouble.",
    .options = options,
    .examples = "  hindvisor analyze exits\n"
                "  hindvisor analyze exits --by port --format csv vmlinuz-6.1-3\n"
                "  hindvisor analyze exits --by rip --rows 20 --from 1.25s --to 1.5s\n"
                "  hindvisor analyze scheduler --rows 10\n"
                "  hindvisor analyze scheduler --show timehist --from 1.2s --to 1.3s\n"
                "  hindvisor analyze exits --format json ./trace | jq '.exits[0]'",
};

struct ask {
    struct pass pass;
    const char *show, *by, *partial;
    int format;
    bool symbols;
};

/* --- options ----------------------------------------------------------------------------- */

static int bad(const char *what)
{
    return cli_misuse(&command, "%s '%s'", what, optarg);
}

static bool parse_shard(const char *text, struct pass *pass)
{
    char first[24];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : sizeof(first);
    if (length >= sizeof(first))
        return false;
    memcpy(first, text, length);
    first[length] = 0;
    return cli_parse_u64(first, &pass->shard) && cli_parse_u64(slash + 1, &pass->shards) &&
           pass->shard >= 1 && pass->shard <= pass->shards && pass->shards <= UINT32_MAX;
}

static int parse_cpu(void)
{
    u64 cpu;
    if (!cli_parse_u64(optarg, &cpu))
        return bad("not a vCPU:");
    return cpu ? cli_misuse(&command, "the trace has one vCPU, number 0, not '%s'", optarg) : 0;
}

static int parse_option(struct ask *ask, int code)
{
    switch (code) {
    case 's':
        ask->show = optarg;
        return 0;
    case 'b':
        ask->by = optarg;
        return 0;
    case 'f':
        ask->format = cli_parse_choice(optarg, format_names);
        return ask->format < 0 ? bad("unknown format") : 0;
    case 'n':
        return cli_parse_u64(optarg, &ask->pass.query.rows) ? 0 : bad("not a number of rows:");
    case 'p':
        ask->partial = optarg;
        return 0;
    case OPTION_SYMBOLS:
        ask->symbols = true;
        return 0;
    case OPTION_CPU:
        return parse_cpu();
    case OPTION_INTERVAL:
        return cli_parse_time(optarg, &ask->pass.query.interval) && ask->pass.query.interval
                   ? 0
                   : bad("not a length of time:");
    case OPTION_INTERVALS:
        return cli_parse_u64(optarg, &ask->pass.query.intervals) &&
                       intervals_are_possible(ask->pass.query.intervals)
                   ? 0
                   : bad("not a number of intervals (2 to 4096):");
    case OPTION_SHARD:
        return parse_shard(optarg, &ask->pass) ? 0 : bad("not a shard (such as 2/8):");
    default:
        return position_parse(optarg, code == OPTION_FROM ? &ask->pass.from : &ask->pass.to)
                   ? 0
                   : bad("not an exit number, count:N or guest time (1.25s):");
    }
}

static int find_view(struct ask *ask, const char *name)
{
    const struct view *any = view_find(name, NULL), *view = view_find(name, ask->show);
    if (!any)
        return cli_misuse(&command, "there is no view '%s'", name);
    if (!view)
        return cli_misuse(&command, "the view %s has no '%s'", name, ask->show);
    if (ask->partial && !view->save)
        return cli_misuse(&command,
                          "%s %s has no partial result; print its shards one after the other", name,
                          view->show);
    int by = !ask->by ? 0 : view->keys ? cli_parse_choice(ask->by, view->keys) : -1;
    if (by < 0)
        return cli_misuse(&command, "%s %s cannot go by '%s'", name, view->show, ask->by);
    ask->pass.view = view;
    ask->pass.query.by = (u32)by;
    return 0;
}

/* --- running ----------------------------------------------------------------------------- */

/* A view that prints as it goes. */
static struct failure stream(struct ask *ask, const char *path, struct result *result)
{
    struct output *out = output_new(stdout, (enum output_format)ask->format);
    if (!out)
        return fail(NO_SPACE, "no memory for the output");
    struct failure failure = pass_run(&ask->pass, path, out, result);
    if (!failure.code)
        pass_tell(&ask->pass, result, out);
    struct failure end = output_end(out);
    return failure.code ? failure : end;
}

/* A kernel that is not known leaves nothing to say of its scheduler, but its instructions. */
static struct failure check_kernel(const struct ask *ask, const struct facts *facts)
{
    if (ask->pass.view->events)
        return facts_kernel(facts);
    if (ask->symbols && *facts->no_kernel)
        fprintf(stderr, "hindvisor analyze: no names of functions: %s\n", facts->no_kernel);
    return NO_FAILURE;
}

/* What the view needs of the guest's kernel. Symbols are told if they are at hand; a trace that
 * is damaged cannot be replayed, but may have records to look at. */
static struct failure learn(struct ask *ask, const char *path, struct facts *facts)
{
    struct query *query = &ask->pass.query;
    bool needed = ask->pass.view->events || ask->symbols;
    struct trace *trace;
    struct failure failure = trace_open(path, &trace);
    if (failure.code)
        return needed ? failure : NO_FAILURE;
    if (needed)
        failure = facts_find(trace, facts);
    else
        facts_cached_words(trace, facts);
    trace_close(trace);
    if (!failure.code)
        failure = check_kernel(ask, facts);
    query->scheduler = &facts->log;
    query->symbols = facts->symbols.count || facts->instructions.count ? &facts->symbolizer : NULL;
    if (*facts->log.lacks && ask->pass.view->events)
        fprintf(stderr, "hindvisor analyze: these events lack %s\n", facts->log.lacks);
    return failure;
}

static struct failure look(struct ask *ask, const char *path, struct result *result)
{
    if (ask->pass.view->head)
        return stream(ask, path, result);
    ATTEMPT(pass_run(&ask->pass, path, NULL, result));
    return ask->partial ? partial_write(ask->partial, &ask->pass, result)
                        : print_result(&ask->pass, result, ask->format);
}

static struct failure run(struct ask *ask, const char *argument, struct result *result)
{
    char path[CLI_PATH];
    struct facts facts = {0};
    ATTEMPT(cli_resolve_trace(argument, path));
    struct failure failure = learn(ask, path, &facts);
    if (!failure.code)
        failure = look(ask, path, result);
    facts_free(&facts);
    return failure;
}

static int analyze(struct ask *ask, const char *argument)
{
    static struct result result;
    struct failure failure = run(ask, argument, &result);
    if (result.state)
        ask->pass.view->end(result.state);
    if (failure.code)
        return cli_fail(&command, &failure);
    /* What other shards have is not missing. */
    return result.damaged || ask->pass.shards == 1 ? print_missing(&command, &result) : CLI_SAME;
}

static int print_views(void)
{
    printf("\nViews:\n");
    for (size_t i = 0; views[i]; i++)
        printf("  %-10s %-9s %s\n", views[i]->name, views[i]->show, views[i]->summary);
    return CLI_SAME;
}

int cmd_analyze(int argc, char **argv)
{
    struct ask ask = {.pass = {.shard = 1, .shards = 1, .query.rows = NEVER}};
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (parse_option(&ask, code))
            return CLI_TROUBLE;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? print_views() : CLI_TROUBLE;
    if (optind == argc)
        return cli_misuse(&command, "name a view, such as exits");
    if (find_view(&ask, argv[optind]))
        return CLI_TROUBLE;
    if (argc - optind > 2)
        return cli_misuse(&command, "name one trace, not %d", argc - optind - 1);
    return analyze(&ask, optind + 1 < argc ? argv[optind + 1] : NULL);
}
