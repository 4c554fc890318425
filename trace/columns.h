/*
 * Column codings: one column of numbers <-> a piece of symbols and a piece of
 * literal bytes (docs/TRACE_FORMAT.md, "Codings").
 */
#ifndef TRACE_COLUMNS_H
#define TRACE_COLUMNS_H

#include "trace/layout.h"

enum {
    BLOCK_RECORDS_MAX = 1 << 17, /* more than fit into CHUNK_MAX bytes */
    LITERAL_MAX = 8,             /* bytes of a literal at most */
    PIECE_SLACK = 8,             /* bytes that a decoder may read after a piece */
    TABLE_BITS = 12,
    GUESSES = 4,
};

/* The records of one kind in a block, as columns of u64. */
struct rows {
    size_t count;
    u64 *field[FIELDS_MAX];
    u64 *by_coding[CODING_LIMIT]; /* the last column of each coding that is known so far */
    const u64 *exit;              /* the column named `exit`, or NULL */
    /* Hashes of the PATH and PLACE columns known so far: where and what a row is (place), and what
     * alone (what). Kept for the kind `exit` only, else NULL. */
    u64 *place, *what;
    const struct rows *exits; /* the rows of kind `exit` in this block */
    u64 first_exit;           /* number of exits->... row 0 */
};

struct piece {
    u8 *data;
    size_t length;
};

/* Predictor tables; too large for the stack. */
struct guess_tables {
    u64 slot[GUESSES][1 << TABLE_BITS];
};

/* Writes at most `count` symbols and LITERAL_MAX * count literal bytes. */
void column_encode(enum coding, struct guess_tables *, const struct rows *, const u64 *column,
                   struct piece *symbols, struct piece *literals);
/* `symbols` holds exactly rows->count bytes; literals has PIECE_SLACK bytes after its length.
 * false: the pieces do not fit together. */
bool column_decode(enum coding, struct guess_tables *, const struct rows *, u64 *column,
                   struct piece symbols, struct piece literals);
/* Takes a column into the hashes and by_coding, once it is known. */
void column_known(enum coding, struct rows *, u64 *column);

#endif
