/* Injections and EOIs one by one. */
#include "analysis/interrupts/events.h"
#include "vmx/events.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"exit", "Exit", CELL_COUNT},   {"time_ns", "Guest ns", CELL_NS}, {"event", "Event", CELL_TEXT},
    {"vector", "Vector", CELL_HEX}, {"type", "Type", CELL_TEXT},      {"error", "Error", CELL_HEX},
    {"held", "Held", CELL_COUNT},   {"count", "Count", CELL_COUNT},   {"rip", "RIP", CELL_HEX},
};

struct log_state {
    u64 left; /* rows that are still wanted */
    u32 clock;
};

static void log_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static void *log_begin(const struct query *query)
{
    struct log_state *s = malloc(sizeof(*s));
    if (s)
        *s = (struct log_state){query->rows, query->subject->clock};
    return s;
}

static void log_row(const struct slice *slice, const struct interrupt_event *event,
                    struct output *out)
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

static struct failure log_take(void *state, const struct slice *slice, struct output *out)
{
    struct log_state *s = state;
    struct interrupt_walk walk = {.slice = slice, .clock = s->clock};
    struct interrupt_event event;
    for (; s->left && interrupt_walk_next(&walk, &event); s->left--)
        log_row(slice, &event, out);
    return NO_FAILURE;
}

static void log_head(const struct query *query, struct output *out)
{
    (void)query;
    output_table(out, "interrupts", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
}

const struct view interrupts_log = {
    .name = "interrupts",
    .show = "log",
    .summary = "injections and EOIs one by one",
    .times = true,
    .wish = log_wish,
    .begin = log_begin,
    .end = free,
    .take = log_take,
    .head = log_head,
};
