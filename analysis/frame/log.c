/* A table that is printed as it comes; see log.h. */
#include "analysis/frame/log.h"

void *log_begin(const struct query *query)
{
    struct log *log = malloc(sizeof(*log));
    if (log)
        log_init(log, query);
    return log;
}

void log_head(const struct query *query, struct output *out)
{
    const struct view *view = query->view;
    output_table(out, view->name, view->columns, view->column_count, OUTPUT_STREAM);
}
