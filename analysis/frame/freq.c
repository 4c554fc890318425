/* Rows by interval and key; see freq.h. */
#include "analysis/frame/freq.h"
#include "analysis/frame/intervals.h"
#include "analysis/frame/tally.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_MAX = 1 << 20, INTERVAL_DEFAULT = 1000000 };

struct freq_row {
    struct tally_key key; /* number of the interval, the view's key */
    u64 samples;
    u128 sum;
};

struct freq_state {
    const struct freq_keys *keys;
    struct tally rows;
    u64 interval;  /* guest ns */
    u64 intervals; /* at most; 0: as many as the tally holds */
};

void *freq_begin(const struct query *query)
{
    struct freq_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->keys = query->view->freq;
    s->rows = TALLY(struct freq_row, ROWS_MAX);
    s->interval = query->interval ? query->interval : INTERVAL_DEFAULT;
    s->intervals = query->intervals;
    if (s->intervals)
        s->interval = INTERVAL_FINEST;
    return s;
}

void freq_end(void *state)
{
    tally_free(&((struct freq_state *)state)->rows);
    free(state);
}

/* --- counting --------------------------------------------------------------------------------- */

static bool count(struct tally *rows, u64 interval, u64 key, u64 samples, u128 sum)
{
    struct freq_row *row = tally_row(rows, interval, key);
    if (!row)
        return false;
    row->samples += samples;
    row->sum += sum;
    return true;
}

/* Adds the rows of `from`, whose intervals are shorter by `factor`. */
static bool gather(struct tally *to, const struct tally *from, u64 factor)
{
    for (u32 i = 0; i < from->count; i++) {
        const struct freq_row *row = tally_at(from, i);
        if (!count(to, row->key.a / factor, row->key.b, row->samples, row->sum))
            return false;
    }
    return true;
}

/* Makes intervals longer. */
static bool lengthen(struct freq_state *s, u64 interval)
{
    struct tally longer = TALLY(struct freq_row, ROWS_MAX);
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

bool freq_add(void *state, u64 time, u64 key, u64 sum)
{
    struct freq_state *s = state;
    return fit(s, time) && count(&s->rows, time / s->interval, key, 1, sum);
}

struct failure freq_full(void)
{
    return fail(NO_SPACE, "there are too many intervals; make them longer (--interval)");
}

bool freq_merge(void *state, const void *next, bool follows)
{
    struct freq_state *s = state;
    const struct freq_state *other = next;
    (void)follows; /* nothing is open at the ends */
    if (other->interval > s->interval && !lengthen(s, other->interval))
        return false;
    return gather(&s->rows, &other->rows, s->interval / other->interval);
}

/* --- partial files ---------------------------------------------------------------------------- */

void freq_save(const void *state, struct pack *pack)
{
    const struct freq_state *s = state;
    pack_number(pack, s->interval);
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct freq_row *row = tally_at(&s->rows, i);
        pack_number(pack, row->key.a);
        pack_number(pack, row->key.b);
        pack_number(pack, row->samples);
        if (s->keys->sums)
            pack_wide(pack, row->sum);
    }
}

static void load_row(struct freq_state *s, struct unpack *unpack)
{
    u64 interval = unpack_number(unpack), key = unpack_number(unpack);
    bool known = !s->keys->is_key || s->keys->is_key(key);
    struct freq_row *row = known ? tally_row(&s->rows, interval, key) : NULL;
    if (!row || row->samples) {
        unpack_refuse(unpack, "it has too many intervals, one twice, or something unknown in one");
        return;
    }
    row->samples = unpack_number(unpack);
    if (s->keys->sums)
        row->sum = unpack_wide(unpack);
    if (!row->samples)
        unpack_refuse(unpack, "an interval is empty");
}

void freq_load(void *state, struct unpack *unpack)
{
    struct freq_state *s = state;
    interval_load(&s->interval, s->intervals, unpack);
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--)
        load_row(s, unpack);
}

/* --- telling ---------------------------------------------------------------------------------- */

enum { PLACE_COLUMNS = 2 }; /* time_ns and interval_ns, before those of the key */

static void tell_numbers(const struct freq_state *s, const struct freq_row *row, struct output *out)
{
    output_number(out, row->samples);
    if (s->keys->sums)
        output_number(out, row->sum);
}

static void tell_row(const struct freq_state *s, const struct freq_row *row, struct output *out)
{
    output_number(out, (u128)row->key.a * s->interval);
    output_number(out, s->interval);
    s->keys->tell(row->key.b, out);
    tell_numbers(s, row, out);
}

/* The rows that were not asked for, as one: "(K others)" in the first of the key's columns that
 * takes words. */
static void tell_others(const struct freq_state *s, const struct view *view, void **rows,
                        u32 others, struct output *out)
{
    size_t key_columns = view->column_count - (s->keys->sums ? 2 : 1);
    struct freq_row all = {0};
    char text[32];
    const char *words = text;
    for (u32 i = 0; i < others; i++) {
        const struct freq_row *row = rows[i];
        all.samples += row->samples;
        all.sum += row->sum;
    }
    snprintf(text, sizeof(text), "(%u others)", others);
    for (size_t i = 0; i < key_columns; i++) {
        bool takes = i >= PLACE_COLUMNS && view->columns[i].type == CELL_TEXT;
        output_name(out, takes ? words : NULL);
        words = takes ? NULL : words;
    }
    tell_numbers(s, &all, out);
}

void freq_tell(const void *state, const struct query *query, struct output *out)
{
    const struct freq_state *s = state;
    const struct view *view = query->view;
    void **rows = tally_sorted(&s->rows, tally_by_key);
    u32 shown = (u32)min_u64(s->rows.count, query->rows);
    output_table(out, view->name, view->columns, view->column_count, OUTPUT_STREAM);
    for (u32 i = 0; rows && i < shown; i++)
        tell_row(s, rows[i], out);
    if (rows && shown < s->rows.count)
        tell_others(s, view, rows + shown, s->rows.count - shown, out);
    free(rows);
}
