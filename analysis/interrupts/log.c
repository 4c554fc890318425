/* Requests, injections and EOIs one by one. */
#include "analysis/frame/log.h"
#include "analysis/interrupts/events.h"
#include "core/gate.h"
#include "trace/names.h"
#include "vmx/events.h"

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},  {"time_ns", "Guest ns", CELL_NS},
    {"event", "Event", CELL_TEXT}, {"vector", "Vector", CELL_HEX},
    {"type", "Type", CELL_TEXT},   {"error", "Error", CELL_HEX},
    {"held", "Held", CELL_COUNT},  {"count", "Count", CELL_COUNT},
    {"rip", "RIP", CELL_HEX},      {"source", "Source", CELL_TEXT},
    {"fate", "Fate", CELL_TEXT},
};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static const char *fate_of(u64 flags)
{
    if (flags & RAISE_MASKED)
        return "masked";
    return flags & RAISE_MERGED ? "merged" : NULL;
}

static void put(const struct slice *slice, const struct interrupt_event *event, struct output *out)
{
    static const char *const names[] = {"injection", "EOI (APIC)", "EOI (PIC)", "request"};
    char source[NAME_MAX_LENGTH];
    bool raised = event->kind == INTERRUPT_RAISED, nmi = event->flags & RAISE_NMI;
    u64 type = raised ? (nmi ? EVENT_NMI : EVENT_EXTERNAL) : EVENT_TYPE(event->info);
    bool injected = event->kind == INTERRUPT_INJECTED;
    output_number(out, slice->batch->first_exit + event->row);
    output_number(out, event->time);
    output_text(out, names[event->kind]);
    output_number_if(out, injected || (raised && event->vector),
                     raised ? event->vector : EVENT_VECTOR(event->info));
    output_name(out, injected || raised ? interrupt_type_name((u32)type) : NULL);
    output_number_if(out, injected && event->info & EVENT_HAS_ERROR, event->error);
    output_number_if(out, injected, event->held);
    output_number_if(out, injected, event->count);
    output_number_if(out, injected, event->rip);
    output_name(out, raised ? name_source((u32)event->source, source) : NULL);
    output_name(out, raised ? fate_of(event->flags) : NULL);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    struct interrupt_walk walk = {.slice = slice, .clock = slice->clock};
    struct interrupt_event event;
    struct log *log = state;
    while (log_wants(log) && interrupt_walk_next(&walk, &event)) {
        log_row(log);
        put(slice, &event, out);
    }
    return NO_FAILURE;
}

const struct view interrupts_log = {
    LOG_VIEW(columns), .name = "interrupts",
    .show = "log",     .summary = "requests, injections and EOIs one by one",
    .wish = wish,      .take = take,
};
