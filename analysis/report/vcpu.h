/* What the vCPU did, exit by exit, as spans: a view for the report alone, since it is drawn and not
 * printed. Its state is a struct vcpu_spans. */
#ifndef ANALYSIS_REPORT_VCPU_H
#define ANALYSIS_REPORT_VCPU_H

#include "analysis/frame/view.h"
#include "analysis/report/spans.h"

enum vcpu_band { VCPU_GUEST, VCPU_HALTED, VCPU_BANDS };

struct vcpu_spans {
    struct spans time;     /* guest ns, in the bands above */
    struct spans handling; /* one band: host ticks, of 1 ns at each exit */
    u32 clock;             /* enum clock_policy */
};

extern const struct view vcpu_view;

#endif
