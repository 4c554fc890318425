/* `hindvisor info`: what a trace is, how it ended, what is in it. */
#include "core/machine.h"
#include "trace/commands/cli.h"
#include "trace/commands/commands.h"
#include "trace/names.h"
#include "trace/render.h"
#include "trace/stream.h"
#include "trace/trace.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const formats[] = {"table", "json", NULL};

static const struct cli_option options[] = {
    {'f', "format", "FORMAT", "table (default) or json"},
    {0},
};

static const struct cli_command command = {
    .name = "info",
    .synopsis = "[TRACE] [--format table|json]",
    .summary = "Shows what a trace is: the machine, the guest's images, how the run ended, its\n"
               "exits by reason and its size. Reads and checks every byte of it.\n"
               "TRACE is a path or a name; without it, the newest trace.\n"
               "Exit status: 0 whole, 1 it ends early (its recording was cut), 2 damaged.",
    .options = options,
    .examples = "  hindvisor info\n"
                "  hindvisor info --format json vmlinuz-6.1-3 | jq .exits_by_reason",
};

enum { REASONS = 128 };

/* Everything that is shown. */
struct facts {
    const char *path;
    struct manifest manifest;
    struct trace_totals totals[STREAM_COUNT];
    u64 exits, injections, count;
    u64 by_kind[REC_KIND_LIMIT];
    u64 by_reason[REASONS];
};

/* --- gathering -------------------------------------------------------------------------- */

static void count_record(struct facts *facts, const union record *record)
{
    facts->by_kind[record->kind]++;
    if (record->kind == REC_EXIT) {
        facts->exits++;
        facts->count = record->exit.count;
        facts->by_reason[min_u64(record->exit.reason, REASONS - 1)]++;
    }
    facts->injections += record->kind == REC_INJECTION;
}

static struct failure count_stream(struct facts *facts, struct trace *trace, enum stream stream)
{
    union record record;
    enum trace_step step;
    struct trace_cursor *cursor = trace_cursor(trace, stream);
    if (!cursor)
        return fail(NO_SPACE, "%.300s: no memory to read the trace", facts->path);
    while ((step = trace_next(cursor, &record)) == TRACE_RECORD)
        count_record(facts, &record);
    struct failure failure = step == TRACE_ERROR ? trace_cursor_failure(cursor) : NO_FAILURE;
    trace_cursor_free(cursor);
    return failure;
}

static struct failure gather(struct facts *facts, const char *path)
{
    struct trace *trace;
    ATTEMPT(trace_open(path, &trace));
    facts->path = path;
    facts->manifest = *trace_manifest(trace);
    struct failure failure = trace_check_images(trace);
    for (u32 s = 0; s < STREAM_COUNT && !failure.code; s++) {
        facts->totals[s] = trace_totals(trace, s);
        failure = count_stream(facts, trace, s);
    }
    if (manifest_has_dropped(&facts->manifest)) {
        facts->exits = facts->manifest.exits;
        facts->injections = facts->manifest.injections;
        facts->count = facts->manifest.count;
    }
    trace_close(trace);
    return failure;
}

static bool is_complete(const struct facts *facts)
{
    return facts->manifest.finished == TRACE_FINISHED;
}

static const char *verdict(const struct facts *facts)
{
    switch (facts->manifest.finished) {
    case TRACE_FINISHED:
        return "whole";
    case TRACE_CUT:
        return "cut: it ends early, and replays up to there";
    default:
        return "unfinished: being recorded, or killed; `hindvisor repair` closes it";
    }
}

static u64 all_bytes(const struct facts *facts)
{
    return facts->totals[STREAM_INPUT].bytes + facts->totals[STREAM_OBSERVATION].bytes;
}

static double per_exit(const struct facts *facts, u64 bytes)
{
    return facts->exits ? (double)bytes / (double)facts->exits : 0;
}

/* Reasons by descending count. */
static u32 sort_reasons(const struct facts *facts, u32 sorted[REASONS])
{
    u32 count = 0;
    for (u32 reason = 0; reason < REASONS; reason++) {
        if (!facts->by_reason[reason])
            continue;
        u32 at = count++;
        for (; at && facts->by_reason[sorted[at - 1]] < facts->by_reason[reason]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = reason;
    }
    return count;
}

/* --- as a table --------------------------------------------------------------------------- */

static void print_image(const char *label, const struct manifest_image *image)
{
    if (image->name[0])
        printf("%-15s %s, %" PRIu64 " bytes, SHA-256 %.16s...\n", label, image->name, image->size,
               image->sha256);
}

/* What a newer recorder would have kept. */
static const char *lacking(const struct manifest *m)
{
    if (!manifest_tells(m, REC_IDLE))
        return ", without idle times and requests of interrupts";
    return manifest_tells(m, REC_RAISE) ? "" : ", without requests of interrupts";
}

static void print_run(const struct facts *facts)
{
    const struct manifest *m = &facts->manifest;
    time_t created = (time_t)m->created;
    char when[40] = "", buffer[NAME_MAX_LENGTH];
    struct tm utc;
    if (gmtime_r(&created, &utc))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &utc);
    printf("%-15s %s\n", "trace", facts->path);
    printf("%-15s %s\n", "recorded", when);
    printf("%-15s version %u%s\n", "format", m->version, lacking(m));
    printf("%-15s %s on %s\n", "processor", m->processor, m->host_cpu);
    printf("%-15s CPU model %u, %" PRIu64 " MiB, clock %s, count in %s\n", "guest machine",
           m->cpu_model, m->memory_size >> 20, m->clock == CLOCK_HOST ? "host" : "count",
           m->count_kind);
    if (m->noise)
        printf("%-15s seed %" PRIu64 "\n", "noise", m->noise_seed);
    print_image("kernel", &m->kernel);
    print_image("initrd", &m->initrd);
    printf("%-15s %s\n", "command line", m->command_line);
    printf("%-15s %s (%s)", "end", text_end(m->end_reason), name_end(m->end_reason, buffer));
    if (m->end_detail)
        printf(", detail %" PRIu64, m->end_detail);
    printf("\n%-15s %s\n", "state", verdict(facts));
}

static void print_sizes(const struct facts *facts)
{
    printf("%-15s %" PRIu64 " exits, %" PRIu64 " injections, guest count %" PRIu64, "length",
           facts->exits, facts->injections, facts->count);
    if (facts->manifest.guest_ns)
        printf(", %.3f s of guest time", (double)facts->manifest.guest_ns / 1e9);
    printf("\n\n%-15s %10s %10s %12s %12s\n", "stream", "records", "blocks", "bytes", "bytes/exit");
    for (u32 s = 0; s < STREAM_COUNT; s++)
        printf("%-15s %10" PRIu64 " %10" PRIu64 " %12" PRIu64 " %12.2f\n", stream_names[s],
               facts->totals[s].records, facts->totals[s].blocks, facts->totals[s].bytes,
               per_exit(facts, facts->totals[s].bytes));
    printf("%-15s %10s %10s %12" PRIu64 " %12.2f\n", "both", "", "", all_bytes(facts),
           per_exit(facts, all_bytes(facts)));
    if (manifest_has_dropped(&facts->manifest))
        printf("the observations were dropped: it replays, but tells nothing of single exits\n");
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        if (facts->totals[s].torn)
            printf("%s: %" PRIu64 " bytes after the last whole block are not read\n",
                   stream_names[s], facts->totals[s].torn);
    }
}

static void print_reasons(const struct facts *facts)
{
    u32 sorted[REASONS], count = sort_reasons(facts, sorted);
    char buffer[NAME_MAX_LENGTH];
    printf("\n%-22s %10s %8s\n", "exit reason", "exits", "share");
    for (u32 i = 0; i < count; i++)
        printf("%-22s %10" PRIu64 " %7.2f%%\n", name_reason(sorted[i], buffer),
               facts->by_reason[sorted[i]],
               100.0 * (double)facts->by_reason[sorted[i]] / (double)facts->exits);
    printf("\n%-22s %10s\n", "record kind", "records");
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        if (facts->by_kind[kind])
            printf("%-22s %10" PRIu64 "\n", kind_layout(kind)->name, facts->by_kind[kind]);
    }
}

/* --- as JSON ------------------------------------------------------------------------------- */

static void json_text(const char *name, const char *value)
{
    printf(",\"%s\":", name);
    json_string(stdout, value);
}

static void json_number(const char *name, u64 value)
{
    printf(",\"%s\":%" PRIu64, name, value);
}

static void json_image(const char *name, const struct manifest_image *image)
{
    if (!image->name[0])
        return;
    printf(",\"%s\":{\"name\":", name);
    json_string(stdout, image->name);
    json_number("size", image->size);
    json_text("sha256", image->sha256);
    printf("}");
}

static void json_run(const struct facts *facts)
{
    const struct manifest *m = &facts->manifest;
    char buffer[NAME_MAX_LENGTH];
    printf("{\"trace\":");
    json_string(stdout, facts->path);
    json_number("format_version", m->version);
    json_number("created", m->created);
    json_text("processor", m->processor);
    json_text("host_cpu", m->host_cpu);
    json_number("host_tsc_hz", m->tsc_hz);
    json_number("cpu_model", m->cpu_model);
    json_number("memory", m->memory_size);
    json_text("clock", m->clock == CLOCK_HOST ? "host" : "count");
    json_text("count_kind", m->count_kind);
    printf(",\"noise\":%s", m->noise ? "true" : "false");
    json_number("noise_seed", m->noise_seed);
    json_image("kernel", &m->kernel);
    json_image("initrd", &m->initrd);
    json_text("command_line", m->command_line);
    json_text("end_reason", name_end(m->end_reason, buffer));
    json_number("end_detail", m->end_detail);
    printf(",\"complete\":%s", is_complete(facts) ? "true" : "false");
    json_text("state", verdict(facts));
}

static void json_contents(const struct facts *facts)
{
    u32 sorted[REASONS], count = sort_reasons(facts, sorted);
    char buffer[NAME_MAX_LENGTH];
    json_number("exits", facts->exits);
    json_number("injections", facts->injections);
    json_number("guest_count", facts->count);
    json_number("guest_ns", facts->manifest.guest_ns);
    printf(",\"bytes_per_exit\":%.4f,\"streams\":{", per_exit(facts, all_bytes(facts)));
    for (u32 s = 0; s < STREAM_COUNT; s++)
        printf("%s\"%s\":{\"records\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"torn\":%" PRIu64 "}",
               s ? "," : "", stream_names[s], facts->totals[s].records, facts->totals[s].blocks,
               facts->totals[s].bytes, facts->totals[s].torn);
    printf("},\"exits_by_reason\":{");
    for (u32 i = 0; i < count; i++)
        printf("%s\"%s\":%" PRIu64, i ? "," : "", name_reason(sorted[i], buffer),
               facts->by_reason[sorted[i]]);
    printf("}}\n");
}

/* --- the command ---------------------------------------------------------------------------- */

static int show(const char *argument, int format)
{
    static struct facts facts;
    char path[CLI_PATH];
    struct failure failure = cli_resolve_trace(argument, path);
    if (!failure.code)
        failure = gather(&facts, path);
    if (failure.code)
        return cli_fail(&command, &failure);
    if (formats[format][0] == 'j') {
        json_run(&facts);
        json_contents(&facts);
    } else {
        print_run(&facts);
        print_sizes(&facts);
        print_reasons(&facts);
    }
    return is_complete(&facts) ? CLI_SAME : CLI_DIFFERENT;
}

int cmd_info(int argc, char **argv)
{
    int code, format = 0;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        format = cli_parse_choice(optarg, formats);
        if (format < 0)
            return cli_misuse(&command, "unknown format '%s'", optarg);
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (argc - optind > 1)
        return cli_misuse(&command, "name one trace, not %d", argc - optind);
    return show(optind < argc ? argv[optind] : NULL, format);
}
