/*
 * Repairs a trace whose recording was killed, or that was damaged: keeps every
 * chunk that is whole in both streams up to the first that is not, and adds the
 * whole chunks that were still on the trace disk: all of them, for a machine that
 * was booted by hand. The old streams stay untouched until the new ones are
 * complete and synced.
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include "core/crc.h"
#include "trace/reader.h"
#include "trace/wire.h"
#include "trace/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct repair {
    const char *path;
    struct manifest manifest; /* as found */
    struct stream_file files[STREAM_COUNT];
    u32 chunks;                    /* whole in both streams */
    u64 known_chunks, known_exits; /* that existed at least */
    struct trace_writer *writer;   /* collects totals; writes unless dry */
    bool dry;
    struct repair_result *result;
};

/* --- what is there ------------------------------------------------------------------- */

static void note_damage(struct repair_result *result, const struct failure *failure)
{
    if (failure->code && !result->damage[0])
        snprintf(result->damage, sizeof(result->damage), "%s", failure->text);
}

/* Is it closed and right in every byte? What is wrong goes into *failure. */
static bool is_whole(const char *path, struct repair_result *result, struct failure *failure)
{
    struct trace *trace;
    *failure = trace_open(path, &trace);
    if (failure->code)
        return false;
    const struct manifest *manifest = trace_manifest(trace);
    bool closed = manifest->finished != TRACE_UNFINISHED;
    result->exits = manifest->exits;
    result->count = manifest->count;
    result->chunks = manifest->chunks;
    if (closed)
        *failure = trace_verify(trace);
    trace_close(trace);
    return closed && !failure->code;
}

static void note_known(struct repair *repair)
{
    repair->known_chunks = repair->manifest.chunks;
    repair->known_exits = repair->manifest.exits;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        const struct stream_file *file = &repair->files[s];
        const struct index_entry *last = file->count ? &file->entries[file->count - 1] : NULL;
        if (!last)
            continue;
        repair->known_chunks = max_u64(repair->known_chunks, last->chunk + 1ull);
        repair->known_exits = max_u64(repair->known_exits, last->first_exit + last->exits);
    }
}

/* Finds the blocks, every byte checked; the first damage of a stream ends it. */
static struct failure scan_streams(struct repair *repair, struct codec *codec)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct failure failure = stream_open(&repair->files[s], repair->path, s);
        if (failure.code == BAD_INPUT)
            note_damage(repair->result, &failure); /* missing: as if it were empty */
        else
            ATTEMPT(failure);
        if (failure.code)
            continue;
        failure = stream_scan(&repair->files[s], codec, true);
        note_damage(repair->result, &failure);
        if (failure.code && failure.code != BAD_INPUT)
            return failure;
    }
    note_known(repair);
    bool dropped = manifest_has_dropped(&repair->manifest);
    repair->chunks = streams_trim(repair->files, dropped ? 1u << STREAM_INPUT : ALL_STREAMS);
    return NO_FAILURE;
}

/* --- the new streams --------------------------------------------------------------------- */

static struct failure copy_bytes(const struct stream_file *from, const struct stream_file *to)
{
    static u8 buffer[1 << 18];
    for (u64 at = 0; at < from->end;) {
        size_t length = min_u64(sizeof(buffer), from->end - at);
        if (!file_read_at(from->descriptor, buffer, length, at))
            return fail_errno("%.300s: cannot read it", from->path);
        if (!file_write(to->descriptor, buffer, length))
            return fail_errno("%.300s: cannot write it", to->path);
        at += length;
    }
    return NO_FAILURE;
}

static struct failure copy_stream(struct repair *repair, u32 s)
{
    struct stream_file *from = &repair->files[s], *to = &repair->writer->files[s];
    if (!repair->dry) {
        ATTEMPT(stream_create(to, repair->path, ".new", s));
        ATTEMPT(copy_bytes(from, to));
    }
    to->stream = s;
    to->entries = from->entries;
    to->count = from->count;
    to->capacity = from->capacity;
    to->end = from->end;
    from->entries = NULL;
    from->count = from->capacity = 0;
    return NO_FAILURE;
}

/* Adds the records of the kept blocks of one stream to the totals. */
static struct failure total_stream(struct repair *repair, struct codec *codec, u32 s)
{
    struct chunk_totals totals = {0};
    for (size_t block = 0; block < repair->files[s].count; block++) {
        const union record *records;
        size_t count;
        ATTEMPT(stream_read(&repair->files[s], codec, block, &records, &count));
        repair->writer->manifest.records[s] += repair->files[s].entries[block].records;
        for (size_t i = 0; i < count; i++)
            note_record(&totals, &records[i]);
    }
    add_totals(repair->writer, &totals);
    return NO_FAILURE;
}

/* Exits of the kept chunks where no record tells of them. */
static void count_dropped_exits(struct repair *repair)
{
    const struct stream_file *inputs = &repair->files[STREAM_INPUT];
    if (!manifest_has_dropped(&repair->manifest))
        return;
    repair->writer->manifest.exits = 0;
    for (size_t block = 0; block < inputs->count; block++)
        repair->writer->manifest.exits += inputs->entries[block].exits;
}

static struct failure copy_streams(struct repair *repair, struct codec *codec)
{
    /* Observations first: an `end` record, an input, then has the last word on the count. */
    ATTEMPT(total_stream(repair, codec, STREAM_OBSERVATION));
    ATTEMPT(total_stream(repair, codec, STREAM_INPUT));
    count_dropped_exits(repair);
    repair->writer->manifest.chunks = repair->chunks;
    for (u32 s = 0; s < STREAM_COUNT; s++)
        ATTEMPT(copy_stream(repair, s));
    return NO_FAILURE;
}

/* --- the trace disk ------------------------------------------------------------------------ */

static bool read_chunk(int disk, u64 at, struct chunk_header *header, u8 *payload)
{
    return file_read_at(disk, header, sizeof(*header), at) && header->magic == CHUNK_MAGIC &&
           header->length <= CHUNK_MAX &&
           file_read_at(disk, payload, header->length, at + sizeof(*header)) &&
           crc32c(~0u, payload, header->length) == header->checksum;
}

/* In a dry run the chunk is only counted. */
static struct failure recover_chunk(struct repair *repair, const u8 *payload, size_t length)
{
    struct chunk_totals totals = {0};
    repair->result->recovered++;
    if (!repair->dry)
        return trace_append_chunk(repair->writer, payload, length);
    for (size_t at = 0; at + sizeof(u16) <= length;) {
        union record record = {0};
        memcpy(&record.kind, payload + at, sizeof(record.kind));
        u32 size = record_size(record.kind);
        if (!size || size > length - at)
            break;
        memcpy(&record, payload + at, size);
        note_record(&totals, &record);
        at += size;
    }
    add_totals(repair->writer, &totals);
    return NO_FAILURE;
}

/* The next sector from `at` on that is not all zeros; the recorder punches out of the file what it
 * has taken into the streams. UINT64_MAX: none. */
static u64 skip_zeros(int disk, u64 at)
{
    static const u8 zeros[SECTOR];
    u8 sector[SECTOR];
    for (;; at += SECTOR) {
        off_t data = lseek(disk, (off_t)at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return UINT64_MAX;
        if (data > 0 && (u64)data > at)
            at = (u64)data & ~(u64)(SECTOR - 1);
        if (!file_read_at(disk, sector, SECTOR, at))
            return UINT64_MAX;
        if (memcmp(sector, zeros, SECTOR))
            return at;
    }
}

/* What the recorder would have taken from the run's report. */
static void take_report(struct repair *repair, const u8 *payload, size_t length)
{
    struct report report;
    struct manifest *manifest = &repair->writer->manifest;
    if (length != sizeof(report))
        return;
    memcpy(&report, payload, sizeof(report));
    manifest->guest_ns = report.now;
    if (!manifest->tsc_hz)
        manifest->tsc_hz = report.tsc_khz * 1000ull;
}

/* Appends the chunks of the output area that come next, as long as they are whole. What the
 * recorder has taken is zeros before the first of them; zeros after one end the area, and what
 * lies behind is of an earlier run on the same disk. */
static struct failure recover_chunks(struct repair *repair, int disk, u64 at, u8 *payload)
{
    struct chunk_header header;
    for (at = skip_zeros(disk, at); at != UINT64_MAX && read_chunk(disk, at, &header, payload);
         at += align_up(sizeof(header) + header.length, SECTOR)) {
        u64 next = repair->writer->manifest.chunks;
        if (header.sequence > next)
            return NO_FAILURE;
        if (header.kind == CHUNK_REPORT && header.sequence == next)
            take_report(repair, payload, header.length);
        if (header.kind != CHUNK_RECORDS)
            return NO_FAILURE;
        if (header.sequence == next)
            ATTEMPT(recover_chunk(repair, payload, header.length));
    }
    return NO_FAILURE;
}

static struct failure recover_disk(struct repair *repair)
{
    char path[FILE_PATH];
    struct disk_header header;
    file_path(path, repair->path, "disk");
    int disk = open(path, O_RDONLY | O_CLOEXEC);
    if (disk < 0)
        return errno == ENOENT ? NO_FAILURE : fail_errno("%.300s: cannot open it", path);
    u8 *payload = malloc(CHUNK_MAX);
    struct failure failure = NO_FAILURE;
    if (payload && file_read_at(disk, &header, sizeof(header), 0) && header.magic == DISK_MAGIC &&
        header.version == WIRE_VERSION && header.output_start < UINT64_MAX / SECTOR / 2)
        failure = recover_chunks(repair, disk, header.output_start * SECTOR, payload);
    free(payload);
    close(disk);
    return failure;
}

/* --- putting it in place ------------------------------------------------------------------- */

static struct failure replace_streams(struct repair *repair)
{
    char path[FILE_PATH], disk[FILE_PATH];
    ATTEMPT(finish_streams(repair->writer));
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        file_path(path, repair->path, stream_names[s]);
        if (rename(repair->writer->files[s].path, path) < 0)
            return fail_errno("%.300s: cannot replace it", path);
    }
    ATTEMPT(manifest_write(&repair->writer->manifest, repair->path));
    file_path(disk, repair->path, "disk");
    unlink(disk);
    return NO_FAILURE;
}

static void fill_result(struct repair *repair)
{
    struct repair_result *result = repair->result;
    const struct manifest *kept = &repair->writer->manifest;
    result->needed = true;
    result->exits = kept->exits;
    result->count = kept->count;
    result->chunks = kept->chunks;
    if (repair->known_chunks > kept->chunks)
        result->lost_chunks = repair->known_chunks - kept->chunks;
    if (repair->known_exits > kept->exits)
        result->lost_exits = repair->known_exits - kept->exits;
}

/* Bytes of the old streams after what is kept, a good index not counted. */
static void count_lost_bytes(struct repair *repair)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        const struct stream_file *file = &repair->files[s];
        u64 magic = 0;
        bool index = file_read_at(file->descriptor, &magic, sizeof(magic), file->end) &&
                     magic == INDEX_MAGIC;
        if (file->descriptor > 0 && !index)
            repair->result->lost_bytes += file->size - file->end;
    }
}

static void forget_totals(struct manifest *manifest)
{
    manifest->end_reason = 0;
    manifest->end_detail = 0;
    manifest->exits = manifest->count = manifest->injections = manifest->chunks = 0;
    memset(manifest->records, 0, sizeof(manifest->records));
    memset(manifest->blocks, 0, sizeof(manifest->blocks));
    memset(manifest->bytes, 0, sizeof(manifest->bytes));
}

/* Its machine was not booted yet, or the disk not copied back: the disk must stay. */
static bool awaits_recording(const struct repair *repair)
{
    return !repair->writer->manifest.chunks && !strcmp(repair->manifest.processor, "image");
}

static struct failure run(struct repair *repair)
{
    ATTEMPT(manifest_read(&repair->manifest, repair->path));
    ATTEMPT(images_check(repair->path, &repair->manifest)); /* nothing can repair those */
    repair->writer = writer_new(repair->path, &repair->manifest, TRACE_SYNC_FINISH);
    if (!repair->writer)
        return fail(NO_SPACE, "%.300s: no memory to repair the trace", repair->path);
    forget_totals(&repair->writer->manifest);
    ATTEMPT(scan_streams(repair, repair->writer->codecs[0]));
    count_lost_bytes(repair);
    ATTEMPT(copy_streams(repair, repair->writer->codecs[0]));
    ATTEMPT(recover_disk(repair));
    if (awaits_recording(repair))
        return fail(BAD_INPUT,
                    "%.300s: nothing is recorded on its disk yet; boot its hindvisor.iso with the "
                    "disk first, and copy the disk back",
                    repair->path);
    fill_result(repair);
    if (!repair->writer->ended)
        repair->writer->manifest.guest_ns = 0; /* known only at the end */
    return repair->dry ? NO_FAILURE : replace_streams(repair);
}

static void remove_new_files(const struct repair *repair)
{
    for (u32 s = 0; repair->writer && s < STREAM_COUNT; s++) {
        if (repair->writer->files[s].path[0])
            unlink(repair->writer->files[s].path);
    }
}

struct failure trace_repair(const char *path, bool dry_run, struct repair_result *result)
{
    struct repair repair = {.path = path, .dry = dry_run, .result = result};
    memset(result, 0, sizeof(*result));
    struct failure failure;
    if (is_whole(path, result, &failure))
        return NO_FAILURE;
    note_damage(result, &failure);
    failure = run(&repair);
    if (failure.code && !dry_run)
        remove_new_files(&repair);
    trace_abandon(repair.writer);
    for (u32 s = 0; s < STREAM_COUNT; s++)
        stream_close(&repair.files[s]);
    return failure;
}
