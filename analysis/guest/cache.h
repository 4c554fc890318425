/*
 * The file `guest.cache` in a trace: what a replay with somebody looking on found out about the
 * guest, so that the next analysis need not replay. It can be made anew at any time, and is no
 * part of the trace: a file that is unfinished, damaged, of another version or of another trace is
 * as good as none.
 *
 *   header     struct cache_header (cache.c): magic, version, the trace's identity, and where each
 *              section is; XXH64 of all that
 *   sections   each a zstd frame, with its sizes and the XXH64 of the frame in the header
 *
 * Numbers are little-endian. Whoever makes sense of a section checks it again: like a trace it is
 * untrusted.
 */
#ifndef ANALYSIS_GUEST_CACHE_H
#define ANALYSIS_GUEST_CACHE_H

#include "trace/failure.h"

#define CACHE_NAME "guest.cache"
enum { CACHE_VERSION = 2 };

enum cache_section {
    CACHE_BANNER,       /* "Linux version ..." */
    CACHE_SYMBOLS,      /* struct symbol each */
    CACHE_SYMBOL_NAMES, /* their names, each with its NUL */
    CACHE_EVENTS,       /* struct sched_event each */
    CACHE_TASKS,        /* struct sched_name each */
    CACHE_LACKS,        /* what this kernel does not give, in words */
    CACHE_NO_KERNEL,    /* why nothing is known of the kernel, in words; else empty */
    CACHE_INSTRUCTIONS, /* struct instruction each */
    CACHE_SECTIONS
};

struct cache {
    struct {
        void *data; /* malloc'ed by cache_read() */
        u64 length;
    } section[CACHE_SECTIONS];
};

/* Reads the sections of the set `wanted` (BIT(section) each) of the cache in the trace's
 * directory. true: all of them are there and whole; the caller ends it with cache_free(). */
bool cache_read(const char *directory, u64 identity, u64 wanted, struct cache *);
void cache_free(struct cache *);
/* Writes all sections to a file of another name and renames it. */
struct failure cache_write(const char *directory, u64 identity, const struct cache *);

#endif
