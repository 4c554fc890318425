/* All views, in the order in which --help lists them. */
#include "analysis/views.h"

#include <string.h>

const struct view *const views[] = {
    &exits_stats,
    &exits_top,
    &exits_histogram, /* exits/stats.c */
    &exits_freq,      /* exits/freq.c */
    &exits_activity,  /* exits/activity.c */
    &exits_worst,     /* exits/worst.c */
    &exits_log,       /* exits/log.c */
    &io_stats,
    &io_top,  /* io/stats.c */
    &io_freq, /* io/freq.c */
    &io_log,  /* io/log.c */
    &scheduler_latency,
    &scheduler_stats,
    &scheduler_histogram, /* scheduler/latency.c */
    &scheduler_worst,     /* scheduler/worst.c */
    &scheduler_timehist,
    &scheduler_map,
    &scheduler_log, /* scheduler/lists.c */
    &interrupts_stats,
    &interrupts_top,
    &interrupts_histogram, /* interrupts/stats.c */
    &interrupts_freq,      /* interrupts/freq.c */
    &interrupts_log,       /* interrupts/log.c */
    &time_stats,           /* time/stats.c */
    &time_steps,           /* time/steps.c */
    &time_freq,            /* time/freq.c */
    &time_log,             /* time/log.c */
    &timers_stats,
    &timers_histogram,
    &timers_worst, /* timers/stats.c */
    &timers_log,   /* timers/log.c */
    NULL,
};

const struct view *view_find(const char *name, const char *show)
{
    for (size_t i = 0; views[i]; i++) {
        if (!strcmp(views[i]->name, name) && (!show || !strcmp(views[i]->show, show)))
            return views[i];
    }
    return NULL;
}
