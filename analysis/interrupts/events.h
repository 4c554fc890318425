/*
 * What a trace tells of interrupts, in the order in which it happened: events that VM
 * entries injected (injection records) and ends of interrupts (accesses of the guest: the
 * local APIC's EOI register by MMIO or MSR 0x80b, and the master PIC's OCW2 with an EOI
 * command). An EOI does not name its vector; service.h finds it.
 */
#ifndef ANALYSIS_INTERRUPTS_EVENTS_H
#define ANALYSIS_INTERRUPTS_EVENTS_H

#include "analysis/frame/view.h"
#include "analysis/io/accesses.h"

enum interrupt_event_kind { INTERRUPT_INJECTED, INTERRUPT_EOI_APIC, INTERRUPT_EOI_PIC };

struct interrupt_event {
    enum interrupt_event_kind kind;
    size_t row; /* of its exit, in the batch */
    u64 time;   /* guest ns: of the entry that injects, or of the exit that is the EOI */
    u64 tsc;    /* the host's, of the same */
    /* Injections: */
    u64 info, error, count, rip;
    bool held; /* the exit was one for a window: the event was there before it could be taken */
};

/* Where a walk over a slice is; zeros but for the slice, and its clock, at the start. */
struct interrupt_walk {
    const struct slice *slice;
    u32 clock; /* enum clock_policy */
    size_t row, injection, arrival, idle;
    bool looked; /* at the exit of `row` for an EOI */
};

/* An injection as far as the one after may repeat it. */
struct attempt {
    bool valid;
    u64 info, count, rip;
};

/* An exit while the event was being delivered (SDM 25.2.4): the next entry injects it once more,
 * before the guest has done anything. */
static inline bool attempt_repeats(const struct attempt *last, const struct attempt *next)
{
    return last->valid && next->valid && last->info == next->info && last->count == next->count &&
           last->rip == next->rip;
}

/* Is the access an EOI, and which chip's? */
bool interrupt_is_eoi(const struct io_access *, enum interrupt_event_kind *);

/* What interrupt_walk_next() reads. The view must want times. */
void interrupt_wish(struct column_wishes *);
/* false: no more in this slice. */
bool interrupt_walk_next(struct interrupt_walk *, struct interrupt_event *);

/* "external", "NMI", ... for a type in SDM table 25-16. */
const char *interrupt_type_name(u32 type);

#endif
