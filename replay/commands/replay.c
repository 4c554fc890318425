/*
 * `hindvisor replay`: checks a trace byte by byte, runs the guest again (on the software
 * processor, or under the image in its replaying mode with the trace's records on its
 * disk), and says whether the run was the same. The trace is only read.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/by_hand.h"
#include "replay/commands/commands.h"
#include "replay/commands/lttng.h"
#include "replay/commands/session.h"
#include "replay/commands/trace_log.h"
#include "vmx/carriers/report.h"

#define REPLAY_DISK (128ull << 20) /* the image writes one report there */

enum {
    OPTION_QUIET = 'q',
    OPTION_OUTPUT = 'o',
    OPTION_PROCESSOR = 256,
    OPTION_WALL_TIMEOUT,
    OPTION_LTTNG,
    OPTION_TO,
    OPTION_VERDICT
};

static const struct cli_option options[] = {
    {OPTION_PROCESSOR, "processor", "NAME",
     "what runs the guest: software: the software processor, in this process;\n"
     "or the hypervisor image on VT-x: bochs; kvm with nested VT-x; image: makes\n"
     "an ISO and a disk for a machine that you boot yourself (software)"},
    {OPTION_TO, "to", "EXIT", "end at this exit, before it is handled, and show the guest's state"},
    {OPTION_OUTPUT, "output", "DIR", "with --processor image: where ISO and disk go"},
    {OPTION_VERDICT, "verdict", "DISK", "the verdict that such a machine left on this disk"},
    {OPTION_WALL_TIMEOUT, "wall-timeout", "TIME", "end after this much of your time"},
    {OPTION_LTTNG, "lttng", NULL, "show the records to LTTng-UST, as provider hindvisor"},
    {OPTION_QUIET, "quiet", NULL, "do not show the guest's console"},
    {0},
};

static const struct cli_command command = {
    .name = "replay",
    .synopsis = "[TRACE] [OPTION...]",
    .summary = "Runs a recorded guest again and compares every exit, every value and every state "
               "hash with\n"
               "the trace (the latest one, if none is named). Exit status 0: the same; 1: it "
               "differs, and\n"
               "the first difference is shown; 2: trouble.",
    .options = options,
    .examples = "  hindvisor replay\n  hindvisor replay boot.trace --quiet\n"
                "  hindvisor replay boot.trace --quiet --to 123456\n"
                "  hindvisor replay boot.trace --processor image -o stick\n"
                "  hindvisor replay boot.trace --verdict stick/disk",
};

struct replaying {
    const char *name, *processor;
    const char *output, *finished_disk; /* of machines booted by hand */
    u64 wall_timeout;
    bool quiet, lttng;
    observe_function *observe; /* NULL: nobody watches */
    struct trace *trace;
    char directory[CARRIER_PATH], disk[CARRIER_PATH];
    u64 exits; /* in the trace */
    u64 to;    /* the exit to end at; NEVER: where the trace ends */
    struct carrier_outcome outcome;
};

static bool by_hand(const struct replaying *r)
{
    return carrier_find(r->processor)->by_hand;
}

static int check_together(struct replaying *r, int argc, char **argv)
{
    if (argc - optind > 1)
        return cli_misuse(&command, "one trace at a time");
    if (!carrier_find(r->processor))
        return cli_misuse(&command, "HINDVISOR_PROCESSOR=%s: must be %s", r->processor,
                          carrier_choices());
    if (by_hand(r) && !r->output)
        return cli_misuse(&command, "--processor %s needs --output DIR", r->processor);
    if (r->output && !by_hand(r))
        return cli_misuse(&command, "--output is for --processor image: a replay leaves no files");
    if (r->lttng && !carrier_find(r->processor)->in_process)
        return cli_misuse(&command, "--lttng is for replays in this process: --processor software");
    if (r->to != NEVER && r->finished_disk)
        return cli_misuse(&command, "--verdict is of a replay that is over: --to comes too late");
    if (by_hand(r) && r->finished_disk)
        return cli_misuse(&command, "--verdict reads what a machine left: nothing is run for it");
    r->name = optind < argc ? argv[optind] : NULL;
    return CLI_END;
}

static int parse(int argc, char **argv, struct replaying *r)
{
    int code;
    *r = (struct replaying){.processor = session_processor(), .wall_timeout = NEVER, .to = NEVER};
    while ((code = cli_next(&command, argc, argv)) != CLI_END) {
        if (code == CLI_HELP || code == CLI_BAD)
            return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
        if (code == OPTION_QUIET)
            r->quiet = true;
        else if (code == OPTION_LTTNG)
            r->lttng = true;
        else if (code == OPTION_OUTPUT)
            r->output = optarg;
        else if (code == OPTION_VERDICT)
            r->finished_disk = optarg;
        else if (code == OPTION_PROCESSOR && !carrier_find(r->processor = optarg))
            return cli_misuse(&command, "--processor %s: must be %s", optarg, carrier_choices());
        else if (code == OPTION_TO && !cli_parse_u64(optarg, &r->to))
            return cli_misuse(&command, "--to %s: must be the number of an exit", optarg);
        else if (code == OPTION_WALL_TIMEOUT && !cli_parse_time(optarg, &r->wall_timeout))
            return cli_misuse(&command, "--wall-timeout %s: must be a time: 10s, 500ms, 2m",
                              optarg);
    }
    return check_together(r, argc, argv);
}

/* --- before the run -------------------------------------------------------------- */

static struct failure check_trace(struct replaying *r)
{
    char path[CLI_PATH];
    ATTEMPT(cli_resolve_trace(r->name, path));
    ATTEMPT(trace_open(path, &r->trace));
    const struct manifest *manifest = trace_manifest(r->trace);
    if (manifest->cpu_model != CPU_MODEL_VERSION)
        return fail(UNSUPPORTED, "%s was recorded with CPU model %u, this version has only %d",
                    path, manifest->cpu_model, CPU_MODEL_VERSION);
    ATTEMPT(trace_verify(r->trace));
    r->exits = trace_exits(r->trace);
    if (!trace_block_count(r->trace, STREAM_INPUT))
        return fail(BAD_INPUT, "%s holds no whole block: there is nothing to replay", path);
    if (r->to != NEVER && r->to >= r->exits)
        return fail(BAD_INPUT, "--to %lu: %s has exits 0 to %lu", r->to, path, r->exits - 1);
    if (manifest->finished != TRACE_FINISHED && r->to == NEVER)
        fprintf(stderr, "hindvisor replay: the recording was cut; it is replayed up to exit %lu\n",
                r->exits);
    return NO_FAILURE;
}

static struct failure fill_disk(void *context, int descriptor, u64 *input_sectors,
                                u64 *exit_sectors)
{
    struct replaying *r = context;
    ATTEMPT(trace_export_raw(r->trace, STREAM_INPUT, descriptor, input_sectors));
    return trace_export_raw(r->trace, STREAM_OBSERVATION, descriptor, exit_sectors);
}

/* The trace's log on a disk of that name. */
static struct failure make_disk(struct replaying *r, const char *directory, const char *name)
{
    if (!session_join(r->disk, directory, name))
        return fail(BAD_INPUT, "the path %.300s is too long", directory);
    return disk_create(r->disk, REPLAY_DISK, fill_disk, r);
}

static struct failure prepare_files(struct replaying *r, struct carrier_job *job)
{
    ATTEMPT(make_disk(r, r->output, "disk"));
    ATTEMPT(carrier_place(job));
    return iso_make(job, r->output);
}

static struct failure prepare(struct replaying *r, struct carrier_job *job)
{
    char then[2 * CARRIER_PATH + 64];
    ATTEMPT(by_hand_directory(r->output));
    struct failure failure = prepare_files(r, job);
    if (failure.code) {
        session_remove(r->output);
        return failure;
    }
    snprintf(then, sizeof(then),
             "the verdict is on its screen; in full: hindvisor replay %s --verdict %s",
             trace_path(r->trace), r->disk);
    by_hand_explain(job, r->output, then);
    return NO_FAILURE;
}

static struct failure run_in_process(struct replaying *r, struct carrier_job *job)
{
    struct trace_log *log;
    ATTEMPT(trace_log_open(r->trace, r->observe, &log, &job->source));
    struct failure failure = carrier_run(job, &r->outcome);
    trace_log_close(log);
    return failure;
}

static struct failure run_image(struct replaying *r, struct carrier_job *job)
{
    ATTEMPT(session_directory(r->directory));
    if (by_hand(r))
        return prepare(r, job);
    ATTEMPT(make_disk(r, r->directory, "trace.disk"));
    ATTEMPT(carrier_place(job));
    return carrier_run(job, &r->outcome);
}

static struct failure run(struct replaying *r)
{
    const struct carrier *carrier = carrier_find(r->processor);
    struct carrier_job job = {
        .processor = r->processor,
        .mission = session_mission(trace_manifest(r->trace), MODE_REPLAY),
        .kernel = trace_image_path(r->trace, MODULE_KERNEL),
        .initrd = trace_image_path(r->trace, MODULE_INITRD),
        .disk = r->disk,
        .directory = r->directory,
        .wall_timeout = r->wall_timeout,
        .total_exits = r->exits,
        .quiet = r->quiet,
    };
    job.mission.tsc_hz = carrier_tsc_hz(carrier);
    if (r->to != NEVER)
        job.mission.replay_exits = job.total_exits = r->to + 1;
    ATTEMPT(carrier_check(carrier));
    if (r->lttng)
        ATTEMPT(lttng_load(&r->observe));
    return carrier->in_process ? run_in_process(r, &job) : run_image(r, &job);
}

/* What a machine booted by hand has left; the disk must hold this very trace's log. */
static struct failure read_verdict(struct replaying *r)
{
    ATTEMPT(session_directory(r->directory));
    ATTEMPT(make_disk(r, r->directory, "trace.disk"));
    ATTEMPT(disk_read_report(r->finished_disk, r->disk, &r->outcome.report));
    r->outcome.have_report = true;
    return NO_FAILURE;
}

/* --- after the run ------------------------------------------------------------------ */

static void tell_place(const struct replaying *r)
{
    const struct report *report = &r->outcome.report;
    char time[32];
    session_time(report->now, time);
    fprintf(stderr, "stopped at exit %lu, before it is handled, at guest time %s\n", r->to, time);
    report_state(stderr, report, cli_color(STDERR_FILENO));
}

static int same(const struct replaying *r)
{
    const struct report *report = &r->outcome.report;
    char wall[32];
    fprintf(stderr, "replay: same: %lu exits, %lu state hashes, 0 divergences%s", report->exits,
            report->states,
            report->end_reason == END_LOG_ENDED ? ", up to where the recording was cut" : "");
    session_time(r->outcome.wall, wall);
    if (!r->finished_disk) /* it does not say how long it took */
        fprintf(stderr, " (%s)", wall);
    fputc('\n', stderr);
    if (report->end_reason == END_REACHED)
        tell_place(r);
    return CLI_SAME;
}

static int differs(const struct replaying *r)
{
    const struct report *report = &r->outcome.report;
    fprintf(stderr, "replay: different: 1 divergence, at exit %lu of %lu\n\n", report_place(report),
            r->exits);
    report_divergence(stderr, report, cli_color(STDERR_FILENO));
    return CLI_DIFFERENT;
}

static int no_verdict(const struct replaying *r)
{
    const struct report *report = &r->outcome.report;
    if (!r->outcome.have_report) {
        fputs("hindvisor replay: the image ended without a report\n", stderr);
        return CLI_TROUBLE;
    }
    fputs("replay: no verdict: ", stderr);
    report_end(stderr, report);
    fprintf(stderr, " at exit %lu of %lu; no difference up to there\n", report->exits, r->exits);
    if (report_is_trouble(report))
        report_state(stderr, report, cli_color(STDERR_FILENO));
    return CLI_TROUBLE;
}

static int verdict(const struct replaying *r)
{
    const struct report *report = &r->outcome.report;
    if (r->outcome.have_report && *report->message)
        fprintf(stderr, "hindvisor replay: %.*s\n", (int)sizeof(report->message), report->message);
    if (r->outcome.have_report && report->verdict == VERDICT_SAME)
        return same(r);
    if (r->outcome.have_report && report->verdict == VERDICT_DIVERGED)
        return differs(r);
    return no_verdict(r);
}

int cmd_replay(int argc, char **argv)
{
    static struct replaying r; /* large */
    int result = parse(argc, argv, &r);
    if (result != CLI_END)
        return result;
    struct failure failure = check_trace(&r);
    if (!failure.code)
        failure = r.finished_disk ? read_verdict(&r) : run(&r);
    session_remove(r.directory);
    if (failure.code)
        result = cli_fail(&command, &failure);
    else
        result = by_hand(&r) ? CLI_SAME : verdict(&r);
    trace_close(r.trace);
    return result;
}
