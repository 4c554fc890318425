/*
 * Partial files: what one shard found, to be merged with what the others found.
 * Layout: the magic "HNDPart1", numbers and texts as in pack.h (what was asked, of
 * which trace, what is covered, the view's state), XXH64 of all that. A file
 * is untrusted: everything in it is checked as it is read.
 */
#ifndef ANALYSIS_FRAME_PARTIAL_H
#define ANALYSIS_FRAME_PARTIAL_H

#include "analysis/frame/pass.h"

/* Writes beside the file and renames. */
struct failure partial_write(const char *path, const struct pass *, const struct result *);

/* Fills in view, by and interval of the pass, and the result; with `state` also its state, which
 * the caller ends. The pass's query then points into the result. */
struct failure partial_read(const char *path, bool state, struct pass *, struct result *);
/* The same from memory. `where` names it in errors. */
struct failure partial_parse(const u8 *data, size_t length, const char *where, bool state,
                             struct pass *, struct result *);

/* Merges files that answer the same question: the shards of one trace, in any order, and
 * whole traces with each other. `pass` and `result` as above. */
struct failure partial_merge(char *const *paths, size_t count, struct pass *, struct result *);

#endif
