/*
 * What was seen on clocks: exits that gave the guest a counter's value and, under --clock host,
 * the host's clock as it was read for the guest. A clock that counts up must never be seen to
 * go back.
 */
#ifndef ANALYSIS_TIME_READINGS_H
#define ANALYSIS_TIME_READINGS_H

#include "analysis/frame/view.h"

enum seen_clock {
    SEEN_TSC,        /* RDTSC, RDTSCP, RDMSR of it */
    SEEN_PM_TIMER,   /* ACPI's: 32 bits, 3.58 MHz */
    SEEN_PIT,        /* a byte of a counter of the 8254 */
    SEEN_APIC_TIMER, /* the local APIC's current count */
    SEEN_HOST,       /* the host's clock, as guest ns: records, not exits */
    SEEN_CLOCKS,
};
extern const char *const source_names[]; /* by enum seen_clock */

/* Of a stretch of a trace, by source. */
struct last_readings {
    bool known[SEEN_CLOCKS]; /* there is a value that the next may be compared with: */
    u64 value[SEEN_CLOCKS], time[SEEN_CLOCKS];
    bool closed[SEEN_CLOCKS]; /* a reading to come cannot be compared with one before the stretch */
};

struct reading {
    size_t row; /* of its exit */
    enum seen_clock source;
    u64 value, time; /* time: guest ns of the exit */
    bool opens;      /* the first that may be compared with one before the stretch */
    bool compares;   /* there is one before it, and its source counts up; then: */
    s128 advance;    /* from the one before; a counter that wraps goes on by less than half */
};

/* The readings of a slice: of each exit first what was read for it, then what the guest saw, then
 * the time that arrived at its end. */
struct reading_walk {
    const struct slice *slice;
    bool host; /* the clock policy */
    bool seen; /* the exit's own reading has been given */
    size_t row, clock, arrival;
    struct last_readings *last;
};

void readings_wish(struct column_wishes *);
/* `last`: of the slices before, zeros if there are none; kept up to date. */
void readings_begin(struct reading_walk *, const struct slice *, struct last_readings *last);
bool readings_next(struct reading_walk *, struct reading *);

/* How many readings there were, and how many went back; they merge. */
struct reading_counts {
    u64 reads[SEEN_CLOCKS], backwards[SEEN_CLOCKS];
    struct last_readings first, last;
};
void counts_take(struct reading_counts *, const struct slice *);
void counts_merge(struct reading_counts *, const struct reading_counts *next, bool follows);
void counts_save(const struct reading_counts *, struct pack *);
void counts_load(struct reading_counts *, struct unpack *);
/* The table "readings". */
void counts_tell(const struct reading_counts *, struct output *);

#endif
