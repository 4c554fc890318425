/*
 * `hindvisor bench exits`: runs a guest of ours that takes each kind of VM exit
 * thousands of times and times each from inside, and shows that beside what the
 * records of the same run say from outside.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "analysis/bench/exit_bench.h"
#include "analysis/commands/commands.h"
#include "analysis/commands/print.h"
#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/session.h"

enum { OPTION_PROCESSOR = 256, OPTION_SAMPLES };
enum { GUEST_MEMORY = 16 << 20 };

static const struct cli_option options[] = {
    {OPTION_PROCESSOR, "processor", "NAME",
     "what runs the guest: software, bochs or kvm (software)"},
    {'f', "format", "FORMAT", "table (default), json or csv"},
    {OPTION_SAMPLES, "samples", "FILE",
     "also write every sample: a CSV of exit, inside ns, outside ns"},
    {0},
};

static const struct cli_command command = {
    .name = "bench",
    .synopsis = "exits [--processor NAME] [--format table|json|csv] [--samples FILE]",
    .summary =
        "Measures how long each kind of VM exit takes. A guest takes each of them 2000 times and "
        "times\n"
        "each from inside, by its time stamp counter (RDTSCP, itself an exit: the row `nothing' "
        "is what\n"
        "that alone takes). From outside, the same rounds by the host's time stamps: from exit to "
        "entry.",
    .options = options,
    .examples = "  hindvisor bench exits\n"
                "  hindvisor bench exits --format json | jq '.exits[] | {exit, inside_p50}'\n"
                "  hindvisor bench exits --samples samples.csv",
};

struct benching {
    const char *processor, *samples;
    int format;
    struct exit_bench bench;
    u64 tsc_hz;
};

/* --- options ---------------------------------------------------------------------------- */

static int take_option(struct benching *b, int code)
{
    switch (code) {
    case OPTION_SAMPLES:
        b->samples = optarg;
        return CLI_END;
    case OPTION_PROCESSOR:
        b->processor = optarg;
        return CLI_END;
    default:
        b->format = cli_parse_choice(optarg, format_names);
        return b->format < 0 ? cli_misuse(&command, "unknown format '%s'", optarg) : CLI_END;
    }
}

static int parse(int argc, char **argv, struct benching *b)
{
    int code, result = CLI_END;
    while (result == CLI_END && (code = cli_next(&command, argc, argv)) != CLI_END) {
        if (code == CLI_HELP || code == CLI_BAD)
            return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
        result = take_option(b, code);
    }
    if (result != CLI_END)
        return result;
    if (argc - optind != 1 || strcmp(argv[optind], "exits") != 0)
        return cli_misuse(&command, "what to measure is missing; there is: exits");
    const struct carrier *carrier = carrier_find(b->processor);
    if (!carrier || carrier->by_hand)
        return cli_misuse(&command, "--processor %s: must be `software`, `bochs` or `kvm`",
                          b->processor);
    return CLI_END;
}

/* --- the run ------------------------------------------------------------------------------ */

static struct failure take_chunk(void *context, const void *records, u32 length)
{
    exit_bench_take(&((struct benching *)context)->bench, records, length);
    return NO_FAILURE;
}

static struct failure measure(struct benching *b)
{
    const struct carrier *carrier = carrier_find(b->processor);
    struct carrier_outcome outcome;
    struct manifest manifest = {
        .cpu_model = CPU_MODEL_VERSION,
        .clock = CLOCK_HOST,
        .kernel_format = "elf",
        .count_kind = "ticks",
        .memory_size = GUEST_MEMORY,
        .timeout_ns = NEVER,
        .epoch = (u64)time(NULL),
        .tsc_hz = carrier_tsc_hz(carrier),
        .command_line = "all",
    };
    char guest[CARRIER_PATH];
    ATTEMPT(find_image("exits.elf", guest));
    struct carrier_job job = {
        .processor = b->processor,
        .mission = session_mission(&manifest, MODE_RECORD),
        .kernel = guest,
        .wall_timeout = NEVER,
        .quiet = true,
        .sink = {b, take_chunk},
    };
    ATTEMPT(session_run(&job, &outcome));
    if (outcome.report.end_reason == END_STOPPED)
        return fail(BAD_INPUT, "it was ended before it was through");
    if (!exit_bench_is_whole(&b->bench))
        return fail(INTERNAL, "the guest did not take each kind of exit");
    b->tsc_hz = manifest.tsc_hz ? manifest.tsc_hz : outcome.report.tsc_khz * 1000ull;
    return NO_FAILURE;
}

static void to_ns(struct benching *b)
{
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++)
        for (u32 i = 0; i < KIND_ROUNDS; i++) {
            u64 *ticks = &b->bench.kinds[kind].outside[i];
            *ticks = (u64)((u128)*ticks * NANOSECONDS / b->tsc_hz);
        }
}

/* In the order in which they were taken: before anything is sorted. */
static struct failure write_samples(const struct benching *b)
{
    FILE *out = b->samples ? fopen(b->samples, "we") : NULL;
    if (!b->samples)
        return NO_FAILURE;
    if (!out)
        return fail_errno("cannot write %s", b->samples);
    fputs("exit,inside_ns,outside_ns\n", out);
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++)
        for (u32 i = 0; i < KIND_ROUNDS; i++)
            fprintf(out, "%s,%lu,%lu\n", exit_kind_names[kind], b->bench.kinds[kind].inside[i],
                    b->bench.kinds[kind].outside[i]);
    bool bad = ferror(out);
    return fclose(out) || bad ? fail_errno("cannot write %s", b->samples) : NO_FAILURE;
}

/* --- the table ------------------------------------------------------------------------------ */

static const struct {
    u32 parts, whole;
} quantiles[] = {{0, 1}, {1, 2}, {9, 10}, {99, 100}, {999, 1000}, {1, 1}};

static const struct column columns[] = {
    {"exit", NULL, CELL_TEXT},
    {"what", "Exit", CELL_TEXT},
    {"samples", "Samples", CELL_COUNT},
    {"exits", "Exits", CELL_COUNT}, /* in all rounds */
    {"inside_min", "inside: min", CELL_COUNT},
    {"inside_p50", "p50", CELL_COUNT},
    {"inside_p90", "p90", CELL_COUNT},
    {"inside_p99", "p99", CELL_COUNT},
    {"inside_p999", "p99.9", CELL_COUNT},
    {"inside_max", "max", CELL_COUNT},
    {"outside_min", "outside: min", CELL_COUNT},
    {"outside_p50", "p50", CELL_COUNT},
    {"outside_p90", "p90", CELL_COUNT},
    {"outside_p99", "p99", CELL_COUNT},
    {"outside_p999", "p99.9", CELL_COUNT},
    {"outside_max", "max", CELL_COUNT},
};

static void tell_quantiles(struct output *out, u64 *samples, u32 count)
{
    for (u32 i = 0; i < ARRAY_SIZE(quantiles); i++)
        output_number(out,
                      exit_bench_quantile(samples, count, quantiles[i].parts, quantiles[i].whole));
}

static struct failure tell(struct benching *b)
{
    struct output *out = output_new(stdout, (enum output_format)b->format);
    if (!out)
        return fail(NO_SPACE, "no memory for the table");
    output_fact(out, "processor", b->processor);
    output_fact(out, "unit", "ns");
    output_fact_number(out, "tsc_hz", b->tsc_hz);
    output_table(out, "exits", columns, ARRAY_SIZE(columns), 0);
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++) {
        struct exit_samples *s = &b->bench.kinds[kind];
        output_text(out, exit_kind_names[kind]);
        output_text(out, exit_kind_titles[kind]);
        output_number(out, s->count);
        output_number(out, s->exits);
        tell_quantiles(out, s->inside, s->count);
        tell_quantiles(out, s->outside, s->count);
    }
    return output_end(out);
}

int cmd_bench(int argc, char **argv)
{
    static struct benching b; /* large */
    b = (struct benching){.processor = session_processor()};
    int result = parse(argc, argv, &b);
    if (result != CLI_END)
        return result;
    struct failure failure = measure(&b);
    if (!failure.code) {
        to_ns(&b);
        failure = write_samples(&b);
    }
    if (!failure.code)
        failure = tell(&b);
    return failure.code ? cli_fail(&command, &failure) : CLI_SAME;
}
