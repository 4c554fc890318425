/* Injections over guest time: how many of each vector in each interval. */
#include "analysis/frame/tally.h"
#include "analysis/interrupts/events.h"
#include "vmx/events.h"

#include <stdlib.h>

enum { INTERVALS_MAX = 1 << 20, INTERVAL_DEFAULT = 1000000 };

struct freq_row {
    struct tally_key key; /* number of the interval, vector and type as in the info */
    u64 injections;
};

struct freq_state {
    struct tally rows;
    u64 interval; /* guest ns */
    u32 clock;
};

static void freq_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    interrupt_wish(wishes);
}

static void *freq_begin(const struct query *query)
{
    struct freq_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->rows = TALLY(struct freq_row, INTERVALS_MAX);
    s->interval = query->interval ? query->interval : INTERVAL_DEFAULT;
    s->clock = query->subject->clock;
    return s;
}

static void freq_end(void *state)
{
    tally_free(&((struct freq_state *)state)->rows);
    free(state);
}

static struct failure freq_take(void *state, const struct slice *slice, struct output *out)
{
    struct freq_state *s = state;
    struct interrupt_walk walk = {.slice = slice, .clock = s->clock};
    struct interrupt_event event;
    (void)out;
    while (interrupt_walk_next(&walk, &event)) {
        if (event.kind != INTERRUPT_INJECTED)
            continue;
        struct freq_row *row = tally_row(&s->rows, event.time / s->interval, event.info & 0x7ff);
        if (!row)
            return fail(NO_SPACE, "there are too many intervals; make them longer (--interval)");
        row->injections++;
    }
    return NO_FAILURE;
}

static bool freq_merge(void *state, const void *next, bool follows)
{
    struct freq_state *s = state;
    const struct freq_state *other = next;
    (void)follows;
    for (u32 i = 0; i < other->rows.count; i++) {
        const struct freq_row *from = tally_at(&other->rows, i);
        struct freq_row *to = tally_row(&s->rows, from->key.a, from->key.b);
        if (!to)
            return false;
        to->injections += from->injections;
    }
    return true;
}

static void freq_save(const void *state, struct pack *pack)
{
    const struct freq_state *s = state;
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct freq_row *row = tally_at(&s->rows, i);
        pack_number(pack, row->key.a);
        pack_number(pack, row->key.b);
        pack_number(pack, row->injections);
    }
}

static void freq_load(void *state, struct unpack *unpack)
{
    struct freq_state *s = state;
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 a = unpack_number(unpack), b = unpack_number(unpack);
        struct freq_row *row = b <= 0x7ff ? tally_row(&s->rows, a, b) : NULL;
        if (!row || row->injections) {
            unpack_refuse(unpack, "it has too many intervals, or one twice");
            return;
        }
        row->injections = unpack_number(unpack);
        if (!row->injections)
            unpack_refuse(unpack, "an interval is empty");
    }
}

static void freq_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"time_ns", "Guest ns", CELL_NS},
        {"vector", "Vector", CELL_HEX},
        {"type", "Type", CELL_TEXT},
        {"injections", "Injections", CELL_COUNT},
    };
    const struct freq_state *s = state;
    void **rows = tally_sorted(&s->rows, tally_by_key);
    output_table(out, "interrupts", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, query->rows); i++) {
        const struct freq_row *row = rows[i];
        output_number(out, (u128)row->key.a * s->interval);
        output_number(out, EVENT_VECTOR(row->key.b));
        output_text(out, interrupt_type_name((u32)EVENT_TYPE(row->key.b)));
        output_number(out, row->injections);
    }
    free(rows);
}

const struct view interrupts_freq = {
    .name = "interrupts",
    .show = "freq",
    .summary = "injections of each vector in each --interval of guest time",
    .times = true,
    .wish = freq_wish,
    .begin = freq_begin,
    .end = freq_end,
    .take = freq_take,
    .tell = freq_tell,
    .merge = freq_merge,
    .save = freq_save,
    .load = freq_load,
};
