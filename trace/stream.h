/*
 * One stream's file: blocks one after the other, then an index
 * (docs/TRACE_FORMAT.md, "Streams"). Private to trace/.
 */
#ifndef TRACE_STREAM_H
#define TRACE_STREAM_H

#include "trace/block.h"
#include "trace/failure.h"
#include "trace/files.h"

#define INDEX_MAGIC 0x7865646e49444e48ull /* "HNDIndex" */

/* Little-endian, no padding. The index: struct index_header, entries, XXH64 of both. */
struct index_header {
    u64 magic;
    u32 version;
    u32 entries;
};

struct index_entry {
    u64 offset, size; /* of the block, header included */
    u64 first_exit, exits, first_count;
    u32 records, chunk;
    u32 streams; /* as in the block's header */
    u32 reserved;
    u64 header_hash;
};

/* The last bytes of a stream that has an index. */
struct index_trailer {
    u64 hash;         /* XXH64, seed 0, of index_header and entries */
    u64 index_offset; /* where the index_header is */
    u64 magic;        /* INDEX_MAGIC */
};

struct stream_file {
    char path[FILE_PATH];
    int descriptor;
    enum stream stream;
    u64 size; /* of the file */
    u64 end;  /* after the last whole block */
    struct index_entry *entries;
    size_t count, capacity;
    u8 *payload; /* of the block read last */
    size_t payload_size;
};

extern const char *const stream_names[STREAM_COUNT]; /* file names */

/* Opens for reading; knows no blocks yet. */
struct failure stream_open(struct stream_file *, const char *directory, enum stream);
void stream_close(struct stream_file *);
/* Takes the blocks from the index; the file must have a right one. */
struct failure stream_load_index(struct stream_file *);
/* Finds the blocks by walking their headers, up to a torn end. A header that is there but wrong
 * is a failure; the blocks before it are kept. With `deep` payloads are checked as well. */
struct failure stream_scan(struct stream_file *, struct codec *, bool deep);
/* Reads and decodes one block. */
struct failure stream_read(struct stream_file *, struct codec *, size_t block,
                           const union record **records, size_t *count);
/* The same to columns: codec->rows. */
struct failure stream_read_columns(struct stream_file *, struct codec *, size_t block,
                                   const struct column_wishes *);
bool stream_note(struct stream_file *, const struct block_header *, u64 offset);

/* Creates DIRECTORY/<stream's name>SUFFIX for appending, and appends the index. */
struct failure stream_create(struct stream_file *, const char *directory, const char *suffix,
                             enum stream);
struct failure stream_finish(struct stream_file *);
/* Back to an earlier end: what a failed write left goes, so that both streams agree. Keeps errno.
 */
void stream_cut_off(struct stream_file *, u64 end, size_t count);

enum { ALL_STREAMS = (1 << STREAM_COUNT) - 1 };
/* Chunks that are whole in all streams of the set `there`, from the first on; later blocks are
 * forgotten. */
u32 streams_trim(struct stream_file files[STREAM_COUNT], u32 there);

/* The index's bytes for these blocks; malloc'ed. NULL: no memory. */
u8 *index_make(const struct index_entry *, size_t count, u64 offset, size_t *length);

#endif
