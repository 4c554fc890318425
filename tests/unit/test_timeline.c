/* Guest time of exits read as columns against that of the same trace read record by record:
 * recordings of the tiny guest under both clock policies, with noise, and as format version 1 had
 * them. */
#include "trace_sample.h"

#include "analysis/frame/timeline.h"
#include "tests/unit/recorded_run.h"
#include "trace/moments.h"

#include <criterion/criterion.h>

enum { NOISES = 4, LIMIT = 1 << 16 };

static struct run run;
static struct recorded recorded;
static u64 expected[LIMIT], times[BLOCK_RECORDS_MAX];

static void setup(void)
{
    scratch_make();
    scratch_file("kernel", "kernel", 6);
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(timeline, .init = setup, .fini = teardown);

/* The records of a block, without those that older versions do not have. */
static size_t copy_block(u32 block, u32 version, u8 *to)
{
    size_t length = 0;
    for (u32 at = recorded.block_at[block]; at < recorded.block_at[block + 1];) {
        u32 kind = *(const u16 *)(recorded.bytes + at), size = record_size(kind);
        bool idle = kind == REC_IDLE, raise = kind == REC_RAISE;
        if (!(idle && version < TRACE_WITH_IDLES) && !(raise && version < TRACE_WITH_RAISES)) {
            memcpy(to + length, recorded.bytes + at, size);
            length += size;
        }
        at += size;
    }
    return length;
}

/* A world that takes time away ever so often. */
enum { THEFT_EVERY = 3000, THEFT = 12345 };

static u64 next_theft(struct world *world, u64 count)
{
    (void)world;
    return (count / THEFT_EVERY + 1) * THEFT_EVERY;
}

static u64 theft(struct world *world)
{
    (void)world;
    return THEFT;
}

static void record_run(enum clock_policy clock, u64 noise)
{
    run_prepare(&run, clock);
    struct world_ops ops = *run.world.world.ops;
    ops.interruption = next_theft;
    ops.stolen = theft;
    if (!noise)
        run.world.world.ops = &ops;
    run_record(&run, &recorded, noise);
    run.world.world.ops = NULL;
}

/* Noise 0: time is taken away instead. */
static struct trace *make_trace(enum clock_policy clock, u64 noise, u32 version)
{
    static u8 raw[RUN_BYTES];
    static u32 next;
    char name[16], *path;
    struct trace_writer *writer;
    struct trace *trace;
    struct manifest manifest = {.memory_size = 1 << 20, .clock = clock, .tsc_hz = NANOSECONDS};
    record_run(clock, noise);
    snprintf(name, sizeof(name), "trace.%u", next++);
    path = strdup(scratch_path(name));
    cr_assert_eq(
        trace_create(path, &manifest, scratch_path("kernel"), NULL, TRACE_SYNC_NEVER, &writer).code,
        OK);
    trace_writer_manifest(writer)->version = version;
    for (u32 i = 0; i < recorded.blocks; i++)
        cr_assert_eq(trace_append_chunk(writer, raw, copy_block(i, version, raw)).code, OK);
    cr_assert_eq(trace_finish(writer).code, OK);
    cr_assert_eq(trace_open(path, &trace).code, OK);
    free(path);
    return trace;
}

/* Record by record in merged order, into expected[]. A request of an interrupt knows its time. */
static u64 read_records(struct trace *trace)
{
    struct moments m;
    const struct moment *moment;
    u64 exits = 0, raises = 0, early = NEVER;
    bool host = trace_manifest(trace)->clock == CLOCK_HOST; /* time goes on between its records */
    cr_assert_eq(moments_begin(&m, trace, 0, NEVER).code, OK);
    while (moments_next(&m, &moment) == TRACE_RECORD) {
        const struct raise_record *raise = &moment->record.raise;
        if (raise->kind == REC_RAISE) {
            raises++;
            early = moment->ns != raise->due + raise->late ? moment->exit : early;
            cr_expect(host || moment->ns <= raise->due + raise->late);
        } else if (raise->kind == REC_ARRIVAL && moment->record.arrival.what == ARRIVAL_TIME) {
            early = moment->exit == early ? NEVER : early; /* it made the timer go off */
        }
        cr_expect(host || early == NEVER || moment->exit <= early + 1, "at exit %lu", early);
        if (moment->record.kind != REC_EXIT)
            continue;
        cr_assert(exits < LIMIT && moment->exit == exits);
        expected[exits++] = moment->ns;
    }
    moments_end(&m);
    if (trace_manifest(trace)->version >= TRACE_WITH_RAISES)
        cr_expect_gt(raises, 10);
    return exits;
}

/* Chunk by chunk in pieces of `piece` exits from chunk `first` on, where nothing is known if that
 * is not the trace's start. Returns how many times were compared. */
static u64 compare(struct trace *trace, size_t first, size_t piece)
{
    struct column_wishes wishes = {{0}};
    struct timeline t;
    struct trace_batch batch;
    u64 compared = 0;
    timeline_begin(&t, trace);
    if (first)
        guest_time_lose(&t.time);
    guest_time_wish(&t.time, &wishes);
    struct trace_scan *scan = trace_scan_new(trace, &wishes);
    for (size_t chunk = first; chunk < trace_chunk_count(trace); chunk++) {
        cr_assert_eq(trace_scan_read(scan, chunk, &batch).code, OK);
        timeline_chunk(&t);
        for (size_t at = 0, end; at < batch.exits; at = end) {
            bool known = !t.time.lost;
            end = min_u64(at + piece, batch.exits);
            timeline_walk(&t, &batch, at, end, times);
            for (size_t i = at; known && i < end; i++, compared++)
                cr_expect_eq(times[i], expected[batch.first_exit + i]);
        }
    }
    trace_scan_free(scan);
    return compared;
}

static void check(enum clock_policy clock, u64 noise, u32 version)
{
    struct trace *trace = make_trace(clock, noise, version);
    u64 exits = read_records(trace), chunks = trace_chunk_count(trace);
    cr_assert(exits > 100 && chunks > 2);
    for (size_t piece = 1; piece < 1000; piece = piece * 5 + 2)
        cr_expect_eq(compare(trace, 0, piece), exits, "clock %u, noise %lu", clock, noise);
    if (version >= 2)
        cr_expect(compare(trace, chunks / 2, 1) > 50, "clock %u, noise %lu", clock, noise);
    trace_close(trace);
}

Test(timeline, of_columns_are_those_of_records)
{
    for (u64 noise = 0; noise < NOISES; noise++) {
        check(CLOCK_COUNT, noise, 3);
        check(CLOCK_HOST, noise, 3);
        check(CLOCK_COUNT, noise, 2);
        check(CLOCK_COUNT, noise, 1);
    }
}

Test(timeline, tell_what_the_world_took)
{
    struct trace *trace = make_trace(CLOCK_COUNT, 0, 2);
    struct column_wishes wishes = {{0}};
    struct timeline t;
    struct trace_batch batch;
    union record record;
    u64 stolen = 0;
    struct trace_cursor *cursor = trace_cursor(trace, STREAM_INPUT);
    while (trace_next(cursor, &record) == TRACE_RECORD)
        stolen += record.kind == REC_ARRIVAL && record.arrival.what == ARRIVAL_TIME
                      ? record.arrival.value
                      : 0;
    trace_cursor_free(cursor);
    timeline_begin(&t, trace);
    guest_time_wish(&t.time, &wishes);
    struct trace_scan *scan = trace_scan_new(trace, &wishes);
    for (size_t chunk = 0; chunk < trace_chunk_count(trace); chunk++) {
        cr_assert_eq(trace_scan_read(scan, chunk, &batch).code, OK);
        timeline_chunk(&t);
        timeline_walk(&t, &batch, 0, batch.exits, times);
    }
    cr_expect(stolen > 0);
    cr_expect_eq(t.stolen + t.pending, stolen);
    trace_scan_free(scan);
    trace_close(trace);
}
