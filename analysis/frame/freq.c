/* Rows by interval and key; see freq.h. */
#include "analysis/frame/freq.h"
#include "analysis/frame/series.h"

#include <stdio.h>
#include <stdlib.h>

struct freq_row {
    struct tally_key key; /* number of the interval, the view's key */
    u64 samples;
    u128 sum;
};

static void add_row(void *to, const void *from)
{
    struct freq_row *all = to;
    const struct freq_row *row = from;
    all->samples += row->samples;
    all->sum += row->sum;
}

static void save_row(const void *view, const void *from, struct pack *pack)
{
    const struct freq_keys *keys = view;
    const struct freq_row *row = from;
    pack_number(pack, row->samples);
    if (keys->sums)
        pack_wide(pack, row->sum);
}

static void load_row(const void *view, void *to, struct unpack *unpack)
{
    const struct freq_keys *keys = view;
    struct freq_row *row = to;
    row->samples = unpack_number(unpack);
    if (keys->sums)
        row->sum = unpack_wide(unpack);
    if (!row->samples || (keys->is_key && !keys->is_key(row->key.b)))
        unpack_refuse(unpack, "an interval is empty, or has something unknown in it");
}

static const struct series_kind counts = {sizeof(struct freq_row), add_row, save_row, load_row};

void *freq_begin(const struct query *query)
{
    struct series *s = calloc(1, sizeof(*s));
    if (s)
        series_begin(s, &counts, query->view->freq, query);
    return s;
}

void freq_end(void *state)
{
    series_end(state);
    free(state);
}

bool freq_add(void *state, u64 time, u64 key, u64 sum)
{
    struct freq_row *row = series_row(state, time, key);
    if (!row)
        return false;
    row->samples++;
    row->sum += sum;
    return true;
}

struct failure freq_full(void)
{
    return series_full();
}

bool freq_merge(void *state, const void *next, bool follows)
{
    (void)follows; /* nothing is open at the ends */
    return series_merge(state, next);
}

void freq_save(const void *state, struct pack *pack)
{
    series_save(state, pack);
}

void freq_load(void *state, struct unpack *unpack)
{
    series_load(state, unpack);
}

/* --- telling ---------------------------------------------------------------------------------- */

enum { PLACE_COLUMNS = 2 }; /* time_ns and interval_ns, before those of the key */

static void tell_numbers(const struct freq_keys *keys, const struct freq_row *row,
                         struct output *out)
{
    output_number(out, row->samples);
    if (keys->sums)
        output_number(out, row->sum);
}

static void tell_row(const struct series *s, const struct freq_row *row, struct output *out)
{
    const struct freq_keys *keys = s->view;
    output_number(out, (u128)row->key.a * s->interval);
    output_number(out, s->interval);
    keys->tell(row->key.b, out);
    tell_numbers(keys, row, out);
}

/* The rows that were not asked for, as one: "(K others)" in the first of the key's columns that
 * takes words. */
static void tell_others(const struct view *view, void **rows, u32 others, struct output *out)
{
    size_t key_columns = view->column_count - (view->freq->sums ? 2 : 1);
    struct freq_row all = {0};
    char text[32];
    const char *words = text;
    for (u32 i = 0; i < others; i++)
        add_row(&all, rows[i]);
    snprintf(text, sizeof(text), "(%u others)", others);
    for (size_t i = 0; i < key_columns; i++) {
        bool takes = i >= PLACE_COLUMNS && view->columns[i].type == CELL_TEXT;
        output_name(out, takes ? words : NULL);
        words = takes ? NULL : words;
    }
    tell_numbers(view->freq, &all, out);
}

void freq_tell(const void *state, const struct query *query, struct output *out)
{
    const struct series *s = state;
    const struct view *view = query->view;
    void **rows = tally_sorted(&s->rows, tally_by_key);
    u32 shown = (u32)min_u64(s->rows.count, query->rows);
    output_table(out, view->name, view->columns, view->column_count, OUTPUT_STREAM);
    for (u32 i = 0; rows && i < shown; i++)
        tell_row(s, rows[i], out);
    if (rows && shown < s->rows.count)
        tell_others(view, rows + shown, s->rows.count - shown, out);
    free(rows);
}
