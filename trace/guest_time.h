/*
 * Guest time of every record, from the trace alone (docs/TRACE_FORMAT.md,
 * "Guest time"). Feed it the records in merged order; it never goes back,
 * whatever a damaged trace says.
 *
 * Clock policy `count`: exact, but for traces of format version 1 between the
 * end of a HLT and the next reading of the TSC. Policy `host`: true where the clock was
 * read to within the handling of that exit, reckoned by the host's TSC between the
 * readings, and back from the first of them.
 */
#ifndef TRACE_GUEST_TIME_H
#define TRACE_GUEST_TIME_H

#include "trace/batch.h"
#include "trace/manifest.h"

struct guest_time {
    u64 now;      /* guest ns of the record fed last */
    bool exact;   /* false: `now` is reckoned, or not later than the truth */
    bool lost;    /* records are missing, and nothing since has shown the time */
    bool tsc_set; /* the guest has written its TSC: a sight of it from then on needs that write */
    bool by_tsc;  /* nothing but the guest's TSC has shown the time since it was lost: right if the
                     guest had not written that before */
    /* Private. */
    bool host;       /* clock policy */
    bool tells_idle; /* the recorder wrote idle records */
    u64 skipped;     /* policy `count`: guest ns - guest count */
    u64 count;       /* of the last exit */
    u64 tsc_offset;  /* what the guest's TSC is ahead of guest time; */
    bool tsc_blind;  /* ... not known: it was written while the time was lost */
    u64 tsc_hz;      /* of the host; 0: not known */
    u64 read_ns;     /* policy `host`: the last reading, and the host TSC that goes with it */
    u64 read_tsc;
    u64 entered;   /* host TSC of the entry after the last exit */
    bool anchored; /* there is something to reckon from: a reading (it may be to come), or else the
                      first exit */
    bool was_read; /* ... while the exit to come was handled */
};

void guest_time_init(struct guest_time *, const struct manifest *);
/* Policy `host`: finds the trace's first reading, so that times before it can be reckoned back from
 * it. Without that, or if there is none, the first exit is at 0, and the first reading a leap. */
void guest_time_look_ahead(struct guest_time *, struct trace *);
/* The next record in merged order; returns its guest ns (`now`). A stop, clock or timer record
 * comes before its exit and is given the time before it: trace/moments.h looks ahead. */
u64 guest_time_at(struct guest_time *, const union record *);
/* The same for an exit record: the time when it happened. */
u64 guest_time_at_exit(struct guest_time *, const struct exit_record *);
/* The same for rows [begin, end) of exits that no other record comes between; the columns of
 * guest_time_wish(). Guest ns go into times[begin] and on. */
void guest_time_at_exits(struct guest_time *, const struct exit_columns *, size_t begin, size_t end,
                         u64 *times);
/* The columns that tell the time, of all kinds of records. */
void guest_time_wish(const struct guest_time *, struct column_wishes *);
/* The records to come do not follow those that were fed. Time is as good as before once a record
 * shows it: an idle record, a reading, or the guest's TSC while the guest has not set that. Under
 * the host's clock it goes on by the TSC, if any was fed. */
void guest_time_lose(struct guest_time *);

/* The host TSC that goes with a clock reading of an exit with these stamps. */
u64 guest_time_read_by(u64 tsc_exit, u64 tsc_entry);

/* `tsc` ticks in ns, rounded down; 0 if the frequency is not known. */
u64 tsc_to_ns(u64 tsc, u64 tsc_hz);

#endif
