/* Replays for a report, with a progress bar: what findings_gather() may learn from. */
#ifndef ANALYSIS_REPORT_REPLAY_H
#define ANALYSIS_REPORT_REPLAY_H

#include "analysis/report/findings.h"

findings_learner replay_always;
findings_learner replay_if_needed; /* only if the trace's cache does not know the kernel */

#endif
