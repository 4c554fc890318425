/* What the vCPU did between two exits. */
#ifndef ANALYSIS_EXITS_ACTIVITY_H
#define ANALYSIS_EXITS_ACTIVITY_H

#include "analysis/frame/view.h"

/* The guest time from which on the guest ran, up to the exit at `time` with that `count`; from
 * before->time to there it was halted. `clock`: enum clock_policy. */
u64 activity_ran_from(u32 clock, const struct before *, u64 count, u64 time);

#endif
