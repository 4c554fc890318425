/* Guest time at each exit; see timeline.h. Records are fed in the order of a merged cursor
 * (docs/TRACE_FORMAT.md, "Order"). */
#include "analysis/frame/timeline.h"
#include "core/machine.h"

void timeline_begin(struct timeline *t, struct trace *trace)
{
    *t = (struct timeline){0};
    guest_time_init(&t->time, trace_manifest(trace));
    guest_time_look_ahead(&t->time, trace);
}

/* --- the records between exits ---------------------------------------------------------------- */

/* Number of the exit that the row belongs to; NEVER: there is no such row. */
static u64 exit_of(const u64 *exits, size_t rows, size_t row)
{
    return row < rows ? exits[row] : NEVER;
}

struct heads {
    u64 clock, arrival, idle;
};

static struct heads heads_of(const struct timeline *t, const struct trace_batch *batch)
{
    return (struct heads){
        .clock = exit_of(batch->clock.exit, batch->clock.rows, t->clock),
        .arrival = exit_of(batch->arrival.exit, batch->arrival.rows, t->arrival),
        .idle = exit_of(batch->idle.exit, batch->idle.rows, t->idle),
    };
}

/* The first exit that comes after the next record: a reading comes before its exit, the others come
 * behind theirs. NEVER: no record is left. */
static u64 due(const struct heads *heads)
{
    u64 behind = min_u64(heads->arrival, heads->idle);
    return min_u64(heads->clock, behind == NEVER ? NEVER : behind + 1);
}

static void take_arrival(struct timeline *t, const struct arrival_columns *arrivals)
{
    size_t row = t->arrival++;
    union record record = {.arrival = {.kind = REC_ARRIVAL,
                                       .what = (u16)arrivals->what[row],
                                       .value = arrivals->value[row]}};
    guest_time_at(&t->time, &record);
    if (record.arrival.what == ARRIVAL_TIME)
        t->pending += record.arrival.value;
}

static void take_clock(struct timeline *t, const struct clock_columns *clocks)
{
    union record record = {.clock = {.kind = REC_CLOCK, .value = clocks->value[t->clock++]}};
    guest_time_at(&t->time, &record);
}

static void take_idle(struct timeline *t, const struct idle_columns *idles)
{
    union record record = {.idle = {.kind = REC_IDLE, .until = idles->until[t->idle++]}};
    guest_time_at(&t->time, &record);
}

/* Takes records up to those that are due at this exit. Returns the exit at which the next is. */
static u64 take_due(struct timeline *t, const struct trace_batch *batch, u64 exit)
{
    for (;;) {
        struct heads heads = heads_of(t, batch);
        u64 next = due(&heads);
        if (next > exit || next == NEVER)
            return next;
        if (heads.clock <= heads.arrival && heads.clock <= heads.idle)
            take_clock(t, &batch->clock);
        else if (heads.arrival <= heads.idle)
            take_arrival(t, &batch->arrival);
        else
            take_idle(t, &batch->idle);
    }
}

/* --- the exits --------------------------------------------------------------------------- */

void timeline_chunk(struct timeline *t)
{
    t->arrival = t->clock = t->idle = 0;
}

void timeline_walk(struct timeline *t, const struct trace_batch *batch, size_t begin, size_t end,
                   u64 *times)
{
    while (begin < end) {
        u64 next = take_due(t, batch, batch->first_exit + begin);
        size_t stop = (size_t)min_u64(next - batch->first_exit, end);
        t->stolen += t->pending;
        t->pending = 0;
        guest_time_at_exits(&t->time, &batch->exit, begin, stop, times);
        begin = stop;
    }
    if (end == batch->exits) /* what belongs behind the chunk's last exit */
        take_due(t, batch, NEVER);
}
