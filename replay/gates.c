/* The gate of a run; see gates.h. */
#include "replay/gates.h"

struct gate *gates_record(struct gates *g, const struct mission *mission, struct world *world)
{
    if (mission->flags & MISSION_NOISE) {
        noise_init(&g->noise, world, mission->noise_seed);
        world = &g->noise.world;
    }
    recorder_init(&g->recorder, world, &g->log, (enum clock_policy)mission->clock);
    return &g->recorder.gate;
}

struct gate *gates_replay(struct gates *g, const struct mission *mission,
                          const struct log_source *from, struct world *output)
{
    replayer_init(&g->replayer, output, from);
    g->replayer.limit = mission->replay_exits;
    return &g->replayer.gate;
}

void gates_add_verdict(const struct gates *g, struct report *report)
{
    const struct difference *d = &g->replayer.difference;
    report->verdict = d->kind == DIVERGENCE_NONE ? VERDICT_SAME : VERDICT_DIVERGED;
    report->divergence = d->kind;
    report->expected = d->expected;
    report->got = d->got;
    report->expected_record = d->record;
    report->states = g->replayer.states;
    if (g->replayer.early)
        report->end_reason = g->replayer.early;
}
