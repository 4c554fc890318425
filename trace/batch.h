/*
 * A chunk of a trace as columns of numbers, one column a field, for whoever reads
 * whole traces: no struct is built for a record, and columns that nobody wishes
 * for are skipped where the coding allows it (docs/TRACE_FORMAT.md, "Codings").
 * The structs come from trace/schema.h: struct exit_columns has a column for each
 * field of struct exit_record.
 */
#ifndef TRACE_BATCH_H
#define TRACE_BATCH_H

#include "trace/block.h"
#include "trace/trace.h"

/* `rows` values in each column; NULL: the column was not wished for. */
#define F(type, name, render, coding) const u64 *name;
#define R(number, name, NAME, stream, FIELDS) \
    struct name##_columns {                   \
        size_t rows;                          \
        FIELDS(F)                             \
    };
RECORDS(R)
#undef R
#undef F

/* A wish (struct column_wishes): `wishes.fields[REC_EXIT] = COLUMN(exit, rip) | COLUMN(exit,
 * count)`. A kind without a wish has no rows. */
#define COLUMN(kind, field) (1u << (offsetof(struct kind##_columns, field) / sizeof(u64) - 1))

/* The records of one chunk, both streams. Exit row i is exit number first_exit + i; the other
 * kinds carry the number of their exit. Rows are in the order in which they were recorded; a
 * hostile trace may hold any numbers. */
struct trace_batch {
    u64 first_exit, exits; /* exit.rows == exits if exits are wished for */
#define R(number, name, NAME, stream, FIELDS) struct name##_columns name;
    RECORDS(R)
#undef R
};

/* Chunks that the trace has, numbered from 0; each is in one block of a stream or of both. */
size_t trace_chunk_count(const struct trace *);
/* Its first exit and how many it has, from the index alone; size 0: it is missing. */
struct trace_block trace_chunk_at(const struct trace *, size_t chunk);

/* Reads chunks; the trace must outlive it. NULL: no memory. */
struct trace_scan;
struct trace_scan *trace_scan_new(struct trace *, const struct column_wishes *);
void trace_scan_free(struct trace_scan *); /* NULL is allowed */
/* The columns belong to the scan until its next use. */
struct failure trace_scan_read(struct trace_scan *, size_t chunk, struct trace_batch *);

#endif
