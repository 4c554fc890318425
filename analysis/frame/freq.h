/*
 * Something counted over guest time: how often each key came in each interval and, of some, a sum
 * over them. A view walks its events with freq_add() and says how keys are told; the rest of it is
 * FREQ_VIEW. Intervals are of --interval, or found on the way (intervals.h).
 *
 * Its columns: time_ns, interval_ns, those of the key, how often, and the sum if there is one.
 */
#ifndef ANALYSIS_FRAME_FREQ_H
#define ANALYSIS_FRAME_FREQ_H

#include "analysis/frame/view.h"

struct freq_keys {
    bool sums;
    bool (*is_key)(u64 key); /* checks those of partial files; NULL: any number is one */
    void (*tell)(u64 key, struct output *);
};

/* One more at this time. false: freq_full(). */
bool freq_add(void *state, u64 time, u64 key, u64 sum);
struct failure freq_full(void);

void *freq_begin(const struct query *);
void freq_end(void *state);
void freq_tell(const void *state, const struct query *, struct output *);
bool freq_merge(void *state, const void *next, bool follows);
void freq_save(const void *state, struct pack *);
void freq_load(void *state, struct unpack *);

/* Members of struct view; left are its names, wish() and take(). */
#define FREQ_VIEW(keys_, columns_)                                                                \
    .times = true, .freq = &(keys_), .columns = (columns_), .column_count = ARRAY_SIZE(columns_), \
    .begin = freq_begin, .end = freq_end, .tell = freq_tell, .merge = freq_merge,                 \
    .save = freq_save, .load = freq_load

#endif
