/*
 * What a trace tells of interrupts, in the order in which it happened: requests (raise records),
 * events that VM entries injected (injection records) and ends of interrupts (accesses of the
 * guest: the local APIC's EOI register by MMIO or MSR 0x80b, and the master PIC's OCW2 with an EOI
 * command). An EOI does not name its vector; service.h finds it.
 */
#ifndef ANALYSIS_INTERRUPTS_EVENTS_H
#define ANALYSIS_INTERRUPTS_EVENTS_H

#include "analysis/frame/view.h"
#include "analysis/interrupts/requests.h"
#include "analysis/io/accesses.h"

enum interrupt_event_kind {
    INTERRUPT_INJECTED,
    INTERRUPT_EOI_APIC,
    INTERRUPT_EOI_PIC,
    INTERRUPT_RAISED,
};

struct interrupt_event {
    enum interrupt_event_kind kind;
    size_t row; /* of its exit, in the batch */
    u64 time;   /* guest ns: of the entry that injects, the exit that is the EOI, or the request */
    u64 tsc;    /* the host's, of the same; of a request, that of its exit */
    /* Injections: */
    u64 info, error, count, rip;
    bool held; /* the exit was one for a window: the event was there before it could be taken */
    /* Requests: */
    u64 source, vector, flags, lost, due;
};

/* Where the requests of this injection or request are kept (requests.h); false: it is none of an
 * external interrupt or NMI, or nobody heard it. */
bool interrupt_slot(const struct interrupt_event *, u32 *slot);
struct irq_request interrupt_request(const struct slice *, const struct interrupt_event *);
struct answer interrupt_answer(const struct slice *, const struct interrupt_event *);

/* Where a walk over a slice is; zeros but for the slice, and its clock, at the start. */
struct interrupt_walk {
    const struct slice *slice;
    u32 clock; /* enum clock_policy */
    size_t row, raise, injection, arrival, idle;
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
