/* Where guest time began, under the clock policy `host`: looked for in the trace's first reading.
 * See guest_time.h. */
#include "core/machine.h"
#include "trace/guest_time.h"

/* A reading, and the host TSC that it belongs to. */
struct sight {
    u64 ns, tsc;
};

/* The row of exit number `exit`; false: it is not in this chunk. */
static bool row_of(const struct trace_batch *batch, u64 exit, size_t *row)
{
    *row = (size_t)(exit - batch->first_exit);
    return exit >= batch->first_exit && exit - batch->first_exit < batch->exit.rows;
}

/* The row of the first arrival that brings the time; else their number. */
static size_t first_time(const struct arrival_columns *arrivals)
{
    size_t row = 0;
    while (row < arrivals->rows && arrivals->what[row] != ARRIVAL_TIME)
        row++;
    return row;
}

/* A reading of the clock is made while its exit is handled, an arrival of the time comes after. */
static bool first_sight(const struct trace_batch *batch, struct sight *sight)
{
    size_t arrival = first_time(&batch->arrival), row;
    u64 read = batch->clock.rows ? batch->clock.exit[0] : NEVER;
    u64 arrived = arrival < batch->arrival.rows ? batch->arrival.exit[arrival] : NEVER;
    if (!row_of(batch, min_u64(read, arrived), &row))
        return false;
    if (read <= arrived)
        *sight =
            (struct sight){batch->clock.value[0], guest_time_read_by(batch->exit.tsc_exit[row],
                                                                     batch->exit.tsc_entry[row])};
    else
        *sight = (struct sight){batch->arrival.value[arrival], batch->exit.tsc_entry[row]};
    return true;
}

static bool find_sight(struct trace *trace, struct trace_scan *scan, struct sight *sight)
{
    struct trace_batch batch;
    for (size_t chunk = 0; chunk < trace_chunk_count(trace); chunk++) {
        if (trace_scan_read(scan, chunk, &batch).code)
            return false;
        if (batch.clock.rows || first_time(&batch.arrival) < batch.arrival.rows)
            return first_sight(&batch, sight);
    }
    return false;
}

void guest_time_look_ahead(struct guest_time *t, struct trace *trace)
{
    struct column_wishes wishes = {{0}};
    struct sight sight;
    if (!t->host)
        return;
    guest_time_wish(t, &wishes);
    struct trace_scan *scan = trace_scan_new(trace, &wishes);
    if (scan && find_sight(trace, scan, &sight)) {
        t->read_ns = sight.ns;
        t->read_tsc = sight.tsc;
        t->anchored = true;
    }
    trace_scan_free(scan);
}
