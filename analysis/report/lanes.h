/*
 * Lanes over guest time: a lane for each thing that something is done by, with bands of spans in
 * it. Drawn whole as SVG, by columns; the spans themselves go along for page.js, which draws any
 * stretch of them.
 */
#ifndef ANALYSIS_REPORT_LANES_H
#define ANALYSIS_REPORT_LANES_H

#include "analysis/report/plot.h"
#include "analysis/report/spans.h"

struct lane_band {
    const char *name; /* what the thing does, ours */
    const struct band *band;
    double ns; /* of a unit of its amounts */
    u32 color; /* below PLOT_SERIES */
    bool low;  /* in the lower part of the lane, which is smaller */
    bool log;  /* tones are each a tenth of the next, not a fifth of the time */
};

enum { LANE_BANDS = 3 };

struct lane {
    const char *name; /* may come from the trace */
    char note[64];    /* at the right end, ours */
    struct lane_band bands[LANE_BANDS];
    u32 count;
};

/* Of the plot: out, id, title, note, x. `words` tells what is to be seen. */
void lanes_draw(const struct plot *, const char *words, const struct lane *, u32 count);

#endif
