/*
 * Rows by key: a hash table that grows up to a limit and then says so, since the
 * keys of a hostile trace (its RIPs, say) may be as many as its records. Whether the
 * limit is passed does not depend on the order in which keys come.
 */
#ifndef ANALYSIS_FRAME_TALLY_H
#define ANALYSIS_FRAME_TALLY_H

#include "core/types.h"

/* The first member of every row. */
struct tally_key {
    u64 a, b;
};

struct tally {
    size_t row_size;
    u32 limit; /* rows at most */
    u8 *rows;
    u32 count, capacity;
    u32 *slots; /* 1 + row, 0: free; a power of two of them */
    u32 slot_count;
    bool full; /* a key was turned away: too many, or no memory */
};

#define TALLY(row_type, limit_) ((struct tally){.row_size = sizeof(row_type), .limit = limit_})

/* The row of the key, made (zeros after the key) if it is new; NULL: the tally is full. Valid
 * until the next call. */
void *tally_row(struct tally *, u64 a, u64 b);
/* The row if there is one. */
void *tally_find(const struct tally *, u64 a, u64 b);
static inline void *tally_at(const struct tally *t, u32 i)
{
    return t->rows + (size_t)i * t->row_size;
}
static inline u32 tally_number(const struct tally *t, const void *row)
{
    return (u32)((size_t)((const u8 *)row - t->rows) / t->row_size);
}
void tally_free(struct tally *);
/* Frees the rows, and takes no more: as if the limit had been passed. */
void tally_forget(struct tally *);

/* Rows in an order: pointers to all of them, malloc'ed; NULL: no memory. */
void **tally_sorted(const struct tally *, int (*compare)(const void *left, const void *right));
/* By key a, then b; for the last word in comparisons. Arguments are rows. */
int tally_by_key(const void *left, const void *right);

#endif
