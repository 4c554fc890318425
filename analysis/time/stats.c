/*
 * The guest's clock against the host's: what passed on both and where it went, how far the one
 * came ahead of the other (the offset, 0 at first), how fast (drift), and the steps of
 * the offset from exit to exit. And whether a clock that the guest read went back.
 *
 * The offset is a sum over laps. Its least and its most within a stretch are relative to the
 * stretch's beginning, so they merge exactly: those of what follows are moved by the sum before.
 * Over a gap nothing is known to have passed, and the offset goes on where it was.
 */
#include "analysis/exits/keys.h"
#include "analysis/time/laps.h"
#include "analysis/time/readings.h"
#include "core/machine.h"

#include <stdlib.h>

/* An end of the offset's range, where it was reached first. */
struct extreme {
    s128 offset;
    u64 exit, time;
};

struct clock_state {
    struct clocks clocks;
    u64 samples, disordered;
    struct parts ns, ticks;
    s128 offset, host_ns;
    struct extreme least, most; /* of all exits; if there are samples */
    struct histogram forward, backward;
    struct reading_counts readings;
};

static void clock_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    laps_wish(wishes);
    readings_wish(wishes);
}

static void *clock_begin(const struct query *query)
{
    struct clock_state *s = calloc(1, sizeof(*s));
    if (s)
        s->clocks = clocks_of(query);
    return s;
}

static void clock_end(void *state)
{
    struct clock_state *s = state;
    histogram_free(&s->forward);
    histogram_free(&s->backward);
    free(s);
}

/* --- taking ----------------------------------------------------------------------------------- */

static void widen(struct clock_state *s, const struct extreme *least, const struct extreme *most)
{
    if (!s->samples || least->offset < s->least.offset)
        s->least = *least;
    if (!s->samples || most->offset > s->most.offset)
        s->most = *most;
}

/* What is longer than 584 years counts as that. */
static u64 length_of(s128 step)
{
    u128 length = step < 0 ? -(u128)step : (u128)step;
    return length >> 64 ? UINT64_MAX : (u64)length;
}

static bool take_step(struct clock_state *s, s128 step)
{
    if (!step)
        return true;
    return histogram_add(step < 0 ? &s->backward : &s->forward, length_of(step), 1);
}

static bool take_lap(struct clock_state *s, const struct slice *slice, const struct lap *lap)
{
    s128 step = s->clocks.tsc_hz ? lap_step(lap) : 0;
    s->offset += step;
    s->host_ns += lap->host_ns;
    s->disordered += lap->disordered;
    parts_add(&s->ns, &lap->ns);
    parts_add(&s->ticks, &lap->ticks);
    struct extreme here = {s->offset, slice->batch->first_exit + lap->row, slice->times[lap->row]};
    widen(s, &here, &here);
    s->samples++;
    return take_step(s, step);
}

static struct failure clock_take(void *state, const struct slice *slice, struct output *out)
{
    struct clock_state *s = state;
    struct lap_walk walk;
    struct lap lap;
    (void)out;
    counts_take(&s->readings, slice);
    laps_begin(&walk, slice, s->clocks);
    while (laps_next(&walk, &lap)) {
        if (!take_lap(s, slice, &lap))
            return fail(NO_SPACE, "no memory for the steps of the clock");
    }
    return NO_FAILURE;
}

/* --- merging ---------------------------------------------------------------------------------- */

static struct extreme moved(const struct extreme *extreme, s128 by)
{
    return (struct extreme){extreme->offset + by, extreme->exit, extreme->time};
}

static bool clock_merge(void *state, const void *next, bool follows)
{
    struct clock_state *s = state;
    const struct clock_state *other = next;
    struct extreme least = moved(&other->least, s->offset), most = moved(&other->most, s->offset);
    if (other->samples)
        widen(s, &least, &most);
    s->clocks = clocks_merged(s->clocks, other->clocks);
    s->samples += other->samples;
    s->disordered += other->disordered;
    s->offset += other->offset;
    s->host_ns += other->host_ns;
    parts_add(&s->ns, &other->ns);
    parts_add(&s->ticks, &other->ticks);
    counts_merge(&s->readings, &other->readings, follows);
    return histogram_merge(&s->forward, &other->forward) &&
           histogram_merge(&s->backward, &other->backward);
}

static void save_extreme(const struct extreme *extreme, struct pack *pack)
{
    pack_signed(pack, extreme->offset);
    pack_number(pack, extreme->exit);
    pack_number(pack, extreme->time);
}

static void load_extreme(struct extreme *extreme, struct unpack *unpack)
{
    load_clock_sum(&extreme->offset, unpack);
    extreme->exit = unpack_number(unpack);
    extreme->time = unpack_number(unpack);
}

static void clock_save(const void *state, struct pack *pack)
{
    const struct clock_state *s = state;
    pack_number(pack, s->samples);
    pack_number(pack, s->disordered);
    parts_save(&s->ns, pack);
    parts_save(&s->ticks, pack);
    pack_signed(pack, s->offset);
    pack_signed(pack, s->host_ns);
    save_extreme(&s->least, pack);
    save_extreme(&s->most, pack);
    histogram_save(&s->forward, pack);
    histogram_save(&s->backward, pack);
    counts_save(&s->readings, pack);
}

static void clock_load(void *state, struct unpack *unpack)
{
    struct clock_state *s = state;
    s->samples = unpack_number(unpack);
    s->disordered = unpack_number(unpack);
    parts_load(&s->ns, unpack);
    parts_load(&s->ticks, unpack);
    load_clock_sum(&s->offset, unpack);
    load_clock_sum(&s->host_ns, unpack);
    load_extreme(&s->least, unpack);
    load_extreme(&s->most, unpack);
    histogram_load(&s->forward, unpack);
    histogram_load(&s->backward, unpack);
    counts_load(&s->readings, unpack);
    if (s->least.offset > s->most.offset)
        unpack_refuse(unpack, "its least offset is more than its most");
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_part(const char *name, u128 ns, bool has_ns, u128 ticks, bool has_ticks,
                      struct output *out)
{
    output_text(out, name);
    output_number_if(out, has_ns, ns);
    output_number_if(out, has_ns, ns);
    output_number_if(out, has_ticks, ticks);
    output_number_if(out, has_ticks, ticks);
}

static void tell_parts(const struct clock_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"state", "Time in", CELL_TEXT},           {"guest_ns", "Guest ns", CELL_NS},
        {"guest_ns_percent", "Share", CELL_SHARE}, {"ticks", "Host TSC", CELL_TICKS},
        {"ticks_percent", "Share", CELL_SHARE},
    };
    bool counted = s->clocks.policy != CLOCK_HOST;
    output_table(out, "time", columns, ARRAY_SIZE(columns), 0);
    tell_part("guest", s->ns.guest, true, s->ticks.guest, true, out);
    tell_part("hypervisor", s->ns.hypervisor, true, s->ticks.hypervisor, true, out);
    tell_part("stolen", s->ns.stolen, counted, 0, false, out);
    tell_part("idle", s->ns.idle, true, s->ticks.idle, true, out);
}

static void tell_extreme(const struct extreme *extreme, bool applies, struct output *out)
{
    output_signed_if(out, applies, extreme->offset);
    output_number_if(out, applies, extreme->exit);
    output_number_if(out, applies, extreme->time);
}

static void tell_clocks(const struct clock_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"guest_ns", "Guest ns", CELL_NS},
        {"host_ns", "Host ns", CELL_NS},
        {"offset_ns", "Guest is ahead by ns", CELL_AHEAD},
        {"drift_ppb", "Drift, parts per billion", CELL_SIGNED},
        {"least_ns", "Least ahead, ns", CELL_AHEAD},
        {"least_exit", "  at exit", CELL_COUNT},
        {"least_time_ns", "  at guest ns", CELL_NS},
        {"most_ns", "Most ahead, ns", CELL_AHEAD},
        {"most_exit", "  at exit", CELL_COUNT},
        {"most_time_ns", "  at guest ns", CELL_NS},
    };
    s128 drift = 0;
    bool known = s->clocks.tsc_hz && s->samples;
    bool drifts = known && drift_of(s->offset, s->host_ns, &drift);
    output_table(out, "clocks", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, parts_sum(&s->ns));
    output_number_if(out, known && s->host_ns >= 0, (u128)s->host_ns);
    output_signed_if(out, known, s->offset);
    output_signed_if(out, drifts, drift);
    tell_extreme(&s->least, known, out);
    tell_extreme(&s->most, known, out);
}

static void tell_steps(const struct clock_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"direction", "Steps", CELL_TEXT}, {"steps", "Number", CELL_COUNT},
        {"sum_ns", "Sum ns", CELL_NS},     {"min_ns", "Min", CELL_NS},
        {"max_ns", "Max", CELL_NS},        {"avg_ns", "Avg", CELL_NS},
        {"p50_ns", "p50", CELL_NS},        {"p90_ns", "p90", CELL_NS},
        {"p99_ns", "p99", CELL_NS},        {"p99_9_ns", "p99.9", CELL_NS},
    };
    const struct histogram *const both[] = {&s->forward, &s->backward};
    static const char *const names[] = {"forward", "backward"};
    output_table(out, "steps", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; i < ARRAY_SIZE(both) && s->clocks.tsc_hz; i++) {
        output_text(out, names[i]);
        output_number(out, both[i]->count);
        output_number(out, both[i]->sum);
        output_spread(out, both[i]);
    }
}

static void tell_totals(const struct clock_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"samples", "Exits", CELL_COUNT},
        {"guest_ns", "Guest ns from first to last", CELL_NS},
        {"ticks", "Host TSC ticks", CELL_TICKS},
        {"disordered", "Stamps that go back", CELL_COUNT},
    };
    output_table(out, "totals", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, s->samples);
    output_number(out, parts_sum(&s->ns));
    output_number(out, parts_sum(&s->ticks));
    output_number(out, s->disordered);
}

static void clock_tell(const void *state, const struct query *query, struct output *out)
{
    (void)query;
    tell_parts(state, out);
    tell_clocks(state, out);
    tell_steps(state, out);
    counts_tell(&((const struct clock_state *)state)->readings, out);
    tell_totals(state, out);
}

const struct view time_stats = {
    .name = "time",
    .show = "stats",
    .summary = "the guest's clock against the host's: offset, drift, steps, and where time went",
    .times = true,
    .wish = clock_wish,
    .begin = clock_begin,
    .end = clock_end,
    .take = clock_take,
    .tell = clock_tell,
    .merge = clock_merge,
    .save = clock_save,
    .load = clock_load,
};
