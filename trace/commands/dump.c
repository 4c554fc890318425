/* `hindvisor dump`: the records of a trace, one a line. */
#include "trace/commands/cli.h"
#include "trace/commands/commands.h"
#include "trace/render.h"
#include "trace/trace.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

enum { OPTION_FROM = 256, OPTION_TO };
enum { STREAM_ALL = STREAM_COUNT };

static const char *const formats[] = {"text", "json", "csv", NULL};
static const char *const streams[] = {"inputs", "observations", "all", NULL};

static const struct cli_option options[] = {
    {'f', "format", "FORMAT", "text (default), json (a JSON object a line) or csv"},
    {'s', "stream", "STREAM", "inputs, observations or all (default)"},
    {OPTION_FROM, "from", "EXIT", "begin at this exit number"},
    {OPTION_TO, "to", "EXIT", "stop after this exit number"},
    {'k', "kind", "KIND",
     "only records of this kind: exit, injection, timer, clock,\n"
     "stop, arrival, state or end"},
    {0},
};

static const struct cli_command command = {
    .name = "dump",
    .synopsis = "[TRACE] [--format text|json|csv] [--stream S] [--from N] [--to N] [--kind K]",
    .summary = "Prints the records of a trace, one a line, in the order they arose.\n"
               "TRACE is a path or a name; without it, the newest trace.",
    .options = options,
    .examples = "  hindvisor dump --from 1000 --to 1010\n"
                "  hindvisor dump --kind injection vmlinuz-6.1-3\n"
                "  hindvisor dump --format json --stream inputs | jq .kind | sort | uniq -c",
};

struct dump {
    int format, stream;
    u64 from, to;
    u32 kind; /* 0: all */
};

static int parse_option(struct dump *dump, int code)
{
    switch (code) {
    case 'f':
        dump->format = cli_parse_choice(optarg, formats);
        return dump->format < 0 ? cli_misuse(&command, "unknown format '%s'", optarg) : 0;
    case 's':
        dump->stream = cli_parse_choice(optarg, streams);
        return dump->stream < 0 ? cli_misuse(&command, "unknown stream '%s'", optarg) : 0;
    case 'k':
        dump->kind = kind_by_name(optarg);
        return dump->kind ? 0 : cli_misuse(&command, "unknown kind '%s'", optarg);
    default:
        return cli_parse_u64(optarg, code == OPTION_FROM ? &dump->from : &dump->to)
                   ? 0
                   : cli_misuse(&command, "'%s' is not an exit number", optarg);
    }
}

static void print_record(const struct dump *dump, const struct rendered *item)
{
    static void (*const render[])(FILE *, const struct rendered *) = {render_text, render_json,
                                                                      render_csv};
    if (item->exit >= dump->from && item->exit <= dump->to &&
        (!dump->kind || dump->kind == item->record->kind))
        render[dump->format](stdout, item);
}

/* Records of one exit may lie a few records after the next exit's, never a block after. */
static bool is_past(const struct dump *dump, u64 exit)
{
    enum { MARGIN = 64 };
    return dump->to < NEVER - MARGIN && exit > dump->to + MARGIN;
}

static struct failure print_records(const struct dump *dump, struct trace_cursor *cursor)
{
    union record record;
    enum trace_step step;
    trace_seek_exit(cursor, dump->from);
    while ((step = trace_next(cursor, &record)) == TRACE_RECORD && !ferror(stdout)) {
        struct rendered item = {&record, trace_cursor_exit(cursor), trace_cursor_stream(cursor)};
        if (is_past(dump, item.exit))
            break;
        print_record(dump, &item);
    }
    if (step == TRACE_ERROR)
        return trace_cursor_failure(cursor);
    if (fflush(stdout) != 0 && errno != EPIPE)
        return fail_errno("cannot write the output");
    return NO_FAILURE;
}

static struct failure dump_trace(const struct dump *dump, const char *argument)
{
    char path[CLI_PATH];
    struct trace *trace;
    ATTEMPT(cli_resolve_trace(argument, path));
    ATTEMPT(trace_open(path, &trace));
    struct trace_cursor *cursor =
        dump->stream == STREAM_ALL ? trace_cursor_merged(trace) : trace_cursor(trace, dump->stream);
    if (cursor && formats[dump->format][0] == 'c')
        render_csv_header(stdout);
    struct failure failure = cursor ? print_records(dump, cursor)
                                    : fail(NO_SPACE, "%.300s: no memory to read the trace", path);
    trace_cursor_free(cursor);
    trace_close(trace);
    return failure;
}

int cmd_dump(int argc, char **argv)
{
    struct dump dump = {.stream = STREAM_ALL, .to = NEVER};
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (parse_option(&dump, code))
            return CLI_TROUBLE;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (argc - optind > 1)
        return cli_misuse(&command, "name one trace, not %d", argc - optind);
    struct failure failure = dump_trace(&dump, optind < argc ? argv[optind] : NULL);
    return failure.code ? cli_fail(&command, &failure) : CLI_SAME;
}
