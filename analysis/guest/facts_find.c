/* Finds out the facts by a replay, if the cache has none; see facts.h. */
#include "analysis/guest/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/guest/rerun.h"
#include "analysis/scheduler/probe.h"

/* Tasks lie in memory that the kernel has mapped, so there are none of these; if there are, say so.
 */
static void note_unread(const struct probe *probe, struct sched_log *log)
{
    size_t used = strlen(log->lacks);
    if (probe->unread)
        snprintf(log->lacks + used, sizeof(log->lacks) - used,
                 "%s%lu whose tasks could not be read", used ? ", " : "", probe->unread);
}

static void take_kernel(struct probe *probe, struct facts *facts)
{
    note_unread(probe, &facts->log);
    facts->symbols = probe->kernel.symbols;
    probe->kernel.symbols = (struct symbols){0};
    memcpy(facts->banner, probe->kernel.banner, sizeof(facts->banner));
}

struct failure facts_replay(struct trace *trace, struct facts *facts, struct report *report,
                            struct failure *unknown)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    facts_init(facts);
    *unknown = NO_FAILURE;
    if (!probe)
        return fail(NO_SPACE, "no memory for a replay");
    probe_init(probe, &facts->log);
    struct failure failure = rerun(trace, &probe->observer, RERUN_PROGRESS, report);
    if (!failure.code)
        *unknown = probe_result(probe);
    if (failure.code || unknown->code) {
        facts_free(facts);
    } else {
        take_kernel(probe, facts);
        facts_keep(trace, facts);
    }
    probe_free(probe);
    free(probe);
    return failure;
}

struct failure facts_find(struct trace *trace, struct facts *facts)
{
    struct failure unknown;
    if (facts_cached(trace, facts))
        return NO_FAILURE;
    struct report *report = calloc(1, sizeof(*report));
    if (!report)
        return fail(NO_SPACE, "no memory for a replay");
    struct failure failure = facts_replay(trace, facts, report, &unknown);
    free(report);
    return failure.code ? failure : unknown;
}
