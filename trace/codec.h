/* What the encoder and the decoder of blocks share; private to trace/. */
#ifndef TRACE_CODEC_H
#define TRACE_CODEC_H

#include "trace/block.h"

#include <zstd.h>

struct buffer {
    u8 *data;
    size_t length, capacity;
};

struct codec {
    struct guess_tables tables;
    struct rows rows[REC_KIND_LIMIT];
    size_t capacity[REC_KIND_LIMIT]; /* rows that rows[kind] has room for */
    u8 *kinds;                       /* kind of each record; BLOCK_RECORDS_MAX */
    size_t count;
    u64 first_count;
    u8 *symbols, *literals; /* pieces being made or expanded, with slack */
    struct buffer directory, data, block, unpacked;
    union record *records; /* decoded, in stored order */
    u32 *places;           /* where the records go, those of a kind together */
    size_t records_capacity;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

bool buffer_reserve(struct buffer *, size_t more);
/* Makes room for `count` rows of the kind and points its columns there. Contents are lost
 * unless `keep`. */
bool rows_reserve(struct codec *, u32 kind, size_t count, bool keep);
/* Forgets which columns are known and clears the hashes of the kind `exit`. */
void rows_begin(struct codec *, u32 kind, u64 first_exit);
/* The k-th column in coding order: index of the field; -1: no more. */
int column_in_order(const struct kind_layout *, u32 k);

#endif
