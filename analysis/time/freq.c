/*
 * The clocks over guest time: of the exits in each interval, what passed up to each from the exit
 * before. So a sleep of many intervals is in the one in which it ended, where its offset shows.
 */
#include "analysis/frame/series.h"
#include "analysis/time/laps.h"
#include "core/machine.h"

#include <stdlib.h>

struct time_row {
    struct tally_key key; /* number of the interval, 0 */
    u64 samples;
    struct parts ns;
    s128 host_ns;
};

struct time_freq {
    struct series series;
    struct clocks clocks;
};

static void add_row(void *to, const void *from)
{
    struct time_row *sum = to;
    const struct time_row *row = from;
    sum->samples += row->samples;
    sum->host_ns += row->host_ns;
    parts_add(&sum->ns, &row->ns);
}

static void save_row(const void *view, const void *from, struct pack *pack)
{
    const struct time_row *row = from;
    (void)view;
    pack_number(pack, row->samples);
    pack_signed(pack, row->host_ns);
    parts_save(&row->ns, pack);
}

static void load_row(const void *view, void *to, struct unpack *unpack)
{
    struct time_row *row = to;
    (void)view;
    row->samples = unpack_number(unpack);
    load_clock_sum(&row->host_ns, unpack);
    parts_load(&row->ns, unpack);
    if (!row->samples || row->key.b)
        unpack_refuse(unpack, "an interval is empty, or has a key");
}

static const struct series_kind rows_of_time = {sizeof(struct time_row), add_row, save_row,
                                                load_row};

static void freq_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    laps_wish(wishes);
}

static void *freq_begin(const struct query *query)
{
    struct time_freq *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->clocks = clocks_of(query);
    series_begin(&s->series, &rows_of_time, NULL, query);
    return s;
}

static void freq_end(void *state)
{
    series_end(&((struct time_freq *)state)->series);
    free(state);
}

static struct failure freq_take(void *state, const struct slice *slice, struct output *out)
{
    struct time_freq *s = state;
    struct lap_walk walk;
    struct lap lap;
    (void)out;
    laps_begin(&walk, slice, s->clocks);
    while (laps_next(&walk, &lap)) {
        struct time_row *row = series_row(&s->series, slice->times[lap.row], 0);
        if (!row)
            return series_full();
        row->samples++;
        row->host_ns += lap.host_ns;
        parts_add(&row->ns, &lap.ns);
    }
    return NO_FAILURE;
}

static bool freq_merge(void *state, const void *next, bool follows)
{
    struct time_freq *s = state;
    const struct time_freq *other = next;
    (void)follows;
    s->clocks = clocks_merged(s->clocks, other->clocks);
    return series_merge(&s->series, &other->series);
}

static void freq_save(const void *state, struct pack *pack)
{
    series_save(&((const struct time_freq *)state)->series, pack);
}

static void freq_load(void *state, struct unpack *unpack)
{
    series_load(&((struct time_freq *)state)->series, unpack);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_row(const struct time_freq *s, const struct time_row *row, s128 offset,
                     struct output *out)
{
    bool known = s->clocks.tsc_hz != 0, counted = s->clocks.policy != CLOCK_HOST;
    u128 passed = parts_sum(&row->ns);
    s128 drift = 0;
    bool drifts = known && drift_of((s128)passed - row->host_ns, row->host_ns, &drift);
    output_number(out, (u128)row->key.a * s->series.interval);
    output_number(out, s->series.interval);
    output_number(out, row->samples);
    output_number(out, passed);
    output_number_if(out, known && row->host_ns >= 0, (u128)row->host_ns);
    output_signed_if(out, known, offset);
    output_signed_if(out, drifts, drift);
    output_number(out, row->ns.guest);
    output_number(out, row->ns.hypervisor);
    output_number_if(out, counted, row->ns.stolen);
    output_number(out, row->ns.idle);
}

static void freq_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"time_ns", "Guest ns", CELL_NS},     {"interval_ns", NULL, CELL_NS},
        {"samples", "Exits", CELL_COUNT},     {"guest_ns", "Guest passed", CELL_NS},
        {"host_ns", "Host passed", CELL_NS},  {"offset_ns", "Ahead at end", CELL_AHEAD},
        {"drift_ppb", "Drift", CELL_SIGNED},  {"ran_ns", "Ran", CELL_NS},
        {"handling_ns", "Handling", CELL_NS}, {"stolen_ns", "Stolen", CELL_NS},
        {"idle_ns", "Idle", CELL_NS},
    };
    const struct time_freq *s = state;
    void **rows = tally_sorted(&s->series.rows, tally_by_key);
    s128 offset = 0;
    output_table(out, "time", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->series.rows.count, query->rows); i++) {
        const struct time_row *row = rows[i];
        offset += (s128)parts_sum(&row->ns) - row->host_ns;
        tell_row(s, row, offset, out);
    }
    free(rows);
}

const struct view time_freq = {
    .name = "time",
    .show = "freq",
    .summary = "guest's and host's clock in each --interval of guest time",
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
