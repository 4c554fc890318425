/* All views, in the order in which --help lists them. */
#include "analysis/views.h"

#include <string.h>

const struct view *const views[] = {
    &exits_stats, &exits_top, &exits_histogram, &exits_freq, &exits_log, NULL,
};

const struct view *view_find(const char *name, const char *show)
{
    for (size_t i = 0; views[i]; i++) {
        if (!strcmp(views[i]->name, name) && (!show || !strcmp(views[i]->show, show)))
            return views[i];
    }
    return NULL;
}
