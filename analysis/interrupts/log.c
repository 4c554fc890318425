/* Injections and EOIs one by one. */
#include "analysis/frame/log.h"
#include "analysis/interrupts/events.h"
#include "vmx/events.h"

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},   {"time_ns", "Guest ns", CELL_NS}, {"event", "Event", CELL_TEXT},
    {"vector", "Vector", CELL_HEX}, {"type", "Type", CELL_TEXT},      {"error", "Error", CELL_HEX},
    {"held", "Held", CELL_COUNT},   {"count", "Count", CELL_COUNT},   {"rip", "RIP", CELL_HEX},
};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static void put(const struct slice *slice, const struct interrupt_event *event, struct output *out)
{
    static const char *const names[] = {"injection", "EOI (APIC)", "EOI (PIC)"};
    bool injected = event->kind == INTERRUPT_INJECTED;
    output_number(out, slice->batch->first_exit + event->row);
    output_number(out, event->time);
    output_text(out, names[event->kind]);
    output_number_if(out, injected, EVENT_VECTOR(event->info));
    output_name(out, injected ? interrupt_type_name((u32)EVENT_TYPE(event->info)) : NULL);
    output_number_if(out, injected && event->info & EVENT_HAS_ERROR, event->error);
    output_number_if(out, injected, event->held);
    output_number_if(out, injected, event->count);
    output_number_if(out, injected, event->rip);
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
    .show = "log",     .summary = "injections and EOIs one by one",
    .wish = wish,      .take = take,
};
