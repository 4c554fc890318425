/* Guest time at each exit; see timeline.h. */
#include "analysis/timeline.h"
#include "core/machine.h"
#include "vmx/exits.h"

enum { MSR_TSC = 0x10 };

void timeline_wish(u32 clock, struct column_wishes *wishes)
{
    wishes->fields[REC_ARRIVAL] |=
        COLUMN(arrival, what) | COLUMN(arrival, value) | COLUMN(arrival, exit);
    if (clock == CLOCK_HOST)
        wishes->fields[REC_CLOCK] |= COLUMN(clock, exit) | COLUMN(clock, value);
    if (clock == CLOCK_HOST)
        return;
    wishes->fields[REC_IDLE] |= COLUMN(idle, exit) | COLUMN(idle, until);
    wishes->fields[REC_EXIT] |= COLUMN(exit, reason) | COLUMN(exit, count) |
                                COLUMN(exit, address) | COLUMN(exit, value);
}

/* The next arrival of time at an exit before `exit`. */
static bool next_arrival(struct timeline *t, const struct arrival_columns *arrivals, u64 exit,
                         u64 *value)
{
    for (; t->arrival < arrivals->rows && arrivals->exit[t->arrival] < exit; t->arrival++) {
        if (arrivals->what[t->arrival] != ARRIVAL_TIME)
            continue;
        *value = arrivals->value[t->arrival++];
        return true;
    }
    return false;
}

/* --- clock count -------------------------------------------------------------------------------
 */

static void take_stolen(struct timeline *t, const struct arrival_columns *arrivals, u64 exit)
{
    u64 value;
    while (next_arrival(t, arrivals, exit, &value))
        t->pending += value;
}

/* What was skipped to behind exits before `exit`; what is pending is in it already. */
static void take_idle(struct timeline *t, const struct trace_batch *batch, u64 exit)
{
    const struct idle_columns *idles = &batch->idle;
    for (; t->idle < idles->rows && idles->exit[t->idle] < exit; t->idle++) {
        u64 row = idles->exit[t->idle] - batch->first_exit;
        if (row >= batch->exits) /* a damaged trace */
            continue;
        t->skipped = idles->until[t->idle] - batch->exit.count[row] - t->pending;
        t->shown = true;
    }
}

static bool reads_tsc(u64 reason, u64 address)
{
    return reason == EXIT_RDTSC || reason == EXIT_RDTSCP ||
           (reason == EXIT_MSR_READ && address == MSR_TSC);
}

static void look_at(struct timeline *t, const struct exit_columns *exits, size_t i)
{
    u64 reason = exits->reason[i];
    if (reads_tsc(reason, exits->address[i])) {
        t->skipped = exits->value[i] - t->tsc_offset - exits->count[i];
        t->shown = true;
    } else if (reason == EXIT_MSR_WRITE && exits->address[i] == MSR_TSC) {
        t->tsc_offset = exits->value[i] - exits->count[i] - t->skipped;
        t->tsc_written = true;
    }
}

static void walk_count(struct timeline *t, const struct trace_batch *batch, size_t begin,
                       size_t end, u64 *times)
{
    for (size_t i = begin; i < end; i++) {
        take_stolen(t, &batch->arrival, batch->first_exit + i);
        take_idle(t, batch, batch->first_exit + i);
        t->skipped += t->pending;
        t->stolen += t->pending;
        t->pending = 0;
        look_at(t, &batch->exit, i);
        times[i] = batch->exit.count[i] + t->skipped;
    }
    if (end == batch->exits) {
        take_stolen(t, &batch->arrival, NEVER);
        take_idle(t, batch, NEVER);
    }
}

/* --- clock host ---------------------------------------------------------------------------------
 */

static void take_arrived(struct timeline *t, const struct arrival_columns *arrivals, u64 exit)
{
    while (next_arrival(t, arrivals, exit, &t->reading))
        t->shown = true;
}

/* Arrivals come when an exit has been handled, readings before. */
static void walk_host(struct timeline *t, const struct trace_batch *batch, size_t begin, size_t end,
                      u64 *times)
{
    const struct clock_columns *clocks = &batch->clock;
    for (size_t i = begin; i < end; i++) {
        u64 exit = batch->first_exit + i;
        take_arrived(t, &batch->arrival, exit);
        for (; t->clock_row < clocks->rows && clocks->exit[t->clock_row] <= exit; t->clock_row++) {
            t->reading = clocks->value[t->clock_row];
            t->shown = true;
        }
        times[i] = t->reading;
    }
    if (end == batch->exits)
        take_arrived(t, &batch->arrival, NEVER);
}

void timeline_walk(struct timeline *t, const struct trace_batch *batch, size_t begin, size_t end,
                   u64 *times)
{
    if (begin == 0)
        t->arrival = t->idle = t->clock_row = 0;
    if (t->clock == CLOCK_HOST)
        walk_host(t, batch, begin, end, times);
    else
        walk_count(t, batch, begin, end, times);
}
