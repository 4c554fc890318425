/*
 * One block: records of one stream <-> header and payload in memory
 * (docs/TRACE_FORMAT.md, "Blocks"). Knows no files; the reader, the repairer and
 * the fuzzer enter here.
 */
#ifndef TRACE_BLOCK_H
#define TRACE_BLOCK_H

#include "trace/columns.h"

#define BLOCK_MAGIC 0x6b636f6c42444e48ull /* "HNDBlock" */

enum {
    BLOCK_PACKED = 1 << 0,       /* flag: the payload is one zstd frame */
    BLOCK_PAYLOAD_MAX = 8 << 20, /* bytes, stored or unpacked */
    BLOCK_COLUMNS_MAX = 1024,
};

/* Little-endian, no padding. */
struct block_header {
    u64 magic;
    u16 version; /* BLOCK_VERSION */
    u16 size;    /* sizeof(struct block_header) */
    u8 stream;   /* enum stream */
    u8 flags;    /* BLOCK_PACKED */
    u8 streams;  /* bit s: the chunk has a block in stream s */
    u8 reserved; /* 0 */
    u32 block;   /* number in its stream, from 0 */
    u32 chunk;   /* number of the chunk that it came from, from 0 */
    u32 records;
    u32 columns;     /* entries in the payload's directory */
    u64 first_exit;  /* number of the chunk's first exit */
    u64 exits;       /* exits in the chunk */
    u64 first_count; /* guest count of the first record that has one; 0: none has */
    u32 stored;      /* bytes of payload that follow */
    u32 unpacked;    /* the same once unpacked; `stored` if not packed */
    u64 previous;    /* header_hash of the block before, 0: none */
    u64 payload_hash;
    u64 header_hash; /* of all bytes above; both are XXH64 with seed 0 */
};

/* An entry of the directory that begins a payload; pieces follow in its order. */
struct column_entry {
    u8 kind;   /* record kind; 0: the block's sequence of kinds */
    u8 field;  /* index of the field in the schema */
    u8 part;   /* enum column_part */
    u8 coding; /* enum coding */
    u8 mode;   /* enum column_mode */
    u8 reserved[3];
    u32 length; /* bytes of the piece */
    u32 stored; /* bytes that are stored of it */
};

enum column_part { PART_SYMBOLS, PART_LITERALS };
enum column_mode { MODE_CONSTANT, MODE_STORED, MODE_ZSTD };

/* Working memory for one block at a time. */
struct codec;
struct codec *codec_new(void); /* NULL: no memory */
void codec_free(struct codec *);

/* Collect records, then encode. codec_add(): false when the block is full, memory is out or the
 * kind does not exist. */
void codec_clear(struct codec *);
bool codec_add(struct codec *, const void *record);
size_t codec_count(const struct codec *);
/* Guest count of the first record with one, else 0. */
u64 codec_first_count(const struct codec *);
/*
 * Fills in the header's sizes and hashes (the caller sets stream, streams, block, chunk,
 * first_exit, exits, first_count, previous) and returns header and payload in memory that
 * belongs to the codec until its next use; NULL: no memory. *length: bytes of both.
 */
const u8 *codec_encode(struct codec *, struct block_header *header, size_t *length);

/* NULL, or what is wrong with the header (a string constant). */
const char *block_header_check(const struct block_header *);
/* NULL, or what is wrong with the payload. The records of known kinds are in *records (*count),
 * in stored order, until the codec's next use. `header` must have passed block_header_check(). */
const char *codec_decode(struct codec *, const struct block_header *header, const u8 *payload,
                         const union record **records, size_t *count);

/* Which columns are worth decoding: bit f of fields[kind] is field f of the schema. */
struct column_wishes {
    u32 fields[REC_KIND_LIMIT];
};
/* Decodes the wished columns, and those that these are predicted from, into the codec's rows. */
const char *codec_decode_columns(struct codec *, const struct block_header *header,
                                 const u8 *payload, const struct column_wishes *);

#endif
