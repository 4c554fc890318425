/*
 * Opens traces and checks them whole. A finished trace must be exactly what its
 * manifest says; an unfinished one is read up to the last chunk that is whole
 * in both streams.
 */
#include "trace/reader.h"
#include "trace/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct failure check_size(const struct stream_file *file, u64 expected)
{
    if (file->size < expected)
        return fail(BAD_INPUT,
                    "%.250s: it is truncated: %" PRIu64 " bytes, the manifest says %" PRIu64
                    "; `hindvisor repair` keeps what is whole",
                    file->path, file->size, expected);
    if (file->size > expected)
        return fail(BAD_INPUT,
                    "%.250s: it has %" PRIu64 " bytes, the manifest says %" PRIu64
                    "; `hindvisor repair` keeps what is whole",
                    file->path, file->size, expected);
    return NO_FAILURE;
}

static struct failure open_finished(struct trace *trace)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct stream_file *file = &trace->files[s];
        ATTEMPT(check_size(file, trace->manifest.bytes[s]));
        ATTEMPT(stream_load_index(file));
        if (file->count != trace->manifest.blocks[s])
            return fail(BAD_INPUT, "%.250s: it has %zu blocks, the manifest says %" PRIu64,
                        file->path, file->count, trace->manifest.blocks[s]);
    }
    return NO_FAILURE;
}

static struct failure open_unfinished(struct trace *trace)
{
    for (u32 s = 0; s < STREAM_COUNT; s++)
        ATTEMPT(stream_scan(&trace->files[s], NULL, false));
    streams_trim(trace->files, ALL_STREAMS);
    return NO_FAILURE;
}

/* --- what is left of a damaged trace --------------------------------------------------------- */

/* Keeps the first reason. Lack of memory is no damage: it is returned. */
static struct failure tolerate(struct trace *trace, struct failure failure)
{
    if (failure.code == NO_SPACE)
        return failure;
    if (failure.code && !trace->damage.code)
        trace->damage = failure;
    return NO_FAILURE;
}

/* By the index where there is a right one, else by the blocks up to the first that is wrong. */
static struct failure find_blocks(struct trace *trace, struct stream_file *file)
{
    if (trace->manifest.finished != TRACE_UNFINISHED && !stream_load_index(file).code)
        return NO_FAILURE;
    return stream_scan(file, NULL, false);
}

static struct failure open_rest(struct trace *trace)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct stream_file *file = &trace->files[s];
        struct failure failure = NO_FAILURE;
        if (file->descriptor <= 0)
            failure = stream_open(file, trace->path, s);
        ATTEMPT(tolerate(trace, failure));
        if (!failure.code)
            ATTEMPT(tolerate(trace, find_blocks(trace, file)));
    }
    bool dropped = manifest_has_dropped(&trace->manifest);
    streams_trim(trace->files, dropped ? 1u << STREAM_INPUT : ALL_STREAMS);
    return NO_FAILURE;
}

const char *trace_damage(const struct trace *trace)
{
    return trace->damage.text;
}

u64 trace_lost_chunks(const struct trace *trace)
{
    const struct stream_file *inputs = &trace->files[STREAM_INPUT];
    u64 chunks = inputs->count ? inputs->entries[inputs->count - 1].chunk + 1ull : 0;
    if (!trace->damage.code)
        return 0;
    if (trace->manifest.finished == TRACE_UNFINISHED)
        return 1; /* at least */
    return trace->manifest.chunks > chunks ? trace->manifest.chunks - chunks : 0;
}

/* --- opening ------------------------------------------------------------------------------- */

static void find_image(struct trace *trace, int which, const char *name,
                       const struct manifest_image *image)
{
    if (image->name[0])
        file_path(trace->images[which], trace->path, name);
}

static struct failure open_manifest(struct trace *trace)
{
    struct stat status;
    if (stat(trace->path, &status) < 0)
        return fail_errno("%.300s: cannot open the trace", trace->path);
    if (!S_ISDIR(status.st_mode))
        return fail(BAD_INPUT, "%.300s: this is a file; a trace is a directory", trace->path);
    ATTEMPT(manifest_read(&trace->manifest, trace->path));
    find_image(trace, 0, "kernel", &trace->manifest.kernel);
    find_image(trace, 1, "initrd", &trace->manifest.initrd);
    return NO_FAILURE;
}

static struct failure open_whole(struct trace *trace)
{
    for (u32 s = 0; s < STREAM_COUNT; s++)
        ATTEMPT(stream_open(&trace->files[s], trace->path, s));
    return trace->manifest.finished == TRACE_UNFINISHED ? open_unfinished(trace)
                                                        : open_finished(trace);
}

/* A recording that was killed may have a torn end. */
static struct failure torn_end(const struct trace *trace)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        const struct stream_file *file = &trace->files[s];
        if (trace->manifest.finished == TRACE_UNFINISHED && file->size > file->end)
            return fail(BAD_INPUT,
                        "%.300s: the recording did not finish, and its last %" PRIu64
                        " bytes are no whole block; `hindvisor repair` may find more",
                        file->path, file->size - file->end);
    }
    return NO_FAILURE;
}

static struct failure open_streams(struct trace *trace, bool rest)
{
    ATTEMPT(open_manifest(trace));
    struct failure failure = open_whole(trace);
    if (!rest)
        return failure;
    ATTEMPT(tolerate(trace, failure));
    if (failure.code)
        ATTEMPT(open_rest(trace));
    return tolerate(trace, torn_end(trace));
}

static struct failure open_trace(const char *path, bool rest, struct trace **out)
{
    *out = NULL;
    struct trace *trace = calloc(1, sizeof(*trace));
    if (!trace)
        return fail(NO_SPACE, "%.300s: no memory to open the trace", path);
    snprintf(trace->path, sizeof(trace->path), "%s", path);
    struct failure failure = open_streams(trace, rest);
    if (failure.code)
        trace_close(trace);
    else
        *out = trace;
    return failure;
}

struct failure trace_open(const char *path, struct trace **out)
{
    return open_trace(path, false, out);
}

struct failure trace_open_rest(const char *path, struct trace **out)
{
    return open_trace(path, true, out);
}

void trace_close(struct trace *trace)
{
    if (!trace)
        return;
    for (u32 s = 0; s < STREAM_COUNT; s++)
        stream_close(&trace->files[s]);
    free(trace);
}

/* --- facts ------------------------------------------------------------------------ */

const char *trace_path(const struct trace *trace)
{
    return trace->path;
}

const struct manifest *trace_manifest(const struct trace *trace)
{
    return &trace->manifest;
}

const char *trace_image_path(const struct trace *trace, int module)
{
    int which = module == MODULE_KERNEL ? 0 : module == MODULE_INITRD ? 1 : -1;
    return which >= 0 && trace->images[which][0] ? trace->images[which] : NULL;
}

size_t trace_block_count(const struct trace *trace, enum stream stream)
{
    return trace->files[stream].count;
}

struct trace_block trace_block_at(const struct trace *trace, enum stream stream, size_t block)
{
    return block_of(&trace->files[stream].entries[block]);
}

struct trace_totals trace_totals(const struct trace *trace, enum stream stream)
{
    const struct stream_file *file = &trace->files[stream];
    struct trace_totals totals = {.blocks = file->count, .bytes = file->size};
    for (size_t i = 0; i < file->count; i++) {
        totals.exits += file->entries[i].exits;
        totals.records += file->entries[i].records;
    }
    if (trace->manifest.finished == TRACE_UNFINISHED)
        totals.torn = file->size - file->end;
    return totals;
}

u64 trace_exits(const struct trace *trace)
{
    u64 exits = 0;
    for (u32 s = 0; s < STREAM_COUNT; s++)
        exits = max_u64(exits, trace_totals(trace, s).exits);
    return exits;
}

/* --- checks ------------------------------------------------------------------------ */

static struct failure check_image(const char *directory, const char *name,
                                  const struct manifest_image *image)
{
    char path[FILE_PATH], sha256[65] = "";
    u64 size;
    if (!image->name[0])
        return NO_FAILURE;
    file_path(path, directory, name);
    ATTEMPT(file_copy(path, NULL, &size, sha256));
    if (size != image->size)
        return fail(BAD_INPUT,
                    "%.250s: it has %" PRIu64 " bytes, the one recorded had %" PRIu64
                    "; put the recorded image (%.60s) back",
                    path, size, image->size, image->name);
    if (strcmp(sha256, image->sha256))
        return fail(BAD_INPUT,
                    "%.150s: its SHA-256 is %s, the recorded image's is %s; put the recorded "
                    "image (%.60s) back",
                    path, sha256, image->sha256, image->name);
    return NO_FAILURE;
}

struct failure images_check(const char *directory, const struct manifest *manifest)
{
    ATTEMPT(check_image(directory, "kernel", &manifest->kernel));
    return check_image(directory, "initrd", &manifest->initrd);
}

struct failure trace_check_images(const struct trace *trace)
{
    return images_check(trace->path, &trace->manifest);
}

static struct failure verify_stream(struct trace *trace, struct codec *codec, enum stream stream)
{
    const union record *records;
    size_t count;
    for (size_t block = 0; block < trace->files[stream].count; block++)
        ATTEMPT(stream_read(&trace->files[stream], codec, block, &records, &count));
    return NO_FAILURE;
}

struct failure trace_verify(struct trace *trace)
{
    ATTEMPT(trace_check_images(trace));
    struct codec *codec = codec_new();
    struct failure failure = NO_FAILURE;
    if (!codec)
        failure = fail(NO_SPACE, "%.300s: no memory to read the trace", trace->path);
    for (u32 s = 0; s < STREAM_COUNT && !failure.code; s++)
        failure = verify_stream(trace, codec, s);
    codec_free(codec);
    return failure;
}
