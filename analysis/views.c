/* All views, in the order in which --help lists them. */
#include "analysis/views.h"

#include <string.h>

const struct view *const views[] = {
    &exits_stats,
    &exits_top,
    &exits_histogram, /* exits.c */
    &exits_freq,      /* exits_freq.c */
    &exits_activity,  /* exits_activity.c */
    &exits_worst,     /* exits_worst.c */
    &exits_log,       /* exits_log.c */
    &io_stats,
    &io_top, /* io.c */
    &io_log, /* io_log.c */
    &scheduler_latency,
    &scheduler_stats, /* scheduler/latency.c */
    &scheduler_timehist,
    &scheduler_map, /* scheduler/lists.c */
    &scheduler_log,
    &interrupts_stats,
    &interrupts_top,
    &interrupts_histogram, /* interrupts.c */
    &interrupts_freq,      /* interrupts_freq.c */
    &interrupts_log,       /* interrupts_log.c */
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
