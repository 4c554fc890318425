/*
 * Traces in the formats that other tools read. The driver (export.c) walks the
 * trace once, adds VM entries and guest events in order of time, and hands each
 * item to a format; a format is a row of functions. Memory does not grow with
 * the trace. What is written appears under its name only when it is whole.
 */
#ifndef TRACE_EXPORT_EXPORT_H
#define TRACE_EXPORT_EXPORT_H

#include "trace/export/classes.h"
#include "trace/fresh.h"
#include "trace/names.h"

#include <stdio.h>

struct export_job {
    struct trace *trace;
    const char *path;              /* NULL: stdout, for formats that are one text */
    u64 from, to;                  /* exits wanted, both included */
    struct event_source *events;   /* of the guest's kernel; NULL: none */
    struct event_watcher *watcher; /* NULL: none */
    /* The guest's name for the code at `rip`, in `buffer`; NULL: not known. May itself be NULL. */
    const char *(*symbol)(void *symbols, u64 rip, char buffer[NAME_MAX_LENGTH]);
    void *symbols;
    /* `of` exits altogether; called now and then. May be NULL. */
    void (*progress)(void *context, u64 exit, u64 of);
    void *progress_context;
    /* Somebody asks for the end: what was made goes, and the export fails. May be NULL. */
    bool (*stopped)(void);
};

/* A running export, for its format. */
struct export
{
    const struct export_job *job;
    const struct manifest *manifest;
    struct fresh place; /* the file or directory being written; path "": stdout */
    FILE *out;          /* SHAPE_TEXT: open; errors are looked for by the driver */
    void *state;        /* the format's own, zeros at first */
    struct failure failure;
};

/* The functions return false when x->failure says why. */
struct export_format {
    const char *name, *what;
    enum { SHAPE_TEXT, SHAPE_FILE, SHAPE_DIRECTORY } shape;
    size_t state_size;
    bool (*begin)(struct export *x);
    bool (*put)(struct export *x, const struct export_item *);
    bool (*end)(struct export *x);  /* all was put: completes the file */
    void (*drop)(struct export *x); /* frees what `state` holds; always called. May be NULL */
};

extern const struct export_format format_ctf, format_perfetto, format_sqlite, format_csv,
    format_folded, format_ftrace;

/* The formats that exist, NULL at the end. */
extern const struct export_format *const export_formats[];

struct failure export_trace(const struct export_format *, const struct export_job *);

/* --- for formats ---------------------------------------------------------------------------- */

/* Keeps the failure; always false. */
bool export_fail(struct export *x, struct failure);
/* Can there be items of this class? Of guest events only those that somebody gives. */
bool export_has_class(const struct export *x, u32 id);
/* Was it asked to end? Then x->failure says so. Asked for each item; for formats that are long at
 * work between them. */
bool export_stopped(struct export *x);
/* Opens x->place/NAME for writing (SHAPE_DIRECTORY). NULL: x->failure says why. */
FILE *export_open(struct export *x, const char *name);
/* Closes it; false if anything could not be written. */
bool export_close(struct export *x, FILE *, const char *name);
/* The words for a value, or NULL; `buffer` is returned for values without a fixed name. */
const char *export_words(const struct export_field *, u64 value, char buffer[NAME_MAX_LENGTH]);
/* Has the value a fixed name of its field's table? */
const char *export_fixed_word(const struct export_field *, u64 value);
/* Texts of an event end within their space, whatever its source says. */
void export_end_texts(struct guest_event *);
enum { EXPORT_WORDS = 128 }; /* fixed names belong to values below */

#endif
