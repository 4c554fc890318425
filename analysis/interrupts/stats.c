/*
 * Interrupts and exceptions that VM entries injected, by vector: how often they were requested, how
 * long they took from there to the entry, how many, how many had to wait for a window, whose
 * delivery had to be tried again, and how long from the handler's first instruction (the entry that
 * injects) to the EOI, in guest ns and in ticks of the host's TSC. docs/ANALYSIS.md says how each
 * number is derived.
 */
#include "analysis/frame/tally.h"
#include "analysis/interrupts/events.h"
#include "analysis/interrupts/service.h"
#include "core/gate.h"
#include "vmx/events.h"

#include <stdlib.h>

enum { ROWS_MAX = 256 * 8 };

struct interrupt_row {
    struct tally_key key; /* vector, type */
    u64 raised, merged;   /* requests: all, and those that found one pending */
    u64 injected, again, held, unended;
    struct histogram waited;    /* guest ns from request to injection */
    struct histogram ns, ticks; /* from injection to EOI */
};

struct interrupts_state {
    struct tally rows;
    u32 clock;
    struct attempt first, last;
    bool gap; /* unknown exits lie between the beginning and the first injection */
    struct requests requests;
    struct service service;
    u64 unmatched, apic, pic; /* EOIs: with nothing to end; in all */
    u64 disordered;           /* pairs whose times go back */
};

static void interrupts_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static void *interrupts_begin(const struct query *query)
{
    struct interrupts_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->rows = TALLY(struct interrupt_row, ROWS_MAX);
    s->clock = query->subject->clock;
    service_init(&s->service);
    return s;
}

static void interrupts_end(void *state)
{
    struct interrupts_state *s = state;
    for (u32 i = 0; i < s->rows.count; i++) {
        struct interrupt_row *row = tally_at(&s->rows, i);
        histogram_free(&row->waited);
        histogram_free(&row->ns);
        histogram_free(&row->ticks);
    }
    tally_free(&s->rows);
    free(s);
}

/* --- what comes of those in service ------------------------------------------------------ */

static bool on_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    struct interrupts_state *s = owner;
    struct interrupt_row *row = tally_row(&s->rows, served->vector, EVENT_EXTERNAL);
    if (!row)
        return false;
    if (time < served->time || tsc < served->tsc) {
        s->disordered++;
        return true;
    }
    return histogram_add(&row->ns, time - served->time, 1) &&
           histogram_add(&row->ticks, tsc - served->tsc, 1);
}

static void on_unended(void *owner, u8 vector)
{
    struct interrupts_state *s = owner;
    struct interrupt_row *row = tally_find(&s->rows, vector, EVENT_EXTERNAL);
    if (row)
        row->unended++;
}

static void on_unmatched(void *owner)
{
    ((struct interrupts_state *)owner)->unmatched++;
}

static struct service_sink sink_of(struct interrupts_state *s)
{
    return (struct service_sink){s, on_ended, on_unended, on_unmatched};
}

/* --- what comes of requests -------------------------------------------------------------- */

static struct interrupt_row *row_of_slot(struct interrupts_state *s, u32 slot)
{
    bool nmi = slot == REQUEST_NMI;
    return tally_row(&s->rows, nmi ? VECTOR_NMI : slot, nmi ? EVENT_NMI : EVENT_EXTERNAL);
}

static bool on_answered(void *owner, u32 slot, const struct irq_request *request,
                        const struct answer *answer)
{
    struct interrupts_state *s = owner;
    struct interrupt_row *row = row_of_slot(s, slot);
    if (row && answer->time >= request->raised)
        return histogram_add(&row->waited, answer->time - request->raised, 1);
    s->disordered += row != NULL;
    return row;
}

static bool on_unanswered(void *owner, u32 slot, const struct irq_request *request)
{
    (void)owner, (void)slot, (void)request; /* the view `timers` counts these */
    return true;
}

static void on_unasked(void *owner, u32 slot)
{
    (void)owner, (void)slot;
}

static struct request_sink request_sink_of(struct interrupts_state *s)
{
    return (struct request_sink){s, on_answered, on_unanswered, on_unanswered, on_unasked};
}

/* --- taking ------------------------------------------------------------------------------ */

static bool take_raise(struct interrupts_state *s, const struct slice *slice,
                       const struct interrupt_event *event)
{
    struct irq_request request = interrupt_request(slice, event);
    struct request_sink sink = request_sink_of(s);
    u32 slot;
    if (!interrupt_slot(event, &slot))
        return true; /* masked: it has no vector */
    struct interrupt_row *row = row_of_slot(s, slot);
    if (!row)
        return false;
    row->raised++;
    row->merged += event->flags & RAISE_MERGED;
    return event->flags & RAISE_MERGED || requests_raise(&s->requests, slot, &request, &sink);
}

static bool take_answer(struct interrupts_state *s, const struct slice *slice,
                        const struct interrupt_event *event)
{
    struct answer answer = interrupt_answer(slice, event);
    struct request_sink sink = request_sink_of(s);
    u32 slot;
    return !interrupt_slot(event, &slot) ||
           requests_answer(&s->requests, slot, &answer, &sink) != ANSWER_FAILED;
}

static bool take_injection(struct interrupts_state *s, const struct interrupt_event *event,
                           const struct service_sink *sink)
{
    struct attempt attempt = {true, event->info, event->count, event->rip};
    u32 info = (u32)event->info;
    struct interrupt_row *row = tally_row(&s->rows, EVENT_VECTOR(info), EVENT_TYPE(info));
    bool again = attempt_repeats(&s->last, &attempt), first = !s->first.valid;
    if (!row)
        return false;
    *(again ? &row->again : &row->injected) += 1;
    row->held += event->held;
    s->last = attempt;
    if (first)
        s->first = attempt;
    struct served served = {(u8)EVENT_VECTOR(info), event->time, event->tsc};
    if (EVENT_TYPE(info) == EVENT_EXTERNAL)
        service_begin(&s->service, &served, first, again, sink);
    return true;
}

static bool take_event(struct interrupts_state *s, const struct slice *slice,
                       const struct interrupt_event *event, const struct service_sink *sink)
{
    if (event->kind == INTERRUPT_RAISED)
        return take_raise(s, slice, event);
    if (event->kind == INTERRUPT_INJECTED)
        return take_answer(s, slice, event) && take_injection(s, event, sink);
    *(event->kind == INTERRUPT_EOI_PIC ? &s->pic : &s->apic) += 1;
    return service_eoi(&s->service, event->time, event->tsc, sink);
}

/* What cannot be read lies between: nothing of before ends after it. */
static bool pass_gap(struct interrupts_state *s, const struct service_sink *sink)
{
    struct request_sink requests = request_sink_of(s);
    s->gap = s->gap || !s->first.valid;
    s->last.valid = false;
    service_forget(&s->service, sink);
    return requests_forget(&s->requests, &requests);
}

static struct failure interrupts_take(void *state, const struct slice *slice, struct output *out)
{
    struct interrupts_state *s = state;
    struct interrupt_walk walk = {.slice = slice, .clock = s->clock};
    struct interrupt_event event;
    struct service_sink sink = sink_of(s);
    (void)out;
    bool good = slice->before.kind != BEFORE_GAP || pass_gap(s, &sink);
    while (good && interrupt_walk_next(&walk, &event))
        good = take_event(s, slice, &event, &sink);
    return good ? NO_FAILURE : fail(NO_SPACE, "there is no memory for the interrupts");
}

/* --- merging ----------------------------------------------------------------------------- */

static bool merge_row(struct interrupts_state *s, const struct interrupt_row *from)
{
    struct interrupt_row *to = tally_row(&s->rows, from->key.a, from->key.b);
    if (!to)
        return false;
    to->raised += from->raised;
    to->merged += from->merged;
    to->injected += from->injected;
    to->again += from->again;
    to->held += from->held;
    to->unended += from->unended;
    return histogram_merge(&to->waited, &from->waited) && histogram_merge(&to->ns, &from->ns) &&
           histogram_merge(&to->ticks, &from->ticks);
}

static bool interrupts_merge(void *state, const void *next, bool follows)
{
    struct interrupts_state *s = state;
    const struct interrupts_state *other = next;
    struct request_sink requests = request_sink_of(s);
    struct service_sink sink = sink_of(s);
    bool again = follows && !other->gap && attempt_repeats(&s->last, &other->first);
    for (u32 i = 0; i < other->rows.count; i++) {
        if (!merge_row(s, tally_at(&other->rows, i)))
            return false;
    }
    if (again) {
        u32 info = (u32)other->first.info;
        struct interrupt_row *row = tally_row(&s->rows, EVENT_VECTOR(info), EVENT_TYPE(info));
        if (!row)
            return false;
        row->injected--;
        row->again++;
    }
    s->unmatched += other->unmatched;
    s->apic += other->apic;
    s->pic += other->pic;
    s->disordered += other->disordered;
    s->gap = s->gap || (!s->first.valid && (other->gap || !follows));
    if (other->first.valid || other->gap || !follows)
        s->last = other->last;
    s->first = s->first.valid ? s->first : other->first;
    return requests_join(&s->requests, &other->requests, follows, &requests) &&
           service_join(&s->service, &other->service, follows, again, &sink);
}

/* --- as bytes ---------------------------------------------------------------------------- */

static void save_attempt(const struct attempt *a, struct pack *pack)
{
    pack_number(pack, a->valid);
    pack_number(pack, a->info);
    pack_number(pack, a->count);
    pack_number(pack, a->rip);
}

static void load_attempt(struct attempt *a, struct unpack *unpack)
{
    a->valid = unpack_number(unpack);
    a->info = unpack_number(unpack);
    a->count = unpack_number(unpack);
    a->rip = unpack_number(unpack);
}

static void interrupts_save(const void *state, struct pack *pack)
{
    const struct interrupts_state *s = state;
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct interrupt_row *row = tally_at(&s->rows, i);
        pack_number(pack, row->key.a);
        pack_number(pack, row->key.b);
        pack_number(pack, row->raised);
        pack_number(pack, row->merged);
        pack_number(pack, row->injected);
        pack_number(pack, row->again);
        pack_number(pack, row->held);
        pack_number(pack, row->unended);
        histogram_save(&row->waited, pack);
        histogram_save(&row->ns, pack);
        histogram_save(&row->ticks, pack);
    }
    save_attempt(&s->first, pack);
    save_attempt(&s->last, pack);
    pack_number(pack, s->gap);
    pack_number(pack, s->unmatched);
    pack_number(pack, s->apic);
    pack_number(pack, s->pic);
    pack_number(pack, s->disordered);
    requests_save(&s->requests, pack);
    service_save(&s->service, pack);
}

static void load_row(struct interrupts_state *s, struct unpack *unpack)
{
    u64 vector = unpack_number(unpack), type = unpack_number(unpack);
    if (vector > 255 || type > 7 || tally_find(&s->rows, vector, type)) {
        unpack_refuse(unpack, "a vector is impossible, or there twice");
        return;
    }
    struct interrupt_row *row = tally_row(&s->rows, vector, type);
    if (!row) {
        unpack_refuse(unpack, "there is no memory for it");
        return;
    }
    row->raised = unpack_number(unpack);
    row->merged = unpack_number(unpack);
    row->injected = unpack_number(unpack);
    row->again = unpack_number(unpack);
    row->held = unpack_number(unpack);
    row->unended = unpack_number(unpack);
    histogram_load(&row->waited, unpack);
    histogram_load(&row->ns, unpack);
    histogram_load(&row->ticks, unpack);
}

static void interrupts_load(void *state, struct unpack *unpack)
{
    struct interrupts_state *s = state;
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--)
        load_row(s, unpack);
    load_attempt(&s->first, unpack);
    load_attempt(&s->last, unpack);
    s->gap = unpack_number(unpack);
    s->unmatched = unpack_number(unpack);
    s->apic = unpack_number(unpack);
    s->pic = unpack_number(unpack);
    s->disordered = unpack_number(unpack);
    requests_load(&s->requests, unpack);
    service_load(&s->service, unpack);
}

/* --- telling ----------------------------------------------------------------------------- */

static int by_injected(const void *left, const void *right)
{
    const struct interrupt_row *l = left, *r = right;
    return l->injected != r->injected ? (l->injected > r->injected ? -1 : 1)
                                      : tally_by_key(left, right);
}

static int by_time(const void *left, const void *right)
{
    const struct interrupt_row *l = left, *r = right;
    return l->ticks.sum != r->ticks.sum ? (l->ticks.sum > r->ticks.sum ? -1 : 1)
                                        : by_injected(left, right);
}

/* `tells`: the trace's format has requests. */
static void tell_row(const struct interrupts_state *s, const struct interrupt_row *row, bool tells,
                     struct output *out)
{
    u64 open = 0;
    for (u32 i = 0; i < s->service.depth; i++)
        open += row->key.b == EVENT_EXTERNAL && s->service.stack[i].vector == row->key.a;
    output_number(out, row->key.a);
    output_text(out, interrupt_type_name((u32)row->key.b));
    output_number_if(out, tells, row->raised);
    output_number_if(out, tells, row->merged);
    output_number(out, row->injected);
    output_number(out, row->injected);
    output_number(out, row->again);
    output_number(out, row->held);
    output_number(out, row->ns.count);
    output_number(out, row->unended);
    output_number(out, open);
    output_spread(out, &row->ns);
    output_number(out, row->ns.sum);
    output_spread(out, &row->waited);
    output_number_if(out, row->ticks.count, row->ticks.min);
    output_number_if(out, row->ticks.count, row->ticks.max);
    output_number_if(out, row->ticks.count, histogram_mean(&row->ticks));
    output_number(out, row->ticks.sum);
}

static void tell_rows(const struct interrupts_state *s, const struct query *query, u64 limit,
                      struct output *out, int (*order)(const void *, const void *))
{
    static const struct column columns[] = {
        {"vector", "Vector", CELL_HEX},
        {"type", "Type", CELL_TEXT},
        {"raised", "Requested", CELL_COUNT},
        {"merged", "Merged", CELL_COUNT},
        {"injected", "Injected", CELL_COUNT},
        {"injected_percent", "Share", CELL_SHARE},
        {"again", "Again", CELL_COUNT},
        {"held", "Held", CELL_COUNT},
        {"eois", "EOIs", CELL_COUNT},
        {"unended", "No EOI", CELL_COUNT},
        {"open", "Open", CELL_COUNT},
        {"min_ns", "Min ns", CELL_NS},
        {"max_ns", "Max ns", CELL_NS},
        {"avg_ns", "Avg ns", CELL_NS},
        {"p50_ns", "p50", CELL_NS},
        {"p90_ns", NULL, CELL_NS},
        {"p99_ns", "p99", CELL_NS},
        {"p99_9_ns", NULL, CELL_NS},
        {"time_ns", NULL, CELL_NS},
        {"waited_min_ns", NULL, CELL_NS},
        {"waited_max_ns", "Waited: max", CELL_NS},
        {"waited_avg_ns", "avg", CELL_NS},
        {"waited_p50_ns", NULL, CELL_NS},
        {"waited_p90_ns", NULL, CELL_NS},
        {"waited_p99_ns", NULL, CELL_NS},
        {"waited_p99_9_ns", NULL, CELL_NS},
        {"min", NULL, CELL_TICKS},
        {"max", NULL, CELL_TICKS},
        {"avg", "Host avg", CELL_TICKS},
        {"time", NULL, CELL_TICKS},
    };
    void **rows = tally_sorted(&s->rows, order);
    output_table(out, "interrupts", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, limit); i++)
        tell_row(s, rows[i], query->subject->format >= TRACE_WITH_RAISES, out);
    free(rows);
}

static void tell_totals(const struct interrupts_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"injected", "Injected", CELL_COUNT},
        {"eois", "EOIs with an interrupt", CELL_COUNT},
        {"unmatched", "EOIs without an interrupt", CELL_COUNT},
        {"apic_eois", "EOIs by the local APIC", CELL_COUNT},
        {"pic_eois", "EOIs by the PIC", CELL_COUNT},
        {"open", "In service at the end", CELL_COUNT},
        {"disordered", "Times that go back", CELL_COUNT},
    };
    u64 injected = 0, eois = 0;
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct interrupt_row *row = tally_at(&s->rows, i);
        injected += row->injected;
        eois += row->ns.count;
    }
    output_table(out, "totals", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, injected);
    output_number(out, eois);
    output_number(out, s->unmatched + s->service.eois);
    output_number(out, s->apic);
    output_number(out, s->pic);
    output_number(out, s->service.depth);
    output_number(out, s->disordered);
}

static void stats_tell(const void *state, const struct query *query, struct output *out)
{
    tell_rows(state, query, query->rows, out, by_injected);
    tell_totals(state, out);
}

static void top_tell(const void *state, const struct query *query, struct output *out)
{
    tell_rows(state, query, min_u64(query->rows, 10), out, by_time);
    tell_totals(state, out);
}

static void histogram_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"vector", "Vector", CELL_HEX},
        {"low_ns", "From ns", CELL_NS},
        {"high_ns", "To ns", CELL_NS},
        {"samples", "Samples", CELL_COUNT},
    };
    const struct interrupts_state *s = state;
    void **rows = tally_sorted(&s->rows, by_injected);
    struct bucket bucket;
    output_table(out, "interrupts", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, query->rows); i++) {
        const struct interrupt_row *row = rows[i];
        for (u32 cursor = 0; histogram_next(&row->ns, &cursor, &bucket);) {
            output_number(out, row->key.a);
            output_number(out, bucket.low);
            output_number(out, bucket.high);
            output_number(out, bucket.count);
        }
    }
    free(rows);
}

#define INTERRUPTS_VIEW(show_, summary_, tell_)                                    \
    {                                                                              \
        .name = "interrupts", .show = show_, .summary = summary_, .times = true,   \
        .wish = interrupts_wish, .begin = interrupts_begin, .end = interrupts_end, \
        .take = interrupts_take, .tell = tell_, .merge = interrupts_merge,         \
        .save = interrupts_save, .load = interrupts_load                           \
    }

const struct view interrupts_stats =
    INTERRUPTS_VIEW("stats", "injected events by vector, and their EOIs", stats_tell);
const struct view interrupts_top =
    INTERRUPTS_VIEW("top", "vectors by the time from injection to EOI", top_tell);
const struct view interrupts_histogram =
    INTERRUPTS_VIEW("histogram", "times from injection to EOI by vector", histogram_tell);
