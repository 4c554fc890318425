/* The writing half of a stream's file: creation, cutting off, the index at the end. */
#include "trace/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct failure stream_create(struct stream_file *file, const char *directory, const char *suffix,
                             enum stream stream)
{
    char name[64];
    memset(file, 0, sizeof(*file));
    file->stream = stream;
    snprintf(name, sizeof(name), "%s%s", stream_names[stream], suffix);
    file_path(file->path, directory, name);
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file->descriptor < 0)
        return fail_errno("%.300s: cannot create it", file->path);
    return NO_FAILURE;
}

void stream_cut_off(struct stream_file *file, u64 end, size_t count)
{
    int error = errno;
    if (ftruncate(file->descriptor, (off_t)end) == 0)
        lseek(file->descriptor, (off_t)end, SEEK_SET);
    file->count = count;
    file->end = end;
    errno = error;
}

struct failure stream_finish(struct stream_file *file)
{
    size_t length;
    u8 *index = index_make(file->entries, file->count, file->end, &length);
    if (!index)
        return fail(NO_SPACE, "%.300s: no memory for its index", file->path);
    struct failure failure = NO_FAILURE;
    if (file_write(file->descriptor, index, length)) {
        file->size = file->end + length;
    } else {
        failure = fail_errno("%.300s: cannot write its index", file->path);
        stream_cut_off(file, file->end, file->count);
    }
    free(index);
    return failure;
}
