/* The replay's job, and what its report means for an analysis; see rerun.h. */
#include "analysis/guest/rerun.h"

#include <stdlib.h>

#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/session.h"
#include "replay/commands/trace_log.h"

static struct failure check(struct trace *trace)
{
    const struct manifest *manifest = trace_manifest(trace);
    if (manifest->cpu_model != CPU_MODEL_VERSION)
        return fail(UNSUPPORTED, "%s was recorded with CPU model %u, this version has only %d",
                    trace_path(trace), manifest->cpu_model, CPU_MODEL_VERSION);
    if (!trace_block_count(trace, STREAM_INPUT))
        return fail(BAD_INPUT, "%s holds no whole block: there is nothing to replay",
                    trace_path(trace));
    return trace_verify(trace);
}

static struct failure judge(const struct trace *trace, const struct report *report)
{
    const char *path = trace_path(trace);
    if (report->verdict == VERDICT_SAME)
        return NO_FAILURE;
    if (report->verdict == VERDICT_DIVERGED)
        return fail(DIVERGED,
                    "the replay of %s differs from it at exit %lu; `hindvisor replay` "
                    "shows how",
                    path, report->exits);
    if (report->end_reason == END_STOPPED)
        return fail(UNSUPPORTED, "the replay of %s was interrupted at exit %lu", path,
                    report->exits);
    return fail(UNSUPPORTED, "the replay of %s ended early, at exit %lu%s%s", path, report->exits,
                *report->message ? ": " : "", report->message);
}

struct failure rerun(struct trace *trace, const struct observer *observer, enum rerun_show show,
                     struct report *report)
{
    struct carrier_job job = {
        .processor = carrier_software.name,
        .kernel = trace_image_path(trace, MODULE_KERNEL),
        .initrd = trace_image_path(trace, MODULE_INITRD),
        .wall_timeout = NEVER,
        .quiet = true,
        .observer = observer,
    };
    struct trace_log *log;
    ATTEMPT(check(trace));
    job.mission = session_mission(trace_manifest(trace), MODE_REPLAY);
    if (show == RERUN_PROGRESS)
        job.total_exits = trace_exits(trace);
    struct carrier_outcome *outcome = calloc(1, sizeof(*outcome));
    if (!outcome)
        return fail(NO_SPACE, "no memory for a replay");
    struct failure failure = trace_log_open(trace, NULL, &log, &job.source);
    if (!failure.code) {
        failure = carrier_run(&job, outcome);
        trace_log_close(log);
    }
    *report = outcome->report;
    free(outcome);
    return failure.code ? failure : judge(trace, report);
}
