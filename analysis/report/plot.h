/*
 * Plots as inline SVG that stretches with the page: shapes lie in a box of 1000 by 1000
 * that is stretched, texts and grid lines are placed by percent, so letters keep their size on
 * a telephone and on paper. Each plot has a title and a description for those who do
 * not see it, and its numbers as JSON for the pointer and the keyboard (page.js).
 *
 * At most PLOT_POINTS points a plot: callers take intervals and grids that fit.
 */
#ifndef ANALYSIS_REPORT_PLOT_H
#define ANALYSIS_REPORT_PLOT_H

#include "analysis/report/scale.h"

#include <stdio.h>

enum {
    PLOT_POINTS = 2000,
    PLOT_SERIES = 8,
    BOX = 1000,
    LANE = 35 /* px, of a lane with its name */
};

struct tick {
    double at;
    const char *label;
};

struct plot {
    FILE *out;
    const char *id;           /* ours: letters, digits, '-' */
    const char *title, *note; /* note: what the axes are */
    struct scale x, y;
    enum unit x_unit, y_unit;
    u32 height;               /* of the box, px; LANE times the series of PLOT_LANES */
    const struct tick *ticks; /* of x, if not every so much; ended by a NULL label */
    bool zooms;               /* x is guest time: zooms together with others of its kind */
};

/* A series over the plot's x values. NaN: there is no value. */
struct series {
    const char *name; /* may come from the trace */
    u32 color;        /* 0 to PLOT_SERIES - 1; the last one is for "others" */
    const double *y;
};

enum plot_shape {
    PLOT_LINES, /* one line a series */
    PLOT_LANES, /* a lane a series, with its name: the darker the more, each tone a tenth of the
                   next */
    PLOT_STACK, /* steps on top of each other, from x[i] to x[i + 1]; the last one `step` wide */
};

/* Parts of figures, for those of another shape: the figure up to its drawing, the axis of guest
 * time, the box of shapes (BOX wide, `high`), which ends with </svg>, and an item of a legend. */
void plot_begin(const struct plot *, const char *words);
void plot_x_axis(const struct plot *);
void plot_box(const struct plot *, u32 high);
void plot_key(FILE *, bool line, u32 color, const char *name);

/* The whole figure. `words` tells what is to be seen. `x` ascends. */
void plot(const struct plot *, enum plot_shape, const char *words, const double *x, size_t points,
          double step, const struct series *, u32 count);

#endif
