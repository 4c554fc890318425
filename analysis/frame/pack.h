/*
 * The mergeable state of a view as bytes, for partial files: numbers in LEB128 (what
 * may be negative with its sign in the lowest bit) and strings, nothing else. Writing and reading have a sticky error, so
 * that callers need not look at each number. What is read is untrusted: a
 * reader never goes past the end, and counts are bounded by the bytes that are left
 * before anybody allocates by them.
 */
#ifndef ANALYSIS_FRAME_PACK_H
#define ANALYSIS_FRAME_PACK_H

#include "analysis/frame/histogram.h"

struct pack {
    u8 *data; /* malloc'ed; the caller frees it */
    size_t length, capacity;
    bool failed; /* no memory: what follows is not kept */
};

void pack_number(struct pack *, u64);
void pack_wide(struct pack *, u128);
void pack_signed(struct pack *, s128);
void pack_text(struct pack *, const char *);
void pack_bytes(struct pack *, const void *, size_t length);

struct unpack {
    const u8 *data;
    size_t length, at;
    const char *wrong; /* NULL, or what the first error was */
};

/* 0 and "" after an error. */
u64 unpack_number(struct unpack *);
u128 unpack_wide(struct unpack *);
s128 unpack_signed(struct unpack *);
/* A number of things that take at least one byte each: more than bytes are left is an error. */
size_t unpack_count(struct unpack *);
/* Copies with a NUL; text that does not fit, or holds a NUL, is an error. */
void unpack_text(struct unpack *, char *text, size_t size);
/* Notes an error; the first one sticks. */
void unpack_refuse(struct unpack *, const char *wrong);

#endif
