/* The open trace; private to trace/. */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "trace/stream.h"
#include "trace/trace.h"

struct trace {
    char path[FILE_PATH];
    char images[2][FILE_PATH]; /* kernel, initrd; "": none */
    struct manifest manifest;
    struct stream_file files[STREAM_COUNT];
    struct failure damage; /* trace_open_rest(): why it is not whole */
};

/* trace_check_images() for a trace that does not open. */
struct failure images_check(const char *directory, const struct manifest *);

static inline struct trace_block block_of(const struct index_entry *entry)
{
    return (struct trace_block){
        .offset = entry->offset,
        .size = entry->size,
        .first_exit = entry->first_exit,
        .exits = entry->exits,
        .first_count = entry->first_count,
        .records = entry->records,
        .chunk = entry->chunk,
    };
}

#endif
