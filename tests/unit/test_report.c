/* The report's parts: escaping, scales and ticks, several views in one walk, and whole pages of
 * hostile traces. */
#include "trace_sample.h"

#include "analysis/report/html.h"
#include "analysis/report/page.h"
#include "analysis/report/scale.h"
#include "core/machine.h"

#include <criterion/criterion.h>
#include <math.h>

static void setup(void)
{
    scratch_make();
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(report, .init = setup, .fini = teardown);

/* --- escaping --------------------------------------------------------------------------------- */

/* What `put` writes; valid until the next call. */
static const char *written(void (*put)(FILE *, const char *), const char *text)
{
    static char buffer[4096];
    FILE *file = fmemopen(buffer, sizeof(buffer), "w");
    put(file, text);
    fputc(0, file);
    fclose(file);
    return buffer;
}

static void put_json(FILE *out, const char *text)
{
    html_json(out, text, strlen(text));
}

Test(report, markup_is_escaped)
{
    cr_expect_str_eq(written(html_text, "</td><script>\"x='1'\"&amp;"),
                     "&lt;/td&gt;&lt;script&gt;&quot;x=&#39;1&#39;&quot;&amp;amp;");
    cr_expect_str_eq(written(html_json_text, "a\"\\\n</script>"),
                     "\"a\\u0022\\u005c\\u000a\\u003c/script>\"");
    cr_expect_str_eq(written(put_json, "{\"a\":\"</script><!--\"}"),
                     "{\"a\":\"\\u003c/script>\\u003c!--\"}");
}

#define GONE "\xef\xbf\xbd"

Test(report, what_is_no_utf8_or_would_not_be_seen_is_replaced)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"µs é 中 😀", "µs é 中 😀"},
        {"a\x01\x1b[31mb\x7f", "a" GONE GONE "[31mb" GONE},
        {"line\nand\ttab", "line\nand\ttab"},
        {"\xff\xfe", GONE GONE},
        {"\xc0\xaf", GONE GONE},                   /* '/' in two bytes */
        {"\xe0\x80\xaf", GONE GONE GONE},          /* in three */
        {"\xed\xa0\x80", GONE GONE GONE},          /* a surrogate */
        {"\xf4\x90\x80\x80", GONE GONE GONE GONE}, /* beyond U+10FFFF */
        {"\xe2\x82", GONE GONE},                   /* cut short by the end */
        {"\xe2\x82<", GONE GONE "&lt;"},           /* or by markup */
        {"a\xe2\x80\xae"
         "b",
         "a" GONE "b"}, /* U+202E turns the direction */
        {"a\xe2\x80\x8b"
         "b",
         "a" GONE "b"},     /* U+200B has no width */
        {"\xc2\x85", GONE}, /* a control of ISO 8859 */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        cr_expect_str_eq(written(html_text, cases[i].text), cases[i].shown, "case %zu", i);
}

Test(report, json_is_never_longer_than_told)
{
    const char *const texts[] = {"", "{}", "<<<<", "\xff\xff<", "µ"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        cr_expect_leq(strlen(written(put_json, texts[i])),
                      html_json_length(texts[i], strlen(texts[i])));
}

Test(report, words_of_a_shell_are_quoted)
{
    static char word[SHELL_WORD], path[4096];
    cr_expect_str_eq(shell_word("vmlinuz-6.1-3", word), "vmlinuz-6.1-3");
    cr_expect_str_eq(shell_word("a b", word), "$'a b'");
    cr_expect_str_eq(shell_word("", word), "$''");
    cr_expect_str_eq(shell_word("-o", word), "$'./-o'");
    cr_expect_str_eq(shell_word("it's;\\`$(x)\n\xc3\xa9", word),
                     "$'it\\'s;\\\\`$(x)\\x0a\\xc3\\xa9'");
    memset(path, 0x80, sizeof(path) - 1);
    cr_expect_eq(strlen(shell_word(path, word)), 4 * (sizeof(path) - 1) + 3);
}

/* --- scales ----------------------------------------------------------------------------------- */

#define NARROW "\xe2\x80\xaf"

Test(report, numbers_have_groups_and_units)
{
    char groups[GROUPED], text[QUANTITY];
    cr_expect_str_eq(grouped(0, groups), "0");
    cr_expect_str_eq(grouped(999, groups), "999");
    cr_expect_str_eq(grouped(1000, groups), "1" NARROW "000");
    cr_expect_str_eq(grouped(12345678, groups), "12" NARROW "345" NARROW "678");
    cr_expect_eq(strlen(grouped(~(u128)0, groups)), 39 + 12 * 3);
    cr_expect_str_eq(quantity(UNIT_NS, 0, text), "0" NARROW "ns");
    cr_expect_str_eq(quantity(UNIT_NS, 1500, text), "1.5" NARROW "µs");
    cr_expect_str_eq(quantity(UNIT_NS, 999.9, text), "1" NARROW "µs");
    cr_expect_str_eq(quantity(UNIT_NS, 1.44e9, text), "1.44" NARROW "s");
    cr_expect_str_eq(quantity(UNIT_NS, 123456e9, text), "123456" NARROW "s");
    cr_expect_str_eq(quantity(UNIT_RATE, 2.5e7, text), "25" NARROW "M/s");
    cr_expect_str_eq(quantity(UNIT_PERCENT, 12.34, text), "12.3" NARROW "%");
    cr_expect_str_eq(quantity(UNIT_COUNT, 42, text), "42");
}

static void check_ticks(const struct scale *s, u32 wanted)
{
    double ticks[TICKS_MAX];
    u32 count = scale_ticks(s, wanted, ticks);
    cr_expect_leq(count, TICKS_MAX);
    for (u32 i = 0; i < count; i++) {
        double place = scale_at(s, ticks[i]);
        cr_expect(place >= 0 && place <= 1 && isfinite(ticks[i]));
        cr_expect(!i || ticks[i] > ticks[i - 1], "%g to %g: tick %g after %g", s->low, s->high,
                  ticks[i], ticks[i - 1]);
    }
}

Test(report, ticks_are_round_and_within)
{
    double ticks[TICKS_MAX];
    struct scale s = scale_of(false, 0, 97), log = scale_of(true, 30, 2e7);
    cr_expect_eq(scale_ticks(&s, 5, ticks), 5);
    cr_expect_float_eq(ticks[4], 80, 1e-9);
    cr_expect_eq(scale_ticks(&log, 10, ticks), 6);
    cr_expect_float_eq(ticks[0], 100, 1e-6);
    cr_expect_float_eq(ticks[5], 1e7, 1);
    s = scale_rounded(s, 5);
    cr_expect_float_eq(s.high, 100, 1e-9);
    log = scale_rounded(log, 5);
    cr_expect_float_eq(log.low, 10, 1e-9);
    cr_expect_float_eq(log.high, 1e8, 1e-3);
    log = scale_rounded(scale_of(true, 92, 244), 5);
    cr_expect_float_eq(log.low, 50, 1e-9);
    cr_expect_float_eq(log.high, 500, 1e-9);
    cr_expect_eq(scale_ticks(&log, 5, ticks), 4);
    cr_expect_float_eq(ticks[1], 100, 1e-9);
    cr_expect_float_eq(ticks[2], 200, 1e-9);
}

Test(report, scales_take_any_values)
{
    static const double values[] = {
        0, 1e-300, 1e-9, 1, 1, 1.0000001, 3, 1e9, 1.8446744073709552e19, 3.4e38};
    for (size_t a = 0; a < ARRAY_SIZE(values); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(values); b++) {
            for (u32 log = 0; log < 2; log++) {
                struct scale s = scale_of(log, values[a], values[b]);
                cr_expect_lt(s.low, s.high);
                for (u32 wanted = 0; wanted < 12; wanted += 3)
                    check_ticks(&s, wanted);
                cr_expect_eq(scale_at(&s, s.low), 0);
                cr_expect_eq(scale_at(&s, s.high), 1);
            }
        }
    }
}

/* --- pages ------------------------------------------------------------------------------------ */

#define EVIL "</script><svg/onload=alert(1)>\"'&\x01\xff"

static const char *make_trace_of(u32 version, u32 chunks, bool ended)
{
    struct sample s = {.mute = version < TRACE_WITH_RAISES};
    struct trace_writer *writer;
    static char path[256];
    strcpy(path, scratch_path("t"));
    struct manifest manifest = {.memory_size = 1 << 20, .tsc_hz = 2500000000};
    snprintf(manifest.command_line, sizeof(manifest.command_line), "%s", EVIL);
    snprintf(manifest.host_cpu, sizeof(manifest.host_cpu), "%s", EVIL);
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(
        trace_create(path, &manifest, scratch_path("kernel"), NULL, TRACE_SYNC_NEVER, &writer).code,
        OK);
    trace_writer_manifest(writer)->version = version;
    for (u32 i = 0; i < chunks; i++) {
        sample_chunk(&s, 300, 20);
        if (ended && i == chunks - 1)
            sample_end(&s);
        cr_assert_eq(trace_append_chunk(writer, s.raw, s.used).code, OK);
    }
    if (ended)
        cr_assert_eq(trace_finish(writer).code, OK);
    else
        trace_abandon(writer);
    free(s.raw);
    return path;
}

static const char *make_trace(u32 chunks, bool ended)
{
    return make_trace_of(TRACE_FORMAT_VERSION, chunks, ended);
}

/* The caller frees it. */
static char *page_of(const char *path, findings_learner *learn, size_t *length)
{
    static struct findings findings;
    char *text = NULL;
    struct failure failure = findings_gather(&findings, path, learn);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    FILE *file = open_memstream(&text, length);
    page_write(file, &findings);
    fclose(file);
    findings_free(&findings);
    return text;
}

static u32 occurrences(const char *text, const char *what)
{
    u32 count = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

Test(report, nothing_of_a_hostile_manifest_becomes_markup)
{
    size_t length;
    char *page = page_of(make_trace(4, true), NULL, &length);
    cr_expect_eq(length, strlen(page));
    cr_expect(strstr(page, "&lt;/script&gt;&lt;svg/onload=alert(1)&gt;"));
    cr_expect_not(strstr(page, "<svg/onload"));
    cr_expect_eq(occurrences(page, "<script"), occurrences(page, "</script>"));
    cr_expect_eq(occurrences(page, "\xff") + occurrences(page, "\x01"), 0);
    cr_expect_lt(length, HTML_MAX);
    free(page);
}

Test(report, an_unfinished_trace_says_so)
{
    size_t length;
    char *page = page_of(make_trace(3, false), NULL, &length);
    cr_expect(strstr(page, "Not whole."));
    cr_expect(strstr(page, "unfinished"));
    cr_expect_not(strstr(page, "Recorded whole."));
    free(page);
}

Test(report, a_trace_without_exits_is_a_page)
{
    size_t length;
    char *page = page_of(make_trace(0, false), NULL, &length);
    cr_expect(strstr(page, "Not whole."));
    cr_expect(strstr(page, "The trace has none."));
    cr_expect(strstr(page, "No timer went off"));
    cr_expect(strstr(page, "The guest programmed no timer."));
    cr_expect(strstr(page, "</html>"));
    free(page);
}

/* The sample's firings are late to be requested, but none that is handled is. */
static void expect_timers(const char *page, bool told)
{
    static const char *const parts[] = {"timers-fates", "timers-times", "timers-requested",
                                        "timers-worst"};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        char id[32];
        snprintf(id, sizeof(id), " id=\"%s\"", parts[i]);
        cr_expect_eq(occurrences(page, id), told, "%s", parts[i]);
    }
    cr_expect_eq(occurrences(page, "All that were handled were handled at the moment"), told);
    cr_expect_eq(occurrences(page, "No two in a row differed in how late"), told);
    cr_expect_eq(occurrences(page, " id=\"timers-programming\""), 1);
    cr_expect_eq(occurrences(page, "has no records of requests of interrupts"), !told);
    cr_expect_eq(occurrences(page, "has no records of them: how late timers were is not known"),
                 !told);
}

Test(report, timers_are_told_of_as_far_as_the_format_goes)
{
    for (u32 version = 1; version <= TRACE_FORMAT_VERSION; version++) {
        size_t length;
        char *page = page_of(make_trace_of(version, 4, true), NULL, &length);
        expect_timers(page, version >= TRACE_WITH_RAISES);
        free(page);
        scratch_remove();
        scratch_make();
    }
}

/* A guest with names of its own choice for tasks, that switches between them all the time. */
enum { HOSTILE_TASKS = 40, HOSTILE_EVENTS = 300000 };

static u32 hostile_name(struct sched_log *log, u32 pid)
{
    struct sched_name name = {.pid = pid, .tgid = pid, .comm = "</g><script>\"&"};
    u32 index;
    cr_assert(sched_log_name(log, &name, &index));
    return index;
}

static void learn_hostile_tasks(struct findings *f, struct trace *trace)
{
    u64 random = 3, span = trace_manifest(trace)->guest_ns + HOSTILE_EVENTS;
    u32 runs = 0;
    f->kernel = NO_FAILURE;
    for (u32 pid = 0; pid < HOSTILE_TASKS; pid++)
        hostile_name(&f->facts.log, pid);
    for (u64 i = 0; i < HOSTILE_EVENTS; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        u32 task = (random >> 33) % HOSTILE_TASKS;
        bool wakes = random >> 63;
        struct sched_event event = {
            .time = i == HOSTILE_EVENTS - 1 ? UINT64_MAX : span / HOSTILE_EVENTS * i,
            .exit = i / 1000,
            .kind = wakes ? SCHED_WAKE : SCHED_SWITCH,
            .task = wakes ? task : runs,
            .other = wakes ? runs : task,
            .preempted = random >> 62 & 1,
            .state = random >> 61 & 1,
        };
        runs = wakes ? runs : task;
        cr_assert(sched_log_add(&f->facts.log, &event));
    }
}

Test(report, lanes_of_any_tasks_are_markup_of_ours_and_bounded)
{
    size_t length;
    char *page = page_of(make_trace(8, true), learn_hostile_tasks, &length);
    cr_expect_lt(length, HTML_MAX);
    cr_expect(strstr(page, "<b>vCPU and tasks</b>"));
    cr_expect(strstr(page, "drawn as one if closer together than"));
    cr_expect(strstr(page, "&lt;/g&gt;&lt;script"));
    cr_expect_not(strstr(page, "</g><script>"));
    cr_expect_eq(occurrences(page, "<script"), occurrences(page, "</script>"));
    cr_expect_not(strstr(page, "There is no room for the lanes"));
    free(page);
}
