/*
 * The sections of the page. page.c has them in a table, in the order of the page; each writes what
 * is below its heading. A section says itself what it has nothing to tell of, and why.
 */
#ifndef ANALYSIS_REPORT_SECTIONS_H
#define ANALYSIS_REPORT_SECTIONS_H

#include "analysis/report/findings.h"

struct section {
    const char *id, *title; /* id: ours, of the element */
    const char *words;      /* below the title, ours, with markup; NULL: none */
    void (*write)(FILE *, const struct findings *);
};

void section_verdict(FILE *, const struct findings *); /* verdict.c */
void section_environment(FILE *, const struct findings *);
void section_exits(FILE *, const struct findings *); /* sections.c */
void section_latency(FILE *, const struct findings *);
void section_timeline(FILE *, const struct findings *);
void section_devices(FILE *, const struct findings *);
void section_interrupts(FILE *, const struct findings *);
void section_timers(FILE *, const struct findings *); /* timers.c */
void section_scheduler(FILE *, const struct findings *);
void section_time(FILE *, const struct findings *); /* time.c */
void section_worst(FILE *, const struct findings *);
void section_quality(FILE *, const struct findings *); /* quality.c */

/* --- parts that sections share (sections.c) --- */

/* A paragraph for what there is not, ours. */
void write_lack(FILE *, const char *words);
/* Why the answer has nothing to draw: its failure, or that the trace has none. */
void write_why_not(FILE *, const struct answer *);
/* The answer's own table, or why there is none; then its command and JSON. */
void write_answer(FILE *, const struct findings *, const struct answer *, const char *id,
                  const char *caption);

#endif
