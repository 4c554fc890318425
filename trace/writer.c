/*
 * Writes a trace: a block a stream for each chunk, indexes and the final
 * manifest at the end. Appends only; after each chunk the trace on disk is one
 * that a reader opens. What a failed write left is cut off again.
 */
#include "trace/writer.h"

#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- creation --------------------------------------------------------------------- */

static bool is_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    int entries = 0;
    if (!directory)
        return false;
    for (struct dirent *entry; (entry = readdir(directory)) && entries < 3;)
        entries++;
    closedir(directory);
    return entries <= 2;
}

static struct failure make_directory(const char *path)
{
    if (mkdir(path, 0755) == 0 || (errno == EEXIST && is_empty_directory(path)))
        return NO_FAILURE;
    if (errno == EEXIST || errno == ENOTDIR)
        return fail(BAD_INPUT, "%.300s: it exists already; choose another name with -o", path);
    return fail_errno("%.300s: cannot make the directory", path);
}

static struct failure copy_image(const char *directory, const char *name, const char *from,
                                 struct manifest_image *image)
{
    char to[FILE_PATH];
    *image = (struct manifest_image){0};
    if (!from)
        return NO_FAILURE;
    const char *base = strrchr(from, '/');
    snprintf(image->name, sizeof(image->name), "%s", base ? base + 1 : from);
    file_path(to, directory, name);
    return file_copy(from, to, &image->size, image->sha256);
}

/* "GenuineIntel family 6 model 85 stepping 7" (SDM vol. 2A, CPUID leaf 1). */
static void describe_cpu(char *text, size_t size)
{
    u32 a = 0, b = 0, c = 0, d = 0;
    char vendor[13] = "";
    __get_cpuid(0, &a, &b, &c, &d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    __get_cpuid(1, &a, &b, &c, &d);
    u32 family = (a >> 8 & 15) + ((a >> 8 & 15) == 15 ? a >> 20 & 255 : 0);
    snprintf(text, size, "%s family %u model %u stepping %u", vendor, family,
             (a >> 4 & 15) | (a >> 12 & 0xf0), a & 15);
}

static void default_text(char *text, size_t size, const char *value)
{
    if (!text[0])
        snprintf(text, size, "%s", value);
}

static void fill_defaults(struct manifest *manifest)
{
    manifest->version = TRACE_FORMAT_VERSION;
    manifest->finished = TRACE_UNFINISHED;
    if (!manifest->created)
        manifest->created = (u64)time(NULL);
    if (!manifest->host_cpu[0])
        describe_cpu(manifest->host_cpu, sizeof(manifest->host_cpu));
    default_text(manifest->count_kind, sizeof(manifest->count_kind), "ticks");
    default_text(manifest->undefined_flags, sizeof(manifest->undefined_flags), "bochs");
}

static struct failure create_files(struct trace_writer *writer, const char *kernel,
                                   const char *initrd)
{
    ATTEMPT(copy_image(writer->path, "kernel", kernel, &writer->manifest.kernel));
    ATTEMPT(copy_image(writer->path, "initrd", initrd, &writer->manifest.initrd));
    for (u32 s = 0; s < STREAM_COUNT; s++)
        ATTEMPT(stream_create(&writer->files[s], writer->path, "", s));
    return manifest_write(&writer->manifest, writer->path);
}

/* Removes what create_files() may have made. */
static void remove_files(const struct trace_writer *writer)
{
    static const char *const names[] = {"kernel", "initrd", "inputs", "observations", "manifest"};
    char path[FILE_PATH];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        file_path(path, writer->path, names[i]);
        unlink(path);
    }
    rmdir(writer->path);
}

struct trace_writer *writer_new(const char *path, const struct manifest *manifest,
                                enum trace_sync sync)
{
    struct trace_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return NULL;
    snprintf(writer->path, sizeof(writer->path), "%s", path);
    writer->manifest = *manifest;
    writer->sync = sync;
    writer->codecs[0] = codec_new();
    writer->codecs[1] = codec_new();
    if (writer->codecs[0] && writer->codecs[1])
        return writer;
    trace_abandon(writer);
    return NULL;
}

struct failure trace_create(const char *path, const struct manifest *manifest, const char *kernel,
                            const char *initrd, enum trace_sync sync, struct trace_writer **out)
{
    *out = NULL;
    ATTEMPT(make_directory(path));
    struct trace_writer *writer = writer_new(path, manifest, sync);
    if (!writer)
        return fail(NO_SPACE, "%.300s: no memory for the trace writer", path);
    fill_defaults(&writer->manifest);
    struct failure failure = create_files(writer, kernel, initrd);
    if (failure.code) {
        remove_files(writer);
        trace_abandon(writer);
        return failure;
    }
    *out = writer;
    return NO_FAILURE;
}

struct manifest *trace_writer_manifest(struct trace_writer *writer)
{
    return &writer->manifest;
}

void trace_abandon(struct trace_writer *writer)
{
    if (!writer)
        return;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        stream_close(&writer->files[s]);
        codec_free(writer->codecs[s]);
    }
    free(writer);
}

/* --- chunks ------------------------------------------------------------------------- */

void note_record(struct chunk_totals *chunk, const union record *record)
{
    switch (record->kind) {
    case REC_EXIT:
        chunk->exits++;
        chunk->count = record->exit.count;
        break;
    case REC_INJECTION:
        chunk->injections++;
        break;
    case REC_END:
        chunk->ended = true;
        chunk->end = record->end;
        break;
    default:
        break;
    }
}

void add_totals(struct trace_writer *writer, const struct chunk_totals *chunk)
{
    struct manifest *manifest = &writer->manifest;
    manifest->chunks++;
    manifest->exits += chunk->exits;
    manifest->injections += chunk->injections;
    if (chunk->exits)
        manifest->count = chunk->count;
    if (!chunk->ended)
        return;
    writer->ended = true;
    manifest->end_reason = chunk->end.reason;
    manifest->end_detail = chunk->end.detail;
    manifest->count = chunk->end.count;
}

/* Sorts the records by stream. */
static struct failure split_chunk(struct trace_writer *writer, const u8 *raw, size_t length,
                                  struct chunk_totals *chunk)
{
    codec_clear(writer->codecs[0]);
    codec_clear(writer->codecs[1]);
    for (size_t at = 0; at < length;) {
        u16 kind = 0;
        if (length - at >= sizeof(kind))
            memcpy(&kind, raw + at, sizeof(kind));
        const struct kind_layout *layout = kind_layout(kind);
        if (!layout || layout->size > length - at)
            return fail(INTERNAL, "chunk %llu: no record at byte %zu of %zu (kind %u)",
                        (unsigned long long)writer->manifest.chunks, at, length, kind);
        if (!codec_add(writer->codecs[layout->stream], raw + at))
            return fail(NO_SPACE, "chunk %llu: too many records, or no memory for them",
                        (unsigned long long)writer->manifest.chunks);
        union record record;
        memcpy(&record, raw + at, layout->size);
        note_record(chunk, &record);
        at += layout->size;
    }
    return NO_FAILURE;
}

static struct failure append_block(struct trace_writer *writer, u32 s, u8 streams, u64 exits)
{
    struct stream_file *file = &writer->files[s];
    struct block_header header = {
        .stream = (u8)s,
        .streams = streams,
        .block = (u32)file->count,
        .chunk = (u32)writer->manifest.chunks,
        .first_exit = writer->manifest.exits,
        .exits = exits,
        .first_count = codec_first_count(writer->codecs[s]),
        .previous = file->count ? file->entries[file->count - 1].header_hash : 0,
    };
    size_t length, records = codec_count(writer->codecs[s]);
    const u8 *block = codec_encode(writer->codecs[s], &header, &length);
    if (!block)
        return fail(NO_SPACE, "%.300s: no memory to encode a block", file->path);
    u64 offset = file->end;
    if (!file_write(file->descriptor, block, length))
        return fail_errno("%.300s: cannot write it", file->path);
    if (!stream_note(file, &header, offset))
        return fail(NO_SPACE, "%.300s: no memory for its index", file->path);
    writer->manifest.records[s] += records;
    return NO_FAILURE;
}

static struct failure append_blocks(struct trace_writer *writer, u64 exits)
{
    u8 streams = 0;
    u64 end[STREAM_COUNT], records[STREAM_COUNT];
    size_t count[STREAM_COUNT];
    struct failure failure = NO_FAILURE;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        streams |= (u8)(codec_count(writer->codecs[s]) ? 1u << s : 0);
        end[s] = writer->files[s].end;
        count[s] = writer->files[s].count;
        records[s] = writer->manifest.records[s];
    }
    for (u32 s = 0; s < STREAM_COUNT && !failure.code; s++) {
        if (streams >> s & 1)
            failure = append_block(writer, s, streams, exits);
    }
    for (u32 s = 0; s < STREAM_COUNT && failure.code; s++) {
        stream_cut_off(&writer->files[s], end[s], count[s]);
        writer->manifest.records[s] = records[s];
    }
    return failure;
}

static struct failure sync_files(struct trace_writer *writer, enum trace_sync least)
{
    for (u32 s = 0; s < STREAM_COUNT && writer->sync >= least; s++) {
        if (fdatasync(writer->files[s].descriptor) < 0)
            return fail_errno("%.300s: cannot sync it", writer->files[s].path);
    }
    return NO_FAILURE;
}

struct failure trace_append_chunk(struct trace_writer *writer, const void *raw, size_t length)
{
    struct chunk_totals chunk = {0};
    if (writer->failure.code)
        return writer->failure;
    struct failure failure = split_chunk(writer, raw, length, &chunk);
    if (!failure.code)
        failure = append_blocks(writer, chunk.exits);
    if (!failure.code && length)
        add_totals(writer, &chunk);
    if (!failure.code)
        failure = sync_files(writer, TRACE_SYNC_EACH);
    writer->failure = failure;
    return failure;
}

/* --- the end -------------------------------------------------------------------------- */

struct failure finish_streams(struct trace_writer *writer)
{
    struct manifest *manifest = &writer->manifest;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        ATTEMPT(stream_finish(&writer->files[s]));
        manifest->blocks[s] = writer->files[s].count;
        manifest->bytes[s] = writer->files[s].size;
    }
    manifest->finished = writer->ended ? TRACE_FINISHED : TRACE_CUT;
    return sync_files(writer, TRACE_SYNC_FINISH);
}

struct failure trace_finish(struct trace_writer *writer)
{
    char disk[FILE_PATH];
    struct failure failure = finish_streams(writer);
    if (!failure.code)
        failure = manifest_write(&writer->manifest, writer->path);
    file_path(disk, writer->path, "disk");
    if (!failure.code)
        unlink(disk);
    trace_abandon(writer);
    return failure;
}
