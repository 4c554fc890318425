/*
 * Firings one by one, each when its end is known: one that is masked or merged at once, others at
 * the EOI, or when another takes their place; those still under way at the end come last.
 */
#include "analysis/frame/log.h"
#include "analysis/timers/firings.h"
#include "vmx/events.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},           {"source", "Source", CELL_TEXT},
    {"vector", "Vector", CELL_HEX},         {"due_ns", "Due ns", CELL_NS},
    {"raised_ns", "Requested ns", CELL_NS}, {"fate", "Fate", CELL_TEXT},
    {"lost", "Lost", CELL_COUNT},           {"injected_exit", "Injected at exit", CELL_COUNT},
    {"handled_ns", "Handled ns", CELL_NS},  {"lateness_ns", "Late ns", CELL_NS},
    {"eoi_ns", "EOI ns", CELL_NS},
};

struct firing {
    bool valid;
    struct irq_request request;
    u64 lost;
    struct answer answer; /* of those in service */
};

struct log_state {
    struct log log; /* first */
    struct firing pending[REQUEST_SLOTS], serving[REQUEST_SLOTS];
    struct service service;
    struct output *out;
};

enum fate { FATE_MASKED, FATE_MERGED, FATE_DROPPED, FATE_OPEN, FATE_HANDLED, FATE_ENDED };

static void put(struct log_state *s, u32 slot, const struct firing *firing, enum fate fate, u64 eoi)
{
    static const char *const fates[] = {"masked", "merged", "dropped", "open", "no EOI", "EOI"};
    bool handled = fate >= FATE_HANDLED;
    if (!log_wants(&s->log))
        return;
    log_row(&s->log);
    output_number(s->out, firing->request.exit);
    firings_tell_place(firing->request.source, slot, s->out);
    output_number(s->out, firing->request.due);
    output_number(s->out, firing->request.raised);
    output_text(s->out, fates[fate]);
    output_number(s->out, firing->lost);
    output_number_if(s->out, handled, firing->answer.exit);
    output_number_if(s->out, handled, firing->answer.time);
    output_number_if(s->out, handled && firing->answer.time >= firing->request.due,
                     firing->answer.time - firing->request.due);
    output_number_if(s->out, fate == FATE_ENDED, eoi);
}

/* Takes it out and tells its end. */
static void finish(struct log_state *s, u32 slot, struct firing *firing, enum fate fate, u64 eoi)
{
    if (firing->valid)
        put(s, slot, firing, fate, eoi);
    firing->valid = false;
}

static bool on_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    struct log_state *s = owner;
    (void)tsc;
    finish(s, served->vector, &s->serving[served->vector], FATE_ENDED, time);
    return true;
}

static void on_unended(void *owner, u8 vector)
{
    (void)owner, (void)vector; /* told when its place is taken, or at the end */
}

static void on_unmatched(void *owner)
{
    (void)owner;
}

static void take_raise(struct log_state *s, const struct slice *slice,
                       const struct interrupt_event *event)
{
    u32 slot;
    bool heard = interrupt_slot(event, &slot);
    struct firing firing = {true, interrupt_request(slice, event), event->lost, {0}};
    if (!heard) {
        finish(s, 0, &firing, FATE_MASKED, 0);
    } else if (event->flags & RAISE_MERGED) {
        finish(s, slot, &firing, FATE_MERGED, 0);
    } else {
        finish(s, slot, &s->pending[slot], FATE_DROPPED, 0);
        s->pending[slot] = firing;
    }
}

static void take_injection(struct log_state *s, const struct slice *slice,
                           const struct interrupt_event *event, const struct service_sink *ends)
{
    u32 slot;
    if (!interrupt_slot(event, &slot))
        return;
    if (s->pending[slot].valid) {
        finish(s, slot, &s->serving[slot], FATE_HANDLED, 0);
        s->serving[slot] = s->pending[slot];
        s->serving[slot].answer = interrupt_answer(slice, event);
        s->pending[slot].valid = false;
    } else if (slot < REQUEST_NMI && !service_has(&s->service, slot)) {
        finish(s, slot, &s->serving[slot], FATE_HANDLED, 0); /* a later one that nobody requested */
    }
    if (slot == REQUEST_NMI) {
        finish(s, slot, &s->serving[slot], FATE_HANDLED, 0);
        return;
    }
    struct served served = {(u8)slot, event->time, event->tsc};
    service_begin(&s->service, &served, false, false, ends);
}

/* All that is under way. */
static void finish_all(struct log_state *s)
{
    for (u32 slot = 0; slot < REQUEST_SLOTS; slot++) {
        finish(s, slot, &s->serving[slot], FATE_HANDLED, 0);
        finish(s, slot, &s->pending[slot], FATE_OPEN, 0);
    }
}

static struct failure firing_log_take(void *state, const struct slice *slice, struct output *out)
{
    struct log_state *s = state;
    struct interrupt_walk walk = {.slice = slice, .clock = slice->clock};
    struct service_sink ends = {s, on_ended, on_unended, on_unmatched};
    struct interrupt_event event;
    s->out = out;
    if (slice->before.kind == BEFORE_GAP) {
        finish_all(s);
        service_forget(&s->service, &ends);
    }
    while (log_wants(&s->log) && interrupt_walk_next(&walk, &event)) {
        if (event.kind == INTERRUPT_RAISED)
            take_raise(s, slice, &event);
        else if (event.kind == INTERRUPT_INJECTED)
            take_injection(s, slice, &event, &ends);
        else
            service_eoi(&s->service, event.time, event.tsc, &ends);
    }
    return NO_FAILURE;
}

static void firing_log_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static void *firing_log_begin(const struct query *query)
{
    struct log_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    log_init(&s->log, query);
    service_init(&s->service);
    return s;
}

static void firing_log_head(const struct query *query, struct output *out)
{
    firings_tell_lack(query, out);
    log_head(query, out);
}

static void firing_log_tell(const void *state, const struct query *query, struct output *out)
{
    struct log_state rest = *(const struct log_state *)state;
    (void)query;
    rest.out = out;
    finish_all(&rest);
}

const struct view timers_log = {
    LOG_ROWS(columns),
    .name = "timers",
    .show = "log",
    .summary = "firings one by one: due, requested, handled, EOI",
    .wish = firing_log_wish,
    .begin = firing_log_begin,
    .end = free,
    .take = firing_log_take,
    .head = firing_log_head,
    .tell = firing_log_tell,
};
