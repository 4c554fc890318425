/* Readings of clocks; see readings.h. */
#include "analysis/time/readings.h"
#include "analysis/io/accesses.h"
#include "core/devices/acpi_pm.h"
#include "core/devices/lapic.h"
#include "core/devices/ports.h"
#include "core/machine.h"
#include "core/msrs.h"
#include "vmx/exits.h"

#include <string.h>

const char *const source_names[] = {"tsc", "pm_timer", "pit", "apic_timer", "host_clock"};

enum { MSR_TSC = 0x10, PIT_COUNTERS = 3 };

void readings_wish(struct column_wishes *wishes)
{
    access_wish(wishes);
    wishes->fields[REC_CLOCK] |= COLUMN(clock, exit) | COLUMN(clock, value);
    wishes->fields[REC_ARRIVAL] |=
        COLUMN(arrival, what) | COLUMN(arrival, value) | COLUMN(arrival, exit);
}

/* --- which exits ------------------------------------------------------------------------------ */

static enum seen_clock source_at(const struct io_access *access)
{
    static const u64 count[] = {
        [SPACE_MMIO] = LAPIC_BASE + 16 * LAPIC_CURRENT_COUNT,
        [SPACE_MSR] = MSR_X2APIC_FIRST + LAPIC_CURRENT_COUNT,
    };
    if (access->space != SPACE_PORT)
        return access->address == count[access->space] ? SEEN_APIC_TIMER : SEEN_CLOCKS;
    if (access->address == PORT_ACPI_PM + ACPI_PM_TIMER && access->size == 4)
        return SEEN_PM_TIMER;
    return access->address - PORT_PIT < PIT_COUNTERS ? SEEN_PIT : SEEN_CLOCKS;
}

/* SEEN_CLOCKS: the exit gave the guest no clock's value. */
static enum seen_clock source_of(const struct exit_columns *exits, size_t i)
{
    struct io_access access;
    u64 reason = exits->reason[i];
    if (reason == EXIT_RDTSC || reason == EXIT_RDTSCP ||
        (reason == EXIT_MSR_READ && exits->address[i] == MSR_TSC))
        return SEEN_TSC;
    if (!access_of(exits, i, &access) || access.way != WAY_IN || access.string)
        return SEEN_CLOCKS;
    return source_at(&access);
}

static bool sets_tsc(const struct exit_columns *exits, size_t i)
{
    return exits->reason[i] == EXIT_MSR_WRITE && exits->address[i] == MSR_TSC;
}

/* --- one after the other ---------------------------------------------------------------------- */

/* false: the source counts down, or has had the time to wrap. */
static bool advance(enum seen_clock source, u64 from, u64 to, u64 passed, s128 *by)
{
    const u64 half = BIT(31) * NANOSECONDS / ACPI_PM_TIMER_HZ;
    if (source == SEEN_PM_TIMER) {
        *by = (i32)(u32)(to - from);
        return passed < half;
    }
    *by = (s128)to - (s128)from;
    return source == SEEN_TSC || source == SEEN_HOST;
}

static bool compare(const struct last_readings *last, enum seen_clock source, u64 value, u64 time,
                    s128 *by)
{
    return last->known[source] &&
           advance(source, last->value[source], value, time - last->time[source], by);
}

static void remember(struct last_readings *last, enum seen_clock source, u64 value, u64 time)
{
    last->known[source] = last->closed[source] = true;
    last->value[source] = value;
    last->time[source] = time;
}

/* Nothing that comes can be compared with what was. */
static void forget(struct last_readings *last, enum seen_clock source)
{
    last->known[source] = false;
    last->closed[source] = true;
}

static void forget_all(struct last_readings *last)
{
    for (u32 s = 0; s < SEEN_CLOCKS; s++)
        forget(last, s);
}

/* --- the walk --------------------------------------------------------------------------------- */

void readings_begin(struct reading_walk *w, const struct slice *slice, struct last_readings *last)
{
    *w = (struct reading_walk){
        .slice = slice, .host = slice->clock == CLOCK_HOST, .row = slice->begin, .last = last};
    if (slice->before.kind == BEFORE_GAP)
        forget_all(last);
}

/* Is there a row for this exit? *row goes past those of exits before it. */
static bool has_row(const u64 *exits, size_t rows, size_t *row, u64 exit)
{
    while (*row < rows && exits[*row] < exit)
        ++*row;
    return *row < rows && exits[*row] == exit;
}

/* The next arrival of the time at this exit. */
static bool has_time(struct reading_walk *w, u64 exit)
{
    const struct arrival_columns *arrivals = &w->slice->batch->arrival;
    while (w->host && has_row(arrivals->exit, arrivals->rows, &w->arrival, exit)) {
        if (arrivals->what[w->arrival] == ARRIVAL_TIME)
            return true;
        w->arrival++;
    }
    return false;
}

/* The exit's own reading, once; else SEEN_CLOCKS. */
static enum seen_clock own_source(struct reading_walk *w)
{
    const struct exit_columns *exits = &w->slice->batch->exit;
    if (w->seen)
        return SEEN_CLOCKS;
    w->seen = true;
    if (sets_tsc(exits, w->row))
        forget(w->last, SEEN_TSC);
    return source_of(exits, w->row);
}

/* The next reading at the exit of this row; false: it has no more. */
static bool next_at_row(struct reading_walk *w, struct reading *reading)
{
    const struct trace_batch *batch = w->slice->batch;
    u64 exit = batch->first_exit + w->row;
    reading->source = SEEN_HOST;
    if (!w->seen && has_row(batch->clock.exit, batch->clock.rows, &w->clock, exit)) {
        reading->value = batch->clock.value[w->clock++];
        return true;
    }
    enum seen_clock own = own_source(w);
    if (own != SEEN_CLOCKS) {
        reading->source = own;
        reading->value = batch->exit.value[w->row];
        return true;
    }
    if (!has_time(w, exit))
        return false;
    reading->value = batch->arrival.value[w->arrival++];
    return true;
}

bool readings_next(struct reading_walk *w, struct reading *reading)
{
    for (; w->row < w->slice->end; w->row++, w->seen = false) {
        if (!next_at_row(w, reading))
            continue;
        reading->row = w->row;
        reading->time = w->slice->times[w->row];
        reading->opens = !w->last->closed[reading->source];
        reading->compares =
            compare(w->last, reading->source, reading->value, reading->time, &reading->advance);
        remember(w->last, reading->source, reading->value, reading->time);
        return true;
    }
    return false;
}

/* --- counts ----------------------------------------------------------------------------------- */

void counts_take(struct reading_counts *c, const struct slice *slice)
{
    struct reading_walk walk;
    struct reading reading;
    readings_begin(&walk, slice, &c->last);
    while (readings_next(&walk, &reading)) {
        c->reads[reading.source]++;
        c->backwards[reading.source] += reading.compares && reading.advance < 0;
        if (reading.opens)
            remember(&c->first, reading.source, reading.value, reading.time);
    }
}

/* What is open at the end of this and at the beginning of the next. */
static void join(struct reading_counts *c, const struct reading_counts *next, enum seen_clock s)
{
    s128 by;
    if (next->first.known[s]) {
        bool compares = compare(&c->last, s, next->first.value[s], next->first.time[s], &by);
        c->backwards[s] += compares && by < 0;
        if (!c->last.closed[s])
            remember(&c->first, s, next->first.value[s], next->first.time[s]);
    }
    if (next->last.known[s])
        remember(&c->last, s, next->last.value[s], next->last.time[s]);
    else if (next->last.closed[s])
        forget(&c->last, s);
}

void counts_merge(struct reading_counts *c, const struct reading_counts *next, bool follows)
{
    if (!follows)
        forget_all(&c->last);
    for (u32 s = 0; s < SEEN_CLOCKS; s++) {
        c->reads[s] += next->reads[s];
        c->backwards[s] += next->backwards[s];
        join(c, next, s);
    }
}

static void save_last(const struct last_readings *last, u32 s, struct pack *pack)
{
    pack_number(pack, last->known[s]);
    pack_number(pack, last->closed[s]);
    pack_number(pack, last->value[s]);
    pack_number(pack, last->time[s]);
}

static void load_last(struct last_readings *last, u32 s, struct unpack *unpack)
{
    last->known[s] = unpack_number(unpack) != 0;
    last->closed[s] = unpack_number(unpack) != 0;
    last->value[s] = unpack_number(unpack);
    last->time[s] = unpack_number(unpack);
    if (last->known[s] && !last->closed[s])
        unpack_refuse(unpack, "a clock's last reading is none");
}

void counts_save(const struct reading_counts *c, struct pack *pack)
{
    for (u32 s = 0; s < SEEN_CLOCKS; s++) {
        pack_number(pack, c->reads[s]);
        pack_number(pack, c->backwards[s]);
        save_last(&c->first, s, pack);
        save_last(&c->last, s, pack);
    }
}

void counts_load(struct reading_counts *c, struct unpack *unpack)
{
    for (u32 s = 0; s < SEEN_CLOCKS; s++) {
        c->reads[s] = unpack_number(unpack);
        c->backwards[s] = unpack_number(unpack);
        load_last(&c->first, s, unpack);
        load_last(&c->last, s, unpack);
        if (c->backwards[s] > c->reads[s])
            unpack_refuse(unpack, "more readings went back than there were");
    }
}

void counts_tell(const struct reading_counts *c, struct output *out)
{
    static const struct column columns[] = {
        {"source", "Clock", CELL_TEXT},
        {"reads", "Readings", CELL_COUNT},
        {"backwards", "Went back", CELL_COUNT},
    };
    output_table(out, "readings", columns, ARRAY_SIZE(columns), 0);
    for (u32 s = 0; s < SEEN_CLOCKS; s++) {
        if (!c->reads[s])
            continue;
        output_text(out, source_names[s]);
        output_number(out, c->reads[s]);
        output_number_if(out, s != SEEN_PIT && s != SEEN_APIC_TIMER, c->backwards[s]);
    }
}
