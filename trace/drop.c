/*
 * Takes the observations out of a trace. What is left says so by itself: a manifest with exits and
 * without blocks of observations, and an empty stream (docs/TRACE_FORMAT.md, "Dropped
 * observations"). The manifest goes first: should that be all that gets done, `hindvisor repair`
 * does the rest.
 */
#include "trace/reader.h"
#include "trace/trace.h"

#include <stdio.h>
#include <unistd.h>

/* Reads every block of the inputs. */
static struct failure check_inputs(const char *path, const struct manifest *manifest)
{
    struct stream_file file;
    struct codec *codec = codec_new();
    if (!codec)
        return fail(NO_SPACE, "%.300s: no memory to read the trace", path);
    struct failure failure = stream_open(&file, path, STREAM_INPUT);
    if (!failure.code)
        failure = stream_scan(&file, codec, true);
    if (!failure.code && file.count != manifest->blocks[STREAM_INPUT])
        failure =
            fail(BAD_INPUT, "%.300s: it is not whole; try `hindvisor repair` first", file.path);
    stream_close(&file);
    codec_free(codec);
    return failure;
}

/* An empty stream beside the old one. */
static struct failure make_empty(const char *path, struct stream_file *file)
{
    ATTEMPT(stream_create(file, path, ".new", STREAM_OBSERVATION));
    ATTEMPT(stream_finish(file));
    return fdatasync(file->descriptor) < 0 ? fail_errno("%.300s: cannot write it", file->path)
                                           : NO_FAILURE;
}

static struct failure put_in_place(const char *path, struct manifest *manifest,
                                   const struct stream_file *empty)
{
    char old[FILE_PATH];
    manifest->records[STREAM_OBSERVATION] = manifest->blocks[STREAM_OBSERVATION] = 0;
    manifest->bytes[STREAM_OBSERVATION] = empty->size;
    ATTEMPT(manifest_write(manifest, path));
    file_path(old, path, stream_names[STREAM_OBSERVATION]);
    return rename(empty->path, old) < 0 ? fail_errno("%.300s: cannot replace it", old) : NO_FAILURE;
}

struct failure trace_drop_observations(const char *path)
{
    struct manifest manifest;
    struct stream_file empty = {0};
    ATTEMPT(manifest_read(&manifest, path));
    if (manifest.finished == TRACE_UNFINISHED)
        return fail(BAD_INPUT,
                    "%.300s: its recording did not finish; `hindvisor repair` it without "
                    "--drop-observations first",
                    path);
    ATTEMPT(check_inputs(path, &manifest));
    struct failure failure = make_empty(path, &empty);
    if (!failure.code)
        failure = put_in_place(path, &manifest, &empty);
    if (failure.code && empty.path[0])
        unlink(empty.path);
    stream_close(&empty);
    return failure;
}
