/* Injections and EOIs in order; see events.h. */
#include "analysis/interrupts/events.h"
#include "core/machine.h"
#include "vmx/events.h"
#include "vmx/exits.h"

enum { EOI_MMIO = 0xfee000b0u, EOI_MSR = 0x80b, PIC_MASTER = 0x20 };
/* OCW2 (8259A datasheet): bits 4:3 are 0; bit 5 is EOI, whichever way it is meant. */
enum { OCW2_MASK = 0x38, OCW2_EOI = 0x20 };

void interrupt_wish(struct column_wishes *wishes)
{
    access_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
    wishes->fields[REC_INJECTION] |= COLUMN(injection, info) | COLUMN(injection, error) |
                                     COLUMN(injection, exit) | COLUMN(injection, count) |
                                     COLUMN(injection, rip);
    wishes->fields[REC_RAISE] |= COLUMN(raise, source) | COLUMN(raise, vector) |
                                 COLUMN(raise, flags) | COLUMN(raise, lost) | COLUMN(raise, late) |
                                 COLUMN(raise, exit) | COLUMN(raise, due);
    wishes->fields[REC_IDLE] |= COLUMN(idle, exit) | COLUMN(idle, until);
    wishes->fields[REC_ARRIVAL] |=
        COLUMN(arrival, exit) | COLUMN(arrival, what) | COLUMN(arrival, value);
}

bool interrupt_is_eoi(const struct io_access *access, enum interrupt_event_kind *kind)
{
    if (access->way != WAY_OUT)
        return false;
    *kind = INTERRUPT_EOI_APIC;
    if (access->space == SPACE_MMIO)
        return access->address == EOI_MMIO;
    if (access->space == SPACE_MSR)
        return access->address == EOI_MSR;
    *kind = INTERRUPT_EOI_PIC;
    return access->address == PIC_MASTER && !access->string &&
           (access->value & OCW2_MASK) == OCW2_EOI;
}

static bool is_eoi(const struct exit_columns *exits, size_t row, enum interrupt_event_kind *kind)
{
    struct io_access access;
    return access_of(exits, row, &access) && interrupt_is_eoi(&access, kind);
}

/* Guest time at the entry after the exit: what was stolen or skipped behind it is over by then. */
static u64 time_at_entry(struct interrupt_walk *w, size_t row)
{
    const struct trace_batch *batch = w->slice->batch;
    const struct arrival_columns *arrivals = &batch->arrival;
    const struct idle_columns *idles = &batch->idle;
    u64 exit = batch->first_exit + row, time = w->slice->times[row];
    for (; w->arrival < arrivals->rows && arrivals->exit[w->arrival] <= exit; w->arrival++) {
        if (arrivals->exit[w->arrival] != exit || arrivals->what[w->arrival] != ARRIVAL_TIME)
            continue;
        u64 value = arrivals->value[w->arrival];
        time = w->clock == CLOCK_HOST ? max_u64(time, value) : time + value;
    }
    for (; w->idle < idles->rows && idles->exit[w->idle] <= exit; w->idle++) {
        if (idles->exit[w->idle] == exit)
            time = max_u64(time, idles->until[w->idle]);
    }
    return time;
}

static bool is_window(u64 reason)
{
    return reason == EXIT_INTERRUPT_WINDOW || reason == EXIT_NMI_WINDOW ||
           reason == EXIT_TPR_BELOW_THRESHOLD;
}

static void injected(struct interrupt_walk *w, struct interrupt_event *event)
{
    const struct trace_batch *batch = w->slice->batch;
    const struct injection_columns *injections = &batch->injection;
    size_t i = w->injection++;
    *event = (struct interrupt_event){
        .kind = INTERRUPT_INJECTED,
        .row = w->row,
        .time = time_at_entry(w, w->row),
        .tsc = batch->exit.tsc_entry[w->row],
        .info = injections->info[i],
        .error = injections->error[i],
        .count = injections->count[i],
        .rip = injections->rip[i],
        .held = is_window(batch->exit.reason[w->row]),
    };
}

/* Like has_injection() below. Where it stands among an exit's events matters little: it was made
 * before the entry, and an EOI of this exit ends what was injected before. */
static bool has_raise(struct interrupt_walk *w)
{
    const struct raise_columns *raises = &w->slice->batch->raise;
    u64 exit = w->slice->batch->first_exit + w->row;
    while (w->raise < raises->rows && raises->exit[w->raise] < exit)
        w->raise++;
    return w->raise < raises->rows && raises->exit[w->raise] == exit;
}

static void raised(struct interrupt_walk *w, struct interrupt_event *event)
{
    const struct trace_batch *batch = w->slice->batch;
    const struct raise_columns *raises = &batch->raise;
    size_t i = w->raise++;
    u64 time = raises->due[i] + raises->late[i];
    *event = (struct interrupt_event){
        .kind = INTERRUPT_RAISED,
        .row = w->row,
        .time = max_u64(time, raises->due[i]), /* the sum of a hostile trace may overflow */
        .tsc = batch->exit.tsc_exit[w->row],
        .source = raises->source[i],
        .vector = raises->vector[i],
        .flags = raises->flags[i],
        .lost = raises->lost[i],
        .due = raises->due[i],
    };
}

/* Skips injections of earlier exits: before the slice, or out of order in a hostile trace. */
static bool has_injection(struct interrupt_walk *w)
{
    const struct injection_columns *injections = &w->slice->batch->injection;
    u64 exit = w->slice->batch->first_exit + w->row;
    while (w->injection < injections->rows && injections->exit[w->injection] < exit)
        w->injection++;
    return w->injection < injections->rows && injections->exit[w->injection] == exit;
}

bool interrupt_walk_next(struct interrupt_walk *w, struct interrupt_event *event)
{
    const struct exit_columns *exits = &w->slice->batch->exit;
    enum interrupt_event_kind kind;
    w->row = w->row < w->slice->begin ? w->slice->begin : w->row;
    for (; w->row < w->slice->end; w->row++, w->looked = false) {
        if (!w->looked && is_eoi(exits, w->row, &kind)) {
            w->looked = true;
            *event = (struct interrupt_event){.kind = kind,
                                              .row = w->row,
                                              .time = w->slice->times[w->row],
                                              .tsc = exits->tsc_exit[w->row]};
            return true;
        }
        w->looked = true;
        if (has_raise(w)) {
            raised(w, event);
            return true;
        }
        if (has_injection(w)) {
            injected(w, event);
            return true;
        }
    }
    return false;
}

const char *interrupt_type_name(u32 type)
{
    static const char *const names[8] = {
        [EVENT_EXTERNAL] = "external",
        [EVENT_NMI] = "NMI",
        [EVENT_HARDWARE_EXCEPTION] = "exception",
        [EVENT_SOFTWARE_INTERRUPT] = "software interrupt",
        [EVENT_PRIVILEGED_SOFTWARE] = "privileged software",
        [EVENT_SOFTWARE_EXCEPTION] = "software exception",
    };
    return names[type & 7] ? names[type & 7] : "reserved";
}

bool interrupt_slot(const struct interrupt_event *event, u32 *slot)
{
    bool nmi = event->kind == INTERRUPT_RAISED ? event->flags & RAISE_NMI
                                               : EVENT_TYPE(event->info) == EVENT_NMI;
    u64 vector = event->kind == INTERRUPT_RAISED ? event->vector : EVENT_VECTOR(event->info);
    *slot = nmi ? REQUEST_NMI : (u32)vector;
    if (event->kind == INTERRUPT_RAISED)
        return !(event->flags & RAISE_MASKED);
    return event->kind == INTERRUPT_INJECTED && (nmi || EVENT_TYPE(event->info) == EVENT_EXTERNAL);
}

struct irq_request interrupt_request(const struct slice *slice, const struct interrupt_event *event)
{
    return (struct irq_request){
        .source = (u32)event->source,
        .due = event->due,
        .raised = event->time,
        .exit = slice->batch->first_exit + event->row,
        .tsc = event->tsc,
    };
}

struct answer interrupt_answer(const struct slice *slice, const struct interrupt_event *event)
{
    return (struct answer){slice->batch->first_exit + event->row, event->time, event->tsc};
}
