/*
 * The largest steps of the offset between the clocks, forward and backward, each with the exit
 * at its end: what the guest's clock gained or lost since the exit before, and by what.
 */
#include "analysis/exits/keys.h"
#include "analysis/frame/top.h"
#include "analysis/time/laps.h"
#include "core/machine.h"

#include <stdlib.h>

enum { STEPS_SHOWN = 20, STEPS_KEPT = 100 }; /* unless asked for others; of each direction */

struct step {
    s128 size, offset; /* offset: after it, relative to the stretch's beginning */
    u64 exit, time, count, reason, after, rip;
    struct parts ns;
    s128 host_ns;
};

/* The largest first; of the same size, the earlier exit. */
struct step_list {
    u32 count;
    struct step steps[STEPS_KEPT];
};

struct steps_state {
    struct clocks clocks;
    s128 offset;
    struct step_list forward, backward;
};

static void steps_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    laps_wish(wishes);
    wishes->fields[REC_EXIT] |= COLUMN(exit, rip);
}

static void *steps_begin(const struct query *query)
{
    struct steps_state *s = calloc(1, sizeof(*s));
    if (s)
        s->clocks = clocks_of(query);
    return s;
}

/* --- taking and merging ----------------------------------------------------------------------- */

static s128 length_of(const struct step *step)
{
    return step->size < 0 ? -step->size : step->size;
}

static bool is_before(const void *left, const void *right)
{
    const struct step *l = left, *r = right;
    return length_of(l) != length_of(r) ? length_of(l) > length_of(r) : l->exit < r->exit;
}

static void insert(struct step_list *list, const struct step *step)
{
    top_take(list->steps, &list->count, STEPS_KEPT, sizeof(*step), step, is_before);
}

static struct step step_of(const struct slice *slice, const struct lap *lap)
{
    const struct exit_columns *exits = &slice->batch->exit;
    return (struct step){
        .size = lap_step(lap),
        .exit = slice->batch->first_exit + lap->row,
        .time = slice->times[lap->row],
        .count = exits->count[lap->row],
        .reason = exits->reason[lap->row],
        .after = lap->after,
        .rip = exits->rip[lap->row],
        .ns = lap->ns,
        .host_ns = lap->host_ns,
    };
}

static struct failure steps_take(void *state, const struct slice *slice, struct output *out)
{
    struct steps_state *s = state;
    struct lap_walk walk;
    struct lap lap;
    (void)out;
    laps_begin(&walk, slice, s->clocks);
    while (s->clocks.tsc_hz && laps_next(&walk, &lap)) {
        struct step step = step_of(slice, &lap);
        step.offset = s->offset += step.size;
        if (step.size)
            insert(step.size < 0 ? &s->backward : &s->forward, &step);
    }
    return NO_FAILURE;
}

static void merge_list(struct step_list *list, const struct step_list *next, s128 offset)
{
    for (u32 i = 0; i < next->count; i++) {
        struct step step = next->steps[i];
        step.offset += offset;
        insert(list, &step);
    }
}

static bool steps_merge(void *state, const void *next, bool follows)
{
    struct steps_state *s = state;
    const struct steps_state *other = next;
    (void)follows;
    merge_list(&s->forward, &other->forward, s->offset);
    merge_list(&s->backward, &other->backward, s->offset);
    s->offset += other->offset;
    return true;
}

/* --- partial files ---------------------------------------------------------------------------- */

#define STEP_NUMBERS(N) N(exit) N(time) N(count) N(reason) N(after) N(rip)

static void save_list(const struct step_list *list, struct pack *pack)
{
    pack_number(pack, list->count);
    for (u32 i = 0; i < list->count; i++) {
        const struct step *step = &list->steps[i];
        pack_signed(pack, step->size);
        pack_signed(pack, step->offset);
        pack_signed(pack, step->host_ns);
#define N(field) pack_number(pack, step->field);
        STEP_NUMBERS(N)
#undef N
        parts_save(&step->ns, pack);
    }
}

static void load_step(struct step *step, struct unpack *unpack)
{
    load_clock_sum(&step->size, unpack);
    load_clock_sum(&step->offset, unpack);
    load_clock_sum(&step->host_ns, unpack);
#define N(field) step->field = unpack_number(unpack);
    STEP_NUMBERS(N)
#undef N
    parts_load(&step->ns, unpack);
}

static void load_list(struct step_list *list, bool backward, struct unpack *unpack)
{
    size_t count = unpack_count(unpack);
    if (count > STEPS_KEPT)
        unpack_refuse(unpack, "it has too many steps");
    for (size_t i = 0; i < count && !unpack->wrong; i++) {
        struct step step;
        load_step(&step, unpack);
        if (!step.size || (step.size < 0) != backward)
            unpack_refuse(unpack, "a step goes the other way");
        insert(list, &step);
    }
}

static void steps_save(const void *state, struct pack *pack)
{
    const struct steps_state *s = state;
    pack_signed(pack, s->offset);
    save_list(&s->forward, pack);
    save_list(&s->backward, pack);
}

static void steps_load(void *state, struct unpack *unpack)
{
    struct steps_state *s = state;
    load_clock_sum(&s->offset, unpack);
    load_list(&s->forward, false, unpack);
    load_list(&s->backward, true, unpack);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_step(const struct steps_state *s, const struct step *step,
                      const struct symbolizer *symbols, struct output *out)
{
    char reason[EXIT_KEY_TEXT], after[EXIT_KEY_TEXT], symbol[EXIT_KEY_TEXT];
    exit_key_text(BY_REASON, step->reason, 0, reason);
    exit_key_text(BY_REASON, step->after, 0, after);
    exit_key_note(BY_RIP, step->rip, 0, symbols, symbol);
    output_number(out, step->exit);
    output_number(out, step->time);
    output_number(out, step->count);
    output_text(out, reason);
    output_text(out, after);
    output_signed(out, step->size);
    output_signed(out, step->offset);
    output_number(out, step->ns.guest);
    output_number(out, step->ns.hypervisor);
    output_number_if(out, s->clocks.policy != CLOCK_HOST, step->ns.stolen);
    output_number(out, step->ns.idle);
    output_number_if(out, step->host_ns >= 0, (u128)step->host_ns);
    output_number(out, step->rip);
    output_name(out, symbol);
}

static void tell_list(const struct steps_state *s, const struct step_list *list, u64 rows,
                      const struct symbolizer *symbols, struct output *out)
{
    for (u32 i = 0; i < rows; i++)
        tell_step(s, &list->steps[i], symbols, out);
}

/* As many forward as backward, but for what one has too few of. */
static void steps_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"exit", "Exit", CELL_COUNT},
        {"time_ns", "Guest ns", CELL_NS},
        {"count", NULL, CELL_COUNT},
        {"reason", "VM-EXIT", CELL_TEXT},
        {"after", "After", CELL_TEXT},
        {"step_ns", "Step", CELL_AHEAD},
        {"offset_ns", "Ahead", CELL_AHEAD},
        {"ran_ns", "Ran", CELL_NS},
        {"handling_ns", "Handling", CELL_NS},
        {"stolen_ns", "Stolen", CELL_NS},
        {"idle_ns", "Idle", CELL_NS},
        {"host_ns", "Host passed", CELL_NS},
        {"rip", NULL, CELL_HEX},
        {"symbol", "Symbol", CELL_TEXT},
    };
    const struct steps_state *s = state;
    u64 rows = query->rows == NEVER ? STEPS_SHOWN : query->rows;
    u64 half = max_u64(rows - rows / 2, rows - min_u64(rows, s->backward.count));
    u64 forward = min_u64(s->forward.count, half);
    output_table(out, "time", columns, ARRAY_SIZE(columns), 0);
    tell_list(s, &s->forward, forward, query->symbols, out);
    tell_list(s, &s->backward, min_u64(s->backward.count, rows - forward), query->symbols, out);
}

const struct view time_steps = {
    .name = "time",
    .show = "steps",
    .summary = "what the guest's clock gained and lost most from one exit to the next",
    .times = true,
    .wish = steps_wish,
    .begin = steps_begin,
    .end = free,
    .take = steps_take,
    .tell = steps_tell,
    .merge = steps_merge,
    .save = steps_save,
    .load = steps_load,
};
