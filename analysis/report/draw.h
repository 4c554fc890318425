/*
 * What tables of views become in the page: HTML tables and plots. Rows with an `exit` get the
 * commands that lead there.
 */
#ifndef ANALYSIS_REPORT_DRAW_H
#define ANALYSIS_REPORT_DRAW_H

#include "analysis/report/findings.h"
#include "analysis/report/scale.h"

enum { TABLE_ROWS = 64 }; /* in the page; a note tells of more */

/* A table, with its caption (ours). `id`: ours. */
void draw_table(FILE *, const struct findings *, const struct kept_table *, const char *id,
                const char *caption);
/* The command that gives the numbers above it, for copying; and their JSON. */
void draw_source(FILE *, const struct findings *, const struct answer *);

/* Latency by percentile, a line for each key (but halts), of a view's histogram: the key, `low`
 * and `high` in ticks or `low_ns` and `high_ns`, `samples`. */
void draw_percentiles(FILE *, const struct findings *, const struct kept_table *, const char *id,
                      const char *title);
/* Guest time from the first interval to the last: what all plots over time span. */
struct scale run_span(const struct findings *);
/* Exits over guest time, stacked by reason: the table of `exits --show freq`. */
void draw_exits_over_time(FILE *, const struct findings *, const struct kept_table *);
/* How long exits were handled over guest time: `exits --show activity`. */
void draw_handling(FILE *, const struct findings *, const struct kept_table *);

#endif
