/* Accesses to devices one by one, with their values. */
#include "analysis/io/accesses.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},    {"time_ns", "Guest ns", CELL_NS},
    {"device", "Device", CELL_TEXT}, {"register", "Register", CELL_TEXT},
    {"space", "Space", CELL_TEXT},   {"address", "Address", CELL_HEX},
    {"access", "Access", CELL_TEXT}, {"size", "Bytes", CELL_COUNT},
    {"value", "Value", CELL_HEX},    {"rip", "RIP", CELL_HEX},
};

static void log_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    access_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, rip);
}

/* The state: how many rows are still wanted. */
static void *log_begin(const struct query *query)
{
    u64 *left = malloc(sizeof(*left));
    if (left)
        *left = query->rows;
    return left;
}

static void log_row(const struct slice *slice, size_t i, const struct io_access *access,
                    struct output *out)
{
    output_number(out, slice->batch->first_exit + i);
    output_number(out, slice->times[i]);
    access_tell(access, out);
    output_number_if(out, !access->string, access->value);
    output_number(out, slice->batch->exit.rip[i]);
}

static struct failure log_take(void *state, const struct slice *slice, struct output *out)
{
    struct io_access access;
    u64 *left = state;
    for (size_t i = slice->begin; i < slice->end && *left; i++) {
        if (!access_of(&slice->batch->exit, i, &access))
            continue;
        log_row(slice, i, &access, out);
        --*left;
    }
    return NO_FAILURE;
}

static void log_head(const struct query *query, struct output *out)
{
    (void)query;
    output_table(out, "io", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
}

const struct view io_log = {
    .name = "io",
    .show = "log",
    .summary = "accesses one by one, with their values",
    .times = true,
    .wish = log_wish,
    .begin = log_begin,
    .end = free,
    .take = log_take,
    .head = log_head,
};
