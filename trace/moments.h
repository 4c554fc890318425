/*
 * A trace's records in merged order, each with its guest time. A record that
 * arose while its exit was handled is stored before the exit; this
 * looks ahead to the exit, a bounded way, to tell when that was.
 */
#ifndef TRACE_MOMENTS_H
#define TRACE_MOMENTS_H

#include "trace/guest_time.h"
#include "trace/trace.h"

struct moment {
    union record record;
    u64 exit; /* number of the exit that it belongs to */
    enum stream stream;
    u64 ns;     /* guest time; never less than that of the moment before */
    bool exact; /* struct guest_time */
};

enum { MOMENTS_AHEAD = 64 }; /* records that may wait for their exit */

struct moments {
    struct trace_cursor *cursor;
    struct guest_time time;
    u64 exits; /* number of the next exit record */
    u64 from, to;                        /* exits wanted, both included */
    u32 held, next;                      /* moments in the queue, and the next to be given */
    struct moment queue[MOMENTS_AHEAD]; /* all but the last wait for the last one's time */
};

/* The trace must outlive them. All records from the first one on are read, since guest
 * time is a sum over them. */
struct failure moments_begin(struct moments *, struct trace *, u64 from, u64 to);
/* The next moment, valid until the next call. TRACE_ERROR: see moments_failure(). */
enum trace_step moments_next(struct moments *, const struct moment **);
struct failure moments_failure(const struct moments *);
void moments_end(struct moments *);

#endif
