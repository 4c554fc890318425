/* Laps; see laps.h. */
#include "analysis/time/laps.h"
#include "analysis/exits/keys.h"
#include "core/machine.h"
#include "trace/guest_time.h"

/* ns or ticks; the last stamp of a host at 1 Hz is below 2^94 ns. */
#define SUM_LIMIT ((s128)1 << 100)

/* --- parts ------------------------------------------------------------------------------------ */

u128 parts_sum(const struct parts *parts)
{
    return parts->guest + parts->hypervisor + parts->stolen + parts->idle;
}

void parts_add(struct parts *to, const struct parts *from)
{
    to->guest += from->guest;
    to->hypervisor += from->hypervisor;
    to->stolen += from->stolen;
    to->idle += from->idle;
}

void parts_save(const struct parts *parts, struct pack *pack)
{
    pack_wide(pack, parts->guest);
    pack_wide(pack, parts->hypervisor);
    pack_wide(pack, parts->stolen);
    pack_wide(pack, parts->idle);
}

/* With those that are refused, no sum of the others overflows. */
static u128 load_part(struct unpack *unpack)
{
    u128 part = unpack_wide(unpack);
    if (part >= (u128)SUM_LIMIT)
        unpack_refuse(unpack, "more time has passed than can have");
    return part;
}

void parts_load(struct parts *parts, struct unpack *unpack)
{
    parts->guest = load_part(unpack);
    parts->hypervisor = load_part(unpack);
    parts->stolen = load_part(unpack);
    parts->idle = load_part(unpack);
}

/* --- sums ------------------------------------------------------------------------------------- */

struct clocks clocks_of(const struct query *query)
{
    return (struct clocks){query->subject->clock, query->subject->tsc_hz};
}

/* What has been converted to ns needs no frequency any more, but must have had one. */
struct clocks clocks_merged(struct clocks a, struct clocks b)
{
    a.tsc_hz = b.tsc_hz ? a.tsc_hz : 0;
    return a;
}

void load_clock_sum(s128 *sum, struct unpack *unpack)
{
    *sum = unpack_signed(unpack);
    if (*sum <= -SUM_LIMIT || *sum >= SUM_LIMIT)
        unpack_refuse(unpack, "its clocks cannot be that far apart");
}

bool drift_of(s128 ahead, s128 host_ns, s128 *drift)
{
    const s128 limit = (s128)1 << 97; /* times NANOSECONDS is below 2^127 */
    if (host_ns <= 0 || ahead <= -limit || ahead >= limit)
        return false;
    s128 parts = ahead * (s128)NANOSECONDS;
    *drift = parts / host_ns - (parts % host_ns < 0);
    return true;
}

/* --- laps ------------------------------------------------------------------------------------- */

void laps_wish(struct column_wishes *wishes)
{
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, count) |
                                COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
    wishes->fields[REC_ARRIVAL] |=
        COLUMN(arrival, what) | COLUMN(arrival, value) | COLUMN(arrival, exit);
}

static u128 host_ns(const struct lap_walk *w, u64 tsc)
{
    return w->clocks.tsc_hz ? (u128)tsc * NANOSECONDS / w->clocks.tsc_hz : 0;
}

static bool takes_time(const struct arrival_columns *arrivals, size_t row)
{
    return arrivals->what[row] == ARRIVAL_TIME;
}

/* Of the slice's stolen time, what its own exits do not account for: each but the last shows in the
 * lap after it. */
static u64 stolen_before(const struct slice *slice)
{
    const struct arrival_columns *arrivals = &slice->batch->arrival;
    u64 left = slice->stolen, last = slice->batch->first_exit + slice->end - 1;
    for (size_t i = 0; i < arrivals->rows; i++) {
        u64 exit = arrivals->exit[i];
        if (takes_time(arrivals, i) && slice_has(slice, exit) && exit != last)
            left -= min_u64(left, arrivals->value[i]);
    }
    return left;
}

void laps_begin(struct lap_walk *w, const struct slice *slice, struct clocks clocks)
{
    *w = (struct lap_walk){
        .slice = slice,
        .clocks = clocks,
        .row = slice->begin,
        .before = slice->before,
    };
    w->before_ns = host_ns(w, w->before.tsc_exit);
    if (clocks.policy == CLOCK_COUNT && slice->begin < slice->end)
        w->stolen = stolen_before(slice);
}

/* What the world took after the exit at the lap's beginning. */
static u64 stolen_in(struct lap_walk *w)
{
    const struct arrival_columns *arrivals = &w->slice->batch->arrival;
    u64 next = w->slice->batch->first_exit + w->row, stolen = w->stolen;
    w->stolen = 0;
    for (; w->arrival < arrivals->rows && arrivals->exit[w->arrival] < next; w->arrival++) {
        if (takes_time(arrivals, w->arrival) && slice_has(w->slice, arrivals->exit[w->arrival]))
            stolen += arrivals->value[w->arrival];
    }
    return stolen;
}

/* The distance, or 0 if it goes back. */
static u64 forward(struct lap *lap, u64 from, u64 to)
{
    lap->disordered += to < from;
    return to < from ? 0 : to - from;
}

static void take_ticks(const struct lap_walk *w, struct lap *lap, u64 left)
{
    const struct before *b = &w->before;
    if (!exit_is_timed(b->tsc_exit, b->tsc_entry))
        return;
    lap->ticks.guest = forward(lap, b->tsc_entry, left);
    *(exit_is_halt(b->reason) ? &lap->ticks.idle : &lap->ticks.hypervisor) =
        b->tsc_entry - b->tsc_exit;
}

/* Clock count: the guest's clock is its count, and what was added to that. */
static void take_ns_by_count(struct lap_walk *w, struct lap *lap, u64 passed, u64 count)
{
    u64 stolen = min_u64(stolen_in(w), passed);
    u64 ran = min_u64(forward(lap, w->before.count, count), passed - stolen);
    lap->ns = (struct parts){.guest = ran, .stolen = stolen, .idle = passed - stolen - ran};
}

/* Clock host: it runs on while an exit is handled. */
static void take_ns_by_clock(const struct lap_walk *w, struct lap *lap, u64 passed)
{
    u64 handling = min_u64(passed, tsc_to_ns((u64)lap->ticks.hypervisor, w->clocks.tsc_hz));
    if (exit_is_halt(w->before.reason))
        lap->ns.idle = passed;
    else
        lap->ns = (struct parts){.guest = passed - handling, .hypervisor = handling};
}

static void take_lap(struct lap_walk *w, struct lap *lap, u64 count, u64 time)
{
    u64 passed = forward(lap, w->before.time, time);
    take_ticks(w, lap, w->slice->batch->exit.tsc_exit[w->row]);
    if (w->clocks.policy == CLOCK_HOST)
        take_ns_by_clock(w, lap, passed);
    else
        take_ns_by_count(w, lap, passed, count);
}

bool laps_next(struct lap_walk *w, struct lap *lap)
{
    const struct exit_columns *exits = &w->slice->batch->exit;
    size_t i = w->row;
    if (i >= w->slice->end)
        return false;
    *lap = (struct lap){.row = i, .after = w->before.reason};
    lap->unknown = w->before.kind != BEFORE_EXIT;
    u128 now = host_ns(w, exits->tsc_exit[i]);
    if (lap->unknown) {
        w->stolen = 0;
    } else {
        take_lap(w, lap, exits->count[i], w->slice->times[i]);
        lap->host_ns = (s128)(now - w->before_ns);
    }
    w->before = (struct before){
        .kind = BEFORE_EXIT,
        .reason = exits->reason[i],
        .tsc_exit = exits->tsc_exit[i],
        .tsc_entry = exits->tsc_entry[i],
        .count = exits->count[i],
        .time = w->slice->times[i],
    };
    w->before_ns = now;
    w->row++;
    return true;
}
