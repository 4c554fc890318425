/* Readings of clocks one by one, as they come: what the guest saw, and when. */
#include "analysis/frame/log.h"
#include "analysis/exits/keys.h"
#include "analysis/time/readings.h"

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},         {"time_ns", "Guest ns", CELL_NS},
    {"count", "Count", CELL_COUNT},       {"source", "Clock", CELL_TEXT},
    {"value", "Value", CELL_COUNT},       {"advance", "Advance", CELL_SIGNED},
    {"ahead_ns", "Of guest", CELL_AHEAD}, {"backwards", "Went back", CELL_TEXT},
    {"reason", "VM-EXIT", CELL_TEXT},     {"rip", "RIP", CELL_HEX},
};

struct time_log {
    struct log log; /* first */
    struct last_readings last;
};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    readings_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, count) | COLUMN(exit, rip);
}

static void *begin(const struct query *query)
{
    struct time_log *s = calloc(1, sizeof(*s));
    if (s)
        log_init(&s->log, query);
    return s;
}

static void put(const struct slice *slice, const struct reading *reading, struct output *out)
{
    const struct exit_columns *exits = &slice->batch->exit;
    bool in_ns = reading->source == SEEN_TSC || reading->source == SEEN_HOST;
    char reason[EXIT_KEY_TEXT];
    exit_key_text(BY_REASON, exits->reason[reading->row], 0, reason);
    output_number(out, slice->batch->first_exit + reading->row);
    output_number(out, reading->time);
    output_number(out, exits->count[reading->row]);
    output_text(out, source_names[reading->source]);
    output_number(out, reading->value);
    output_signed_if(out, reading->compares, reading->advance);
    output_signed_if(out, in_ns, (s128)reading->value - (s128)reading->time);
    output_name(out, reading->compares && reading->advance < 0 ? "yes" : NULL);
    output_text(out, reason);
    output_number(out, exits->rip[reading->row]);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    struct time_log *s = state;
    struct reading_walk walk;
    struct reading reading;
    readings_begin(&walk, slice, &s->last);
    while (log_wants(&s->log) && readings_next(&walk, &reading)) {
        log_row(&s->log);
        put(slice, &reading, out);
    }
    return NO_FAILURE;
}

const struct view time_log = {
    LOG_TABLE(columns), .name = "time",
    .show = "log",      .summary = "what was read of clocks, one by one",
    .wish = wish,       .begin = begin,
    .end = free,        .take = take,
};
