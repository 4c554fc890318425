/*
 * A trace's records in merged order, each with its guest time. A record that
 * arose while its exit was handled is stored before the exit; the timeline
 * looks ahead to the exit, a bounded way, to tell when that was.
 */
#ifndef TRACE_TIMELINE_H
#define TRACE_TIMELINE_H

#include "trace/guest_time.h"
#include "trace/trace.h"

struct moment {
    union record record;
    u64 exit; /* number of the exit that it belongs to */
    enum stream stream;
    u64 ns;     /* guest time; never less than that of the moment before */
    bool exact; /* struct guest_time */
};

enum { TIMELINE_AHEAD = 64 }; /* records that may wait for their exit */

struct timeline {
    struct trace_cursor *cursor;
    struct guest_time time;
    u64 from, to;                        /* exits wanted, both included */
    u32 held, next;                      /* moments in the queue, and the next to be given */
    struct moment queue[TIMELINE_AHEAD]; /* all but the last wait for the last one's time */
};

/* The trace must outlive the timeline. All records from the first one on are read, since guest
 * time is a sum over them. */
struct failure timeline_begin(struct timeline *, struct trace *, u64 from, u64 to);
/* The next moment, valid until the next call. TRACE_ERROR: see timeline_failure(). */
enum trace_step timeline_next(struct timeline *, const struct moment **);
struct failure timeline_failure(const struct timeline *);
void timeline_end(struct timeline *);

#endif
