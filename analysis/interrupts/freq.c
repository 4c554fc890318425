/* Injections over guest time: how many of each vector in each interval. */
#include "analysis/frame/freq.h"
#include "analysis/interrupts/events.h"
#include "vmx/events.h"

enum { KEY_MASK = 0x7ff }; /* vector and type, as in the info (SDM table 25-16) */

static const struct column columns[] = {
    {"time_ns", "Guest ns", CELL_NS},         {"interval_ns", NULL, CELL_NS},
    {"vector", "Vector", CELL_HEX},           {"type", "Type", CELL_TEXT},
    {"injections", "Injections", CELL_COUNT},
};

static bool is_vector(u64 key)
{
    return key <= KEY_MASK;
}

static void tell_vector(u64 key, struct output *out)
{
    output_number(out, EVENT_VECTOR(key));
    output_text(out, interrupt_type_name((u32)EVENT_TYPE(key)));
}

static const struct freq_keys vectors = {.is_key = is_vector, .tell = tell_vector};

static void wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static struct failure take(void *state, const struct slice *slice, struct output *out)
{
    struct interrupt_walk walk = {.slice = slice, .clock = slice->clock};
    struct interrupt_event event;
    (void)out;
    while (interrupt_walk_next(&walk, &event)) {
        if (event.kind == INTERRUPT_INJECTED &&
            !freq_add(state, event.time, event.info & KEY_MASK, 0))
            return freq_full();
    }
    return NO_FAILURE;
}

const struct view interrupts_freq = {
    FREQ_VIEW(vectors, columns),
    .name = "interrupts",
    .show = "freq",
    .summary = "injections of each vector in each --interval of guest time",
    .wish = wish,
    .take = take,
};
