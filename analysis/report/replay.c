/* The verdict, and what is known of the guest's kernel, from one replay; see replay.h. */
#include "analysis/report/replay.h"
#include "analysis/guest/rerun.h"

void replay_always(struct findings *f, struct trace *trace)
{
    f->replayed = true;
    if (f->looked) {
        f->replay = rerun(trace, NULL, RERUN_PROGRESS, &f->verdict);
        return;
    }
    f->replay = facts_replay(trace, &f->facts, &f->verdict);
    f->looked = !f->replay.code;
    f->kernel = f->looked ? facts_kernel(&f->facts) : f->replay;
}

/* Nobody has asked for the verdict: it is told if it is one. */
void replay_if_needed(struct findings *f, struct trace *trace)
{
    if (f->looked)
        return;
    replay_always(f, trace);
    f->replayed = !f->replay.code || f->replay.code == DIVERGED;
}
