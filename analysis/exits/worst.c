/* The exits that took longest to handle, one by one. Halted time is not handling. */
#include "analysis/exits/keys.h"
#include "analysis/frame/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORST_SHOWN = 20, WORST_KEPT = 100 }; /* unless asked for others; at most */

struct worst_row {
    u64 time; /* ticks of handling */
    u64 exit, guest_ns, count, reason, rip, qualification, address;
};

/* Rows from the longest on; of the same time, the earlier exit first. */
struct worst_state {
    u32 count;
    struct worst_row rows[WORST_KEPT];
};

static void worst_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, count) | COLUMN(exit, rip) |
                                COLUMN(exit, qualification) | COLUMN(exit, address) |
                                COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void *worst_begin(const struct query *query)
{
    (void)query;
    return calloc(1, sizeof(struct worst_state));
}

/* --- taking and merging ----------------------------------------------------------------------- */

static bool is_before(const void *left, const void *right)
{
    const struct worst_row *l = left, *r = right;
    return l->time != r->time ? l->time > r->time : l->exit < r->exit;
}

static void insert(struct worst_state *s, const struct worst_row *row)
{
    top_take(s->rows, &s->count, WORST_KEPT, sizeof(*row), row, is_before);
}

static struct failure worst_take(void *state, const struct slice *slice, struct output *out)
{
    struct worst_state *s = state;
    const struct exit_columns *exits = &slice->batch->exit;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 left = exits->tsc_exit[i], entered = exits->tsc_entry[i];
        if (!exit_is_timed(left, entered) || exit_is_halt(exits->reason[i]))
            continue;
        insert(s, &(struct worst_row){.time = entered - left,
                                      .exit = slice->batch->first_exit + i,
                                      .guest_ns = slice->times[i],
                                      .count = exits->count[i],
                                      .reason = exits->reason[i],
                                      .rip = exits->rip[i],
                                      .qualification = exits->qualification[i],
                                      .address = exits->address[i]});
    }
    return NO_FAILURE;
}

static bool worst_merge(void *state, const void *next, bool follows)
{
    const struct worst_state *other = next;
    (void)follows;
    for (u32 i = 0; i < other->count; i++)
        insert(state, &other->rows[i]);
    return true;
}

/* --- partial files ---------------------------------------------------------------------------- */

enum { WORST_NUMBERS = sizeof(struct worst_row) / sizeof(u64) };

static void worst_save(const void *state, struct pack *pack)
{
    const struct worst_state *s = state;
    pack_number(pack, s->count);
    for (u32 i = 0; i < s->count; i++) {
        u64 numbers[WORST_NUMBERS];
        memcpy(numbers, &s->rows[i], sizeof(numbers));
        for (u32 n = 0; n < WORST_NUMBERS; n++)
            pack_number(pack, numbers[n]);
    }
}

static void worst_load(void *state, struct unpack *unpack)
{
    struct worst_state *s = state;
    size_t count = unpack_count(unpack);
    if (count > WORST_KEPT)
        unpack_refuse(unpack, "it has too many rows");
    for (size_t i = 0; i < count && !unpack->wrong; i++) {
        u64 numbers[WORST_NUMBERS];
        struct worst_row row;
        for (u32 n = 0; n < WORST_NUMBERS; n++)
            numbers[n] = unpack_number(unpack);
        memcpy(&row, numbers, sizeof(row));
        insert(s, &row);
    }
}

/* --- telling ---------------------------------------------------------------------------------- */

/* "0x3f8:POUT uart": the port, MSR or address, and what it is. */
static void what_of(const struct worst_row *row, char *text, size_t size)
{
    static const u32 finer[] = {BY_PORT, BY_MSR, BY_GPA};
    struct exit_columns one = {.rows = 1,
                               .reason = &row->reason,
                               .qualification = &row->qualification,
                               .address = &row->address};
    *text = 0;
    for (u32 i = 0; i < ARRAY_SIZE(finer); i++) {
        char place[EXIT_KEY_TEXT], note[EXIT_KEY_TEXT];
        u64 a, b;
        if (!exit_key(finer[i], &one, 0, &a, &b))
            continue;
        exit_key_text(finer[i], a, b, place);
        exit_key_note(finer[i], a, b, NULL, note);
        snprintf(text, size, "%s%s%s", place, *note ? " " : "", note);
    }
}

static void worst_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"exit", "Exit", CELL_COUNT},
        {"time_ns", "Guest ns", CELL_NS},
        {"count", NULL, CELL_COUNT},
        {"reason", "VM-EXIT", CELL_TEXT},
        {"what", "What", CELL_TEXT},
        {"rip", "RIP", CELL_HEX},
        {"symbol", "Symbol", CELL_TEXT},
        {"instruction", "Instruction", CELL_TEXT},
        {"qualification", "Qualification", CELL_HEX},
        {"address", NULL, CELL_HEX},
        {"time", "Time", CELL_TICKS},
    };
    const struct worst_state *s = state;
    u64 shown = query->rows == NEVER ? WORST_SHOWN : query->rows;
    output_table(out, "exits", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; i < min_u64(s->count, shown); i++) {
        const struct worst_row *row = &s->rows[i];
        char reason[EXIT_KEY_TEXT], what[2 * EXIT_KEY_TEXT];
        exit_key_text(BY_REASON, row->reason, 0, reason);
        what_of(row, what, sizeof(what));
        output_number(out, row->exit);
        output_number(out, row->guest_ns);
        output_number(out, row->count);
        output_text(out, reason);
        output_name(out, what);
        output_number(out, row->rip);
        exit_tell_code(query->symbols, row->rip, out);
        output_number(out, row->qualification);
        output_number(out, row->address);
        output_number(out, row->time);
    }
}

const struct view exits_worst = {
    .name = "exits",
    .show = "worst",
    .summary = "the exits that took longest to handle, one by one",
    .times = true,
    .wish = worst_wish,
    .begin = worst_begin,
    .end = free,
    .take = worst_take,
    .tell = worst_tell,
    .merge = worst_merge,
    .save = worst_save,
    .load = worst_load,
};
