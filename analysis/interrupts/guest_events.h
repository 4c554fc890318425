/*
 * External interrupts as the kernel's tracepoints, for exports: irq_handler_entry where one is
 * injected (the handler's first instruction), irq_handler_exit at the EOI that ends it; for the
 * local APIC's timer local_timer_entry and local_timer_exit. Counts are those of `hindvisor analyze
 * interrupts`: a delivery that is tried again is one interrupt, and one that ends without an EOI
 * has no exit event.
 */
#ifndef ANALYSIS_INTERRUPTS_GUEST_EVENTS_H
#define ANALYSIS_INTERRUPTS_GUEST_EVENTS_H

#include "analysis/interrupts/events.h"
#include "analysis/interrupts/routes.h"
#include "analysis/interrupts/service.h"
#include "trace/export/guest_events.h"

/* An interrupt's tracepoints: what it was when it was injected. */
struct handler {
    bool timer;
    u8 vector;
    int line;
};

struct handler_watch {
    struct routes routes;
    struct service service;
    struct handler handlers[256]; /* by vector, of the last injection */
    struct attempt last;
    const struct handler *ended; /* by the EOI just looked at; NULL: none */
};

/* *state must outlive it. */
struct event_watcher handler_watcher(struct handler_watch *state);

#endif
