/* Accesses to devices one by one, with their values. */
#include "analysis/frame/log.h"
#include "analysis/io/accesses.h"

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},    {"time_ns", "Guest ns", CELL_NS},
    {"device", "Device", CELL_TEXT}, {"register", "Register", CELL_TEXT},
    {"space", "Space", CELL_TEXT},   {"address", "Address", CELL_HEX},
    {"access", "Access", CELL_TEXT}, {"size", "Bytes", CELL_COUNT},
    {"value", "Value", CELL_HEX},    {"rip", "RIP", CELL_HEX},
};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    access_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, rip);
}

static void put(const struct slice *slice, size_t i, const struct io_access *access,
                struct output *out)
{
    output_number(out, slice->batch->first_exit + i);
    output_number(out, slice->times[i]);
    access_tell(access, out);
    output_number_if(out, !access->string, access->value);
    output_number(out, slice->batch->exit.rip[i]);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    struct io_access access;
    struct log *log = state;
    for (size_t i = slice->begin; i < slice->end && log_wants(log); i++) {
        if (!access_of(&slice->batch->exit, i, &access))
            continue;
        log_row(log);
        put(slice, i, &access, out);
    }
    return NO_FAILURE;
}

const struct view io_log = {
    LOG_VIEW(columns), .name = "io",
    .show = "log",     .summary = "accesses one by one, with their values",
    .wish = wish,      .take = take,
};
