/*
 * A trace on disk: a directory with a manifest, the guest's images and two
 * streams of blocks (docs/TRACE_FORMAT.md). This header is all that other rooms
 * need: a writer that takes the raw chunks of trace/wire.h, a reader that gives
 * back records, and the export of raw chunks for a replay.
 *
 * Errors are values (trace/failure.h) whose text names the file, the reason and
 * what to try. Nothing here prints or exits. A trace is untrusted input: the
 * reader checks every length and hash before it uses what they cover.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include "trace/failure.h"
#include "trace/manifest.h"
#include "trace/schema.h"

/* --- writing -------------------------------------------------------------- */

struct trace_writer;

enum trace_sync {
    TRACE_SYNC_NEVER,  /* survives a killed process, not a power failure */
    TRACE_SYNC_FINISH, /* fdatasync once, in trace_finish() */
    TRACE_SYNC_EACH,   /* fdatasync after each chunk */
};

/*
 * Makes the directory `path` (its parent must exist; if `path` exists it must be an empty
 * directory), copies the images into it and writes a manifest that says "finished: no".
 * `manifest` is copied. `initrd` may be NULL. On success the caller owns *writer and ends
 * it with trace_finish() or trace_abandon().
 */
struct failure trace_create(const char *path, const struct manifest *manifest, const char *kernel,
                            const char *initrd, enum trace_sync, struct trace_writer **writer);
/* The writer's own copy: facts that are known late (processor, tsc_hz, guest_ns) may be changed
 * until trace_finish(). */
struct manifest *trace_writer_manifest(struct trace_writer *);
/* The payload of one CHUNK_RECORDS chunk, in order: becomes one block in each stream that has
 * records in it. On failure (NO_SPACE: full disk or file size limit) everything appended before
 * stays readable, and later calls fail the same way. */
struct failure trace_append_chunk(struct trace_writer *, const void *raw, size_t length);
/* Writes the indexes and the final manifest ("finished: yes" if an `end` record was appended,
 * else "cut"), and removes the trace disk (file `disk` in the trace). Frees the writer, also
 * on failure. */
struct failure trace_finish(struct trace_writer *);
/* Frees the writer and leaves the trace as a killed recording would. NULL is allowed. */
void trace_abandon(struct trace_writer *);

/* --- reading -------------------------------------------------------------- */

struct trace;
struct trace_cursor;

/* Opens for reading; on success the caller owns *trace. An unfinished trace opens up to its
 * last whole block. Checks the manifest, the indexes and the sizes; blocks are checked when
 * they are read, images by trace_check_images(). */
struct failure trace_open(const char *path, struct trace **trace);
/* The same for who can do with a part: of a damaged or truncated trace what comes before the first
 * chunk that is not whole in both streams. The manifest must be right. */
struct failure trace_open_rest(const char *path, struct trace **trace);
/* What kept such a trace from opening whole, "": nothing; how many chunks that cost, as far as known
 * (a torn end is one). */
const char *trace_damage(const struct trace *);
u64 trace_lost_chunks(const struct trace *);
void trace_close(struct trace *); /* NULL is allowed */

const char *trace_path(const struct trace *);
const struct manifest *trace_manifest(const struct trace *);
/* Full name of the copy of an image (MODULE_KERNEL, MODULE_INITRD of trace/wire.h); NULL: none. */
const char *trace_image_path(const struct trace *, int module);
/* Do the copies of the images have the size and SHA-256 that the manifest says? */
struct failure trace_check_images(const struct trace *);
/* Reads and checks every byte of the trace: all blocks of both streams and the images. */
struct failure trace_verify(struct trace *);

struct trace_block {
    u64 offset, size; /* in the stream's file */
    u64 first_exit;   /* number of the first exit of the chunk that the block came from */
    u64 exits;        /* exits in that chunk */
    u64 first_count;  /* guest count of the first record that has one */
    u32 records;
    u32 chunk; /* number of the chunk */
};

struct trace_totals {
    u64 exits, records, blocks;
    u64 bytes; /* of the stream's file */
    u64 torn;  /* bytes after the last whole block (unfinished traces only) */
};

size_t trace_block_count(const struct trace *, enum stream);
/* `block` < trace_block_count() */
struct trace_block trace_block_at(const struct trace *, enum stream, size_t block);
struct trace_totals trace_totals(const struct trace *, enum stream);
/* Exits of the chunks that can be read, whichever stream they are in. */
u64 trace_exits(const struct trace *);

/* Cursors: over one stream in stored order, or over both in the order of docs/TRACE_FORMAT.md.
 * The trace must outlive them. */
struct trace_cursor *trace_cursor(struct trace *, enum stream);
struct trace_cursor *trace_cursor_merged(struct trace *);
void trace_cursor_free(struct trace_cursor *); /* NULL is allowed */
/* Goes to the first record of the block (one stream) or of the last block that begins at or
 * before that exit (both kinds of cursor). */
void trace_seek_block(struct trace_cursor *, size_t block);
void trace_seek_exit(struct trace_cursor *, u64 exit);

enum trace_step { TRACE_END = 0, TRACE_RECORD = 1, TRACE_ERROR = -1 };
/* The next record of a known kind. TRACE_ERROR: see trace_cursor_failure(). */
enum trace_step trace_next(struct trace_cursor *, union record *);
/* Of the record that trace_next() gave last: its exit number (the number of an `exit` record
 * is implied by its place), its stream, its block. */
u64 trace_cursor_exit(const struct trace_cursor *);
enum stream trace_cursor_stream(const struct trace_cursor *);
size_t trace_cursor_block(const struct trace_cursor *);
struct failure trace_cursor_failure(const struct trace_cursor *);

/* The exit number that a record carries or, for an exit record, `number`. */
u64 record_exit(const union record *, u64 number);

/* Writes the stream as raw chunks of trace/wire.h (sequence from 0, each on a SECTOR boundary,
 * padded with zeros) at the descriptor's position; a sector of zeros ends the area.
 * `sectors` (may be NULL): how many were written, the last one included. */
struct failure trace_export_raw(struct trace *, enum stream, int descriptor, u64 *sectors);

/* --- repair --------------------------------------------------------------- */

struct repair_result {
    bool needed;      /* false: the trace was whole, nothing was done */
    u64 exits, count; /* kept: exits, and the guest count of the last one */
    u64 chunks;       /* whole chunks kept, those recovered included */
    u64 recovered;    /* chunks that came from the trace disk */
    u64 lost_chunks;  /* chunks known to have existed and not kept */
    u64 lost_exits;   /* exits in those, as far as known */
    u64 lost_bytes;   /* bytes of the streams that are dropped */
    char damage[512]; /* what was wrong, "": nothing but the missing end */
};

/* Cuts both streams after the last chunk that is whole in both, adds whole chunks that are
 * still on the trace disk, writes indexes and a manifest that says "cut". New files are
 * written beside the old ones and renamed. With `dry_run` only looks. */
struct failure trace_repair(const char *path, bool dry_run, struct repair_result *);

/* Takes the observations out of a trace (their file may be gone already). What is left replays; exits
 * and injections are no longer known. The inputs must be whole. */
struct failure trace_drop_observations(const char *path);

#endif
