/*
 * Things one by one, as they come: a view that prints while it walks, at most --rows of them. A
 * view walks its slice as long as log_wants() another, and puts the cells; the rest of it is
 * LOG_VIEW.
 */
#ifndef ANALYSIS_FRAME_LOG_H
#define ANALYSIS_FRAME_LOG_H

#include "analysis/frame/view.h"

#include <stdlib.h>

/* The state, or its first member. */
struct log {
    const struct query *query;
    u64 left; /* rows that are still wanted */
};

static inline void log_init(struct log *log, const struct query *query)
{
    *log = (struct log){query, query->rows};
}

static inline bool log_wants(const struct log *log)
{
    return log->left;
}

/* Begins a row: its cells follow. */
static inline void log_row(struct log *log)
{
    log->left--;
}

void *log_begin(const struct query *);
/* Begins the table: the view's columns under its name. */
void log_head(const struct query *, struct output *);

/* Members of struct view; left are its names, wish() and take(), and for views that keep more than
 * a struct log begin() and end(); for those that say something first, LOG_ROWS, also head(). */
#define LOG_ROWS(columns_) \
    .times = true, .columns = (columns_), .column_count = ARRAY_SIZE(columns_)
#define LOG_TABLE(columns_) LOG_ROWS(columns_), .head = log_head
#define LOG_VIEW(columns_) LOG_TABLE(columns_), .begin = log_begin, .end = free

#endif
