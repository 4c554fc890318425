/* The writer's insides, for repair.c. */
#ifndef TRACE_WRITER_H
#define TRACE_WRITER_H

#include "trace/stream.h"
#include "trace/trace.h"

struct trace_writer {
    char path[FILE_PATH];
    struct manifest manifest;
    enum trace_sync sync;
    struct stream_file files[STREAM_COUNT];
    struct codec *codecs[STREAM_COUNT];
    bool ended;             /* an `end` record was appended */
    struct failure failure; /* the first that stopped the writing */
};

/* A writer without files; NULL: no memory. */
struct trace_writer *writer_new(const char *path, const struct manifest *, enum trace_sync);
/* Takes the records of a chunk into the totals. */
struct chunk_totals {
    u64 exits, injections, count;
    bool ended;
    struct end_record end;
};
void note_record(struct chunk_totals *, const union record *);
void add_totals(struct trace_writer *, const struct chunk_totals *);
/* Indexes and sizes; not the manifest's file. */
struct failure finish_streams(struct trace_writer *);

#endif
