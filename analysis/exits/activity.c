/*
 * What the vCPU did over guest time: how much of each interval the guest ran and was halted, and
 * the host time that its exits were handled. The parts add up to those of `exits --show stats`
 * but for what noise stole.
 *
 * Between two exits guest time advances by what the guest ran (its count) and by what was skipped;
 * the skip comes first, as a HLT ends before the guest goes on. Under --clock host
 * the time after a HLT was halted, all else the guest's.
 */
#include "analysis/exits/activity.h"
#include "analysis/exits/keys.h"
#include "analysis/frame/intervals.h"
#include "core/machine.h"

#include <stdlib.h>

enum { ACTIVITY_INTERVALS = 500 }; /* unless asked for others */

struct activity {
    u64 guest, halted; /* guest ns */
    u64 exits;
    u128 ticks; /* of handling */
};

struct activity_state {
    u64 interval, intervals;
    u32 clock; /* enum clock_policy */
    struct activity parts[];
};

static void activity_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, count) |
                                COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void *activity_begin(const struct query *query)
{
    u64 intervals = query->intervals ? query->intervals : ACTIVITY_INTERVALS;
    struct activity_state *s = calloc(1, sizeof(*s) + intervals * sizeof(s->parts[0]));
    if (!s)
        return NULL;
    s->interval = INTERVAL_FINEST;
    s->intervals = intervals;
    s->clock = query->subject->clock;
    return s;
}

/* --- taking ----------------------------------------------------------------------------------- */

static void add(struct activity *to, const struct activity *from)
{
    to->guest += from->guest;
    to->halted += from->halted;
    to->exits += from->exits;
    to->ticks += from->ticks;
}

/* Makes intervals longer: each takes what it now covers, in place. */
static void lengthen(struct activity_state *s, u64 interval)
{
    u64 factor = interval / s->interval;
    s->interval = interval;
    if (factor == 1)
        return;
    for (u64 i = 0; i < s->intervals; i++) {
        struct activity part = s->parts[i];
        s->parts[i] = (struct activity){0};
        add(&s->parts[i / factor], &part);
    }
}

/* Guest time from `from` to `to`, into all intervals that it touches. */
static void spread(struct activity_state *s, u64 from, u64 to, bool halted)
{
    while (from < to) {
        u64 part = from / s->interval, left = s->interval - from % s->interval;
        u64 length = min_u64(to - from, left);
        *(halted ? &s->parts[part].halted : &s->parts[part].guest) += length;
        from += length;
    }
}

u64 activity_ran_from(u32 clock, const struct before *before, u64 count, u64 time)
{
    if (time <= before->time)
        return time;
    u64 ran = count > before->count ? count - before->count : 0;
    if (clock == CLOCK_HOST)
        ran = exit_is_halt(before->reason) ? 0 : time - before->time;
    return time - min_u64(ran, time - before->time);
}

static void take_time(struct activity_state *s, const struct before *before, u64 count, u64 time)
{
    u64 begins = activity_ran_from(s->clock, before, count, time);
    spread(s, before->time, begins, true);
    spread(s, begins, time, false);
}

static void take_handling(struct activity *part, const struct before *exit)
{
    part->exits++;
    if (!exit_is_halt(exit->reason) && exit_is_timed(exit->tsc_exit, exit->tsc_entry))
        part->ticks += exit->tsc_entry - exit->tsc_exit;
}

static struct failure activity_take(void *state, const struct slice *slice, struct output *out)
{
    struct activity_state *s = state;
    const struct exit_columns *exits = &slice->batch->exit;
    struct before before = slice->before;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 time = slice->times[i];
        lengthen(s, interval_for(s->interval, s->intervals, time));
        if (before.kind != BEFORE_GAP)
            take_time(s, &before, exits->count[i], time);
        before = (struct before){.kind = BEFORE_EXIT,
                                 .reason = exits->reason[i],
                                 .tsc_exit = exits->tsc_exit[i],
                                 .tsc_entry = exits->tsc_entry[i],
                                 .count = exits->count[i],
                                 .time = time};
        take_handling(&s->parts[time / s->interval], &before);
    }
    return NO_FAILURE;
}

/* --- merging ---------------------------------------------------------------------------------- */

static bool activity_merge(void *state, const void *next, bool follows)
{
    struct activity_state *s = state;
    const struct activity_state *other = next;
    (void)follows;
    lengthen(s, max_u64(s->interval, other->interval));
    u64 factor = s->interval / other->interval;
    for (u64 i = 0; i < other->intervals; i++)
        add(&s->parts[i / factor], &other->parts[i]);
    return true;
}

static void activity_save(const void *state, struct pack *pack)
{
    const struct activity_state *s = state;
    pack_number(pack, s->interval);
    for (u64 i = 0; i < s->intervals; i++) {
        pack_number(pack, s->parts[i].guest);
        pack_number(pack, s->parts[i].halted);
        pack_number(pack, s->parts[i].exits);
        pack_wide(pack, s->parts[i].ticks);
    }
}

static void activity_load(void *state, struct unpack *unpack)
{
    struct activity_state *s = state;
    interval_load(&s->interval, s->intervals, unpack);
    for (u64 i = 0; i < s->intervals && !unpack->wrong; i++) {
        s->parts[i].guest = unpack_number(unpack);
        s->parts[i].halted = unpack_number(unpack);
        s->parts[i].exits = unpack_number(unpack);
        s->parts[i].ticks = unpack_wide(unpack);
    }
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool is_empty(const struct activity *part)
{
    return !part->guest && !part->halted && !part->exits;
}

static void activity_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"time_ns", "Guest ns", CELL_NS}, {"interval_ns", NULL, CELL_NS},
        {"guest_ns", "Guest", CELL_NS},   {"halted_ns", "Halted", CELL_NS},
        {"samples", "Exits", CELL_COUNT}, {"time", "Handling", CELL_TICKS},
    };
    const struct activity_state *s = state;
    u64 left = query->rows;
    output_table(out, "exits", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u64 i = 0; i < s->intervals && left; i++) {
        const struct activity *part = &s->parts[i];
        if (is_empty(part))
            continue;
        output_number(out, (u128)i * s->interval);
        output_number(out, s->interval);
        output_number(out, part->guest);
        output_number(out, part->halted);
        output_number(out, part->exits);
        output_number(out, part->ticks);
        left--;
    }
}

const struct view exits_activity = {
    .name = "exits",
    .show = "activity",
    .summary = "how much of each interval the guest ran, was halted, and exits were handled",
    .times = true,
    .wish = activity_wish,
    .begin = activity_begin,
    .end = free,
    .take = activity_take,
    .tell = activity_tell,
    .merge = activity_merge,
    .save = activity_save,
    .load = activity_load,
};
