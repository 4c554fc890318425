/* Comparison of traces: made-up ones, with records changed, taken out and put in. */
#include "trace_sample.h"

#include "analysis/diff/report.h"
#include "trace/layout.h"

#include <criterion/criterion.h>

TestSuite(diff, .init = scratch_make, .fini = scratch_remove);

enum { EXITS = 3000 };

/* --- traces ------------------------------------------------------------------------------ */

static struct sample sample;

static void begin(void)
{
    sample = (struct sample){0};
    sample_chunk(&sample, EXITS, 5);
    sample_end(&sample);
}

/* The n-th record of a kind (from 0) in the sample. */
static union record *find(u32 kind, u32 n)
{
    for (size_t at = 0; at < sample.used; at += record_size(*(u16 *)(sample.raw + at))) {
        union record *record = (union record *)(sample.raw + at);
        if (record->kind == kind && !n--)
            return record;
    }
    cr_assert_fail("no such record");
    return NULL;
}

/* Takes it out; later records belong to exits one less if it was one. */
static void take_out(union record *record)
{
    u32 size = record_size(record->kind);
    size_t at = (size_t)((u8 *)record - sample.raw);
    bool exit = record->kind == REC_EXIT;
    memmove(sample.raw + at, sample.raw + at + size, sample.used - at - size);
    sample.used -= size;
    for (; exit && at < sample.used; at += record_size(*(u16 *)(sample.raw + at))) {
        union record *later = (union record *)(sample.raw + at);
        const struct kind_layout *layout = kind_layout(later->kind);
        int field = field_by_name(layout, "exit");
        if (field >= 0)
            field_set(&layout->fields[field], later, field_get(&layout->fields[field], later) - 1);
    }
}

static struct trace *finish(const char *name)
{
    struct manifest manifest = {.memory_size = 1 << 20, .created = 1};
    struct trace_writer *writer;
    struct trace *trace;
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(trace_create(scratch_path(name), &manifest, scratch_path("kernel"), NULL,
                              TRACE_SYNC_NEVER, &writer)
                     .code,
                 OK);
    cr_assert_eq(trace_append_chunk(writer, sample.raw, sample.used).code, OK);
    cr_assert_eq(trace_finish(writer).code, OK);
    cr_assert_eq(trace_open(scratch_path(name), &trace).code, OK);
    free(sample.raw);
    return trace;
}

static struct trace *original(void)
{
    begin();
    return finish("a");
}

static struct diff_result result;
static struct trace *traces[DIFF_SIDES];

/* Compares the original with the sample as it is now. */
static void compare(void)
{
    struct diff_options options = {.context = 3};
    traces[DIFF_B] = finish("b");
    traces[DIFF_A] = original();
    struct failure failure = diff_traces(traces[DIFF_A], traces[DIFF_B], &options, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
}

static void end(void)
{
    diff_free(&result);
    trace_close(traces[DIFF_A]);
    trace_close(traces[DIFF_B]);
}

static void expect(u64 timing, u64 value, u64 missing, u64 extra)
{
    cr_expect_eq(result.counts[DIFF_TIMING], timing, "timing %lu", result.counts[DIFF_TIMING]);
    cr_expect_eq(result.counts[DIFF_VALUE], value, "value %lu", result.counts[DIFF_VALUE]);
    cr_expect_eq(result.counts[DIFF_MISSING], missing, "missing %lu", result.counts[DIFF_MISSING]);
    cr_expect_eq(result.counts[DIFF_EXTRA], extra, "extra %lu", result.counts[DIFF_EXTRA]);
}

/* --- what is found ----------------------------------------------------------------------- */

Test(diff, a_trace_is_the_same_as_itself)
{
    begin();
    compare();
    expect(0, 0, 0, 0);
    cr_expect_eq(result.first.kind, DIFF_SAME);
    cr_expect_eq(result.totals[DIFF_A].exits, EXITS);
    cr_expect_eq(result.counts[DIFF_SAME], result.totals[DIFF_A].records);
    end();
}

static u64 told_exit, told_of;

static void note_progress(void *context, u64 exit, u64 of)
{
    (void)context;
    told_exit = exit;
    told_of = of;
}

Test(diff, exits_of_traces_whose_observations_were_dropped_are_counted)
{
    struct diff_options options = {.context = 3, .progress = note_progress};
    static const char *const names[] = {"a", "b"};
    for (u32 s = 0; s < DIFF_SIDES; s++) {
        begin();
        trace_close(finish(names[s]));
        cr_assert_eq(trace_drop_observations(scratch_path(names[s])).code, OK);
        cr_assert_eq(trace_open(scratch_path(names[s]), &traces[s]).code, OK);
    }
    cr_assert_eq(diff_traces(traces[DIFF_A], traces[DIFF_B], &options, &result).code, OK);
    expect(0, 0, 0, 0);
    cr_expect_eq(result.totals[DIFF_A].exits, EXITS);
    cr_expect_eq(result.totals[DIFF_B].exits, EXITS);
    cr_expect(told_of == EXITS && told_exit && told_exit <= EXITS, "%lu of %lu", told_exit,
              told_of);
    end();
}

Test(diff, each_field_is_compared)
{
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        for (u32 i = 0; layout && i < layout->field_count; i++) {
            const struct field_layout *field = &layout->fields[i];
            if (kind == REC_IDLE || kind == REC_STOP || kind == REC_ARRIVAL ||
                !strcmp(field->name, "exit"))
                continue;
            begin();
            union record *record = find(kind, 0);
            field_set(field, record, field_get(field, record) ^ 1);
            compare();
            bool timing = !strncmp(field->name, "tsc", 3);
            expect(timing, !timing, 0, 0);
            cr_expect_not(result.parted);
            end();
            scratch_remove();
            scratch_make();
        }
    }
}

Test(diff, the_first_difference_has_its_place_and_context)
{
    begin();
    find(REC_EXIT, 1000)->exit.value ^= 4;
    find(REC_EXIT, 1500)->exit.rip ^= 4;
    compare();
    expect(0, 2, 0, 0);
    cr_expect_eq(result.first.kind, DIFF_VALUE);
    cr_expect_eq(result.first.next[DIFF_A][0].exit, 1000);
    cr_expect_eq(result.first.next[DIFF_B][0].exit, 1000);
    cr_expect_eq(result.first.next_count[DIFF_A], 3);
    cr_expect_eq(result.first.before_count, 3);
    cr_expect_eq(result.first.before[2].exit, 999);
    end();
}

Test(diff, it_goes_on_after_a_missing_record)
{
    static const u32 kinds[] = {REC_INJECTION, REC_TIMER, REC_CLOCK, REC_EXIT};
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        begin();
        take_out(find(kinds[i], 2));
        find(REC_EXIT, 2000)->exit.value ^= 1; /* found after the gap */
        compare();
        expect(0, 1, 1, 0);
        cr_expect_eq(result.first.kind, DIFF_MISSING);
        cr_expect_eq(result.first.next[DIFF_A][0].record.kind, kinds[i]);
        end();
        scratch_remove();
        scratch_make();
    }
}

Test(diff, what_b_has_too_many_is_extra)
{
    begin();
    for (u32 i = 0; i < 10; i++)
        take_out(find(REC_EXIT, 700));
    compare();
    expect(0, 0, 10, 0);
    struct diff_options options = {.context = 3};
    diff_free(&result);
    cr_assert_eq(diff_traces(traces[DIFF_B], traces[DIFF_A], &options, &result).code, OK);
    expect(0, 0, 0, 10);
    cr_expect_eq(result.first.kind, DIFF_EXTRA);
    end();
}

Test(diff, a_trace_that_ends_early_lacks_the_rest)
{
    begin();
    sample.used = (size_t)((u8 *)find(REC_EXIT, 1000) - sample.raw);
    compare();
    cr_expect_eq(result.first.kind, DIFF_MISSING);
    cr_expect_eq(result.first.next_count[DIFF_B], 0);
    cr_expect_eq(result.counts[DIFF_MISSING] + result.counts[DIFF_SAME],
                 result.totals[DIFF_A].records);
    cr_expect_not(result.parted);
    end();
}

Test(diff, runs_that_part_are_said_to)
{
    begin();
    for (u32 i = 500; i < EXITS; i++)
        find(REC_EXIT, i)->exit.count += 1000000 + i;
    for (size_t at = 0; at < sample.used; at += record_size(*(u16 *)(sample.raw + at))) {
        union record *record = (union record *)(sample.raw + at);
        if (record->kind == REC_RAISE && record->raise.exit >= 500)
            record->raise.due += 1000000;
    }
    compare();
    cr_expect(result.parted);
    cr_expect_eq(result.first.next[DIFF_A][0].exit, 500);
    cr_expect_eq(result.totals[DIFF_B].exits, EXITS, "the totals are of the whole traces");
    end();
}

/* --- reports ----------------------------------------------------------------------------- */

static char *print(void (*report)(FILE *, const struct diff_result *, struct trace *const *))
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    report(out, &result, traces);
    fclose(out);
    return text;
}

Test(diff, the_reports_tell)
{
    begin();
    find(REC_EXIT, 1000)->exit.value = 0x1234;
    find(REC_EXIT, 1001)->exit.tsc_exit -= 7;
    compare();
    char *table = print(diff_print_table), *json = print(diff_print_json);
    cr_expect(strstr(table, "first difference: value, at exit 1000, guest count "), "%s", table);
    cr_expect(strstr(table, "1 timing, 1 value, 0 missing, 0 extra"), "%s", table);
    cr_expect(strstr(json, "\"first\":{\"kind\":\"value\",\"exit\":1000"), "%s", json);
    cr_expect(strstr(json, "\"fields\":[{\"name\":\"value\",\"a\":"), "%s", json);
    cr_expect(strstr(json, "\"b\":4660}"), "%s", json);
    free(table);
    free(json);
    end();
}
