/* What each view's file has to offer; views.c puts them into one table. */
#ifndef ANALYSIS_VIEWS_H
#define ANALYSIS_VIEWS_H

#include "analysis/view.h"

extern const struct view exits_stats, exits_top, exits_histogram; /* exits.c */
extern const struct view exits_freq;                              /* exits_freq.c */
extern const struct view exits_activity;                          /* exits_activity.c */
extern const struct view exits_worst;                             /* exits_worst.c */
extern const struct view exits_log;                               /* exits_log.c */
extern const struct view io_stats, io_top;                        /* io.c */
extern const struct view io_log;                                  /* io_log.c */
extern const struct view scheduler_latency, scheduler_stats;      /* scheduler/latency.c */
extern const struct view scheduler_timehist, scheduler_map;       /* scheduler/lists.c */
extern const struct view scheduler_log;
extern const struct view interrupts_stats, interrupts_top, interrupts_histogram; /* interrupts.c */
extern const struct view interrupts_freq; /* interrupts_freq.c */
extern const struct view interrupts_log;  /* interrupts_log.c */

#endif
