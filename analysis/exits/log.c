/* Exits one by one, as they come. */
#include "analysis/frame/log.h"
#include "analysis/exits/keys.h"

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},
    {"time_ns", "Guest ns", CELL_NS},
    {"count", "Count", CELL_COUNT},
    {"reason", "VM-EXIT", CELL_TEXT},
    {"rip", "RIP", CELL_HEX},
    {"qualification", "Qualification", CELL_HEX},
    {"address", "Address", CELL_HEX},
    {"value", "Value", CELL_HEX},
    {"time", "Time", CELL_TICKS},
    {"symbol", "Symbol", CELL_TEXT},
    {"instruction", "Instruction", CELL_TEXT},
};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, flags) | COLUMN(exit, count) |
                                COLUMN(exit, rip) | COLUMN(exit, qualification) |
                                COLUMN(exit, address) | COLUMN(exit, value) |
                                COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void put(const struct slice *slice, size_t i, const struct symbolizer *symbols,
                struct output *out)
{
    const struct exit_columns *exits = &slice->batch->exit;
    char text[EXIT_KEY_TEXT];
    exit_key_text(BY_REASON, exits->reason[i], exits->flags[i] & EXIT_FLAG_HALTED, text);
    output_number(out, slice->batch->first_exit + i);
    output_number(out, slice->times[i]);
    output_number(out, exits->count[i]);
    output_text(out, text);
    output_number(out, exits->rip[i]);
    output_number(out, exits->qualification[i]);
    output_number(out, exits->address[i]);
    output_number(out, exits->value[i]);
    output_number_if(out, exit_is_timed(exits->tsc_exit[i], exits->tsc_entry[i]),
                     exits->tsc_entry[i] - exits->tsc_exit[i]);
    exit_tell_code(symbols, exits->rip[i], out);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    struct log *log = state;
    for (size_t i = slice->begin; i < slice->end && log_wants(log); i++) {
        log_row(log);
        put(slice, i, log->query->symbols, out);
    }
    return NO_FAILURE;
}

const struct view exits_log = {
    LOG_VIEW(columns), .name = "exits", .show = "log", .summary = "exits one by one",
    .wish = wish,      .take = take,
};
