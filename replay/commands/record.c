/*
 * `hindvisor record`: checks what was given, makes the trace, runs the guest (on the
 * software processor, or under the image in its recording mode), and appends what comes
 * to the trace as it comes. Whatever ends the run, what was recorded by then is kept.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/machine.h"
#include "replay/commands/by_hand.h"
#include "replay/commands/commands.h"
#include "replay/commands/lttng.h"
#include "replay/commands/record_options.h"
#include "replay/commands/session.h"
#include "vmx/carriers/report.h"

/* Sparse: it takes the space of a few chunks (trace/wire.h). Room for over an hour of nothing but
 * exits. */
#define RECORD_DISK (32ull << 30)
/* What somebody may have to copy to a real disk and back. */
#define HAND_DISK (4ull << 30)

struct recording {
    struct record_options options;
    const struct carrier *carrier;
    char directory[CARRIER_PATH]; /* private, "": not made yet */
    char trace[CARRIER_PATH];     /* "": none */
    char disk[CARRIER_PATH];
    struct trace_writer *writer;
    u64 chunks;
    observe_function *observe; /* NULL: nobody watches */
    struct carrier_outcome outcome;
};

static struct failure take_chunk(void *context, const void *payload, u32 length)
{
    struct recording *r = context;
    ATTEMPT(trace_append_chunk(r->writer, payload, length));
    if (r->observe)
        r->observe(payload, length);
    return r->chunks++ ? NO_FAILURE : cli_point_latest(r->trace);
}

/* --- before the run ------------------------------------------------------------ */

static struct failure check_inputs(struct recording *r)
{
    struct record_options *o = &r->options;
    enum kernel_format format;
    u64 size;
    ATTEMPT(check_kernel(o->kernel, &format));
    if (o->initrd)
        ATTEMPT(check_file("initrd", o->initrd, &size));
    snprintf(o->manifest.kernel_format, sizeof(o->manifest.kernel_format), "%s",
             format == KERNEL_ELF ? "elf" : "linux");
    r->carrier = carrier_find(o->manifest.processor);
    if (!r->carrier->in_process) /* which itself says so, as soon and by the same loader */
        ATTEMPT(session_try_loading(&o->manifest, o->kernel, o->initrd));
    if (o->lttng)
        ATTEMPT(lttng_load(&r->observe));
    o->manifest.tsc_hz = carrier_tsc_hz(r->carrier);
    if (r->carrier->by_hand)
        snprintf(o->manifest.host_cpu, sizeof(o->manifest.host_cpu), "a machine booted by hand");
    return carrier_check(r->carrier);
}

static struct failure make_trace(struct recording *r)
{
    struct record_options *o = &r->options;
    char trace[CARRIER_PATH];
    if (o->no_record)
        return NO_FAILURE;
    ATTEMPT(cli_new_trace(o->output, o->kernel, trace));
    ATTEMPT(trace_create(trace, &o->manifest, o->kernel, o->initrd, TRACE_SYNC_FINISH, &r->writer));
    memcpy(r->trace, trace, sizeof(trace));
    return NO_FAILURE;
}

/* What the image needs. */
static struct failure make_places(struct recording *r)
{
    char image[CARRIER_PATH];
    ATTEMPT(find_image("hindvisor.bin", image));
    ATTEMPT(find_image("rom.bin", image));
    ATTEMPT(session_directory(r->directory));
    ATTEMPT(make_trace(r));
    /* In the trace, so that `repair` finds chunks that we did not live to take. */
    if (!session_join(r->disk, *r->trace ? r->trace : r->directory,
                      *r->trace ? "disk" : "trace.disk"))
        return fail(BAD_INPUT, "the trace's path is too long");
    return disk_create(r->disk, r->carrier->by_hand ? HAND_DISK : RECORD_DISK, NULL, NULL);
}

/* The trace stays unfinished until `repair` takes its records from the disk. */
static struct failure prepare(const struct recording *r, const struct carrier_job *job)
{
    char then[CARRIER_PATH + 64];
    ATTEMPT(iso_make(job, r->trace));
    snprintf(then, sizeof(then), "hindvisor repair %s", r->trace);
    by_hand_explain(job, r->trace, then);
    return NO_FAILURE;
}

static struct failure run(struct recording *r)
{
    struct record_options *o = &r->options;
    struct carrier_job job = {
        .processor = o->manifest.processor,
        .mission = session_mission(&o->manifest, o->no_record ? MODE_RUN : MODE_RECORD),
        .kernel = o->kernel,
        .initrd = o->initrd,
        .disk = r->disk,
        .directory = r->directory,
        .wall_timeout = o->wall_timeout,
        .quiet = o->quiet,
        .input = true,
        .sink = {r, r->writer ? take_chunk : NULL},
    };
    ATTEMPT(carrier_place(&job));
    return r->carrier->by_hand ? prepare(r, &job) : carrier_run(&job, &r->outcome);
}

/* --- after the run ---------------------------------------------------------------- */

static bool nothing_recorded(const struct recording *r)
{
    return r->writer && !r->chunks;
}

/* An empty trace is of no use to anybody: it goes away again. */
static struct failure finish_trace(struct recording *r)
{
    struct trace_writer *writer = r->writer;
    if (!writer)
        return NO_FAILURE;
    r->writer = NULL;
    if (!r->chunks) {
        trace_abandon(writer);
        session_remove(r->trace);
        *r->trace = 0;
        return NO_FAILURE;
    }
    if (r->outcome.have_report)
        trace_writer_manifest(writer)->guest_ns = r->outcome.report.now;
    return trace_finish(writer);
}

static void print_size(const struct recording *r)
{
    char all[32], input[32];
    struct trace *trace;
    if (trace_open(r->trace, &trace).code)
        return;
    struct trace_totals in = trace_totals(trace, STREAM_INPUT),
                        out = trace_totals(trace, STREAM_OBSERVATION);
    u64 bytes = in.bytes + out.bytes;
    session_size(bytes, all);
    session_size(in.bytes, input);
    fprintf(stderr, "  trace         %s, of it input %s", all, input);
    if (out.exits)
        fprintf(stderr, "; %.2f bytes an exit", (double)bytes / (double)out.exits);
    if (bytes)
        fprintf(stderr, "; compressed %.0f : 1", (double)r->outcome.bytes / (double)bytes);
    fprintf(stderr, "\n  in            %s\n  replay it     hindvisor replay %s\n", r->trace,
            r->trace);
    trace_close(trace);
}

static void print_summary(const struct recording *r)
{
    enum { ROWS = 8 };
    const struct report *report = &r->outcome.report;
    char guest[32], wall[32];
    session_time(r->outcome.wall, wall);
    if (r->outcome.have_report) {
        session_time(report->now, guest);
        fprintf(stderr, "%s: ", r->options.no_record ? "run" : "recorded");
        report_end(stderr, report);
        fprintf(stderr, "\n  exits         %lu\n  guest time    %s\n  wall-clock    %s\n",
                report->exits, guest, wall);
        report_exits(stderr, report, r->options.manifest.tsc_hz, ROWS);
        if (report_is_trouble(report))
            report_state(stderr, report, cli_color(STDERR_FILENO));
    }
    if (*r->trace)
        print_size(r);
}

/* Fine: the guest came to its end, or the user's limit did. */
static int status_of(const struct recording *r)
{
    const struct report *report = &r->outcome.report;
    if (!r->outcome.have_report)
        return CLI_TROUBLE;
    switch (report->end_reason) {
    case END_POWER_OFF:
    case END_RESET:
    case END_DEBUG_EXIT:
    case END_TRIPLE_FAULT:
    case END_DEAD_HALT:
    case END_STOPPED:
    case END_GUEST_TIMEOUT:
    case END_WALL_TIMEOUT:
        return CLI_SAME;
    default:
        return CLI_TROUBLE;
    }
}

static void print_message(const struct recording *r)
{
    const char *message = r->outcome.report.message;
    if (r->outcome.have_report && *message)
        fprintf(stderr, "hindvisor record: %.*s\n", (int)sizeof(r->outcome.report.message),
                message);
    if (!r->outcome.have_report && r->outcome.finished)
        fputs("hindvisor record: the image ended without running the guest\n", stderr);
}

static int leave_unfinished(struct recording *r, const struct failure *failure)
{
    trace_abandon(r->writer);
    session_remove(r->directory);
    if (!failure->code)
        return CLI_SAME;
    session_remove(r->trace);
    return cli_fail(&record_command, failure);
}

static int record(struct recording *r)
{
    struct failure failure = check_inputs(r);
    bool empty = false;
    if (!failure.code)
        failure = r->carrier->in_process ? make_trace(r) : make_places(r);
    if (!failure.code)
        failure = run(r);
    if (r->carrier && r->carrier->by_hand)
        return leave_unfinished(r, &failure);
    if (r->writer) {
        empty = nothing_recorded(r);
        struct failure last = finish_trace(r);
        failure = failure.code ? failure : last;
    } else if (*r->disk) {
        unlink(r->disk);
    }
    session_remove(r->directory);
    print_message(r);
    print_summary(r);
    if (failure.code)
        cli_fail(&record_command, &failure);
    else if (empty)
        fputs("hindvisor record: nothing was recorded, so no trace was kept\n", stderr);
    return failure.code || empty ? CLI_TROUBLE : status_of(r);
}

int cmd_record(int argc, char **argv)
{
    static struct recording recording; /* large */
    int result = record_parse(argc, argv, &recording.options);
    return result == CLI_END ? record(&recording) : result;
}
