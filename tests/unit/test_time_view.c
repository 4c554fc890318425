/* The clocks of made-up traces: steps that are known, hosts whose TSC does not divide, stamps that
 * go back, readings that go back, shards at every cut. */
#include "view_rig.h"

#include "core/machine.h"
#include "vmx/exits.h"

enum { GHZ_2_6 = 2596114750 };

static void setup(void)
{
    scratch_make();
    scratch_file("kernel", "kernel", 6);
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(time_view, .init = setup, .fini = teardown);

/* --- made-up traces --------------------------------------------------------------------------- */

struct made {
    struct sample s; /* records of the chunk being made; exit: the next one's number */
    struct trace_writer *writer;
    char path[256];
};

static void made_begin(struct made *m, u32 clock, u64 tsc_hz)
{
    static u32 made;
    char name[24];
    struct manifest manifest = {
        .memory_size = 1 << 20, .clock = clock, .tsc_hz = tsc_hz, .epoch = made++};
    *m = (struct made){0};
    snprintf(name, sizeof(name), "made.%u", made);
    strcpy(m->path, scratch_path(name));
    cr_assert_eq(
        trace_create(m->path, &manifest, scratch_path("kernel"), NULL, TRACE_SYNC_NEVER, &m->writer)
            .code,
        OK);
}

static void made_chunk(struct made *m)
{
    cr_assert_eq(trace_append_chunk(m->writer, m->s.raw, m->s.used).code, OK);
    m->s.used = 0;
}

static void made_end(struct made *m)
{
    sample_end(&m->s);
    made_chunk(m);
    cr_assert_eq(trace_finish(m->writer).code, OK);
    free(m->s.raw);
}

/* Handled in 100 ticks. */
static void made_exit(struct made *m, u16 reason, u64 count, u64 tsc, u64 address, u64 value)
{
    SAMPLE_RECORD(exit, REC_EXIT);
    exit.reason = reason;
    exit.count = count;
    exit.tsc_exit = tsc;
    exit.tsc_entry = tsc + 100;
    exit.address = address;
    exit.value = value;
    if (reason == EXIT_IO_INSTRUCTION)
        exit.qualification = address << 16 | 3 | 8; /* IN, 4 bytes */
    sample_put(&m->s, &exit, sizeof(exit));
    m->s.exit++;
    m->s.count = count;
}

/* Behind the last exit. */
static void made_idle(struct made *m, u64 until)
{
    SAMPLE_RECORD(idle, REC_IDLE);
    idle.exit = m->s.exit - 1;
    idle.until = until;
    sample_put(&m->s, &idle, sizeof(idle));
}

static void made_time(struct made *m, u64 value)
{
    SAMPLE_RECORD(arrival, REC_ARRIVAL);
    arrival.what = ARRIVAL_TIME;
    arrival.exit = m->s.exit - 1;
    arrival.value = value;
    sample_put(&m->s, &arrival, sizeof(arrival));
}

/* For the exit to come. */
static void made_clock(struct made *m, u64 value)
{
    SAMPLE_RECORD(clock, REC_CLOCK);
    clock.exit = m->s.exit;
    clock.value = value;
    sample_put(&m->s, &clock, sizeof(clock));
}

static char *ask_time(const char *show, const struct made *m)
{
    return analyze(ask("time", show, NULL), m->path);
}

/* The number behind "key": in the n-th row (from 0) of a table of the answer. */
static s128 told(const char *text, const char *table, u32 row, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\":", table);
    text = strstr(text, quoted);
    cr_assert(text, "no %s", table);
    for (text = strchr(text, '{'); text && row; row--)
        text = strchr(text + 1, '{');
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    text = text ? strstr(text, quoted) : NULL;
    cr_assert(text, "no %s", key);
    return strtoll(text + strlen(quoted), NULL, 10);
}

static bool is_null(const char *text, const char *key)
{
    char member[64];
    snprintf(member, sizeof(member), "\"%s\":null", key);
    return strstr(text, member) != NULL;
}

/* --- steps ------------------------------------------------------------------------------------ */

/* A host of 1 GHz, so that ticks are ns: each step can be seen in the numbers. */
static void make_steps(struct made *m)
{
    made_begin(m, CLOCK_COUNT, NANOSECONDS);
    made_exit(m, EXIT_CPUID, 1000, 50000, 0, 0);
    made_exit(m, EXIT_CPUID, 2000, 51000, 0, 0); /* both clocks: 1000 */
    made_time(m, 7000);
    made_exit(m, EXIT_HLT, 2500, 51500, 0, 0); /* stolen: 7000 ahead */
    made_idle(m, 1000000);
    made_exit(m, EXIT_CPUID, 2600, 52600, 0, 0); /* from 9500 to 1000100 in 1100: 989500 ahead */
    made_exit(m, EXIT_CPUID, 2700, 60600, 0, 0); /* 100 in 8000: 7900 behind */
    made_end(m);
}

Test(time_view, known_steps_are_told_with_what_made_them)
{
    struct made m;
    make_steps(&m);
    char *text = ask_time("steps", &m);
    cr_expect(told(text, "time", 0, "exit") == 3);
    cr_expect(told(text, "time", 0, "step_ns") == 989500);
    cr_expect(told(text, "time", 0, "idle_ns") == 990500);
    cr_expect(told(text, "time", 0, "ran_ns") == 100);
    cr_expect(told(text, "time", 0, "host_ns") == 1100);
    cr_expect(told(text, "time", 0, "offset_ns") == 996500);
    cr_expect(told(text, "time", 1, "exit") == 2);
    cr_expect(told(text, "time", 1, "step_ns") == 7000);
    cr_expect(told(text, "time", 1, "stolen_ns") == 7000);
    cr_expect(told(text, "time", 1, "time_ns") == 9500);
    cr_expect(told(text, "time", 2, "exit") == 4);
    cr_expect(told(text, "time", 2, "step_ns") == -7900);
    cr_expect(told(text, "time", 2, "offset_ns") == 988600);
    free(text);
}

Test(time_view, known_steps_make_the_offset_its_range_and_its_drift)
{
    struct made m;
    make_steps(&m);
    char *text = ask_time("stats", &m);
    cr_expect(told(text, "clocks", 0, "guest_ns") == 999200);
    cr_expect(told(text, "clocks", 0, "host_ns") == 10600);
    cr_expect(told(text, "clocks", 0, "offset_ns") == 988600);
    cr_expect(told(text, "clocks", 0, "drift_ppb") == 988600ll * 1000000000 / 10600);
    cr_expect(told(text, "clocks", 0, "least_ns") == 0);
    cr_expect(told(text, "clocks", 0, "least_exit") == 0);
    cr_expect(told(text, "clocks", 0, "most_ns") == 996500);
    cr_expect(told(text, "clocks", 0, "most_exit") == 3);
    cr_expect(told(text, "time", 0, "guest_ns") == 1700, "it ran");
    cr_expect(told(text, "time", 2, "guest_ns") == 7000, "stolen");
    cr_expect(told(text, "time", 3, "guest_ns") == 990500, "idle");
    cr_expect(told(text, "time", 3, "ticks") == 100, "the handling of HLT");
    cr_expect(told(text, "totals", 0, "disordered") == 0);
    free(text);
    text = ask_time("freq", &m);
    cr_expect(told(text, "time", 0, "offset_ns") == 7000);
    cr_expect(told(text, "time", 1, "offset_ns") == 988600);
    cr_expect(told(text, "time", 1, "time_ns") == 1000000);
    free(text);
}

/* The guest is slower than the host: what is below 0 is rounded down as well. */
Test(time_view, a_guest_that_loses_drifts_below_zero)
{
    struct made m;
    made_begin(&m, CLOCK_COUNT, NANOSECONDS);
    made_exit(&m, EXIT_CPUID, 0, 0, 0, 0);
    made_exit(&m, EXIT_CPUID, 10, 30, 0, 0);
    made_end(&m);
    char *text = ask_time("stats", &m);
    cr_expect(told(text, "clocks", 0, "offset_ns") == -20);
    cr_expect(told(text, "clocks", 0, "drift_ppb") == -666666667);
    cr_expect(told(text, "clocks", 0, "least_ns") == -20);
    cr_expect(told(text, "clocks", 0, "most_ns") == 0);
    free(text);
}

/* One stamp that somebody has changed is two steps, there and back, and nothing more. */
Test(time_view, a_corrupted_stamp_is_a_step_and_is_counted)
{
    struct made m;
    made_begin(&m, CLOCK_COUNT, NANOSECONDS);
    for (u64 i = 0; i < 10; i++)
        made_exit(&m, EXIT_CPUID, 1000 * i, 1000 * i + (i == 5 ? 900000 : 0), 0, 0);
    made_end(&m);
    char *text = ask_time("stats", &m);
    cr_expect(told(text, "totals", 0, "disordered") == 1);
    cr_expect(told(text, "clocks", 0, "offset_ns") == 0);
    cr_expect(told(text, "clocks", 0, "least_ns") == -900000);
    cr_expect(told(text, "clocks", 0, "least_exit") == 5);
    free(text);
    text = ask_time("steps", &m);
    cr_expect(told(text, "time", 0, "exit") == 6);
    cr_expect(told(text, "time", 0, "step_ns") == 900000);
    cr_expect(is_null(text, "host_ns"), "it went back");
    cr_expect(told(text, "time", 1, "exit") == 5);
    cr_expect(told(text, "time", 1, "step_ns") == -900000);
    free(text);
}

Test(time_view, without_the_frequency_of_the_host_there_are_ticks_only)
{
    struct made m;
    made_begin(&m, CLOCK_COUNT, 0);
    made_exit(&m, EXIT_CPUID, 10, 5000, 0, 0);
    made_exit(&m, EXIT_CPUID, 20, 6000, 0, 0);
    made_end(&m);
    char *text = ask_time("stats", &m);
    cr_expect(is_null(text, "offset_ns") && is_null(text, "drift_ppb") &&
              is_null(text, "least_ns"));
    cr_expect(told(text, "totals", 0, "ticks") == 1000);
    cr_expect(told(text, "totals", 0, "guest_ns") == 10);
    free(text);
    text = ask_time("freq", &m);
    cr_expect(is_null(text, "offset_ns"));
    cr_expect(told(text, "time", 0, "guest_ns") == 10);
    free(text);
}

/* --- the host's clock ------------------------------------------------------------------------- */

/* The first reading tells when guest time began; it is no step. */
Test(time_view, under_the_hosts_clock_steps_are_where_it_was_read)
{
    struct made m;
    made_begin(&m, CLOCK_HOST, NANOSECONDS);
    made_exit(&m, EXIT_CPUID, 1, 10000, 0, 0);
    made_exit(&m, EXIT_CPUID, 2, 12000, 0, 0);
    made_clock(&m, 705000);
    made_exit(&m, EXIT_RDTSC, 3, 13000, 0, 705000);
    made_exit(&m, EXIT_CPUID, 4, 15000, 0, 0);
    made_clock(&m, 709500);
    made_exit(&m, EXIT_RDTSC, 5, 17000, 0, 709500); /* 500 too late */
    made_exit(&m, EXIT_HLT, 6, 18000, 0, 0);
    made_time(&m, 810500); /* at 18100 */
    made_exit(&m, EXIT_CPUID, 7, 19000, 0, 0);
    made_end(&m);
    char *text = ask_time("steps", &m);
    cr_expect(told(text, "time", 0, "step_ns") == 100000);
    cr_expect(told(text, "time", 0, "exit") == 6);
    cr_expect(told(text, "time", 0, "idle_ns") == 101000);
    cr_expect(told(text, "time", 1, "step_ns") == 500);
    cr_expect(told(text, "time", 1, "exit") == 4);
    cr_expect(told(text, "time", 1, "handling_ns") == 100);
    cr_expect(told(text, "time", 1, "ran_ns") == 2400);
    free(text);
    text = ask_time("stats", &m);
    cr_expect(told(text, "clocks", 0, "host_ns") == 9000);
    cr_expect(told(text, "clocks", 0, "offset_ns") == 100500);
    cr_expect(told(text, "steps", 0, "steps") == 2);
    cr_expect(told(text, "steps", 1, "steps") == 0);
    free(text);
}

/* --- readings --------------------------------------------------------------------------------- */

enum { MSR_TSC = 0x10, PM_TIMER = 0x608, PIT = 0x40 };

static const struct seen {
    u16 reason;
    u64 address, value;
} seen[] = {
    {EXIT_RDTSC, 0, 1000},
    {EXIT_RDTSCP, 0, 1500},
    {EXIT_MSR_READ, MSR_TSC, 1400}, /* back */
    {EXIT_MSR_WRITE, MSR_TSC, 5},
    {EXIT_RDTSC, 0, 100}, /* it may */
    {EXIT_RDTSC, 0, 99},  /* back */
    {EXIT_IO_INSTRUCTION, PM_TIMER, 0xfffffff0},
    {EXIT_IO_INSTRUCTION, PM_TIMER, 5}, /* round and on */
    {EXIT_IO_INSTRUCTION, PM_TIMER, 4}, /* back */
    {EXIT_IO_INSTRUCTION, PIT, 9},
    {EXIT_IO_INSTRUCTION, PIT, 5},
    {EXIT_RDTSC, 0, 99},
};

/* An exit a chunk, so that any two can be in different shards. The host's clock: guest time then
 * does not follow from what is seen. */
static void make_readings(struct made *m)
{
    made_begin(m, CLOCK_HOST, NANOSECONDS);
    for (u64 i = 0; i < ARRAY_SIZE(seen); i++) {
        made_exit(m, seen[i].reason, 100 * (i + 1), 1000 * i, seen[i].address, seen[i].value);
        if (i < ARRAY_SIZE(seen) - 1)
            made_chunk(m);
    }
    made_end(m);
}

/* A log, which is printed on the way. malloc'ed. */
static char *stream(const char *show, const struct made *m)
{
    struct pass pass = ask("time", show, NULL);
    struct result result;
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, OUTPUT_JSON);
    cr_assert_eq(pass_run(&pass, m->path, out, &result).code, OK);
    pass_tell(&pass, &result, out);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    pass.view->end(result.state);
    return text;
}

Test(time_view, readings_that_go_back_are_counted_and_logged)
{
    struct made m;
    make_readings(&m);
    char *text = ask_time("stats", &m);
    cr_expect(told(text, "readings", 0, "reads") == 6);
    cr_expect(told(text, "readings", 0, "backwards") == 2);
    cr_expect(told(text, "readings", 1, "reads") == 3);
    cr_expect(told(text, "readings", 1, "backwards") == 1);
    cr_expect(told(text, "readings", 2, "reads") == 2);
    cr_expect(is_null(strstr(text, "\"readings\""), "backwards"), "the PIT counts down");
    free(text);
    text = stream("log", &m);
    cr_expect(told(text, "time", 2, "advance") == -100);
    cr_expect(told(text, "time", 6, "advance") == 21);
    cr_expect(told(text, "time", 7, "advance") == -1);
    free(text);
}

/* --- shards ----------------------------------------------------------------------------------- */

enum { SHARDS = 9, EACH = 5 };

/* Time goes on by so much while nobody runs. */
static void made_theft(struct made *m, u32 clock, u64 ns)
{
    m->s.idle += ns;
    made_time(m, clock == CLOCK_HOST ? m->s.count + m->s.idle : ns);
}

/* Nine chunks of the sample guest, which sleeps, with thefts and readings among them. */
static void make_many(struct made *m, u32 clock, u64 hz)
{
    made_begin(m, clock, hz);
    m->s.random = 88172645463325252ull;
    for (u32 chunk = 0; chunk < SHARDS; chunk++) {
        for (u32 i = 0; i < EACH; i++) {
            if (i % 3 == 0)
                sample_clock(&m->s);
            m->s.tsc += sample_random(&m->s) % 3000;
            sample_exit(&m->s);
            if (i % 2 == 0)
                made_theft(m, clock, 1234 * i);
        }
        if (chunk < SHARDS - 1)
            made_chunk(m);
    }
    made_end(m);
}

Test(time_view, merged_shards_equal_the_whole_at_every_cut)
{
    static const u64 hz[] = {GHZ_2_6, GHZ_2_6, 3, 0};
    static const char *const shows[] = {"stats", "steps", "freq"};
    for (u32 i = 0; i < ARRAY_SIZE(hz); i++) {
        struct made m;
        make_many(&m, i % 2 ? CLOCK_HOST : CLOCK_COUNT, hz[i]);
        for (u32 show = 0; show < ARRAY_SIZE(shows); show++) {
            check_shards(ask("time", shows[show], NULL), m.path, 2);
            check_shards(ask("time", shows[show], NULL), m.path, SHARDS);
        }
    }
}

Test(time_view, merged_readings_equal_the_whole)
{
    struct made m;
    make_readings(&m);
    for (u32 shards = 2; shards <= 10; shards++)
        check_shards(ask("time", "stats", NULL), m.path, shards);
}

/* --- sums ------------------------------------------------------------------------------------- */

static void check_sums(const char *text)
{
    s128 ns = 0, ticks = 0;
    for (u32 part = 0; part < 4; part++) {
        ns += told(text, "time", part, "guest_ns");
        ticks += told(text, "time", part, "ticks");
    }
    cr_expect(ns == told(text, "totals", 0, "guest_ns"));
    cr_expect(ticks == told(text, "totals", 0, "ticks"));
    s128 offset = told(text, "clocks", 0, "offset_ns");
    cr_expect(offset == ns - told(text, "clocks", 0, "host_ns"));
    cr_expect(offset == told(text, "steps", 0, "sum_ns") - told(text, "steps", 1, "sum_ns"));
}

Test(time_view, sums_are_exact_and_ranges_add_up)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        struct made m;
        struct pass pass = ask("time", "stats", NULL);
        make_many(&m, clock, GHZ_2_6);
        char *whole = analyze(pass, m.path);
        check_sums(whole);
        for (u64 cut = 1; cut < SHARDS * EACH; cut++) {
            pass.from = (struct bound){0};
            pass.to = (struct bound){POSITION_EXIT, cut - 1};
            char *left = analyze(pass, m.path);
            pass.from = (struct bound){POSITION_EXIT, cut};
            pass.to = (struct bound){0};
            char *right = analyze(pass, m.path);
            check_sums(left);
            check_sums(right);
            cr_expect(told(left, "clocks", 0, "offset_ns") +
                              told(right, "clocks", 0, "offset_ns") ==
                          told(whole, "clocks", 0, "offset_ns"),
                      "cut at %lu", cut);
            free(left);
            free(right);
        }
        free(whole);
    }
}

/* --- hostile files, and numbers below zero ---------------------------------------------------- */

Test(time_view, hostile_partial_files_are_refused_or_read)
{
    static const char *const shows[] = {"stats", "steps", "freq"};
    struct made m;
    make_many(&m, CLOCK_COUNT, GHZ_2_6);
    for (u32 i = 0; i < ARRAY_SIZE(shows); i++) {
        write_shard(ask("time", shows[i], NULL), m.path, 2, 3);
        try_hostile("part.2");
    }
}

Test(time_view, numbers_below_zero_survive)
{
    const s128 most = (s128)(~(u128)0 >> 1);
    const s128 numbers[] = {0, -1, 1, INT64_MIN, INT64_MAX, most, -most, -most - 1};
    struct pack pack = {0};
    for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
        pack_signed(&pack, numbers[i]);
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    for (u32 i = 0; i < ARRAY_SIZE(numbers); i++)
        cr_expect(unpack_signed(&unpack) == numbers[i]);
    cr_expect(!unpack.wrong && unpack.at == pack.length);
    free(pack.data);
}

static char *format_signed(enum output_format format)
{
    static const struct column columns[] = {{"a", "A", CELL_AHEAD}, {"b", "B", CELL_SIGNED}};
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, format);
    output_table(out, "t", columns, ARRAY_SIZE(columns), 0);
    output_signed(out, -5);
    output_signed(out, 7);
    output_signed(out, 0);
    output_signed_if(out, false, 1);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    return text;
}

Test(time_view, numbers_below_zero_are_printed_in_every_format)
{
    static const char *const expected[] = {
        [OUTPUT_TABLE] = "\n A   B\n-5  +7\n 0   -\n",
        [OUTPUT_JSON] = "{\"t\":[\n{\"a\":-5,\"b\":7},\n{\"a\":0,\"b\":null}\n]}\n",
        [OUTPUT_CSV] = "a,b\n-5,7\n0,\n",
    };
    for (u32 format = OUTPUT_TABLE; format <= OUTPUT_CSV; format++) {
        char *text = format_signed(format);
        cr_expect_str_eq(text, expected[format]);
        free(text);
    }
}
