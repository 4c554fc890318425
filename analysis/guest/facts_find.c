/* Finds out the facts by a replay, if the cache has none; see facts.h. */
#include "analysis/guest/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/guest/rerun.h"
#include "analysis/scheduler/probe.h"
#include "vmx/carriers/disassemble.h"

/* Tasks lie in memory that the kernel has mapped, so there are none of these; if there are, say so.
 */
static void note_unread(const struct probe *probe, struct sched_log *log)
{
    size_t used = strlen(log->lacks);
    if (probe->unread)
        snprintf(log->lacks + used, sizeof(log->lacks) - used,
                 "%s%lu whose tasks could not be read", used ? ", " : "", probe->unread);
}

/* Who looks on: at the kernel, and at each exit. */
struct look {
    struct probe probe;
    struct instruction_finder instructions;
};

static void on_beat(void *context, struct vcpu *v)
{
    struct probe *probe = &((struct look *)context)->probe;
    probe->observer.beats(probe, v);
}

static void on_an_exit(void *context, struct vcpu *v)
{
    instruction_finder_look(&((struct look *)context)->instructions, v);
}

/* A kernel that is not known here is a fact as well. */
static struct failure take_kernel(struct probe *probe, struct facts *facts)
{
    struct failure failure = probe_result(probe);
    if (failure.code == UNSUPPORTED) {
        memcpy(facts->no_kernel, failure.text, sizeof(facts->no_kernel));
        sched_log_free(&facts->log);
        return NO_FAILURE;
    }
    note_unread(probe, &facts->log);
    facts->symbols = probe->kernel.symbols;
    probe->kernel.symbols = (struct symbols){0};
    memcpy(facts->banner, probe->kernel.banner, sizeof(facts->banner));
    return failure;
}

static struct failure look_on(struct trace *trace, struct look *look, struct facts *facts,
                              struct report *report)
{
    struct observer observer = {.beats = on_beat, .exits = on_an_exit, .context = look};
    probe_init(&look->probe, &facts->log);
    instruction_finder_init(&look->instructions);
    struct failure failure = rerun(trace, &observer, RERUN_PROGRESS, report);
    if (!failure.code)
        failure = take_kernel(&look->probe, facts);
    probe_free(&look->probe);
    if (!instruction_finder_end(&look->instructions, &facts->instructions) && !failure.code)
        failure = fail(NO_SPACE, "no memory for the guest's instructions");
    facts->disassembler = disassembler_new();
    return failure;
}

struct failure facts_replay(struct trace *trace, struct facts *facts, struct report *report)
{
    struct look *look = calloc(1, sizeof(*look));
    facts_init(facts);
    if (!look)
        return fail(NO_SPACE, "no memory for a replay");
    struct failure failure = look_on(trace, look, facts, report);
    free(look);
    if (!failure.code)
        facts_keep(trace, facts);
    else
        facts_free(facts);
    return failure;
}

struct failure facts_find(struct trace *trace, struct facts *facts)
{
    if (facts_cached(trace, facts))
        return NO_FAILURE;
    struct report *report = calloc(1, sizeof(*report));
    if (!report)
        return fail(NO_SPACE, "no memory for a replay");
    struct failure failure = facts_replay(trace, facts, report);
    free(report);
    return failure;
}
