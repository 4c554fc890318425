/*
 * What a report is made of: the manifest, what is known of the guest's kernel, the answers of many
 * views of one trace, and a replay's verdict if there was one. Gathered first, drawn afterwards;
 * nothing here writes HTML.
 */
#ifndef ANALYSIS_REPORT_FINDINGS_H
#define ANALYSIS_REPORT_FINDINGS_H

#include "analysis/frame/kept.h"
#include "analysis/frame/pass.h"
#include "analysis/guest/facts.h"
#include "analysis/report/vcpu.h"
#include "trace/trace.h"
#include "trace/wire.h"

/* One question to the trace, and how a user would ask it on the command line. */
struct question {
    const char *view, *show, *by; /* by: NULL: the view's first key */
    u64 rows;                     /* NEVER: all */
    u64 intervals;                /* 0: not by intervals */
};

enum { ANSWERS_MAX = 64, JSON_MAX = 192 << 10 /* of an answer in the page */ };

struct answer {
    struct question question;
    struct failure failure; /* code: the view has nothing, and this is why */
    struct kept kept;
    char *json; /* what `hindvisor analyze` prints; NULL: more than JSON_MAX */
    size_t json_length;
};

struct findings {
    char path[4096];
    char name[4096]; /* what commands call the trace: the path, or its name in the trace home */
    struct manifest manifest;
    struct trace_totals totals[STREAM_COUNT];
    struct failure images; /* do the guest's images have their hashes? */
    struct facts facts;    /* of the guest's kernel */
    bool looked;           /* somebody has looked for those in a replay, now or earlier */
    struct failure kernel; /* code: there are none of those, and this is why */
    struct result covered; /* without a state */
    struct answer answers[ANSWERS_MAX];
    u32 count;
    struct vcpu_spans *vcpu; /* NULL: no memory, or no part of the trace could be read */
    bool replayed;
    struct failure replay; /* code: it did not replay the same */
    struct report verdict;
};

/* Replays the trace, or not: fills in what that tells, and what of the kernel is not in the trace's
 * cache (replay.h). */
typedef void findings_learner(struct findings *, struct trace *);

/* Fails only if there is nothing to tell: the trace cannot be opened, or no memory. The caller ends
 * the findings in any case. `learn` NULL: without a replay. */
struct failure findings_gather(struct findings *, const char *path, findings_learner *learn);
void findings_free(struct findings *);

/* NULL: it was not asked. `by` NULL: any. */
const struct answer *findings_answer(const struct findings *, const char *view, const char *show,
                                     const char *by);
/* Its table of that name (NULL: the view's own), if the view has an answer, with rows; else NULL.
 */
const struct kept_table *answer_table(const struct answer *, const char *name);
/* "hindvisor analyze exits TRACE --by port --rows 12", not escaped; the caller frees it. NULL: no
 * memory. */
char *answer_command(const struct findings *, const struct answer *);

#endif
