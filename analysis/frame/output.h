/*
 * What an analysis prints, in one place: tables of typed columns, written as
 * aligned text, as JSON or as CSV. Views say what a number is; how it looks is
 * decided here.
 *
 *   table  every table, aligned; units in words
 *   json   one object: "schema", "trace", "range", and each table under its name:
 *          an array of objects, or an object for a table of one row (OUTPUT_SINGLE)
 *   csv    the main table only (the first that is not single), with a header line
 *
 * Or nothing is written, and the tables are kept (kept.h).
 *
 * Shares: a column of type SHARE holds parts of its column's sum. They are printed
 * as percent and add up to exactly 100 in print, by the method of largest
 * remainders: 2 decimals in tables, 6 in JSON and CSV.
 */
#ifndef ANALYSIS_FRAME_OUTPUT_H
#define ANALYSIS_FRAME_OUTPUT_H

#include "analysis/frame/histogram.h"
#include "trace/failure.h"

#include <stdio.h>

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV, OUTPUT_KEPT };

enum cell_type {
    CELL_TEXT,
    CELL_COUNT, /* of things */
    CELL_TICKS, /* of the host's TSC */
    CELL_NS,    /* of guest time, if the column does not say another */
    CELL_AHEAD, /* ns that one clock is ahead of another, or behind */
    CELL_SIGNED, /* of things, less or more than none */
    CELL_SHARE, /* part of the column's sum, in percent */
    CELL_HEX,   /* in JSON a string, "0x3f8" */
};

struct column {
    const char *key;   /* in JSON and CSV: "time_share" */
    const char *title; /* in tables: "Time%"; NULL: not shown in tables */
    enum cell_type type;
};

enum {
    OUTPUT_SINGLE = 1 << 0, /* one row */
    OUTPUT_STREAM = 1 << 1, /* unbounded rows, printed as they come; no SHARE columns */
};

/* What a row has in a column. */
struct cell {
    enum { CELL_EMPTY, CELL_WORDS, CELL_NUMBER, CELL_NEGATIVE } kind;
    u128 number; /* CELL_NEGATIVE: what is below 0 by so much, 1 or more */
    char *text;
};

struct output;
struct kept;

/* Begins the output. NULL: no memory. Ended by output_end(), also after errors. */
struct output *output_new(FILE *, enum output_format);
/* The same for tables that are kept, which the caller owns. */
struct output *output_new_kept(struct kept *);
enum output_format output_format(const struct output *);
/* Facts about the whole, before the first table: members in JSON, lines in the table format. */
void output_fact(struct output *, const char *key, const char *text);
void output_fact_number(struct output *, const char *key, u128);
/* The same inside an object that is a member of the whole. */
void output_object(struct output *, const char *key);
void output_object_end(struct output *);

/* Begins a table; `columns` must live until it ends. Then for each row a cell for each column in
 * their order. The next table, or output_end(), ends it. */
void output_table(struct output *, const char *name, const struct column *columns, size_t count,
                  u32 flags);
void output_text(struct output *, const char *);
void output_number(struct output *, u128);
void output_signed(struct output *, s128);                  /* in columns of a signed type */
void output_none(struct output *);                          /* nothing to say: "-", null, empty */
void output_name(struct output *, const char *);            /* NULL or "": nothing to say */
void output_number_if(struct output *, bool applies, u128); /* else nothing to say */
void output_signed_if(struct output *, bool applies, s128);
/* Seven cells: min, max, avg, p50, p90, p99, p99.9; of no samples there is nothing to say. */
void output_spread(struct output *, const struct histogram *);

/* Prints what is left and frees. Failure: no memory, or the output could not be written. */
struct failure output_end(struct output *);

#endif
