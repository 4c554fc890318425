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

static struct failure replay(struct trace *trace, struct facts *facts)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    struct report *report = calloc(1, sizeof(*report));
    struct failure failure = fail(NO_SPACE, "no memory for a replay");
    if (probe && report) {
        probe_init(probe, &facts->log);
        failure = rerun(trace, &probe->observer, RERUN_PROGRESS, report);
        if (!failure.code)
            failure = probe_result(probe);
        if (!failure.code) {
            note_unread(probe, &facts->log);
            facts->symbols = probe->kernel.symbols;
            probe->kernel.symbols = (struct symbols){0};
            memcpy(facts->banner, probe->kernel.banner, sizeof(facts->banner));
        }
        probe_free(probe);
    }
    free(probe);
    free(report);
    return failure;
}

struct failure facts_find(struct trace *trace, struct facts *facts)
{
    if (facts_cached(trace, facts))
        return NO_FAILURE;
    struct failure failure = replay(trace, facts);
    if (!failure.code)
        facts_keep(trace, facts);
    else
        facts_free(facts);
    return failure;
}
