/* Exits over guest time: how many of each reason in each interval, and how long they took. */
#include "analysis/frame/freq.h"
#include "analysis/exits/keys.h"
#include "trace/names.h"

static const struct column columns[] = {
    {"time_ns", "Guest ns", CELL_NS}, {"interval_ns", NULL, CELL_NS},
    {"reason", "VM-EXIT", CELL_TEXT}, {"samples", "Samples", CELL_COUNT},
    {"time", "Time", CELL_TICKS},
};

static void tell_reason(u64 reason, struct output *out)
{
    char buffer[NAME_MAX_LENGTH];
    output_text(out, name_reason((u32)reason, buffer));
}

static const struct freq_keys reasons = {.sums = true, .tell = tell_reason};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |=
        COLUMN(exit, reason) | COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    const struct exit_columns *exits = &slice->batch->exit;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 ticks = exit_ticks(exits->tsc_exit[i], exits->tsc_entry[i]);
        if (!freq_add(state, slice->times[i], exits->reason[i], ticks))
            return freq_full();
    }
    return NO_FAILURE;
}

const struct view exits_freq = {
    FREQ_VIEW(reasons, columns),
    .name = "exits",
    .show = "freq",
    .summary = "exits of each reason in each --interval of guest time",
    .wish = wish,
    .take = take,
};
