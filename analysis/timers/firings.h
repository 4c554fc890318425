/*
 * Firings of timers and other requests of interrupts, from raise records to EOIs: the state that
 * all views of this folder share but the log, which prints as it goes. docs/ANALYSIS.md says what
 * each number is.
 */
#ifndef ANALYSIS_TIMERS_FIRINGS_H
#define ANALYSIS_TIMERS_FIRINGS_H

#include "analysis/frame/tally.h"
#include "analysis/interrupts/events.h"
#include "analysis/interrupts/service.h"
#include "core/gate.h"

enum { WORST_KEPT = 100, VECTORS = 256 };

/* Of one source and vector. */
struct firing_row {
    struct tally_key key; /* source; vector, or REQUEST_NMI */
    u64 fired, lost, merged, masked, injected, dropped;
    u64 left_open;              /* open where a stretch ended that the next one did not follow */
    struct histogram requested; /* ns from due to the request */
    struct histogram waited;    /* ns from there to the handler, */
    struct histogram ticks;     /* ... and by the host's TSC */
    struct histogram lateness;  /* ns from due to the handler */
    struct histogram jitter;    /* ns between one's lateness and the next one's */
    struct histogram service;   /* ns from the handler to the EOI */
    bool has_first, has_last;   /* the lateness that those beside this stretch meet */
    u64 first, last;
};

/* One that was handled. */
struct late_firing {
    u64 lateness, source, slot, due, raised, exit, handled, injected_exit;
};

/* Whose interrupt a vector in service is. Sources are below 256. */
enum served_for { FOR_NOBODY = 256, FOR_BEFORE /* an orphan of requests.h */, FOR_UNTOUCHED };

/* What is known of an orphan, for when its request is found. */
struct orphan {
    u32 operations; /* of struct service that came before it */
    bool ended;     /* `ns` after it began */
    u64 ns;
};

struct firings {
    struct tally rows;
    bool gap; /* something of this stretch could not be read */
    u64 programmed[RAISE_SOURCE_COUNT],
        disarmed[RAISE_SOURCE_COUNT]; /* by source; the last: not known */
    struct requests requests;
    struct service service;
    u16 serving[VECTORS]; /* a source, or enum served_for */
    struct orphan orphans[VECTORS];
    u32 answered_for; /* the source of the request answered last */
    u64 unasked, disordered;
    u32 worst_count;
    struct late_firing worst[WORST_KEPT]; /* from the latest on */
};

void firings_wish(const struct query *, struct column_wishes *);
void *firings_begin(const struct query *);
void firings_end(void *state);
struct failure firings_take(void *state, const struct slice *, struct output *);
bool firings_merge(void *state, const void *next, bool follows);
void firings_save(const void *state, struct pack *);
void firings_load(void *state, struct unpack *);

/* Requests of this row that are open at the end. */
u64 firings_open(const struct firings *, const struct firing_row *);
/* Injections that no known request asked for. */
u64 firings_unasked(const struct firings *);

/* Jitter, from the row's last lateness to this one; and a candidate for the worst. */
bool firings_chain(struct firing_row *, u64 lateness);
void firings_note_late(struct firings *, const struct late_firing *);

/* The cells source and vector; and a note on traces whose format lacks what this is about. */
void firings_tell_place(u64 source, u64 slot, struct output *);
void firings_tell_lack(const struct query *, struct output *);

/* Whose timer the exit programmed, by its address; RAISED_BY_LINE: not known. */
u32 timer_source(const struct exit_columns *, size_t row);

#endif
