/*
 * Rows over guest time: one for each interval, or for each interval and key, that has anything.
 * Their intervals are as long as asked for, or found on the way (intervals.h); rows add up, so that
 * they may grow longer and shards of them merge exactly.
 */
#ifndef ANALYSIS_FRAME_SERIES_H
#define ANALYSIS_FRAME_SERIES_H

#include "analysis/frame/intervals.h"
#include "analysis/frame/tally.h"
#include "analysis/frame/view.h"

/* What a row holds behind its struct tally_key, which is a: the number of the interval, b: the
 * view's own. */
struct series_kind {
    size_t size;                             /* with the key */
    void (*add)(void *to, const void *from); /* all but the key */
    void (*save)(const void *view, const void *row, struct pack *);
    void (*load)(const void *view, void *row, struct unpack *); /* refuses what cannot be */
};

struct series {
    const struct series_kind *kind;
    const void *view; /* what save() and load() get */
    struct tally rows;
    u64 interval;  /* guest ns */
    u64 intervals; /* at most; 0: as many as the tally holds */
};

void series_begin(struct series *, const struct series_kind *, const void *view,
                  const struct query *);
void series_end(struct series *);
/* The row for this time, new ones being zeros; NULL: there are too many. */
void *series_row(struct series *, u64 time, u64 key);
struct failure series_full(void);
bool series_merge(struct series *, const struct series *next); /* false: too many */
void series_save(const struct series *, struct pack *);
void series_load(struct series *, struct unpack *);

#endif
