/*
 * Exits over guest time: how many of each reason, and how long they took, in each interval. With
 * `intervals` the length of one is found on the way (frame/intervals.h).
 */
#include "analysis/exits/keys.h"
#include "analysis/frame/intervals.h"
#include "analysis/frame/tally.h"
#include "trace/names.h"

#include <stdlib.h>

enum { INTERVALS_MAX = 1 << 20, INTERVAL_DEFAULT = 1000000 };

struct freq_row {
    struct tally_key key; /* number of the interval, reason */
    u64 samples;
    u128 ticks; /* from exit to entry */
};

struct freq_state {
    struct tally rows;
    u64 interval;  /* guest ns */
    u64 intervals; /* at most; 0: as many as the tally holds */
};

static void freq_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |=
        COLUMN(exit, reason) | COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void *freq_begin(const struct query *query)
{
    struct freq_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->rows = TALLY(struct freq_row, INTERVALS_MAX);
    s->interval = query->interval ? query->interval : INTERVAL_DEFAULT;
    s->intervals = query->intervals;
    if (s->intervals)
        s->interval = INTERVAL_FINEST;
    return s;
}

static void freq_end(void *state)
{
    tally_free(&((struct freq_state *)state)->rows);
    free(state);
}

static struct freq_row *add(struct tally *rows, u64 interval, u64 reason, u64 samples, u128 ticks)
{
    struct freq_row *row = tally_row(rows, interval, reason);
    if (row) {
        row->samples += samples;
        row->ticks += ticks;
    }
    return row;
}

/* Adds the rows of `from`, whose intervals are shorter by `factor`. */
static bool gather(struct tally *to, const struct tally *from, u64 factor)
{
    for (u32 i = 0; i < from->count; i++) {
        const struct freq_row *row = tally_at(from, i);
        if (!add(to, row->key.a / factor, row->key.b, row->samples, row->ticks))
            return false;
    }
    return true;
}

/* Makes intervals longer. */
static bool lengthen(struct freq_state *s, u64 interval)
{
    struct tally longer = TALLY(struct freq_row, INTERVALS_MAX);
    bool done = gather(&longer, &s->rows, interval / s->interval);
    tally_free(&s->rows);
    s->rows = longer;
    s->interval = interval;
    return done;
}

/* Room for this time among the intervals. */
static bool fit(struct freq_state *s, u64 time)
{
    u64 interval = s->intervals ? interval_for(s->interval, s->intervals, time) : s->interval;
    return interval == s->interval || lengthen(s, interval);
}

static struct failure freq_take(void *state, const struct slice *slice, struct output *out)
{
    struct freq_state *s = state;
    const struct exit_columns *exits = &slice->batch->exit;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 left = exits->tsc_exit[i], entered = exits->tsc_entry[i];
        u64 ticks = exit_is_timed(left, entered) ? entered - left : 0;
        if (!fit(s, slice->times[i]) ||
            !add(&s->rows, slice->times[i] / s->interval, exits->reason[i], 1, ticks))
            return fail(NO_SPACE, "there are too many intervals; make them longer (--interval)");
    }
    return NO_FAILURE;
}

static bool freq_merge(void *state, const void *next, bool follows)
{
    struct freq_state *s = state;
    const struct freq_state *other = next;
    (void)follows;
    if (other->interval > s->interval && !lengthen(s, other->interval))
        return false;
    return gather(&s->rows, &other->rows, s->interval / other->interval);
}

static void freq_save(const void *state, struct pack *pack)
{
    const struct freq_state *s = state;
    pack_number(pack, s->interval);
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct freq_row *row = tally_at(&s->rows, i);
        pack_number(pack, row->key.a);
        pack_number(pack, row->key.b);
        pack_number(pack, row->samples);
        pack_wide(pack, row->ticks);
    }
}

static void freq_load(void *state, struct unpack *unpack)
{
    struct freq_state *s = state;
    interval_load(&s->interval, s->intervals, unpack);
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 a = unpack_number(unpack), b = unpack_number(unpack);
        struct freq_row *row = tally_row(&s->rows, a, b);
        if (!row || row->samples) {
            unpack_refuse(unpack, "it has too many intervals, or one twice");
            return;
        }
        row->samples = unpack_number(unpack);
        row->ticks = unpack_wide(unpack);
        if (!row->samples)
            unpack_refuse(unpack, "an interval is empty");
    }
}

static void freq_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"time_ns", "Guest ns", CELL_NS}, {"interval_ns", NULL, CELL_NS},
        {"reason", "VM-EXIT", CELL_TEXT}, {"samples", "Samples", CELL_COUNT},
        {"time", "Time", CELL_TICKS},
    };
    const struct freq_state *s = state;
    char buffer[NAME_MAX_LENGTH];
    void **rows = tally_sorted(&s->rows, tally_by_key);
    output_table(out, "exits", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, query->rows); i++) {
        const struct freq_row *row = rows[i];
        output_number(out, (u128)row->key.a * s->interval);
        output_number(out, s->interval);
        output_text(out, name_reason((u32)row->key.b, buffer));
        output_number(out, row->samples);
        output_number(out, row->ticks);
    }
    free(rows);
}

const struct view exits_freq = {
    .name = "exits",
    .show = "freq",
    .summary = "exits of each reason in each --interval of guest time",
    .times = true,
    .wish = freq_wish,
    .begin = freq_begin,
    .end = freq_end,
    .take = freq_take,
    .tell = freq_tell,
    .merge = freq_merge,
    .save = freq_save,
    .load = freq_load,
};
