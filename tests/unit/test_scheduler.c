/* The scheduler's events: what the walk makes of them, and their cache beside the trace. */
#include "trace_sample.h"

#include "analysis/frame/pass.h"
#include "analysis/guest/cache.h"
#include "analysis/guest/facts.h"
#include "analysis/scheduler/walk.h"

#include <criterion/criterion.h>
#include <fcntl.h>

static void setup(void)
{
    scratch_make();
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(scheduler, .init = setup, .fini = teardown);

/* --- the walk ---------------------------------------------------------------------------- */

enum { IDLE, FIRST, SECOND };

static struct sched_name names[] = {
    {0, 0, "swapper/0"}, {1, 1, "init"}, {2, 2, "second"}, {2, 2, "renamed"}};

static struct sched_log log_of(struct sched_event *events, u64 count)
{
    return (struct sched_log){
        .events = events, .names = names, .event_count = count, .name_count = ARRAY_SIZE(names)};
}

static struct sched_event swap(u64 time, u32 from, u32 to, u32 state, bool preempted)
{
    return (struct sched_event){.time = time,
                                .exit = time / 100,
                                .task = from,
                                .other = to,
                                .state = state,
                                .preempted = preempted};
}

static struct sched_event wake(u64 time, u32 task, u32 by)
{
    return (struct sched_event){.kind = SCHED_WAKE,
                                .time = time,
                                .exit = time / 100,
                                .task = task,
                                .other = by,
                                .state = 1};
}

/* Exits 0 to 9, at 0, 100, ... 900: all in one slice, or cut before exit `cut`. */
struct steps {
    struct sched_step step[32];
    u32 count;
};

static struct steps walk(const struct sched_log *log, u64 first, u64 last)
{
    static u64 times[] = {0, 100, 200, 300, 400, 500, 600, 700, 800, 900};
    static struct subject subject = {.exits = 10, .guest_ns = 950};
    struct trace_batch batch = {.first_exit = 0, .exits = 10};
    struct query query = {.scheduler = log, .subject = &subject};
    struct slice slice = {.batch = &batch, .begin = first, .end = last + 1, .times = times};
    struct steps steps = {0};
    struct sched_walk w;
    bool more = true;
    if (first)
        slice.before = (struct before){.kind = BEFORE_EXIT, .time = times[first - 1]};
    sched_walk_init(&w, &query);
    cr_assert_eq(sched_walk_to(&w, &slice).code, OK);
    while (more && steps.count < 32) {
        cr_assert_eq(sched_walk_next(&w, &slice, &steps.step[steps.count], &more).code, OK);
        steps.count += more;
    }
    sched_walk_free(&w);
    return steps;
}

Test(scheduler, waits_begin_at_wakeups_and_preemptions)
{
    struct sched_event events[] = {
        swap(110, IDLE, FIRST, 0, false),   wake(150, SECOND, FIRST), /* begins a wait */
        wake(160, SECOND, FIRST),                                     /* does not begin another */
        swap(190, FIRST, SECOND, 0, true),                            /* SECOND waited 40 */
        wake(195, FIRST, SECOND),                                     /* is ready already */
        wake(196, SECOND, SECOND),                                    /* runs */
        swap(290, SECOND, FIRST, 1, false), /* FIRST waited 100, preempted */
        swap(300, FIRST, IDLE, 1, false),   wake(400, FIRST, IDLE),
        swap(430, IDLE, FIRST, 0, false), /* waited 30; was away for 130 */
    };
    struct sched_log log = log_of(events, ARRAY_SIZE(events));
    struct steps s = walk(&log, 0, 9);
    cr_assert_eq(s.count, ARRAY_SIZE(events) + 1); /* and the end */
    cr_expect_eq(s.step[0].owner, OWNER_BOOT);
    cr_expect_eq(s.step[0].span, 110);
    cr_expect_eq(s.step[3].begins.wait, WAIT_WOKEN);
    cr_expect_eq(s.step[3].begins.delay, 40);
    cr_expect_eq(s.step[3].ends.ran, 80);
    cr_expect_eq(s.step[6].begins.wait, WAIT_PREEMPTED);
    cr_expect_eq(s.step[6].begins.delay, 100);
    cr_expect_eq(s.step[6].ends.ran, 100);
    cr_expect_eq(s.step[6].ends.delay, 40, "of the stint that ends");
    cr_expect_eq(s.step[7].begins.wait, WAIT_NONE, "idle waits for nothing");
    cr_expect_eq(s.step[9].owner, OWNER_IDLE);
    cr_expect_eq(s.step[9].begins.delay, 30);
    cr_expect_eq(s.step[9].begins.away, 130);
    cr_expect_eq(s.step[10].span, 950 - 430, "up to the end that the trace tells");
}

Test(scheduler, waits_that_the_end_leaves_open_are_told)
{
    struct sched_event events[] = {swap(110, IDLE, FIRST, 0, false), wake(150, SECOND, FIRST),
                                   swap(200, FIRST, IDLE, 1, false)};
    struct sched_log log = log_of(events, ARRAY_SIZE(events));
    struct subject subject = {.exits = 10, .guest_ns = 950};
    struct query query = {.scheduler = &log, .subject = &subject};
    struct sched_walk w;
    struct sched_step step;
    struct sched_waiter waiter;
    u32 cursor = 0;
    bool more = true;
    sched_walk_init(&w, &query);
    while (more)
        cr_assert_eq(sched_walk_on(&w, &step, &more).code, OK);
    cr_expect_eq(w.time, 950);
    cr_assert(sched_walk_waiting(&w, &cursor, &waiter));
    cr_expect_eq(waiter.name, SECOND);
    cr_expect_eq(waiter.wait, WAIT_WOKEN);
    cr_expect_eq(waiter.since, 150);
    cr_expect_not(sched_walk_waiting(&w, &cursor, &waiter), "FIRST sleeps");
    sched_walk_free(&w);
}

/* A task that has set its state and is preempted before it sleeps is still ready. */
Test(scheduler, preempted_on_the_way_to_sleep_is_a_wait)
{
    struct sched_event events[] = {swap(100, IDLE, FIRST, 0, false),
                                   swap(200, FIRST, SECOND, 1, true),
                                   swap(300, SECOND, FIRST, 1, false)};
    struct sched_log log = log_of(events, ARRAY_SIZE(events));
    struct steps s = walk(&log, 0, 9);
    cr_expect_eq(s.step[2].begins.wait, WAIT_PREEMPTED);
    cr_expect_eq(s.step[2].begins.delay, 100);
}

Test(scheduler, cut_ranges_have_the_spans_of_the_whole)
{
    struct sched_event events[] = {swap(110, IDLE, FIRST, 0, false), wake(250, SECOND, FIRST),
                                   swap(330, FIRST, SECOND, 1, false),
                                   swap(777, SECOND, IDLE, 1, false)};
    struct sched_log log = log_of(events, ARRAY_SIZE(events));
    for (u64 cut = 1; cut < 10; cut++) {
        struct steps parts[] = {walk(&log, 0, cut - 1), walk(&log, cut, 9)};
        u64 spans[3] = {0}, delay = 0;
        for (u32 p = 0; p < 2; p++)
            for (u32 i = 0; i < parts[p].count; i++) {
                spans[parts[p].step[i].owner] += parts[p].step[i].span;
                delay += parts[p].step[i].begins.delay;
            }
        cr_expect_eq(spans[OWNER_BOOT], 110);
        cr_expect_eq(spans[OWNER_TASK], 777 - 110);
        cr_expect_eq(spans[OWNER_IDLE], 950 - 777);
        cr_expect_eq(delay, 80, "in one part or the other, whole");
    }
}

Test(scheduler, nothing_is_known_without_events)
{
    struct sched_log log = log_of(NULL, 0);
    struct steps s = walk(&log, 0, 9);
    cr_assert_eq(s.count, 1);
    cr_expect_eq(s.step[0].owner, OWNER_BOOT);
    cr_expect_eq(s.step[0].span, 950);
}

Test(scheduler, names_are_fit_for_terminals)
{
    struct sched_name name = {1, 1, "a\033[2Jb\n"};
    memset(name.comm + 8, 'x', 8); /* no NUL at the end, and something behind one */
    sched_name_clean(&name);
    cr_expect_str_eq(name.comm, "a?[2Jb?");
    cr_expect_eq(name.comm[15], 0);
    cr_expect_eq(name.comm[9], 0, "equal names are equal bytes");
}

/* --- the cache --------------------------------------------------------------------------- */

enum { IDENTITY = 4711, ALL = BIT(CACHE_SECTIONS) - 1 };

static void write_cache(void)
{
    char data[CACHE_SECTIONS][300];
    struct cache cache = {0};
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        memset(data[i], (int)('a' + i), sizeof(data[i]));
        cache.section[i].data = data[i];
        cache.section[i].length = i ? 100 * (i % 4) : 0;
    }
    cr_assert_eq(cache_write(scratch_path("."), IDENTITY, &cache).code, OK);
}

static bool is_read(u64 identity, u64 wanted)
{
    struct cache cache;
    bool good = cache_read(scratch_path("."), identity, wanted, &cache);
    for (u32 i = 0; good && i < CACHE_SECTIONS; i++) {
        const char *data = cache.section[i].data;
        cr_expect_eq(cache.section[i].length, wanted >> i & 1 && i ? 100 * (i % 4) : 0);
        for (u64 b = 0; b < cache.section[i].length; b++)
            cr_assert_eq(data[b], (char)('a' + i));
    }
    if (good)
        cache_free(&cache);
    return good;
}

Test(scheduler, cache_gives_back_what_was_kept)
{
    cr_expect_not(is_read(IDENTITY, ALL), "there is none yet");
    write_cache();
    cr_expect(is_read(IDENTITY, ALL));
    cr_expect(is_read(IDENTITY, BIT(CACHE_EVENTS)), "some of it");
    cr_expect_not(is_read(IDENTITY + 1, ALL), "of another trace");
    write_cache();
    cr_expect(is_read(IDENTITY, ALL), "written again");
}

/* Whatever byte is damaged, and wherever it ends. */
Test(scheduler, damaged_cache_is_as_good_as_none)
{
    char path[256];
    u8 file[4096];
    write_cache();
    strcpy(path, scratch_path(CACHE_NAME));
    int f = open(path, O_RDWR);
    ssize_t length = read(f, file, sizeof(file));
    cr_assert(length > 0 && length < (ssize_t)sizeof(file));
    for (ssize_t at = 0; at < length; at++) {
        u8 wrong = file[at] ^ 0x40;
        cr_assert_eq(pwrite(f, &wrong, 1, at), 1);
        cr_expect_not(is_read(IDENTITY, ALL), "byte %zd", at);
        cr_assert_eq(pwrite(f, &file[at], 1, at), 1);
    }
    cr_expect(is_read(IDENTITY, ALL));
    for (ssize_t end = length - 1; end >= 0; end -= 7) {
        cr_assert_eq(ftruncate(f, end), 0);
        cr_expect_not(is_read(IDENTITY, ALL), "cut at %zd", end);
    }
    close(f);
}

/* --- what is in it, from whoever made it ------------------------------------------------- */

static struct trace *make_trace(void)
{
    struct sample sample = {0};
    struct trace_writer *writer;
    struct trace *trace;
    struct manifest manifest = {.memory_size = 1 << 20};
    char path[256];
    strcpy(path, scratch_path("t"));
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(
        trace_create(path, &manifest, scratch_path("kernel"), NULL, TRACE_SYNC_NEVER, &writer).code,
        OK);
    sample_chunk(&sample, 20, 2);
    sample_end(&sample);
    cr_assert_eq(trace_append_chunk(writer, sample.raw, sample.used).code, OK);
    cr_assert_eq(trace_finish(writer).code, OK);
    free(sample.raw);
    cr_assert_eq(trace_open(path, &trace).code, OK);
    return trace;
}

/* A cache with one thing wrong in it. */
struct made {
    struct sched_event events[2];
    struct sched_name tasks[2];
    struct symbol symbols[2];
    char symbol_names[8];
    struct instruction instructions[2];
    u64 cut;               /* bytes that the table of events lacks */
    const char *no_kernel; /* NULL: there is one */
};

static struct made good_facts(void)
{
    return (struct made){
        .events = {swap(100, 0, 1, 0, false), swap(200, 1, 0, 1, false)},
        .tasks = {{0, 0, "idle"}, {1, 1, "init"}},
        .symbols = {{0xffffffff81000000, 0, 'T'}, {0xffffffff81000100, 4, 'T'}},
        .symbol_names = "one\0two",
        .instructions = {{.rip = 1, .bits = 64},
                         {.rip = 2, .bits = 64, .length = 1, .bytes = {0xf4}}},
    };
}

static bool is_taken(struct trace *trace, struct made made)
{
    struct facts facts;
    struct cache cache = {
        .section =
            {
                [CACHE_BANNER] = {"Linux", 5},
                [CACHE_SYMBOLS] = {made.symbols, sizeof(made.symbols)},
                [CACHE_SYMBOL_NAMES] = {made.symbol_names, sizeof(made.symbol_names)},
                [CACHE_EVENTS] = {made.events, sizeof(made.events) - made.cut},
                [CACHE_TASKS] = {made.tasks, sizeof(made.tasks)},
                [CACHE_NO_KERNEL] = {(void *)made.no_kernel,
                                     made.no_kernel ? strlen(made.no_kernel) : 0},
                [CACHE_INSTRUCTIONS] = {made.instructions, sizeof(made.instructions)},
            },
    };
    cr_assert_eq(cache_write(trace_path(trace), trace_identity(trace), &cache).code, OK);
    bool taken = facts_cached(trace, &facts);
    facts_free(&facts);
    return taken;
}

Test(scheduler, facts_come_back_from_the_cache)
{
    struct trace *trace = make_trace();
    struct facts facts;
    char text[64];
    cr_expect_not(facts_cached(trace, &facts));
    cr_assert(is_taken(trace, good_facts()));
    cr_assert(facts_cached(trace, &facts));
    cr_expect_str_eq(facts.banner, "Linux");
    cr_expect_eq(facts.log.event_count, 2);
    cr_expect_str_eq(facts.log.names[1].comm, "init");
    const struct symbolizer *s = &facts.symbolizer;
    cr_assert(s->name(s, 0xffffffff81000104, text, sizeof(text)));
    cr_expect_str_eq(text, "two+0x4");
    cr_assert(s->name(s, 0xffffffff81000000, text, sizeof(text)));
    cr_expect_str_eq(text, "one");
    cr_expect_not(s->name(s, 0x400000, text, sizeof(text)), "not the kernel's");
    cr_assert(s->instruction(s, 2, text, sizeof(text)));
    cr_expect_str_eq(text, "hlt");
    cr_expect_not(s->instruction(s, 1, text, sizeof(text)), "no bytes");
    cr_expect_not(s->instruction(s, 3, text, sizeof(text)));
    cr_expect_eq(facts_kernel(&facts).code, OK);
    facts_free(&facts);
    trace_close(trace);
}

Test(scheduler, a_guest_without_a_known_kernel_is_remembered_with_its_instructions)
{
    struct trace *trace = make_trace();
    struct made made = good_facts();
    struct facts facts;
    char text[64];
    made.no_kernel = "it is an oven";
    made.symbol_names[7] = 'x'; /* not looked at */
    cr_assert(is_taken(trace, made));
    cr_assert(facts_cached(trace, &facts));
    cr_expect_str_eq(facts_kernel(&facts).text, "it is an oven");
    cr_expect_eq(facts.log.event_count, 0);
    cr_expect_not(facts.symbolizer.name(&facts.symbolizer, 0xffffffff81000000, text, sizeof(text)));
    cr_expect(facts.symbolizer.instruction(&facts.symbolizer, 2, text, sizeof(text)));
    facts_free(&facts);
    trace_close(trace);
}

Test(scheduler, facts_that_cannot_be_are_refused)
{
    struct trace *trace = make_trace();
    struct made made[9];
    for (u32 i = 0; i < ARRAY_SIZE(made); i++)
        made[i] = good_facts();
    made[0].events[1].task = 2;
    made[1].events[0].other = UINT32_MAX;
    made[2].events[0].kind = SCHED_KINDS;
    made[3].events[1].time = 99;
    made[4].events[1].exit = 0;
    made[5].symbols[1].name = 8;
    made[6].symbol_names[7] = 'x';
    made[7].cut = 1;
    made[8].instructions[0].rip = 2;
    for (u32 i = 0; i < ARRAY_SIZE(made); i++)
        cr_expect_not(is_taken(trace, made[i]), "case %u", i);
    trace_close(trace);
}
