/*
 * Tables of an output, kept in memory for whoever draws them instead of printing:
 * what a view tells with output_new_kept(). Numbers are as the JSON has them: a
 * share in units of 0.000001 %.
 */
#ifndef ANALYSIS_FRAME_KEPT_H
#define ANALYSIS_FRAME_KEPT_H

#include "analysis/frame/output.h"

struct kept_table {
    const char *name;
    const struct column *columns; /* a copy; names are literals */
    size_t column_count, row_count;
    struct cell *cells; /* rows, one after the other */
    size_t capacity;
};

/* Zeros are an empty one. */
struct kept {
    struct kept_table *tables;
    size_t count;
};

/* NULL: there is none of that name. */
const struct kept_table *kept_table(const struct kept *, const char *name);
/* Index of the column with that key; KEPT_NONE: there is none. */
enum { KEPT_NONE = -1 };
int kept_column(const struct kept_table *, const char *key);
/* Cells by row and key. A number that is not there is 0, a text that is not there "". */
u128 kept_number(const struct kept_table *, size_t row, const char *key);
s128 kept_signed(const struct kept_table *, size_t row, const char *key);
const char *kept_text(const struct kept_table *, size_t row, const char *key);
bool kept_has(const struct kept_table *, size_t row, const char *key); /* it is not empty */
void kept_free(struct kept *);

/* For output.c: begins a table, takes rows (the cells' text changes owner). false: no memory. */
bool kept_begin(struct kept *, const char *name, const struct column *, size_t count);
bool kept_rows(struct kept *, struct cell *cells, size_t rows);

#endif
