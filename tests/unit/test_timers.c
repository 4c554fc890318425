/*
 * The view of timers over traces made by hand: known answers, and stretches of random traces that
 * join to the whole wherever they are cut.
 */
#include "trace_sample.h"

#include "analysis/frame/pass.h"
#include "analysis/timers/firings.h"
#include "analysis/views.h"
#include "core/machine.h"
#include "vmx/events.h"
#include "vmx/exits.h"

#include <criterion/criterion.h>

enum { TIMER = 0xec, OTHER = 0x30, APIC_EOI_MSR = 0x80b, TSC_DEADLINE_MSR = 0x6e0, GHZ_2 = 2 };

static struct sample s; /* s.count is guest time: nothing is skipped */
static struct trace_writer *writer;

static void open_trace(void)
{
    struct manifest manifest = {.memory_size = 1 << 20, .clock = CLOCK_COUNT};
    s = (struct sample){.random = 88172645463325252ull};
    scratch_make();
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(trace_create(scratch_path("t"), &manifest, scratch_path("kernel"), NULL,
                              TRACE_SYNC_NEVER, &writer)
                     .code,
                 OK);
}

TestSuite(timers, .init = open_trace, .fini = scratch_remove);

static void end_chunk(void)
{
    cr_assert_eq(trace_append_chunk(writer, s.raw, s.used).code, OK);
    s.used = 0;
}

static const char *end_trace(void)
{
    sample_end(&s);
    end_chunk();
    cr_assert_eq(trace_finish(writer).code, OK);
    return scratch_path("t");
}

/* An exit at that time, which takes no guest time. */
static void add_exit(u64 time, u16 reason, u64 address, u64 value)
{
    SAMPLE_RECORD(exit, REC_EXIT);
    s.count = time;
    exit.reason = reason;
    exit.count = time;
    exit.address = address;
    exit.value = value;
    exit.tsc_exit = GHZ_2 * time;
    exit.tsc_entry = GHZ_2 * time + 1;
    sample_put(&s, &exit, sizeof(exit));
    s.exit++;
}

static void add_eoi(u64 time)
{
    add_exit(time, EXIT_MSR_WRITE, APIC_EOI_MSR, 0);
}

/* These belong to the exit added last. */
static void add_injection(u32 info)
{
    SAMPLE_RECORD(injection, REC_INJECTION);
    injection.info = info | EVENT_VALID;
    injection.exit = s.exit - 1;
    injection.count = s.count;
    injection.rip = s.count;
    sample_put(&s, &injection, sizeof(injection));
}

static void add_raise(u8 source, u8 vector, u8 flags, u64 due, u64 lost)
{
    SAMPLE_RECORD(raise, REC_RAISE);
    raise.source = source;
    raise.vector = vector;
    raise.flags = flags;
    raise.due = due;
    raise.late = s.count - due;
    raise.lost = lost;
    raise.exit = s.exit - 1;
    sample_put(&s, &raise, sizeof(raise));
}

static struct pass ask(const char *show, u32 shard, u32 shards)
{
    struct pass pass = {.view = view_find("timers", show), .shard = shard, .shards = shards};
    cr_assert(pass.view);
    pass.query.rows = NEVER;
    return pass;
}

static struct result run(struct pass *pass, const char *path)
{
    struct result result;
    cr_assert_eq(pass_run(pass, path, NULL, &result).code, OK);
    pass->query.subject = &result.subject;
    return result;
}

static char *tell(const struct pass *pass, const struct result *result)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, OUTPUT_JSON);
    pass->view->tell(result->state, &pass->query, out);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    return text;
}

static u64 open_of(const struct firings *f)
{
    u64 open = 0;
    for (u32 i = 0; i < f->rows.count; i++)
        open += firings_open(f, tally_at(&f->rows, i));
    return open;
}

/* --- known answers --- */

Test(timers, a_periodic_timer)
{
    static const u64 handled[] = {1000, 2040, 3010, 4000}; /* due each 1000 ns */
    for (u32 i = 0; i < 4; i++) {
        u64 due = 1000 * (i + 1), seen = due + (i == 1 ? 30 : 0);
        add_exit(seen, EXIT_PREEMPTION_TIMER, 0, 0);
        add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, due, i == 3 ? 2 : 0);
        if (handled[i] != seen)
            add_exit(handled[i], EXIT_INTERRUPT_WINDOW, 0, 0);
        add_injection(TIMER);
        add_eoi(handled[i] + 7);
    }
    struct pass pass = ask("stats", 1, 1);
    struct result result = run(&pass, end_trace());
    const struct firings *f = result.state;
    const struct firing_row *row = tally_find(&f->rows, RAISED_BY_APIC_TIMER, TIMER);
    cr_assert(row && f->rows.count == 1);
    cr_expect(row->fired == 4 && row->injected == 4 && row->lost == 2);
    cr_expect(row->merged == 0 && row->masked == 0 && row->dropped == 0 && open_of(f) == 0);
    cr_expect_eq(row->requested.max, 30);
    cr_expect(row->waited.sum == 10 + 10 && row->waited.count == 4);
    cr_expect(row->lateness.sum == 40 + 10 && row->lateness.max == 40);
    cr_expect(row->jitter.count == 3 && row->jitter.sum == 40 + 30 + 10 && row->jitter.max == 40);
    cr_expect(row->service.count == 4 && row->service.min == 7 && row->service.max == 7);
    cr_expect(row->ticks.max == GHZ_2 * 10 + 1, "%lu", row->ticks.max);
    cr_expect(f->worst_count == 4 && f->worst[0].lateness == 40 && f->worst[0].due == 2000);
    pass.view->end(result.state);
}

Test(timers, what_becomes_of_requests)
{
    add_exit(100, EXIT_MSR_WRITE, TSC_DEADLINE_MSR, 500);
    sample_timer(&s, 500);
    ((union record *)(s.raw + s.used - sizeof(struct timer_record)))->timer.exit = 0;
    add_exit(500, EXIT_PREEMPTION_TIMER, 0, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, 500, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, RAISE_MERGED, 500, 0);
    add_raise(RAISED_BY_PIT, 0, RAISE_MASKED, 500, 0);
    add_raise(RAISED_BY_UART, OTHER, 0, 500, 0);
    add_raise(RAISED_BY_IPI, 2, RAISE_NMI, 500, 0);
    add_injection(TIMER);
    add_exit(600, EXIT_CPUID, 0, 0);
    add_raise(RAISED_BY_UART, OTHER, 0, 600, 0); /* not merged: the one before was dropped */
    add_injection(EVENT(EVENT_NMI, VECTOR_NMI));
    add_exit(700, EXIT_CPUID, 0, 0);
    add_injection(0x55); /* nobody asked for it */
    struct pass pass = ask("stats", 1, 1);
    struct result result = run(&pass, end_trace());
    const struct firings *f = result.state;
    const struct firing_row *timer = tally_find(&f->rows, RAISED_BY_APIC_TIMER, TIMER);
    const struct firing_row *pit = tally_find(&f->rows, RAISED_BY_PIT, 0);
    const struct firing_row *uart = tally_find(&f->rows, RAISED_BY_UART, OTHER);
    const struct firing_row *nmi = tally_find(&f->rows, RAISED_BY_IPI, REQUEST_NMI);
    cr_assert(timer && pit && uart && nmi && f->rows.count == 4);
    cr_expect(timer->fired == 2 && timer->merged == 1 && timer->injected == 1);
    cr_expect(pit->fired == 1 && pit->masked == 1 && pit->requested.count == 0);
    cr_expect(uart->fired == 2 && uart->dropped == 1 && firings_open(f, uart) == 1);
    cr_expect(nmi->injected == 1 && nmi->lateness.max == 100);
    cr_expect_eq(firings_unasked(f), 1);
    cr_expect(f->programmed[RAISED_BY_APIC_TIMER] == 1 && f->disarmed[RAISED_BY_APIC_TIMER] == 0);
    pass.view->end(result.state);
}

/* A delivery that is tried again: its time is that of the first try, and its EOI still its. */
Test(timers, a_delivery_that_is_tried_again)
{
    add_exit(500, EXIT_PREEMPTION_TIMER, 0, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, 500, 0);
    add_injection(TIMER);
    add_exit(500, EXIT_EPT_VIOLATION, 0x1000, 0);
    add_injection(TIMER);
    add_eoi(520);
    struct pass pass = ask("stats", 1, 1);
    struct result result = run(&pass, end_trace());
    const struct firings *f = result.state;
    const struct firing_row *row = tally_find(&f->rows, RAISED_BY_APIC_TIMER, TIMER);
    cr_assert(row);
    cr_expect(row->injected == 1 && row->service.count == 1 && row->service.sum == 20);
    cr_expect_eq(firings_unasked(f), 1);
    pass.view->end(result.state);
}

/* --- jitter --- */

/* Due now, and handled so much later. */
static void add_firing(u64 due, u8 source, u8 vector, u64 lateness)
{
    add_exit(due, EXIT_PREEMPTION_TIMER, 0, 0);
    add_raise(source, vector, 0, due, 0);
    if (lateness)
        add_exit(due + lateness, EXIT_INTERRUPT_WINDOW, 0, 0);
    add_injection(vector);
    add_eoi(due + lateness);
}

static void add_one_by_one(void)
{
    static const struct {
        u8 source, vector;
        u64 lateness;
    } all[] = {
        {RAISED_BY_APIC_TIMER, TIMER, 10}, {RAISED_BY_PIT, TIMER, 50},
        {RAISED_BY_APIC_TIMER, TIMER, 30}, {RAISED_BY_APIC_TIMER, OTHER, 99},
        {RAISED_BY_APIC_TIMER, TIMER, 30}, {RAISED_BY_PIT, TIMER, 43},
        {RAISED_BY_APIC_TIMER, TIMER, 0},
    };
    for (u32 i = 0; i < ARRAY_SIZE(all); i++)
        add_firing(1000 * (i + 1), all[i].source, all[i].vector, all[i].lateness);
}

/* Between two that are handled: what is not handled has no lateness, so it has no jitter. */
static void add_unhandled(u64 time)
{
    add_exit(time, EXIT_CPUID, 0, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, time - 90, 0); /* dropped: the next is not merged */
    add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, time - 80, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, RAISE_MERGED, time - 60, 0);
    add_injection(TIMER);
    add_eoi(time);
}

static void expect_told(const char *show, const char *const *parts, size_t count)
{
    struct pass pass = ask(show, 1, 1);
    struct result result = run(&pass, scratch_path("t"));
    char *text = tell(&pass, &result);
    for (size_t i = 0; i < count; i++)
        cr_expect(strstr(text, parts[i]), "%s is not in %s", parts[i], text);
    free(text);
    pass.view->end(result.state);
}

Test(timers, jitter_is_to_the_one_before_of_the_same_source_and_vector)
{
    static const char *const tables[] = {
        "\"jitter\":[\n"
        "{\"source\":\"APIC "
        "timer\",\"vector\":\"0xec\",\"low_ns\":0,\"high_ns\":0,\"samples\":1},\n"
        "{\"source\":\"APIC "
        "timer\",\"vector\":\"0xec\",\"low_ns\":20,\"high_ns\":20,\"samples\":1},\n"
        "{\"source\":\"APIC "
        "timer\",\"vector\":\"0xec\",\"low_ns\":30,\"high_ns\":30,\"samples\":1},\n"
        "{\"source\":\"APIC "
        "timer\",\"vector\":\"0xec\",\"low_ns\":80,\"high_ns\":80,\"samples\":1},\n"
        "{\"source\":\"PIT\",\"vector\":\"0xec\",\"low_ns\":7,\"high_ns\":7,\"samples\":1}\n"
        "]",
    };
    add_one_by_one();
    add_unhandled(9000);
    end_trace();
    expect_told("histogram", tables, ARRAY_SIZE(tables));
}

/* Lateness that swings by 1, 2, ... 100 ns, so that percentiles of jitter are their numbers. */
Test(timers, percentiles_of_jitter)
{
    static const char *const cells[] = {
        "\"jitter_min_ns\":1,",     "\"jitter_max_ns\":100,", "\"jitter_avg_ns\":50,",
        "\"jitter_p50_ns\":50,",    "\"jitter_p90_ns\":90,",  "\"jitter_p99_ns\":99,",
        "\"jitter_p99_9_ns\":100,",
    };
    u64 lateness = 60;
    add_firing(1000, RAISED_BY_APIC_TIMER, TIMER, lateness);
    for (u32 i = 1; i <= 100; i++) {
        lateness = i % 2 ? lateness + i : lateness - i;
        add_firing(1000 * (i + 1), RAISED_BY_APIC_TIMER, TIMER, lateness);
    }
    end_trace();
    expect_told("stats", cells, ARRAY_SIZE(cells));
}

/* --- the log --- */

static char *log_of(const char *path, u64 rows)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, OUTPUT_CSV);
    struct pass pass = ask("log", 1, 1);
    struct result result;
    pass.query.rows = rows;
    cr_assert_eq(pass_run(&pass, path, out, &result).code, OK);
    pass.query.subject = &result.subject;
    pass_tell(&pass, &result, out);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    pass.view->end(result.state);
    return text;
}

Test(timers, the_log_has_a_row_for_each)
{
    add_exit(500, EXIT_PREEMPTION_TIMER, 0, 0);
    add_raise(RAISED_BY_APIC_TIMER, TIMER, 0, 480, 3);
    add_raise(RAISED_BY_UART, OTHER, 0, 500, 0);
    add_injection(TIMER);
    add_exit(510, EXIT_CPUID, 0, 0);
    add_raise(RAISED_BY_UART, OTHER, RAISE_MERGED, 510, 0);
    add_eoi(520);
    const char *path = end_trace();
    char *all = log_of(path, NEVER), *one = log_of(path, 1);
    cr_expect_str_eq(all, "exit,source,vector,due_ns,raised_ns,fate,lost,injected_exit,handled_ns,"
                          "lateness_ns,eoi_ns\n"
                          "1,UART,0x30,510,510,merged,0,,,,\n"
                          "0,APIC timer,0xec,480,500,EOI,3,0,500,20,520\n"
                          "0,UART,0x30,500,500,open,0,,,,\n");
    cr_expect_str_eq(strchr(one, '\n') + 1, "1,UART,0x30,510,510,merged,0,,,,\n");
    free(all);
    free(one);
}

/* --- stretches join to the whole --- */

static u32 dice(u32 sides)
{
    return (u32)(sample_random(&s) >> 33) % sides;
}

static void add_anything(u64 time)
{
    static const u8 vectors[] = {TIMER, OTHER, 0x55, 0xf6};
    u8 vector = vectors[dice(4)];
    u32 raises = dice(3);
    if (dice(3) == 0)
        add_eoi(time);
    else
        add_exit(time, dice(2) ? EXIT_CPUID : EXIT_EPT_VIOLATION, 0x1000, 0);
    while (raises--) {
        u8 flags = dice(4) ? 0 : dice(3) ? RAISE_MERGED : RAISE_MASKED;
        u8 of = vectors[dice(4)];
        add_raise(dice(RAISE_SOURCE_COUNT), flags & RAISE_MASKED ? 0 : of, flags, time - dice(50),
                  dice(5) ? 0 : dice(9));
    }
    if (dice(20) == 0)
        add_raise(RAISED_BY_IPI, 2, RAISE_NMI, time, 0);
    if (dice(20) == 0)
        add_injection(EVENT(EVENT_NMI, VECTOR_NMI));
    else if (dice(3))
        add_injection(vector);
}

static const char *random_trace(u32 chunks, u32 exits)
{
    u64 time = 1000;
    for (u32 chunk = 0; chunk < chunks; chunk++) {
        for (u32 i = 0; i < exits; i++) {
            add_anything(time);
            time += dice(4) ? 100 + dice(300) : 0; /* at one place: tried again */
        }
        if (chunk + 1 < chunks)
            end_chunk();
    }
    return end_trace();
}

/* Through a partial file's bytes. */
static void *saved_and_loaded(const struct pass *pass, void *state)
{
    struct pack pack = {0};
    void *loaded = pass->view->begin(&pass->query);
    pass->view->save(state, &pack);
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    pass->view->load(loaded, &unpack);
    cr_assert_null(unpack.wrong, "%s", unpack.wrong);
    cr_expect_eq(unpack.at, unpack.length);
    free(pack.data);
    pass->view->end(state);
    return loaded;
}

static void check_shards(const char *show, const char *path, u32 shards)
{
    struct pass whole = ask(show, 1, 1);
    struct result all = run(&whole, path), first = {0};
    struct pass pass = ask(show, 1, shards);
    for (u32 i = shards; i; i--) { /* from the last on: what is joined is joined again */
        pass = ask(show, i, shards);
        struct result next = run(&pass, path);
        next.state = saved_and_loaded(&pass, next.state);
        if (i < shards) {
            cr_assert(pass.view->merge(next.state, first.state, true));
            pass.view->end(first.state);
        }
        first = next;
    }
    whole.query.subject = pass.query.subject = &all.subject;
    char *expected = tell(&whole, &all), *got = tell(&pass, &first);
    cr_expect_str_eq(got, expected, "%s in %u shards", show, shards);
    free(expected);
    free(got);
    whole.view->end(all.state);
    pass.view->end(first.state);
}

enum { CHUNK_COUNT = 60 };

static void check_all_shards(const char *path)
{
    static const u32 shards[] = {2, 3, 7, 20, 59, 60};
    static const char *const shows[] = {"stats", "histogram", "worst"};
    for (u32 v = 0; v < ARRAY_SIZE(shows); v++)
        for (u32 i = 0; i < ARRAY_SIZE(shards); i++)
            check_shards(shows[v], path, shards[i]);
}

Test(timers, shards_of_random_traces_are_the_whole)
{
    char *path = strdup(random_trace(CHUNK_COUNT, 3));
    check_all_shards(path);
    free(path);
}

Test(timers, shards_of_a_damaged_trace_are_the_whole)
{
    static const size_t blocks[] = {9, 20, 21, 40};
    char *path = strdup(random_trace(CHUNK_COUNT, 3));
    for (u32 i = 0; i < ARRAY_SIZE(blocks); i++)
        sample_damage(path, blocks[i]);
    check_all_shards(path);
    free(path);
}

/* fired = injected + merged + masked + dropped + open, of each row. */
static void expect_sums(const struct firings *f)
{
    for (u32 i = 0; i < f->rows.count; i++) {
        const struct firing_row *row = tally_at(&f->rows, i);
        cr_expect_eq(row->fired, row->injected + row->merged + row->masked + row->dropped +
                                     firings_open(f, row));
    }
}

Test(timers, all_firings_are_accounted_for)
{
    char *path = strdup(random_trace(30, 5));
    struct pass pass = ask("stats", 1, 1), one = ask("stats", 1, 3), three = ask("stats", 3, 3);
    struct result all = run(&pass, path), first = run(&one, path), last = run(&three, path);
    const struct firings *f = all.state;
    cr_expect_gt(f->rows.count, 10);
    expect_sums(f);
    expect_sums(first.state);
    cr_expect(pass.view->merge(first.state, last.state, false), "the second shard is missing");
    expect_sums(first.state);
    pass.view->end(all.state);
    pass.view->end(first.state);
    pass.view->end(last.state);
    free(path);
}

/* Handled ones that have no jitter. */
static u64 first_ones(const struct firings *f)
{
    u64 count = 0;
    for (u32 i = 0; i < f->rows.count; i++) {
        const struct firing_row *row = tally_at(&f->rows, i);
        count += row->lateness.count - row->jitter.count;
    }
    return count;
}

static u64 rows_with_lateness(const struct firings *f)
{
    u64 count = 0;
    for (u32 i = 0; i < f->rows.count; i++)
        count += ((struct firing_row *)tally_at(&f->rows, i))->lateness.count > 0;
    return count;
}

/* One of each row has no predecessor; where something is missing in between, one on each side. */
Test(timers, all_but_the_first_have_a_jitter)
{
    char *path = strdup(random_trace(30, 5));
    struct pass pass = ask("histogram", 1, 1), one = ask("histogram", 1, 3),
                three = ask("histogram", 3, 3);
    struct result all = run(&pass, path), first = run(&one, path), last = run(&three, path);
    u64 sides = first_ones(first.state) + first_ones(last.state);
    cr_expect_gt(rows_with_lateness(all.state), 10);
    cr_expect_eq(first_ones(all.state), rows_with_lateness(all.state));
    cr_assert(pass.view->merge(first.state, last.state, false));
    cr_expect_eq(first_ones(first.state), sides);
    cr_expect_gt(sides, rows_with_lateness(first.state));
    pass.view->end(all.state);
    pass.view->end(first.state);
    pass.view->end(last.state);
    free(path);
}

/* --- partial files that nobody saved --- */

enum { ENDS_AT = 4 }; /* the byte after the number of rows, a source and a vector of two bytes */

static struct firing_row *row_of(struct firings *f)
{
    return tally_find(&f->rows, RAISED_BY_APIC_TIMER, TIMER);
}

static void leave(struct firings *f)
{
    (void)f;
}

static void add_jitter(struct firings *f)
{
    histogram_add(&row_of(f)->jitter, 1, 1);
}

static void take_jitter(struct firings *f)
{
    histogram_free(&row_of(f)->jitter);
    row_of(f)->jitter = (struct histogram){0};
}

/* As many as there should be, but longer than the difference of any two of the row. */
static void stretch_jitter(struct firings *f)
{
    u64 count = row_of(f)->jitter.count;
    take_jitter(f);
    histogram_add(&row_of(f)->jitter, row_of(f)->lateness.max - row_of(f)->lateness.min + 1, count);
}

static void add_jitter_behind_gap(struct firings *f)
{
    f->gap = true;
    add_jitter(f);
}

static void take_jitter_behind_gap(struct firings *f)
{
    f->gap = true;
    take_jitter(f);
}

static void move_first(struct firings *f)
{
    row_of(f)->first = row_of(f)->lateness.max + 1;
}

static void move_last(struct firings *f)
{
    row_of(f)->last = row_of(f)->lateness.max + 1;
}

static void forget_last(struct firings *f)
{
    row_of(f)->has_last = false;
}

static void handle_more_than_injected(struct firings *f)
{
    row_of(f)->injected--;
}

static const char *load_changed(const char *path, void (*change)(struct firings *), u8 ends)
{
    struct pack pack = {0};
    struct pass pass = ask("histogram", 1, 1);
    struct result result = run(&pass, path);
    void *loaded = pass.view->begin(&pass.query);
    change(result.state);
    pass.view->save(result.state, &pack);
    pack.data[ENDS_AT] |= ends;
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    pass.view->load(loaded, &unpack);
    free(pack.data);
    pass.view->end(loaded);
    pass.view->end(result.state);
    return unpack.wrong;
}

Test(timers, impossible_jitter_is_refused)
{
    static void (*const wrong[])(struct firings *) = {
        add_jitter, take_jitter, stretch_jitter, add_jitter_behind_gap,
        move_first, move_last,   forget_last,    handle_more_than_injected,
    };
    for (u32 i = 0; i < 5; i++)
        add_firing(1000 * (i + 1), RAISED_BY_APIC_TIMER, TIMER, i * i);
    char *path = strdup(end_trace());
    cr_expect_null(load_changed(path, leave, 0));
    cr_expect_null(load_changed(path, take_jitter_behind_gap, 0));
    for (u32 i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_expect_str_eq(load_changed(path, wrong[i], 0),
                         "lateness and jitter of a source do not agree", "change %u", i);
    cr_expect_str_eq(load_changed(path, leave, 4), "a source's ends are impossible");
    free(path);
}
