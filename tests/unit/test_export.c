/* Exports of made-up traces, with guest events from a made-up source. What the formats' own tools
 * say of real ones is in tests/runs/export.sh. */
#include "trace_sample.h"

#include "trace/export/export.h"
#include "trace/export/proto.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <sys/stat.h>

TestSuite(export, .init = scratch_make, .fini = scratch_remove);

enum { EXITS = 400, CLOCKS = 3 };

static struct trace *make_trace(u32 clock)
{
    struct sample s = {0};
    struct manifest manifest = {.memory_size = 1 << 20, .clock = clock, .tsc_hz = NANOSECONDS};
    struct trace_writer *writer;
    struct trace *trace;
    scratch_file("kernel", "kernel", 6);
    cr_assert_eq(trace_create(scratch_path("trace"), &manifest, scratch_path("kernel"), NULL,
                              TRACE_SYNC_NEVER, &writer)
                     .code,
                 OK);
    sample_chunk(&s, EXITS, CLOCKS);
    sample_end(&s);
    cr_assert_eq(trace_append_chunk(writer, s.raw, s.used).code, OK);
    free(s.raw);
    cr_assert_eq(trace_finish(writer).code, OK);
    cr_assert_eq(trace_open(scratch_path("trace"), &trace).code, OK);
    return trace;
}

/* --- a source of guest events ---------------------------------------------------------------- */

enum { EVENTS = 5 };

static struct failure next_made_up(void *context, struct guest_event *event, bool *more)
{
    u32 *given = context;
    *more = *given < EVENTS;
    *event = (struct guest_event){.ns = 1000ull * ++*given, .cpu = 0, .pid = 7};
    memset(event->comm, 'x', sizeof(event->comm)); /* not terminated */
    event->kind = *given % 2 ? GUEST_SCHED_SWITCH : GUEST_IRQ_ENTRY;
    if (*given % 2) {
        strcpy(event->sched_switch.prev_comm, "say \"hi\"");
        event->sched_switch.prev_pid = 7;
        event->sched_switch.prev_prio = -1;
        strcpy(event->sched_switch.next_comm, "swapper/0");
    } else {
        event->irq_handler_entry.irq = 4;
        strcpy(event->irq_handler_entry.name, "ttyS0");
    }
    return NO_FAILURE;
}

static struct failure export_as(const char *name, const char *path, u64 from, u64 to, bool events)
{
    u32 given = 0;
    struct event_source source = {&given, ~0u, next_made_up};
    struct export_job job = {.trace = make_trace(0),
                             .path = path,
                             .from = from,
                             .to = to,
                             .events = events ? &source : NULL};
    const struct export_format *format = NULL;
    for (u32 i = 0; export_formats[i]; i++)
        format = strcmp(export_formats[i]->name, name) ? format : export_formats[i];
    cr_assert(format);
    struct failure failure = export_trace(format, &job);
    trace_close(job.trace);
    return failure;
}

static u32 count_lines(const char *name, const char *with)
{
    size_t length;
    u8 *data = scratch_read(name, &length);
    u32 count = 0;
    data[length] = 0;
    for (char *line = strtok((char *)data, "\n"); line; line = strtok(NULL, "\n"))
        count += strstr(line, with) != NULL;
    free(data);
    return count;
}

/* --- classes ---------------------------------------------------------------------------------- */

Test(export, every_kind_has_a_class_with_its_fields)
{
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        const struct export_class *class = export_class(kind);
        cr_assert_eq(layout != NULL, class != NULL);
        for (u32 i = 0; layout && i < layout->field_count; i++) {
            bool found = !strcmp(layout->fields[i].name, "exit");
            for (u32 j = 0; j < class->field_count; j++)
                found |=
                    class->fields[j].name && !strcmp(class->fields[j].name, layout->fields[i].name);
            cr_expect(found, "%s.%s", layout->name, layout->fields[i].name);
        }
    }
}

Test(export, kernel_events_have_their_names)
{
    cr_expect_str_eq(export_class(REC_EXIT)->lttng, "kvm_x86_exit");
    cr_expect_str_eq(export_class(REC_EXIT)->fields[0].kernel, "exit_reason");
    cr_expect_str_eq(export_class(REC_TIMER)->lttng, "hindvisor_timer");
    cr_expect_str_eq(export_class(CLASS_GUEST + GUEST_SCHED_SWITCH)->lttng, "sched_switch");
    cr_expect_eq(export_class(CLASS_GUEST + GUEST_SCHED_SWITCH)->field_count, 7);
}

Test(export, numbers_keep_their_sign)
{
    struct guest_event event = {.kind = GUEST_SCHED_SWITCH, .sched_switch = {.prev_prio = -1}};
    struct export_item item = {.what = ITEM_GUEST, .event = &event};
    const struct export_class *class = export_class_of(&item);
    cr_expect_str_eq(class->fields[2].name, "prev_prio");
    cr_expect_eq((i64)export_number(&class->fields[2], &item), -1);
}

/* --- formats ---------------------------------------------------------------------------------- */

Test(export, csv_has_a_row_for_each_record)
{
    cr_assert_eq(export_as("csv", scratch_path("out"), 0, NEVER, true).code, OK);
    cr_expect_eq(count_lines("out/exit.csv", ","), EXITS + 1);
    cr_expect_eq(count_lines("out/clock.csv", ","), CLOCKS + 1);
    cr_expect_eq(count_lines("out/end.csv", "POWER_OFF"), 1);
    cr_expect_eq(count_lines("out/sched_switch.csv", "\"say \"\"hi\"\"\",7,-1,0,\"swapper/0\""), 3);
    cr_expect_eq(count_lines("out/irq_handler_entry.csv", "4,\"ttyS0\""), 2);
}

Test(export, from_and_to_bound_the_exits)
{
    cr_assert_eq(export_as("csv", scratch_path("out"), 100, 109, false).code, OK);
    cr_expect_eq(count_lines("out/exit.csv", ","), 11);
    cr_expect_eq(count_lines("out/exit.csv", "\n109,"), 0);
    cr_expect_eq(count_lines("out/end.csv", ","), 1);
}

Test(export, ftrace_has_an_entry_after_each_exit_but_the_last)
{
    cr_assert_eq(export_as("ftrace", scratch_path("out"), 0, NEVER, true).code, OK);
    cr_expect_eq(count_lines("out", ": kvm_exit: vcpu 0 reason"), EXITS);
    cr_expect_eq(count_lines("out", ": kvm_entry: vcpu 0"), EXITS - 1);
    cr_expect_eq(count_lines("out", "xxxxxxxxxxxxxxx-7 [000]"), EVENTS,
                 "a text ends where it must");
    cr_expect_eq(count_lines("out", "prev_prio=-1"), 3);
}

Test(export, folded_weighs_all_handling_time)
{
    cr_assert_eq(export_as("folded", scratch_path("out"), 0, NEVER, false).code, OK);
    size_t length;
    char *text = (char *)scratch_read("out", &length), *space;
    u64 weight = 0, expected = 0;
    text[length] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        weight += (space = strrchr(line, ' ')) ? strtoull(space, NULL, 10) : 0;
    free(text);
    struct sample s = {0};
    sample_chunk(&s, EXITS, CLOCKS);
    for (size_t at = 0; at < s.used; at += record_size(*(u16 *)(s.raw + at))) {
        const union record *record = (const union record *)(s.raw + at);
        if (record->kind == REC_EXIT)
            expected += record->exit.tsc_entry - record->exit.tsc_exit;
    }
    free(s.raw);
    cr_expect_eq(weight, expected);
}

static i64 query(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    cr_assert_eq(sqlite3_open_v2(scratch_path("out"), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s", sql);
    i64 value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

Test(export, sqlite_answers_from_its_views)
{
    cr_assert_eq(export_as("sqlite", scratch_path("out"), 0, NEVER, true).code, OK);
    cr_expect_eq(query("SELECT count(*) FROM exits"), EXITS);
    cr_expect_eq(query("SELECT sum(samples) FROM exits_by_reason"), EXITS);
    cr_expect_eq(query("SELECT sum(samples) FROM exits_by_place"), EXITS);
    cr_expect_eq(query("SELECT latency_p50 FROM exits_by_reason WHERE reason_name = 'RDTSC'"), 260);
    cr_expect_eq(query("SELECT vector FROM injections_by_vector"), 0xec);
    cr_expect_eq(query("SELECT count(*) FROM sched_switch WHERE next_comm = 'swapper/0'"), 3);
    cr_expect_eq(query("SELECT count(*) FROM trace WHERE key = 'memory'"), 1);
}

/* Packets of a CTF stream follow each other, none larger than agreed, and time does not go back. */
Test(export, ctf_is_in_bounded_packets)
{
    cr_assert_eq(export_as("ctf", scratch_path("out"), 0, NEVER, true).code, OK);
    size_t length, at = 0;
    u8 *data = scratch_read("out/cpu0", &length);
    u64 last = 0, size, first, packets = 0;
    while (at < length) {
        memcpy(&first, data + at + 24, 8);
        memcpy(&size, data + at + 48, 8);
        cr_assert_eq(*(u32 *)(data + at), 0xc1fc1fc1u);
        cr_assert_leq(size / 8, 64u << 10);
        cr_assert_geq(first, last);
        memcpy(&last, data + at + 32, 8);
        at += size / 8;
        packets++;
    }
    cr_expect_eq(at, length);
    cr_expect_geq(packets, 1);
    free(data);
    cr_expect_eq(count_lines("out/metadata", "\"CPUID\" = 10"), 1);
    cr_expect_eq(count_lines("out/metadata", "_prev_comm[16]"), 1);
}

Test(export, protobuf_numbers_and_messages)
{
    static struct proto inner, outer;
    proto_number(&inner, 1, 300);
    proto_text(&inner, 2, "ab");
    proto_message(&outer, 3, &inner);
    static const u8 expected[] = {0x1a, 7, 0x08, 0xac, 0x02, 0x12, 2, 'a', 'b'};
    cr_expect_eq(outer.used, sizeof(expected));
    cr_expect_arr_eq(outer.bytes, expected, sizeof(expected));
    for (u32 i = 0; i < PROTO_MAX; i++)
        proto_number(&inner, 1, i);
    cr_expect(inner.cut);
}

/* --- trouble ----------------------------------------------------------------------------- */

Test(export, what_is_there_is_not_touched)
{
    scratch_file("out", "mine", 4);
    struct failure failure = export_as("sqlite", scratch_path("out"), 0, NEVER, false);
    cr_expect_eq(failure.code, BAD_INPUT);
    cr_expect(strstr(failure.text, "there already"), "%s", failure.text);
    cr_expect_eq(count_lines("out", "mine"), 1);
}

static void damage(const char *name)
{
    size_t length;
    u8 *data = scratch_read(name, &length);
    data[length / 2] ^= 0x55;
    scratch_file(name, data, length);
    free(data);
}

Test(export, a_damaged_trace_leaves_nothing)
{
    for (u32 i = 0; export_formats[i]; i++) {
        struct export_job job = {.path = scratch_path("out"), .to = NEVER};
        struct stat status;
        job.trace = make_trace(0);
        trace_close(job.trace);
        damage("trace/observations");
        struct failure failure = trace_open(scratch_path("trace"), &job.trace);
        if (!failure.code) {
            failure = export_trace(export_formats[i], &job);
            trace_close(job.trace);
        }
        cr_expect_neq(failure.code, OK, "%s", export_formats[i]->name);
        cr_expect_lt(stat(job.path, &status), 0);
        scratch_remove();
        scratch_make();
    }
}

Test(export, a_directory_needs_a_name)
{
    cr_expect_eq(export_as("ctf", NULL, 0, NEVER, false).code, BAD_INPUT);
}

static struct failure bad_source(void *context, struct guest_event *event, bool *more)
{
    (void)context;
    *event = (struct guest_event){.ns = 1, .kind = GUEST_EVENT_KINDS};
    *more = true;
    return NO_FAILURE;
}

Test(export, a_source_gives_only_what_it_announced)
{
    u32 given = 0;
    struct event_source source = {&given, 1u << GUEST_SCHED_SWITCH, next_made_up};
    struct export_job job = {
        .trace = make_trace(0), .path = scratch_path("out"), .to = NEVER, .events = &source};
    cr_expect_eq(export_trace(&format_csv, &job).code, INTERNAL); /* irq_handler_entry */
    trace_close(job.trace);
}

/* Makes an event of every 100th exit, and of nothing before it. */
static bool see_hundreds(void *context, const struct moment *moment, struct guest_event *event)
{
    u32 *seen = context;
    *event = (struct guest_event){.ns = moment->ns, .kind = GUEST_IRQ_ENTRY, .pid = 99};
    *seen += moment->record.kind == REC_EXIT;
    return moment->record.kind == REC_EXIT && moment->exit % 100 == 0;
}

Test(export, a_watcher_sees_all_and_its_events_have_the_task_that_runs)
{
    u32 given = 0, seen = 0;
    struct event_source source = {&given, ~0u, next_made_up};
    struct event_watcher watcher = {&seen, 1u << GUEST_IRQ_ENTRY, see_hundreds};
    struct export_job job = {.trace = make_trace(0),
                             .path = scratch_path("out"),
                             .from = 150,
                             .to = NEVER,
                             .events = &source,
                             .watcher = &watcher};
    cr_assert_eq(export_trace(&format_ftrace, &job).code, OK);
    trace_close(job.trace);
    cr_expect_eq(seen, EXITS);
    cr_expect_eq(count_lines("out", "swapper/0-0 [000]"), 2, "of exits 200 and 300");
    cr_expect_eq(count_lines("out", ": irq_handler_entry: irq=0"), 2);
}

Test(export, a_source_is_not_believed)
{
    struct event_source source = {NULL, ~0u, bad_source};
    struct export_job job = {
        .trace = make_trace(0), .path = scratch_path("out"), .to = NEVER, .events = &source};
    cr_expect_eq(export_trace(&format_csv, &job).code, INTERNAL);
    trace_close(job.trace);
}
