/* Traces on disk: written, read, cut, damaged, repaired. */
#include "trace_sample.h"

#include "core/crc.h"
#include "trace/reader.h"
#include "trace/wire.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { CHUNKS = 6, EXITS = 30, CLOCKS = 4 };

static struct sample source;
static u8 *expected; /* all chunks' raw records, one after the other */
static size_t expected_length, chunk_ends[CHUNKS];

static struct trace_writer *start(void)
{
    struct manifest manifest = {.memory_size = 1 << 20, .cpu_model = 1, .timeout_ns = NEVER};
    struct trace_writer *writer;
    strcpy(manifest.command_line, "console=ttyS0 quiet");
    strcpy(manifest.processor, "bochs");
    strcpy(manifest.kernel_format, "elf");
    scratch_file("vmlinuz", "the kernel image", 16);
    scratch_file("tiny.cpio", "the initrd", 10);
    struct failure failure = trace_create(scratch_path("trace"), &manifest, scratch_path("vmlinuz"),
                                          scratch_path("tiny.cpio"), TRACE_SYNC_NEVER, &writer);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    return writer;
}

static void append(struct trace_writer *writer, u32 chunk)
{
    sample_chunk(&source, EXITS, CLOCKS);
    if (chunk == CHUNKS - 1)
        sample_end(&source);
    struct failure failure = trace_append_chunk(writer, source.raw, source.used);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    expected = realloc(expected, expected_length + source.used);
    memcpy(expected + expected_length, source.raw, source.used);
    expected_length += source.used;
    chunk_ends[chunk] = expected_length;
}

static void make_trace(bool finish)
{
    struct trace_writer *writer = start();
    for (u32 i = 0; i < CHUNKS; i++)
        append(writer, i);
    if (finish) {
        struct failure failure = trace_finish(writer);
        cr_assert_eq(failure.code, OK, "%s", failure.text);
    } else {
        trace_abandon(writer);
    }
}

static void setup(void)
{
    scratch_make();
}

static void teardown(void)
{
    scratch_remove();
    free(source.raw);
    free(expected);
}

TestSuite(trace_files, .init = setup, .fini = teardown);

static struct trace *open_trace(void)
{
    struct trace *trace;
    struct failure failure = trace_open(scratch_path("trace"), &trace);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    return trace;
}

/* The stream holds exactly the records of the first `length` expected bytes. */
static void compare_stream(struct trace *trace, enum stream stream, size_t length)
{
    struct trace_cursor *cursor = trace_cursor(trace, stream);
    union record record;
    u64 exits = 0;
    for (size_t at = 0; at < length;) {
        const union record *want = (const void *)(expected + at);
        u32 size = record_size(want->kind);
        at += size;
        if (kind_layout(want->kind)->stream != stream)
            continue;
        cr_assert_eq(trace_next(cursor, &record), TRACE_RECORD, "%s",
                     trace_cursor_failure(cursor).text);
        cr_assert(!memcmp(want, &record, size));
        cr_assert_eq(trace_cursor_exit(cursor), record_exit(want, exits));
        exits += want->kind == REC_EXIT;
    }
    cr_assert_eq(trace_next(cursor, &record), TRACE_END);
    trace_cursor_free(cursor);
}

static void expect_chunks(u32 chunks)
{
    struct trace *trace = open_trace();
    struct failure failure = trace_verify(trace);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        cr_assert_eq(trace_block_count(trace, s), chunks);
        compare_stream(trace, s, chunks ? chunk_ends[chunks - 1] : 0);
    }
    trace_close(trace);
}

/* --- whole traces ---------------------------------------------------------------------------- */

Test(trace_files, a_finished_trace_gives_back_its_records)
{
    make_trace(true);
    expect_chunks(CHUNKS);
    struct trace *trace = open_trace();
    const struct manifest *m = trace_manifest(trace);
    cr_expect_eq(m->finished, TRACE_FINISHED);
    cr_expect_eq(m->exits, CHUNKS * EXITS);
    cr_expect_eq(m->chunks, CHUNKS);
    cr_expect_eq(m->count, source.count);
    cr_expect_eq(m->end_reason, 1);
    cr_expect_str_eq(m->kernel.name, "vmlinuz");
    cr_expect_str_eq(m->initrd.sha256,
                     "c6eedad44cf52ba2ad8af599689ab73a5dcda5fb4420966cfec92e825e569232");
    cr_expect_not_null(trace_image_path(trace, MODULE_INITRD));
    cr_expect_eq(trace_totals(trace, STREAM_OBSERVATION).exits, CHUNKS * EXITS);
    cr_expect_eq(trace_totals(trace, STREAM_INPUT).records, CHUNKS * (CLOCKS + 1) + 1);
    trace_close(trace);
}

Test(trace_files, a_directory_in_use_is_not_overwritten)
{
    make_trace(true);
    struct manifest manifest = {0};
    struct trace_writer *writer;
    struct failure failure = trace_create(scratch_path("trace"), &manifest, scratch_path("vmlinuz"),
                                          NULL, TRACE_SYNC_NEVER, &writer);
    cr_assert_eq(failure.code, BAD_INPUT);
    cr_expect(strstr(failure.text, "exists already"), "%s", failure.text);
    expect_chunks(CHUNKS);
}

Test(trace_files, seeking_finds_the_block_of_an_exit)
{
    make_trace(true);
    struct trace *trace = open_trace();
    struct trace_cursor *cursor = trace_cursor(trace, STREAM_OBSERVATION);
    union record record;
    for (u64 exit = 0; exit < CHUNKS * EXITS; exit += 7) {
        trace_seek_exit(cursor, exit);
        cr_assert_eq(trace_next(cursor, &record), TRACE_RECORD);
        cr_expect_eq(trace_cursor_block(cursor), exit / EXITS);
        cr_expect_leq(trace_cursor_exit(cursor), exit);
    }
    trace_seek_exit(cursor, 1u << 30);
    cr_assert_eq(trace_next(cursor, &record), TRACE_RECORD);
    cr_expect_eq(trace_cursor_block(cursor), CHUNKS - 1);
    trace_cursor_free(cursor);
    trace_close(trace);
}

Test(trace_files, merging_restores_the_order_of_exits)
{
    make_trace(true);
    struct trace *trace = open_trace();
    struct trace_cursor *cursor = trace_cursor_merged(trace);
    union record record;
    u64 last = 0, records = 0;
    u16 kind = 0;
    while (trace_next(cursor, &record) == TRACE_RECORD) {
        u64 exit = trace_cursor_exit(cursor);
        cr_assert_geq(exit, last);
        if (exit == last && record.kind == REC_CLOCK)
            cr_expect_neq(kind, REC_EXIT, "a clock reading after its exit");
        if (record.kind == REC_STATE)
            cr_expect_eq(exit % EXITS, EXITS - 1);
        last = exit;
        kind = record.kind;
        records++;
    }
    cr_expect_eq(kind, REC_END);
    cr_expect_eq(records, trace_manifest(trace)->records[0] + trace_manifest(trace)->records[1]);
    trace_cursor_free(cursor);
    trace_close(trace);
}

Test(trace_files, raw_export_is_chunks_on_sectors)
{
    make_trace(true);
    struct trace *trace = open_trace();
    int out = open(scratch_path("raw"), O_RDWR | O_CREAT, 0600);
    u64 sectors;
    struct failure failure = trace_export_raw(trace, STREAM_OBSERVATION, out, &sectors);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    size_t length, at = 0, from = 0;
    u8 *raw = scratch_read("raw", &length);
    cr_expect_eq(length, sectors * SECTOR);
    for (u32 sequence = 0; sequence < CHUNKS; sequence++) {
        struct chunk_header header;
        memcpy(&header, raw + at, sizeof(header));
        cr_assert_eq(header.magic, CHUNK_MAGIC);
        cr_assert_eq(header.sequence, sequence);
        cr_assert_eq(header.checksum, crc32c(~0u, raw + at + sizeof(header), header.length));
        for (size_t i = 0; i < header.length;) {
            const union record *record = (const void *)(expected + from);
            u32 size = record_size(record->kind);
            from += size;
            if (kind_layout(record->kind)->stream != STREAM_OBSERVATION)
                continue;
            cr_assert(!memcmp(record, raw + at + sizeof(header) + i, size));
            i += size;
        }
        at += align_up(sizeof(header) + header.length, SECTOR);
    }
    cr_expect_eq(at + SECTOR, length);
    cr_expect_eq(raw[at], 0);
    free(raw);
    close(out);
    trace_close(trace);
}

/* --- damage ------------------------------------------------------------------------------ */

static const char *const file_names[] = {"trace/manifest", "trace/kernel", "trace/initrd",
                                         "trace/inputs", "trace/observations"};

/* What opening and checking the trace says. */
static struct failure check(void)
{
    struct trace *trace;
    struct failure failure = trace_open(scratch_path("trace"), &trace);
    if (failure.code)
        return failure;
    failure = trace_verify(trace);
    trace_close(trace);
    return failure;
}

static void poke(int file, size_t at, u8 byte)
{
    if (pwrite(file, &byte, 1, (off_t)at) != 1)
        abort();
}

Test(trace_files, any_changed_byte_is_reported_with_its_file, .timeout = 120)
{
    make_trace(true);
    for (size_t f = 0; f < ARRAY_SIZE(file_names); f++) {
        size_t length;
        u8 *data = scratch_read(file_names[f], &length);
        int file = open(scratch_path(file_names[f]), O_WRONLY);
        for (size_t i = 0; i < length; i++) {
            poke(file, i, data[i] ^ (u8)(1u << i % 8));
            struct failure failure = check();
            cr_assert_neq(failure.code, OK, "%s byte %zu", file_names[f], i);
            cr_assert(strstr(failure.text, file_names[f]), "%s byte %zu: %s", file_names[f], i,
                      failure.text);
            poke(file, i, data[i]);
        }
        close(file);
        free(data);
    }
    cr_assert_eq(check().code, OK);
}

Test(trace_files, damage_names_block_and_offset)
{
    make_trace(true);
    struct trace *trace = open_trace();
    struct trace_block third = trace_block_at(trace, STREAM_OBSERVATION, 2);
    trace_close(trace);
    int file = open(scratch_path("trace/observations"), O_WRONLY);
    poke(file, third.offset + third.size - 1, 0xaa);
    close(file);
    char where[64];
    snprintf(where, sizeof(where), "block 2 at offset %llu", (unsigned long long)third.offset);
    struct failure failure = check();
    cr_assert(strstr(failure.text, where), "%s", failure.text);
}

Test(trace_files, longer_and_shorter_files_are_reported)
{
    make_trace(true);
    for (size_t f = 0; f < ARRAY_SIZE(file_names); f++) {
        size_t length;
        u8 *data = scratch_read(file_names[f], &length);
        cr_assert_eq(truncate(scratch_path(file_names[f]), (off_t)length - 1), 0);
        cr_expect_neq(check().code, OK, "%s shorter", file_names[f]);
        scratch_file(file_names[f], data, length);
        cr_assert_eq(truncate(scratch_path(file_names[f]), (off_t)length + 1), 0);
        cr_expect_neq(check().code, OK, "%s longer", file_names[f]);
        scratch_file(file_names[f], data, length);
        unlink(scratch_path(file_names[f]));
        cr_expect_neq(check().code, OK, "%s missing", file_names[f]);
        scratch_file(file_names[f], data, length);
        free(data);
    }
    cr_assert_eq(check().code, OK);
}

Test(trace_files, what_is_no_trace_is_told)
{
    struct trace *trace;
    scratch_file("file", "x", 1);
    mkdir(scratch_path("empty"), 0700);
    struct failure missing = trace_open(scratch_path("none"), &trace);
    struct failure file = trace_open(scratch_path("file"), &trace);
    struct failure empty = trace_open(scratch_path("empty"), &trace);
    cr_expect(strstr(missing.text, "No such file"), "%s", missing.text);
    cr_expect(strstr(file.text, "a trace is a directory"), "%s", file.text);
    cr_expect(strstr(empty.text, "no file `manifest`"), "%s", empty.text);
}

/* --- killed recordings ------------------------------------------------------------------- */

/* Whole chunks when both streams are cut to these lengths. */
static u32 chunks_within(struct trace *whole, u64 inputs, u64 observations)
{
    u32 chunks = 0;
    while (chunks < CHUNKS) {
        struct trace_block in = trace_block_at(whole, STREAM_INPUT, chunks);
        struct trace_block out = trace_block_at(whole, STREAM_OBSERVATION, chunks);
        if (in.offset + in.size > inputs || out.offset + out.size > observations)
            break;
        chunks++;
    }
    return chunks;
}

Test(trace_files, a_cut_recording_opens_and_repairs_to_its_last_whole_chunk, .timeout = 60)
{
    size_t in_length, out_length;
    make_trace(false);
    u8 *in = scratch_read("trace/inputs", &in_length);
    u8 *out = scratch_read("trace/observations", &out_length);
    size_t manifest_length;
    u8 *manifest = scratch_read("trace/manifest", &manifest_length);
    struct trace *whole = open_trace();
    for (u32 round = 0; round < 60; round++) {
        size_t in_cut = sample_random(&source) % (in_length + 1);
        size_t out_cut = sample_random(&source) % (out_length + 1);
        u32 chunks = chunks_within(whole, in_cut, out_cut);
        scratch_file("trace/inputs", in, in_cut);
        scratch_file("trace/observations", out, out_cut);
        scratch_file("trace/manifest", manifest, manifest_length);
        expect_chunks(chunks);
        struct repair_result result;
        struct failure failure = trace_repair(scratch_path("trace"), true, &result);
        cr_assert_eq(failure.code, OK, "%s", failure.text);
        cr_assert_eq(result.chunks, chunks);
        expect_chunks(chunks); /* a dry run changes nothing */
        failure = trace_repair(scratch_path("trace"), false, &result);
        cr_assert_eq(failure.code, OK, "%s", failure.text);
        cr_assert(result.needed);
        cr_assert_eq(result.exits, chunks * EXITS);
        cr_assert_leq(result.lost_chunks, CHUNKS);
        expect_chunks(chunks);
        struct trace *repaired = open_trace();
        cr_assert_eq(trace_manifest(repaired)->finished,
                     chunks == CHUNKS ? TRACE_FINISHED : TRACE_CUT);
        trace_close(repaired);
        cr_assert_eq(trace_repair(scratch_path("trace"), false, &result).code, OK);
        cr_assert_not(result.needed);
    }
    trace_close(whole);
    free(in);
    free(out);
    free(manifest);
}

Test(trace_files, zeros_after_a_power_failure_are_a_torn_end)
{
    make_trace(false);
    struct stat status;
    stat(scratch_path("trace/inputs"), &status);
    cr_assert_eq(truncate(scratch_path("trace/inputs"), status.st_size + 5000), 0);
    expect_chunks(CHUNKS);
    struct trace *trace = open_trace();
    cr_expect_eq(trace_totals(trace, STREAM_INPUT).torn, 5000);
    trace_close(trace);
}

Test(trace_files, repair_keeps_what_comes_before_damage)
{
    make_trace(true);
    struct trace *trace = open_trace();
    struct trace_block fourth = trace_block_at(trace, STREAM_INPUT, 3);
    trace_close(trace);
    int file = open(scratch_path("trace/inputs"), O_WRONLY);
    poke(file, fourth.offset + 20, 0x5a);
    close(file);
    struct repair_result result;
    struct failure failure = trace_repair(scratch_path("trace"), false, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_expect(strstr(result.damage, "block 3"), "%s", result.damage);
    cr_expect_eq(result.chunks, 3);
    cr_expect_eq(result.lost_chunks, CHUNKS - 3);
    cr_expect_eq(result.lost_exits, (CHUNKS - 3) * EXITS);
    expect_chunks(3);
}

Test(trace_files, repair_refuses_when_an_image_is_not_the_recorded_one)
{
    make_trace(false);
    scratch_file("trace/kernel", "another kernel!!", 16);
    struct repair_result result;
    struct failure failure = trace_repair(scratch_path("trace"), false, &result);
    cr_assert_eq(failure.code, BAD_INPUT);
    cr_expect(strstr(failure.text, "SHA-256"), "%s", failure.text);
}

/* Puts a chunk on a made-up trace disk at sector *at. */
static void put_chunk(int disk, u64 *at, u32 kind, u32 sequence, const void *raw, size_t length)
{
    struct chunk_header header = {.magic = CHUNK_MAGIC,
                                  .kind = kind,
                                  .sequence = sequence,
                                  .length = (u32)length,
                                  .checksum = crc32c(~0u, raw, length)};
    cr_assert_eq(pwrite(disk, raw, length, (off_t)(*at * SECTOR + sizeof(header))),
                 (ssize_t)length);
    cr_assert_eq(pwrite(disk, &header, sizeof(header), (off_t)(*at * SECTOR)),
                 (ssize_t)sizeof(header));
    *at += align_up(sizeof(header) + length, SECTOR) / SECTOR;
}

static void put_on_disk(int disk, u64 *at, u32 sequence, const u8 *raw, size_t length)
{
    put_chunk(disk, at, CHUNK_RECORDS, sequence, raw, length);
}

/* The disk of a machine booted by hand, with one chunk that ends the run. */
static int filled_disk(u64 *at)
{
    struct disk_header header = {.magic = DISK_MAGIC, .version = WIRE_VERSION, .output_start = 3};
    int disk = open(scratch_path("trace/disk"), O_RDWR | O_CREAT, 0600);
    cr_assert_eq(pwrite(disk, &header, sizeof(header), 0), (ssize_t)sizeof(header));
    sample_chunk(&source, EXITS, CLOCKS);
    sample_end(&source);
    *at = header.output_start;
    put_on_disk(disk, at, 0, source.raw, source.used);
    return disk;
}

Test(trace_files, repair_takes_the_report_from_the_trace_disk)
{
    static struct report report = {.now = 123456789, .tsc_khz = 2500};
    struct manifest manifest;
    struct repair_result result;
    u64 at;
    trace_abandon(start());
    int disk = filled_disk(&at);
    put_chunk(disk, &at, CHUNK_REPORT, 1, &report, sizeof(report));
    close(disk);
    struct failure failure = trace_repair(scratch_path("trace"), false, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_assert_eq(manifest_read(&manifest, scratch_path("trace")).code, OK);
    cr_expect_eq(manifest.finished, TRACE_FINISHED);
    cr_expect_eq(manifest.guest_ns, 123456789);
    cr_expect_eq(manifest.tsc_hz, 2500000);
}

Test(trace_files, repair_takes_nothing_behind_the_end_of_the_trace_disk)
{
    struct repair_result result;
    u64 at;
    trace_abandon(start());
    int disk = filled_disk(&at);
    at++; /* the end mark; behind it an earlier and longer run */
    put_on_disk(disk, &at, 1, source.raw, source.used);
    close(disk);
    struct failure failure = trace_repair(scratch_path("trace"), false, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_expect_eq(result.recovered, 1);
    cr_expect_eq(result.exits, EXITS);
}

Test(trace_files, repair_recovers_chunks_from_the_trace_disk)
{
    struct trace_writer *writer = start();
    struct disk_header header = {.magic = DISK_MAGIC, .version = WIRE_VERSION, .output_start = 3};
    int disk = open(scratch_path("trace/disk"), O_RDWR | O_CREAT, 0600);
    u64 at = 3;
    cr_assert_eq(pwrite(disk, &header, sizeof(header), 0), (ssize_t)sizeof(header));
    for (u32 i = 0; i < 2; i++) {
        append(writer, i);
        at += align_up(source.used + sizeof(struct chunk_header), SECTOR) / SECTOR; /* a hole */
    }
    trace_abandon(writer);
    for (u32 i = 2; i < 4; i++) {
        sample_chunk(&source, EXITS, CLOCKS);
        expected = realloc(expected, expected_length + source.used);
        memcpy(expected + expected_length, source.raw, source.used);
        expected_length += source.used;
        chunk_ends[i] = expected_length;
        put_on_disk(disk, &at, i, source.raw, source.used);
    }
    sample_chunk(&source, EXITS, CLOCKS);
    u64 last = at;
    put_on_disk(disk, &at, 4, source.raw, source.used);
    poke(disk, last * SECTOR + 200, 0x77); /* torn: its checksum is wrong */
    close(disk);
    struct repair_result result;
    struct failure failure = trace_repair(scratch_path("trace"), true, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_expect_eq(result.exits, 4 * EXITS);
    failure = trace_repair(scratch_path("trace"), false, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_expect_eq(result.recovered, 2);
    expect_chunks(4);
    cr_expect_neq(access(scratch_path("trace/disk"), F_OK), 0);
}

/* --- no room ----------------------------------------------------------------------------- */

Test(trace_files, a_file_size_limit_stops_the_writer_and_keeps_the_trace)
{
    struct rlimit limit = {.rlim_cur = 3000, .rlim_max = RLIM_INFINITY};
    struct trace_writer *writer = start();
    struct failure failure = NO_FAILURE;
    u32 whole = 0;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    while (!failure.code && whole < CHUNKS) {
        sample_chunk(&source, EXITS, CLOCKS);
        failure = trace_append_chunk(writer, source.raw, source.used);
        if (failure.code)
            break;
        expected = realloc(expected, expected_length + source.used);
        memcpy(expected + expected_length, source.raw, source.used);
        expected_length += source.used;
        chunk_ends[whole++] = expected_length;
    }
    cr_assert_eq(failure.code, NO_SPACE, "%s", failure.text);
    cr_expect(strstr(failure.text, "observations"), "%s", failure.text);
    cr_assert_eq(trace_append_chunk(writer, source.raw, source.used).code, NO_SPACE);
    trace_abandon(writer);
    cr_assert_gt(whole, 0);
    expect_chunks(whole);
    struct trace *trace = open_trace();
    cr_expect_eq(trace_totals(trace, STREAM_INPUT).torn, 0);
    cr_expect_eq(trace_totals(trace, STREAM_OBSERVATION).torn, 0);
    trace_close(trace);
}

Test(trace_files, broken_chunks_are_our_own_fault)
{
    struct trace_writer *writer = start();
    u16 unknown[4] = {31};
    struct failure failure = trace_append_chunk(writer, unknown, sizeof(unknown));
    cr_expect_eq(failure.code, INTERNAL, "%s", failure.text);
    trace_abandon(writer);
}
