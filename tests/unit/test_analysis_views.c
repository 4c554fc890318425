/* Views over small traces: columns, sums, ranges, shards, damage, partial files. */
#include "view_rig.h"

#include "analysis/frame/timeline.h"
#include "analysis/scheduler/events.h"
#include "core/machine.h"
#include "trace/batch.h"
#include "vmx/exits.h"

enum { CHUNKS = 6, EXITS = 300, CLOCKS = 20 };

static void setup(void)
{
    scratch_make();
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(analysis_views, .init = setup, .fini = teardown);

typedef void change_function(struct sample *, u32 chunk);

/* With what `change` does to each chunk, unless that is NULL. */
static const char *make_changed(const char *name, u32 clock, u32 chunks, change_function *change)
{
    struct sample s = {0};
    struct trace_writer *writer;
    static char paths[2][256]; /* scratch_path() forgets */
    static u32 next;
    char *path = strcpy(paths[next % 2], scratch_path(name));
    struct manifest manifest = {.memory_size = 1 << 20, .clock = clock, .epoch = next++};
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(
        trace_create(path, &manifest, scratch_path("kernel"), NULL, TRACE_SYNC_NEVER, &writer).code,
        OK);
    for (u32 i = 0; i < chunks; i++) {
        sample_chunk(&s, EXITS, CLOCKS);
        if (change)
            change(&s, i);
        if (i == chunks - 1)
            sample_end(&s);
        cr_assert_eq(trace_append_chunk(writer, s.raw, s.used).code, OK);
    }
    cr_assert_eq(trace_finish(writer).code, OK);
    free(s.raw);
    return path;
}

static const char *make_trace(const char *name, u32 clock)
{
    return make_changed(name, clock, CHUNKS, NULL);
}

/* --- columns ----------------------------------------------------------------------------- */

/* Row `row` of the kind's wished columns against the fields of the record. */
static bool same_row(u32 kind, const u64 *const *columns, u32 wished, size_t row,
                     const union record *record)
{
    const struct kind_layout *layout = kind_layout(kind);
    bool same = true;
    for (u32 f = 0; f < layout->field_count; f++) {
        bool has = wished >> f & 1;
        same = same && (columns[f] != NULL) == has &&
               (!has || columns[f][row] == field_get(&layout->fields[f], record));
    }
    return same;
}

/* A kind's columns in a batch: rows, then a pointer for each field. */
static const u64 *const *columns_of(const struct trace_batch *batch, u32 kind, size_t *rows)
{
    switch (kind) {
#define R(number, name, NAME, stream, FIELDS) \
    case number:                              \
        *rows = batch->name.rows;             \
        return (const u64 *const *)&batch->name + 1;
        RECORDS(R)
#undef R
    default:
        return NULL;
    }
}

static u64 compare_stream(struct trace *trace, enum stream stream,
                          const struct column_wishes *wishes)
{
    struct trace_scan *scan = trace_scan_new(trace, wishes);
    struct trace_cursor *cursor = trace_cursor(trace, stream);
    struct trace_batch batch;
    union record record;
    size_t chunk = 0, next[REC_KIND_LIMIT] = {0}, rows = 0;
    u64 compared = 0;
    cr_assert_eq(trace_scan_read(scan, 0, &batch).code, OK);
    while (trace_next(cursor, &record) == TRACE_RECORD) {
        if (trace_cursor_block(cursor) != chunk) {
            cr_assert_eq(trace_scan_read(scan, ++chunk, &batch).code, OK);
            memset(next, 0, sizeof(next));
        }
        u32 wished = wishes->fields[record.kind];
        const u64 *const *columns = columns_of(&batch, record.kind, &rows);
        if (!wished)
            continue;
        cr_assert(next[record.kind] < rows);
        cr_expect(same_row(record.kind, columns, wished, next[record.kind]++, &record));
        compared++;
    }
    trace_cursor_free(cursor);
    trace_scan_free(scan);
    return compared;
}

Test(analysis_views, columns_equal_the_records_whichever_are_wished)
{
    struct trace *trace;
    u64 random = 5;
    cr_assert_eq(trace_open(make_trace("t", CLOCK_COUNT), &trace).code, OK);
    cr_expect_eq(trace_chunk_count(trace), CHUNKS);
    for (u32 round = 0; round < 40; round++) {
        struct column_wishes wishes = {{0}};
        for (u32 kind = 1; kind < REC_KIND_LIMIT; kind++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            if (kind_layout(kind))
                wishes.fields[kind] = (round ? (u32)(random >> 40) : UINT32_MAX) &
                                      ((1u << kind_layout(kind)->field_count) - 1);
        }
        compare_stream(trace, STREAM_INPUT, &wishes);
        u64 compared = compare_stream(trace, STREAM_OBSERVATION, &wishes);
        cr_expect(!wishes.fields[REC_EXIT] || compared >= CHUNKS * EXITS);
    }
    trace_close(trace);
}

/* --- sums -------------------------------------------------------------------------------- */

/* First stamp to last, from the records. */
static u64 span(const char *path)
{
    struct trace *trace;
    union record record;
    u64 first = 0, last = 0;
    cr_assert_eq(trace_open(path, &trace).code, OK);
    struct trace_cursor *cursor = trace_cursor(trace, STREAM_OBSERVATION);
    while (trace_next(cursor, &record) == TRACE_RECORD) {
        if (record.kind != REC_EXIT)
            continue;
        first = first ? first : record.exit.tsc_exit;
        last = record.exit.tsc_entry;
    }
    trace_cursor_free(cursor);
    trace_close(trace);
    return last - first;
}

Test(analysis_views, guest_hypervisor_and_halted_time_are_the_whole)
{
    const char *path = make_trace("t", CLOCK_COUNT);
    char *text = analyze(ask("exits", "stats", "reason"), path);
    const char *totals = strstr(text, "\"totals\"");
    u64 sum = 0, samples = 0;
    for (u32 i = 0; i < 3; i++)
        sum += number_after(strstr(text, "\"time\":["), "ticks", i);
    for (u32 i = 0; i < 5; i++) /* reasons */
        samples += number_after(text, "samples", i);
    cr_expect_eq(sum, span(path));
    cr_expect_eq(number_after(totals, "ticks", 0), sum);
    cr_expect_eq(samples, CHUNKS * EXITS);
    cr_expect_eq(number_after(totals, "samples", 0), samples);
    cr_expect_eq(number_after(totals, "disordered", 0), 0);
    free(text);
}

Test(analysis_views, two_ranges_add_up_to_the_whole)
{
    static const char *const keys[] = {"samples", "ticks", "guest_ns"};
    const char *path = make_trace("t", CLOCK_COUNT);
    struct pass pass = ask("exits", "stats", "reason");
    char *whole = analyze(pass, path);
    for (u64 cut = 1; cut < CHUNKS * EXITS; cut += 97) {
        pass.from = (struct bound){0};
        pass.to = (struct bound){POSITION_EXIT, cut - 1};
        char *left = analyze(pass, path);
        pass.from = (struct bound){POSITION_EXIT, cut};
        pass.to = (struct bound){0};
        char *right = analyze(pass, path);
        for (u32 k = 0; k < ARRAY_SIZE(keys); k++)
            cr_expect_eq(number_after(strstr(left, "\"totals\""), keys[k], 0) +
                             number_after(strstr(right, "\"totals\""), keys[k], 0),
                         number_after(strstr(whole, "\"totals\""), keys[k], 0), "%s at %lu",
                         keys[k], cut);
        free(left);
        free(right);
    }
    free(whole);
}

/* --- positions --------------------------------------------------------------------------- */

Test(analysis_views, positions_are_found_as_a_search_of_all_records_finds_them)
{
    struct trace *trace;
    union record record;
    u64 count = 0, exit = 0;
    cr_assert_eq(trace_open(make_trace("t", CLOCK_COUNT), &trace).code, OK);
    struct trace_cursor *cursor = trace_cursor(trace, STREAM_OBSERVATION);
    while (trace_next(cursor, &record) == TRACE_RECORD) {
        struct exit_range range;
        if (record.kind != REC_EXIT)
            continue;
        exit = trace_cursor_exit(cursor);
        if (exit % 41 == 0) {
            struct bound from = {POSITION_COUNT, count + 1},
                         to = {POSITION_COUNT, record.exit.count};
            cr_assert_eq(position_resolve(trace, from, to, &range).code, OK);
            cr_expect(range.first == exit && range.last == exit, "%lu: %lu to %lu", exit,
                      range.first, range.last);
        }
        count = record.exit.count;
    }
    trace_cursor_free(cursor);
    trace_close(trace);
}

Test(analysis_views, an_empty_range_is_said_to_be_one)
{
    struct pass pass = ask("exits", "stats", "reason");
    struct result result;
    pass.from = (struct bound){POSITION_TIME, 3600 * NANOSECONDS};
    struct failure failure = pass_run(&pass, make_trace("t", CLOCK_COUNT), NULL, &result);
    cr_expect_eq(failure.code, BAD_INPUT);
    cr_expect(strstr(failure.text, "exits 0 to 1799"), "%s", failure.text);
    cr_expect_null(result.state);
}

/* --- shards ------------------------------------------------------------------------------ */

/* --- shards of a guest that sets its TSC ------------------------------------------------- */

enum { TSC_MSR = 0x10, TSC_JUMP = 1000000 };

/* The guest's first write of an MSR is one of its TSC, which jumps ahead, and readings follow. */
static void set_tsc(struct sample *s, u32 chunk)
{
    static bool written;
    written = written && chunk;
    for (size_t at = 0; at < s->used; at += record_size(*(u16 *)(s->raw + at))) {
        struct exit_record *exit = (struct exit_record *)(s->raw + at);
        if (exit->kind != REC_EXIT)
            continue;
        if (written && exit->reason == EXIT_RDTSC)
            exit->value += TSC_JUMP;
        if (written || exit->reason != EXIT_MSR_WRITE)
            continue;
        exit->address = TSC_MSR;
        exit->value += TSC_JUMP;
        written = true;
    }
}

/* The guest is never idle. */
static void stay_awake(struct sample *s, u32 chunk)
{
    size_t kept = 0, size;
    (void)chunk;
    for (size_t at = 0; at < s->used; at += size) {
        struct exit_record *exit = (struct exit_record *)(s->raw + at);
        size = record_size(exit->kind);
        if (exit->kind == REC_IDLE)
            continue;
        if (exit->kind == REC_EXIT &&
            (exit->reason == EXIT_RDTSC || exit->reason == EXIT_MSR_WRITE))
            exit->value = exit->count;
        memmove(s->raw + kept, s->raw + at, size);
        kept += size;
    }
    s->used = kept;
}

static void set_tsc_awake(struct sample *s, u32 chunk)
{
    stay_awake(s, chunk);
    set_tsc(s, chunk);
}

/* Awake but for one chunk. */
static void set_tsc_awake_later(struct sample *s, u32 chunk)
{
    if (chunk == 9)
        set_tsc(s, chunk);
    else
        set_tsc_awake(s, chunk);
}

/* More than a shard goes back for a surer sight of the time. */
enum { MANY_CHUNKS = 40 };

Test(analysis_views, shards_find_the_time_of_a_guest_that_has_set_its_tsc)
{
    static const struct {
        change_function *change;
        u32 shards;
    } cases[] = {{set_tsc, 4}, {stay_awake, 4}, {set_tsc_awake_later, 2}};
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[] = {(char)('a' + i), 0};
        const char *path = make_changed(name, CLOCK_COUNT, MANY_CHUNKS, cases[i].change);
        check_shards(ask("exits", "freq", NULL), path, cases[i].shards);
    }
}

Test(analysis_views, shards_that_cannot_know_the_time_are_not_merged)
{
    const char *path = make_changed("t", CLOCK_COUNT, MANY_CHUNKS, set_tsc_awake);
    struct pass freq = ask("exits", "freq", NULL);
    struct failure failure;
    char *parts[3];
    for (u32 i = 0; i < ARRAY_SIZE(parts); i++)
        parts[i] = strdup(write_shard(freq, path, i + 1, ARRAY_SIZE(parts)));
    cr_expect_null(merge(parts, 3, &failure));
    cr_expect(strstr(failure.text, "was never idle since"), "%s", failure.text);
    cr_expect_null(merge((char *[]){parts[0], parts[2]}, 2, &failure));
    for (u32 i = 0; i < ARRAY_SIZE(parts); i++)
        free(parts[i]);
    check_shards(freq, path, 1);
    check_shards(ask("io", "stats", NULL), path, 3); /* needs no time */
}

/* Three tasks and idle, in no sensible order. */
static struct sched_log made_up_events(void)
{
    static struct sched_name names[] = {{0, 0, "idle"}, {1, 1, "a"}, {2, 2, "b"}, {2, 2, "c"}};
    static struct sched_event events[2 * CHUNKS * EXITS];
    u64 random = 9;
    for (u32 i = 0; i < ARRAY_SIZE(events); i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        events[i] = (struct sched_event){
            .time = 40 * i,
            .exit = i / 2,
            .kind = (random >> 33) % 2 ? SCHED_SWITCH : (random >> 40) % SCHED_KINDS,
            .task = (random >> 43) % 4,
            .other = (random >> 47) % 4,
            .state = (random >> 50) % 2,
            .preempted = (random >> 53) % 2,
        };
    }
    return (struct sched_log){.events = events,
                              .names = names,
                              .event_count = ARRAY_SIZE(events),
                              .name_count = ARRAY_SIZE(names)};
}

Test(analysis_views, merged_shards_equal_the_whole_in_every_view)
{
    struct sched_log log = made_up_events();
    const char *path[] = {make_trace("count", CLOCK_COUNT), make_trace("host", CLOCK_HOST)};
    for (size_t v = 0; views[v]; v++) {
        if (!views[v]->merge)
            continue;
        struct pass pass = ask(views[v]->name, views[v]->show, NULL);
        pass.query.scheduler = &log;
        do {
            for (u32 shards = 1; shards <= 10; shards += 3)
                check_shards(pass, path[pass.query.by % 2], shards);
        } while (views[v]->keys && views[v]->keys[++pass.query.by]);
    }
}

static const struct {
    const char *view, *show, *samples; /* the column that counts */
} by_interval[] = {
    {"exits", "activity", "samples"},
    {"exits", "freq", "samples"},
    {"io", "freq", "samples"},
    {"interrupts", "freq", "injections"},
};

Test(analysis_views, intervals_that_are_found_are_the_same_in_shards)
{
    const char *path = make_trace("t", CLOCK_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(by_interval); i++) {
        struct pass pass = ask(by_interval[i].view, by_interval[i].show, NULL);
        for (pass.query.intervals = 2; pass.query.intervals < 5000; pass.query.intervals *= 8)
            check_shards(pass, path, 3);
    }
}

/* How often the key's number comes in the text, and their sum. */
static u64 sum_of(const char *text, const char *key, u64 *sum)
{
    char quoted[64];
    u64 count = 0;
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    for (*sum = 0; (text = strstr(text, quoted)); count++)
        *sum += strtoull(text += strlen(quoted), NULL, 10);
    return count;
}

Test(analysis_views, intervals_add_up_to_the_whole_whatever_their_length)
{
    static const u64 intervals[] = {2, 16, 4096, 0};
    const char *path = make_trace("t", CLOCK_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(by_interval); i++) {
        u64 first = 0;
        for (size_t n = 0; n < ARRAY_SIZE(intervals); n++) {
            u64 samples, lengths;
            struct pass pass = ask(by_interval[i].view, by_interval[i].show, NULL);
            pass.query.intervals = intervals[n];
            pass.query.interval = 50000;
            char *text = analyze(pass, path);
            u64 rows = sum_of(text, by_interval[i].samples, &samples);
            cr_expect_eq(sum_of(text, "interval_ns", &lengths), rows);
            cr_expect_eq(lengths, rows * number_after(text, "interval_ns", 0));
            first = first ? first : samples;
            cr_expect(samples && samples == first, "%s: %lu of %lu", by_interval[i].view, samples,
                      first);
            free(text);
        }
    }
}

Test(analysis_views, rows_of_intervals_that_are_not_told_add_up_in_one)
{
    const char *path = make_trace("t", CLOCK_COUNT);
    for (size_t i = 1; i < ARRAY_SIZE(by_interval); i++) { /* activity has no keys */
        struct pass pass = ask(by_interval[i].view, by_interval[i].show, NULL);
        char others[32];
        u64 all, few;
        pass.query.interval = 50000;
        char *text = analyze(pass, path);
        u64 rows = sum_of(text, by_interval[i].samples, &all);
        free(text);
        pass.query.rows = 3;
        text = analyze(pass, path);
        snprintf(others, sizeof(others), "\"(%lu others)\"", rows - 3);
        cr_expect(rows > 3 && strstr(text, others), "%s in %s", others, text);
        cr_expect_eq(sum_of(text, by_interval[i].samples, &few), 4);
        cr_expect_eq(few, all);
        free(text);
    }
}

/* The member that follows "key": up to its end. */
static void copy_member(const char *text, const char *key, char *member, size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    const char *at = strstr(text, quoted);
    cr_assert(at, "no %s", key);
    snprintf(member, size, "%.*s", (int)strcspn(at, ",}"), at);
}

Test(analysis_views, accesses_over_time_are_those_of_the_statistics)
{
    const char *path = make_trace("t", CLOCK_COUNT);
    struct pass pass = ask("io", "freq", NULL);
    pass.query.interval = 1000 * NANOSECONDS; /* one interval */
    char *freq = analyze(pass, path), *stats = analyze(ask("io", "stats", NULL), path);
    u32 registers = 0;
    for (char *row = strstr(stats, "{\"device\""); row; row = strstr(row + 1, "{\"device\"")) {
        char place[256], samples[64];
        char *end = strstr(row, ",\"samples\"");
        snprintf(place, sizeof(place), "%.*s", (int)(end - row - 1), row + 1);
        copy_member(end, "samples", samples, sizeof(samples));
        char *same = strstr(freq, place);
        cr_assert(same, "no %s in %s", place, freq);
        cr_expect_eq(strncmp(same + strlen(place) + 1, samples, strlen(samples)), 0, "%s", place);
        registers++;
    }
    cr_expect_eq(registers, 3);
    free(freq);
    free(stats);
}

Test(analysis_views, what_does_not_belong_together_is_not_merged)
{
    struct pass by_reason = ask("exits", "stats", "reason"), by_rip = ask("exits", "stats", "rip");
    const char *path = make_trace("t", CLOCK_COUNT);
    struct failure failure;
    char *first = strdup(write_shard(by_reason, path, 1, 3));
    char *other = strdup(write_shard(by_rip, path, 2, 3));
    cr_expect_null(merge((char *[]){first, other}, 2, &failure));
    cr_expect(strstr(failure.text, "another question"), "%s", failure.text);
    cr_expect_null(merge((char *[]){first, first}, 2, &failure));
    cr_expect(strstr(failure.text, "already"), "%s", failure.text);
    free(first);
    free(other);
}

Test(analysis_views, missing_shards_are_counted)
{
    struct pass pass = ask("exits", "stats", "reason");
    const char *path = make_trace("t", CLOCK_COUNT);
    struct failure failure;
    char *first = strdup(write_shard(pass, path, 1, 3)),
         *last = strdup(write_shard(pass, path, 3, 3));
    char *text = merge((char *[]){last, first}, 2, &failure);
    cr_assert(text, "%s", failure.text);
    cr_expect_eq(number_after(strstr(text, "\"missing\""), "blocks", 0), CHUNKS / 3);
    cr_expect_eq(number_after(strstr(text, "\"totals\""), "samples", 0), CHUNKS * EXITS / 3 * 2);
    free(first);
    free(last);
    free(text);
}

Test(analysis_views, traces_add_up)
{
    struct pass pass = ask("exits", "stats", "reason");
    struct failure failure;
    char *a = strdup(write_shard(pass, make_trace("a", CLOCK_COUNT), 1, 1));
    char *kept = strdup(scratch_path("kept"));
    cr_assert_eq(rename(a, kept), 0);
    pass.to = (struct bound){POSITION_EXIT, 99};
    char *b = strdup(write_shard(pass, make_trace("b", CLOCK_COUNT), 1, 1));
    char *text = merge((char *[]){kept, b}, 2, &failure);
    cr_assert(text, "%s", failure.text);
    cr_expect_eq(number_after(text, "traces", 0), 2);
    cr_expect_eq(number_after(strstr(text, "\"totals\""), "samples", 0), CHUNKS * EXITS + 100);
    cr_expect_eq(number_after(strstr(text, "\"missing\""), "blocks", 0), 0);
    free(text);
    free(kept);
    free(a);
    free(b);
}

/* --- damage ------------------------------------------------------------------------------ */

Test(analysis_views, a_damaged_block_is_left_out_and_named)
{
    const char *path = make_trace("t", CLOCK_COUNT);
    sample_damage(path, 2);
    char *text = analyze(ask("exits", "stats", "reason"), path);
    cr_expect_eq(number_after(strstr(text, "\"missing\""), "blocks", 0), 1);
    cr_expect(strstr(strstr(text, "\"missing\""), "block 2 at offset"));
    cr_expect_eq(number_after(strstr(text, "\"totals\""), "samples", 0), (CHUNKS - 1) * EXITS);
    cr_expect_eq(number_after(strstr(text, "\"totals\""), "disordered", 0), 0);
    free(text);
}

enum { IDLE_CHUNK = 2 };

/* Idle in that chunk only; what the guest reads of its TSC shows how long that was. */
static void idle_once(struct sample *s, u32 chunk)
{
    static u64 idled;
    if (chunk == IDLE_CHUNK) {
        idled = s->idle;
        return;
    }
    stay_awake(s, chunk);
    for (size_t at = 0; at < s->used; at += record_size(*(u16 *)(s->raw + at))) {
        struct exit_record *exit = (struct exit_record *)(s->raw + at);
        if (chunk > IDLE_CHUNK && exit->kind == REC_EXIT && exit->reason == EXIT_RDTSC)
            exit->value += idled;
    }
}

Test(analysis_views, guest_time_is_found_again_after_damage)
{
    const char *path = make_changed("t", CLOCK_COUNT, CHUNKS, idle_once);
    struct pass pass = ask("exits", "freq", NULL);
    pass.from = (struct bound){POSITION_EXIT, (IDLE_CHUNK + 2) * EXITS};
    char *whole = analyze(pass, path);
    sample_damage(path, IDLE_CHUNK);
    char *rest = analyze(pass, path);
    cr_expect_str_eq(rest, whole);
    free(whole);
    free(rest);
}

Test(analysis_views, hostile_partial_files_are_refused_or_read)
{
    write_shard(ask("exits", "stats", "rip"), make_trace("t", CLOCK_COUNT), 2, 3);
    try_hostile("part.2");
}

/* --- several views in one walk ----------------------------------------------------------- */

static void *begin_nothing(const struct query *query)
{
    (void)query;
    return malloc(1);
}

static struct failure take_badly(void *state, const struct slice *slice, struct output *out)
{
    (void)state;
    (void)out;
    return slice->batch->first_exit ? fail(NO_SPACE, "too much for me") : NO_FAILURE;
}

static void wish_nothing(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    (void)wishes;
}

static const struct view bad_view = {
    .wish = wish_nothing, .begin = begin_nothing, .end = free, .take = take_badly};

Test(analysis_views, a_walk_of_all_says_what_each_says_alone)
{
    enum { MOST = 64 };
    struct pass passes[MOST];
    static struct result results[MOST];
    struct failure failures[MOST];
    const char *path = make_trace("t", CLOCK_COUNT);
    size_t count = 0;
    passes[count] = ask("exits", "stats", NULL);
    passes[count++].view = &bad_view;
    for (size_t v = 0; views[v] && count < MOST; v++) {
        if (!views[v]->head)
            passes[count++] = ask(views[v]->name, views[v]->show, NULL);
    }
    cr_assert_eq(pass_run_all(passes, count, path, results, failures).code, OK);
    cr_expect_str_eq(failures[0].text, "too much for me");
    cr_expect_null(results[0].state);
    for (size_t i = 1; i < count; i++) {
        char *alone = analyze(ask(passes[i].view->name, passes[i].view->show, NULL), path);
        char *together = print(&passes[i], &results[i], OUTPUT_JSON);
        cr_expect_str_eq(together, alone);
        passes[i].view->end(results[i].state);
        free(alone);
        free(together);
    }
}
