/* What each view's file has to offer; views.c puts them into one table. */
#ifndef ANALYSIS_VIEWS_H
#define ANALYSIS_VIEWS_H

#include "analysis/frame/view.h"

extern const struct view exits_stats, exits_top, exits_histogram; /* exits/stats.c */
extern const struct view exits_freq;                              /* exits/freq.c */
extern const struct view exits_activity;                          /* exits/activity.c */
extern const struct view exits_worst;                             /* exits/worst.c */
extern const struct view exits_log;                               /* exits/log.c */
extern const struct view io_stats, io_top;                        /* io/stats.c */
extern const struct view io_freq;                                 /* io/freq.c */
extern const struct view io_log;                                  /* io/log.c */
extern const struct view scheduler_latency, scheduler_stats,
    scheduler_histogram;                                    /* scheduler/latency.c */
extern const struct view scheduler_worst;                   /* scheduler/worst.c */
extern const struct view scheduler_timehist, scheduler_map; /* scheduler/lists.c */
extern const struct view scheduler_log;
extern const struct view interrupts_stats, interrupts_top,
    interrupts_histogram;                                              /* interrupts/stats.c */
extern const struct view interrupts_freq;                              /* interrupts/freq.c */
extern const struct view interrupts_log;                               /* interrupts/log.c */
extern const struct view time_stats;                                   /* time/stats.c */
extern const struct view time_steps;                                   /* time/steps.c */
extern const struct view time_freq;                                    /* time/freq.c */
extern const struct view time_log;                                     /* time/log.c */
extern const struct view timers_stats, timers_histogram, timers_worst; /* timers/stats.c */
extern const struct view timers_log;                                   /* timers/log.c */

#endif
