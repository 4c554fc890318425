/* See guest_events.h. Names and fields: include/trace/events/irq.h and
 * arch/x86/include/asm/trace/irq_vectors.h of Linux. */
#include "analysis/interrupts/guest_events.h"
#include "vmx/events.h"

#include <stdio.h>

/* What the driver said of its interrupt is not in a trace; that it was ended is. */
enum { IRQ_HANDLED = 1 };

static void make_entry(struct guest_event *to, const struct handler *h)
{
    struct guest_irq_handler_entry *fields = &to->irq_handler_entry;
    const char *device = routes_device(h->line);
    if (h->timer) {
        to->kind = GUEST_TIMER_ENTRY;
        to->local_timer_entry.vector = h->vector;
        return;
    }
    to->kind = GUEST_IRQ_ENTRY;
    fields->irq = h->line;
    if (device)
        snprintf(fields->name, sizeof(fields->name), "%s", device);
    else
        snprintf(fields->name, sizeof(fields->name), "vector 0x%x", h->vector);
}

static void make_exit(struct guest_event *to, const struct handler *h)
{
    if (h->timer) {
        to->kind = GUEST_TIMER_EXIT;
        to->local_timer_exit.vector = h->vector;
        return;
    }
    to->kind = GUEST_IRQ_EXIT;
    to->irq_handler_exit.irq = h->line;
    to->irq_handler_exit.ret = IRQ_HANDLED;
}

static bool on_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    struct handler_watch *w = owner;
    (void)time;
    (void)tsc;
    w->ended = &w->handlers[served->vector];
    return true;
}

static void on_unended(void *owner, u8 vector)
{
    (void)owner;
    (void)vector;
}

static void on_unmatched(void *owner)
{
    (void)owner;
}

static struct service_sink sink_of(struct handler_watch *w)
{
    return (struct service_sink){w, on_ended, on_unended, on_unmatched};
}

static bool see_injection(struct handler_watch *w, const struct injection_record *record,
                          struct guest_event *to)
{
    u8 vector = (u8)EVENT_VECTOR(record->info);
    struct attempt attempt = {true, record->info, record->count, record->rip};
    bool again = attempt_repeats(&w->last, &attempt), first = !w->last.valid;
    struct service_sink sink = sink_of(w);
    w->last = attempt;
    if (EVENT_TYPE(record->info) != EVENT_EXTERNAL)
        return false;
    service_begin(&w->service, &(struct served){.vector = vector}, first, again, &sink);
    if (again)
        return false;
    struct handler *h = &w->handlers[vector];
    *h = (struct handler){routes_is_timer(&w->routes, vector), vector,
                          routes_line(&w->routes, vector)};
    make_entry(to, h);
    return true;
}

static bool see_exit(struct handler_watch *w, const struct exit_record *record,
                     struct guest_event *to)
{
    struct io_access access;
    enum interrupt_event_kind kind;
    struct service_sink sink = sink_of(w);
    if (!access_of_exit(record, &access))
        return false;
    routes_feed(&w->routes, &access);
    if (!interrupt_is_eoi(&access, &kind))
        return false;
    w->ended = NULL;
    service_eoi(&w->service, 0, 0, &sink);
    if (w->ended)
        make_exit(to, w->ended);
    return w->ended;
}

static bool see(void *context, const struct moment *moment, struct guest_event *to)
{
    *to = (struct guest_event){.ns = moment->ns};
    if (moment->record.kind == REC_INJECTION)
        return see_injection(context, &moment->record.injection, to);
    if (moment->record.kind == REC_EXIT)
        return see_exit(context, &moment->record.exit, to);
    return false;
}

struct event_watcher handler_watcher(struct handler_watch *state)
{
    const u32 kinds = 1u << GUEST_IRQ_ENTRY | 1u << GUEST_IRQ_EXIT | 1u << GUEST_TIMER_ENTRY |
                      1u << GUEST_TIMER_EXIT;
    *state = (struct handler_watch){.ended = NULL};
    routes_reset(&state->routes);
    service_init(&state->service);
    return (struct event_watcher){state, kinds, see};
}
