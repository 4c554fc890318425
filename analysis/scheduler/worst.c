/*
 * The longest waits for the CPU, one by one: who waited, after what, and which task had the CPU
 * when the wait ended. A wait belongs to where it ends, as in latency.c.
 */
#include "analysis/frame/top.h"
#include "analysis/scheduler/walk.h"

#include <stdio.h>
#include <stdlib.h>

enum { WAITS_SHOWN = 20, WAITS_KEPT = 100 }; /* unless asked for others; at most */

struct wait_row {
    u64 delay;             /* guest ns */
    u64 time, exit, count; /* of the switch that ends it */
    struct sched_name task, before;
    u32 wait; /* enum sched_wait */
};

struct waits_state {
    struct sched_walk walk;
    u32 count;
    struct wait_row rows[WAITS_KEPT]; /* the longest first; of the same length, the earlier */
};

static void waits_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, count);
}

static void *waits_begin(const struct query *query)
{
    struct waits_state *s = calloc(1, sizeof(*s));
    if (s)
        sched_walk_init(&s->walk, query);
    return s;
}

static void waits_end(void *state)
{
    struct waits_state *s = state;
    sched_walk_free(&s->walk);
    free(s);
}

static bool is_before(const void *left, const void *right)
{
    const struct wait_row *l = left, *r = right;
    return l->delay != r->delay ? l->delay > r->delay : l->count < r->count;
}

static void insert(struct waits_state *s, const struct wait_row *row)
{
    top_take(s->rows, &s->count, WAITS_KEPT, sizeof(*row), row, is_before);
}

static void take_switch(struct waits_state *s, const struct sched_step *step)
{
    const struct sched_event *event = step->event;
    if (step->begins.wait == WAIT_NONE)
        return;
    insert(s, &(struct wait_row){.delay = step->begins.delay,
                                 .time = event->time,
                                 .exit = event->exit,
                                 .count = event->count,
                                 .task = s->walk.log->names[event->other],
                                 .before = s->walk.log->names[event->task],
                                 .wait = step->begins.wait});
}

static struct failure waits_take(void *state, const struct slice *slice, struct output *out)
{
    struct waits_state *s = state;
    struct sched_step step;
    bool more = true;
    (void)out;
    ATTEMPT(sched_walk_to(&s->walk, slice));
    while (more) {
        ATTEMPT(sched_walk_next(&s->walk, slice, &step, &more));
        if (more && step.event && step.event->kind == SCHED_SWITCH)
            take_switch(s, &step);
    }
    return NO_FAILURE;
}

static bool waits_merge(void *state, const void *next, bool follows)
{
    const struct waits_state *other = next;
    (void)follows;
    for (u32 i = 0; i < other->count; i++)
        insert(state, &other->rows[i]);
    return true;
}

/* --- partial files ---------------------------------------------------------------------------- */

static void save_name(const struct sched_name *name, struct pack *pack)
{
    pack_number(pack, name->pid);
    pack_number(pack, name->tgid);
    pack_text(pack, name->comm);
}

static void load_name(struct sched_name *name, struct unpack *unpack)
{
    name->pid = (u32)unpack_number(unpack);
    name->tgid = (u32)unpack_number(unpack);
    unpack_text(unpack, name->comm, sizeof(name->comm));
    sched_name_clean(name);
}

static void waits_save(const void *state, struct pack *pack)
{
    const struct waits_state *s = state;
    pack_number(pack, s->count);
    for (u32 i = 0; i < s->count; i++) {
        const struct wait_row *row = &s->rows[i];
        pack_number(pack, row->delay);
        pack_number(pack, row->time);
        pack_number(pack, row->exit);
        pack_number(pack, row->count);
        pack_number(pack, row->wait);
        save_name(&row->task, pack);
        save_name(&row->before, pack);
    }
}

static void load_row(struct waits_state *s, struct unpack *unpack)
{
    struct wait_row row = {0};
    row.delay = unpack_number(unpack);
    row.time = unpack_number(unpack);
    row.exit = unpack_number(unpack);
    row.count = unpack_number(unpack);
    u64 wait = unpack_number(unpack);
    load_name(&row.task, unpack);
    load_name(&row.before, unpack);
    if (wait != WAIT_WOKEN && wait != WAIT_PREEMPTED)
        unpack_refuse(unpack, "a wait is after nothing");
    row.wait = (u32)wait;
    if (!unpack->wrong)
        insert(s, &row);
}

static void waits_load(void *state, struct unpack *unpack)
{
    struct waits_state *s = state;
    size_t rows = unpack_count(unpack);
    if (rows > WAITS_KEPT)
        unpack_refuse(unpack, "it has too many rows");
    for (size_t i = 0; i < rows && !unpack->wrong; i++)
        load_row(s, unpack);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void waits_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"exit", "Exit", CELL_COUNT},       {"time_ns", "Guest ns", CELL_NS},
        {"count", NULL, CELL_COUNT},        {"task", "Task", CELL_TEXT},
        {"pid", "Pid", CELL_COUNT},         {"wait", "After", CELL_TEXT},
        {"delay_ns", "Waited ns", CELL_NS}, {"before", "Ran before it", CELL_TEXT},
        {"before_pid", "Pid", CELL_COUNT},
    };
    const struct waits_state *s = state;
    u64 shown = query->rows == NEVER ? WAITS_SHOWN : query->rows;
    output_table(out, "scheduler", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; i < min_u64(s->count, shown); i++) {
        const struct wait_row *row = &s->rows[i];
        output_number(out, row->exit);
        output_number(out, row->time);
        output_number(out, row->count);
        output_text(out, row->task.comm);
        output_number(out, row->task.pid);
        output_text(out, sched_wait_names[row->wait]);
        output_number(out, row->delay);
        output_text(out, row->before.comm);
        output_number(out, row->before.pid);
    }
}

const struct view scheduler_worst = {
    .name = "scheduler",
    .show = "worst",
    .summary = "the longest waits for the CPU, one by one",
    .times = true,
    .events = true,
    .wish = waits_wish,
    .begin = waits_begin,
    .end = waits_end,
    .take = waits_take,
    .tell = waits_tell,
    .merge = waits_merge,
    .save = waits_save,
    .load = waits_load,
};
