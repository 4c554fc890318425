/* What is taken from a slice, and what comes of it; see firings.h. */
#include "analysis/timers/firings.h"
#include "analysis/frame/top.h"
#include "analysis/io/accesses.h"
#include "core/devices/lapic.h"
#include "core/devices/ports.h"
#include "vmx/events.h"
#include "vmx/exits.h"

#include <stdlib.h>

enum { ROWS_MAX = 256 * (REQUEST_SLOTS + 1), MSR_TSC_DEADLINE = 0x6e0, X2APIC = 0x800 };

/* --- programming ------------------------------------------------------------------------- */

static bool is_apic_timer(u64 reg)
{
    return reg == LAPIC_LVT_TIMER || reg == LAPIC_INITIAL_COUNT || reg == LAPIC_DIVIDE;
}

static u32 source_of_port(u64 port)
{
    static const struct {
        u16 first, ports;
        u8 source;
    } timers[] = {{PORT_PIT, 4, RAISED_BY_PIT},
                  {PORT_CMOS, 2, RAISED_BY_RTC},
                  {PORT_ACPI_PM, 12, RAISED_BY_ACPI}};
    for (u32 i = 0; i < ARRAY_SIZE(timers); i++) {
        if (port - timers[i].first < timers[i].ports)
            return timers[i].source;
    }
    return RAISED_BY_LINE;
}

u32 timer_source(const struct exit_columns *exits, size_t row)
{
    struct io_access access;
    if (exits->reason[row] == EXIT_MSR_WRITE && exits->address[row] == MSR_TSC_DEADLINE)
        return RAISED_BY_APIC_TIMER;
    if (!access_of(exits, row, &access))
        return RAISED_BY_LINE;
    if (access.space == SPACE_PORT)
        return source_of_port(access.address);
    u64 reg =
        access.space == SPACE_MSR ? access.address - X2APIC : (access.address - LAPIC_BASE) / 16;
    return is_apic_timer(reg) ? RAISED_BY_APIC_TIMER : RAISED_BY_LINE;
}

static void take_programming(struct firings *s, const struct slice *slice)
{
    const struct trace_batch *batch = slice->batch;
    const struct timer_columns *timers = &batch->timer;
    for (size_t i = 0; i < timers->rows; i++) {
        if (!slice_has(slice, timers->exit[i]))
            continue;
        u32 source = timer_source(&batch->exit, timers->exit[i] - batch->first_exit);
        *(timers->deadline[i] == NEVER ? &s->disarmed[source] : &s->programmed[source]) += 1;
    }
}

/* --- what comes of requests -------------------------------------------------------------- */

static bool is_later(const void *left, const void *right)
{
    const struct late_firing *l = left, *r = right;
    if (l->lateness != r->lateness)
        return l->lateness > r->lateness;
    if (l->exit != r->exit)
        return l->exit < r->exit;
    return l->slot != r->slot ? l->slot < r->slot : l->source < r->source;
}

void firings_note_late(struct firings *s, const struct late_firing *firing)
{
    top_take(s->worst, &s->worst_count, WORST_KEPT, sizeof(*firing), firing, is_later);
}

static u64 distance(u64 a, u64 b)
{
    return a > b ? a - b : b - a;
}

bool firings_chain(struct firing_row *row, u64 lateness)
{
    return !row->has_last || histogram_add(&row->jitter, distance(lateness, row->last), 1);
}

static bool add_lateness(const struct firings *s, struct firing_row *row, u64 lateness)
{
    if (!firings_chain(row, lateness))
        return false;
    if (!row->lateness.count && !s->gap) {
        row->has_first = true;
        row->first = lateness;
    }
    row->has_last = true;
    row->last = lateness;
    return histogram_add(&row->lateness, lateness, 1);
}

static bool on_answered(void *owner, u32 slot, const struct irq_request *request,
                        const struct answer *answer)
{
    struct firings *s = owner;
    struct firing_row *row = tally_row(&s->rows, request->source, slot);
    s->answered_for = request->source;
    if (!row)
        return false;
    row->injected++;
    if (answer->time < request->raised) { /* a damaged trace */
        s->disordered++;
        return true;
    }
    u64 lateness = answer->time - request->due;
    firings_note_late(s, &(struct late_firing){lateness, request->source, slot, request->due,
                                               request->raised, request->exit, answer->time,
                                               answer->exit});
    if (answer->tsc >= request->tsc && !histogram_add(&row->ticks, answer->tsc - request->tsc, 1))
        return false;
    return add_lateness(s, row, lateness) &&
           histogram_add(&row->waited, answer->time - request->raised, 1);
}

static bool on_dropped(void *owner, u32 slot, const struct irq_request *request)
{
    struct firings *s = owner;
    struct firing_row *row = tally_row(&s->rows, request->source, slot);
    if (row)
        row->dropped++;
    return row;
}

static bool on_left_open(void *owner, u32 slot, const struct irq_request *request)
{
    struct firings *s = owner;
    struct firing_row *row = tally_row(&s->rows, request->source, slot);
    if (row)
        row->left_open++;
    return row;
}

static void on_unasked(void *owner, u32 slot)
{
    (void)slot;
    ((struct firings *)owner)->unasked++;
}

static struct request_sink sink_of(struct firings *s)
{
    return (struct request_sink){s, on_answered, on_dropped, on_left_open, on_unasked};
}

/* --- what comes of those in service ------------------------------------------------------ */

static bool end_service(struct firings *s, u8 vector, u32 source, u64 ns)
{
    if (source == FOR_BEFORE) {
        s->orphans[vector].ended = true;
        s->orphans[vector].ns = ns;
    }
    if (source >= FOR_NOBODY)
        return true;
    struct firing_row *row = tally_row(&s->rows, source, vector);
    return row && histogram_add(&row->service, ns, 1);
}

static bool on_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    struct firings *s = owner;
    (void)tsc;
    if (time < served->time) {
        s->disordered++;
        return true;
    }
    return end_service(s, served->vector, s->serving[served->vector], time - served->time);
}

/* What the view `interrupts` counts. */
static void on_unended(void *owner, u8 vector)
{
    (void)owner, (void)vector;
}

static void on_unmatched(void *owner)
{
    (void)owner;
}

static struct service_sink service_sink_of(struct firings *s)
{
    return (struct service_sink){s, on_ended, on_unended, on_unmatched};
}

/* --- taking ------------------------------------------------------------------------------ */

static bool take_raise(struct firings *s, const struct slice *slice,
                       const struct interrupt_event *event)
{
    struct request_sink sink = sink_of(s);
    u32 slot;
    bool heard = interrupt_slot(event, &slot);
    struct firing_row *row = tally_row(&s->rows, event->source, heard ? slot : 0);
    if (!row)
        return false;
    row->fired++;
    row->lost += event->lost;
    row->masked += !heard;
    row->merged += heard && event->flags & RAISE_MERGED;
    if (!heard)
        return true;
    if (!histogram_add(&row->requested, event->time - event->due, 1))
        return false;
    struct irq_request request = interrupt_request(slice, event);
    return event->flags & RAISE_MERGED || requests_raise(&s->requests, slot, &request, &sink);
}

static void begin_orphan(struct firings *s, u32 vector, u32 operations)
{
    s->serving[vector] = FOR_BEFORE;
    s->orphans[vector] = (struct orphan){.operations = operations};
}

/* Of a delivery that is tried again the interrupt stays whose it was. */
static void serve(struct firings *s, u32 vector, enum answer_result result)
{
    if (result == ANSWER_MATCHED)
        s->serving[vector] = (u16)s->answered_for;
    else if (result == ANSWER_ORPHAN)
        begin_orphan(s, vector, s->service.count);
    else if (!service_has(&s->service, vector))
        s->serving[vector] = FOR_NOBODY;
}

static bool take_injection(struct firings *s, const struct slice *slice,
                           const struct interrupt_event *event)
{
    struct request_sink sink = sink_of(s);
    struct service_sink ends = service_sink_of(s);
    struct answer answer = interrupt_answer(slice, event);
    u32 slot;
    if (!interrupt_slot(event, &slot))
        return true;
    enum answer_result result = requests_answer(&s->requests, slot, &answer, &sink);
    if (result == ANSWER_FAILED || slot == REQUEST_NMI)
        return result != ANSWER_FAILED;
    struct served served = {(u8)slot, event->time, event->tsc};
    serve(s, slot, result);
    service_begin(&s->service, &served, false, false, &ends);
    return true;
}

static bool take_event(struct firings *s, const struct slice *slice,
                       const struct interrupt_event *event)
{
    struct service_sink ends = service_sink_of(s);
    switch (event->kind) {
    case INTERRUPT_RAISED:
        return take_raise(s, slice, event);
    case INTERRUPT_INJECTED:
        return take_injection(s, slice, event);
    default:
        return service_eoi(&s->service, event->time, event->tsc, &ends);
    }
}

static void break_chains(struct firings *s)
{
    for (u32 i = 0; i < s->rows.count; i++)
        ((struct firing_row *)tally_at(&s->rows, i))->has_last = false;
}

/* What cannot be read lies between. */
static bool pass_gap(struct firings *s)
{
    struct request_sink sink = sink_of(s);
    struct service_sink ends = service_sink_of(s);
    s->gap = true;
    break_chains(s);
    service_forget(&s->service, &ends);
    return requests_forget(&s->requests, &sink);
}

struct failure firings_take(void *state, const struct slice *slice, struct output *out)
{
    struct firings *s = state;
    struct interrupt_walk walk = {.slice = slice, .clock = slice->clock};
    struct interrupt_event event;
    (void)out;
    bool good = slice->before.kind != BEFORE_GAP || pass_gap(s);
    take_programming(s, slice);
    while (good && interrupt_walk_next(&walk, &event))
        good = take_event(s, slice, &event);
    return good ? NO_FAILURE : fail(NO_SPACE, "there is no memory for the interrupts");
}

void firings_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
    wishes->fields[REC_TIMER] |= COLUMN(timer, exit) | COLUMN(timer, deadline);
}

void *firings_begin(const struct query *query)
{
    struct firings *s = calloc(1, sizeof(*s));
    (void)query;
    if (!s)
        return NULL;
    s->rows = TALLY(struct firing_row, ROWS_MAX);
    service_init(&s->service);
    for (u32 i = 0; i < VECTORS; i++)
        s->serving[i] = FOR_UNTOUCHED;
    return s;
}

void firings_end(void *state)
{
    struct firings *s = state;
    for (u32 i = 0; i < s->rows.count; i++) {
        struct firing_row *row = tally_at(&s->rows, i);
        struct histogram *all[] = {&row->requested, &row->waited, &row->ticks,
                                   &row->lateness,  &row->jitter, &row->service};
        for (u32 h = 0; h < ARRAY_SIZE(all); h++)
            histogram_free(all[h]);
    }
    tally_free(&s->rows);
    free(s);
}

u64 firings_open(const struct firings *s, const struct firing_row *row)
{
    const struct request_slot *slot = &s->requests.slots[row->key.b];
    return row->left_open + (slot->pending && slot->request.source == row->key.a);
}

u64 firings_unasked(const struct firings *s)
{
    u64 orphans = 0;
    for (u32 i = 0; i < REQUEST_SLOTS; i++)
        orphans += s->requests.slots[i].orphan;
    return s->unasked + orphans;
}

/* --- merging ----------------------------------------------------------------------------- */

/* Whose interrupt the first injection of this vector in `next` is, before which is `then` in
 * service of what was here. */
static u32 orphan_source(const struct firings *s, u32 vector, const struct service *then)
{
    const struct request_slot *slot = &s->requests.slots[vector];
    if (slot->pending)
        return slot->request.source;
    if (!slot->known)
        return FOR_BEFORE;
    return service_has(then, vector) ? s->serving[vector] : FOR_NOBODY;
}

static u32 adopt_orphan(struct firings *s, const struct firings *next, u32 vector)
{
    struct service then;
    service_after(&s->service, &next->service, next->orphans[vector].operations, &then);
    u32 source = orphan_source(s, vector, &then);
    if (source == FOR_BEFORE && !s->requests.slots[vector].known)
        s->orphans[vector] = (struct orphan){.operations = then.count};
    return source;
}

static bool end_orphans(struct firings *s, const struct firings *next, bool follows,
                        u16 sources[VECTORS])
{
    bool good = true;
    for (u32 v = 0; v < VECTORS; v++) {
        sources[v] = FOR_NOBODY;
        if (!next->requests.slots[v].orphan)
            continue;
        sources[v] = follows ? (u16)adopt_orphan(s, next, v) : FOR_NOBODY;
        if (next->orphans[v].ended)
            good = end_service(s, (u8)v, sources[v], next->orphans[v].ns) && good;
    }
    return good;
}

static void take_over_service(struct firings *s, const struct firings *next,
                              const u16 orphans[VECTORS])
{
    for (u32 v = 0; v < VECTORS; v++) {
        if (next->serving[v] != FOR_UNTOUCHED)
            s->serving[v] = next->serving[v] == FOR_BEFORE ? orphans[v] : next->serving[v];
    }
}

static bool chain_rows(const struct firings *s, const struct firings *next, struct firing_row *to,
                       const struct firing_row *from, bool follows)
{
    if (from->has_first && !firings_chain(to, from->first))
        return false;
    if (!to->lateness.count && !s->gap && follows) {
        to->has_first = from->has_first;
        to->first = from->first;
    }
    if (from->lateness.count || next->gap) {
        to->has_last = from->has_last;
        to->last = from->last;
    }
    return true;
}

static bool merge_row(const struct firings *s, const struct firings *next, struct firing_row *to,
                      const struct firing_row *from, bool follows)
{
    if (!chain_rows(s, next, to, from, follows))
        return false;
    to->fired += from->fired;
    to->lost += from->lost;
    to->merged += from->merged;
    to->masked += from->masked;
    to->injected += from->injected;
    to->dropped += from->dropped;
    to->left_open += from->left_open;
    return histogram_merge(&to->requested, &from->requested) &&
           histogram_merge(&to->waited, &from->waited) &&
           histogram_merge(&to->ticks, &from->ticks) &&
           histogram_merge(&to->lateness, &from->lateness) &&
           histogram_merge(&to->jitter, &from->jitter) &&
           histogram_merge(&to->service, &from->service);
}

static bool merge_rows(struct firings *s, const struct firings *next, bool follows)
{
    for (u32 i = 0; next->gap && i < s->rows.count; i++) {
        struct firing_row *row = tally_at(&s->rows, i);
        row->has_last &= tally_find(&next->rows, row->key.a, row->key.b) != NULL;
    }
    for (u32 i = 0; i < next->rows.count; i++) {
        const struct firing_row *from = tally_at(&next->rows, i);
        struct firing_row *to = tally_row(&s->rows, from->key.a, from->key.b);
        if (!to || !merge_row(s, next, to, from, follows))
            return false;
    }
    return true;
}

/* In this order: what is open here meets what `next` has for it, and only then is what `next` says
 * of the time after that. */
bool firings_merge(void *state, const void *other, bool follows)
{
    struct firings *s = state;
    const struct firings *next = other;
    struct request_sink sink = sink_of(s);
    struct service_sink ends = service_sink_of(s);
    u16 orphans[VECTORS];
    if (!follows)
        break_chains(s);
    bool good = end_orphans(s, next, follows, orphans) &&
                requests_join(&s->requests, &next->requests, follows, &sink) &&
                service_join(&s->service, &next->service, follows, false, &ends) &&
                merge_rows(s, next, follows);
    take_over_service(s, next, orphans);
    s->gap = s->gap || next->gap || !follows;
    s->unasked += next->unasked;
    s->disordered += next->disordered;
    for (u32 i = 0; i < RAISE_SOURCE_COUNT; i++) {
        s->programmed[i] += next->programmed[i];
        s->disarmed[i] += next->disarmed[i];
    }
    for (u32 i = 0; i < next->worst_count; i++)
        firings_note_late(s, &next->worst[i]);
    return good;
}
