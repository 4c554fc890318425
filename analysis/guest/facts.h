/*
 * What is known of a trace's guest: the instructions at which it exits and, of a kernel that is
 * known here, its symbols and its scheduler's events. They come from the cache beside the trace
 * (cache.h) or, if need be, from a replay that then leaves them there. A trace in a place that
 * cannot be written is replayed each time.
 */
#ifndef ANALYSIS_GUEST_FACTS_H
#define ANALYSIS_GUEST_FACTS_H

#include "analysis/frame/view.h"
#include "analysis/guest/instructions.h"
#include "analysis/guest/symbols.h"
#include "analysis/scheduler/events.h"
#include "trace/trace.h"
#include "trace/wire.h"

struct disassembler; /* vmx/carriers/disassemble.h */

struct facts {
    struct symbolizer symbolizer; /* by `symbols` and `instructions` */
    struct symbols symbols;       /* without by_name when they come from the cache */
    struct sched_log log;
    struct instructions instructions;
    struct disassembler *disassembler; /* NULL: there are no instructions */
    char banner[128];                  /* "Linux version ..." */
    char no_kernel[512];               /* why there are no symbols and no log; "": there are */
};

/* From the cache. false: it has none that can be used, and *facts is empty. Otherwise the caller
 * ends *facts with facts_free(); words for addresses alone are read faster. */
bool facts_cached_words(struct trace *, struct facts *);
bool facts_cached(struct trace *, struct facts *);
/* The same from the cache in a directory, of the trace with that identity (frame/pass.h). */
bool facts_load(const char *directory, u64 identity, bool events, struct facts *);
/* From the cache, or by a replay with a progress bar. */
struct failure facts_find(struct trace *, struct facts *);
/* By a replay, whatever the cache has; the failure is the replay's, and the report holds what is
 * known of it. */
struct failure facts_replay(struct trace *, struct facts *, struct report *);
/* An error says what is missing: the guest's kernel may be none that is known here. */
struct failure facts_kernel(const struct facts *);
/* Writes the cache. Not to be able to is no failure: another replay finds the same. */
void facts_keep(struct trace *, const struct facts *);
void facts_init(struct facts *); /* empty */
void facts_free(struct facts *);

#endif
