/*
 * Task switches one by one, as they come: `timehist` has a row for each stint of a task, told when
 * it ends, with what `perf sched timehist` says; `map` has a row for each switch, with a short name
 * for each task, as `perf sched map`; `log` has the events themselves.
 */
#include "analysis/frame/log.h"
#include "analysis/scheduler/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/guest/task.h"

struct list_state {
    struct log log;
    struct sched_walk walk;
    u8 *known; /* map: by name, was its short name told? */
};

static void list_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    wishes->fields[REC_EXIT] |= COLUMN(exit, count);
}

static void *list_begin(const struct query *query)
{
    struct list_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    log_init(&s->log, query);
    sched_walk_init(&s->walk, query);
    s->known = calloc(s->walk.log->name_count + 1ull, 1);
    if (s->known)
        return s;
    free(s);
    return NULL;
}

static void list_end(void *state)
{
    struct list_state *s = state;
    sched_walk_free(&s->walk);
    free(s->known);
    free(s);
}

typedef void row_function(struct list_state *, const struct sched_step *, struct output *);

/* Rows for the events whose kinds are in the set. */
static struct failure take(struct list_state *s, const struct slice *slice, u64 kinds,
                           row_function *put, struct output *out)
{
    struct sched_step step;
    bool more = true;
    ATTEMPT(sched_walk_to(&s->walk, slice));
    while (more && log_wants(&s->log)) {
        ATTEMPT(sched_walk_next(&s->walk, slice, &step, &more));
        if (!more || !step.event || !(kinds >> step.event->kind & 1))
            continue;
        log_row(&s->log);
        put(s, &step, out);
    }
    return NO_FAILURE;
}

/* --- timehist ---------------------------------------------------------------------------- */

static const struct column timehist_columns[] = {
    {"time_ns", "Guest ns", CELL_NS}, {"cpu", "CPU", CELL_COUNT},
    {"task", "Task", CELL_TEXT},      {"pid", "Pid", CELL_COUNT},
    {"wait_ns", "Wait", CELL_NS},     {"delay_ns", "Sch delay", CELL_NS},
    {"run_ns", "Run", CELL_NS},       {"wait", "After", CELL_TEXT},
    {"state", "State", CELL_TEXT},    {"preempted", NULL, CELL_COUNT},
    {"next", "Next", CELL_TEXT},      {"next_pid", "Pid", CELL_COUNT},
    {"exit", "Exit", CELL_COUNT},     {"count", NULL, CELL_COUNT},
};

static void put_timehist(struct list_state *s, const struct sched_step *step, struct output *out)
{
    const struct sched_event *event = step->event;
    const struct sched_name *task = &s->walk.log->names[event->task],
                            *next = &s->walk.log->names[event->other];
    char state[2] = {task_state_letter(event->state), 0};
    output_number(out, event->time);
    output_number(out, event->cpu);
    output_text(out, task->comm);
    output_number(out, task->pid);
    output_number_if(out, task->pid, step->ends.away);
    output_number_if(out, task->pid, step->ends.delay);
    output_number(out, task->pid ? step->ends.ran : step->span);
    output_name(out, sched_wait_names[step->ends.wait]);
    output_text(out, state);
    output_number(out, event->preempted);
    output_text(out, next->comm);
    output_number(out, next->pid);
    output_number(out, event->exit);
    output_number(out, event->count);
}

static struct failure timehist_take(void *state, const struct slice *slice, struct output *out)
{
    return take(state, slice, BIT(SCHED_SWITCH), put_timehist, out);
}

const struct view scheduler_timehist = {
    LOG_TABLE(timehist_columns),
    .name = "scheduler",
    .show = "timehist",
    .summary = "stints of tasks as they end: wait, scheduling delay, run time",
    .events = true,
    .wish = list_wish,
    .begin = list_begin,
    .end = list_end,
    .take = timehist_take,
};

/* --- map --------------------------------------------------------------------------------- */

static const struct column map_columns[] = {
    {"time_ns", "Guest ns", CELL_NS}, {"cpu", "CPU", CELL_COUNT}, {"short", "Runs", CELL_TEXT},
    {"task", "Task", CELL_TEXT},      {"pid", "Pid", CELL_COUNT},
};

/* A0 ... Z0 A1 ... by the order in which tasks are first heard of in the run. */
static void short_name(u32 name, char text[16])
{
    snprintf(text, 16, "%c%u", (char)('A' + name % 26), name / 26);
}

static void put_map(struct list_state *s, const struct sched_step *step, struct output *out)
{
    const struct sched_event *event = step->event;
    const struct sched_name *next = &s->walk.log->names[event->other];
    bool tell = !s->known[event->other] || output_format(out) != OUTPUT_TABLE;
    char text[16] = ".";
    if (next->pid)
        short_name(event->other, text);
    s->known[event->other] = true;
    output_number(out, event->time);
    output_number(out, event->cpu);
    output_text(out, text);
    output_name(out, tell ? next->comm : "");
    output_number_if(out, tell, next->pid);
}

static struct failure map_take(void *state, const struct slice *slice, struct output *out)
{
    return take(state, slice, BIT(SCHED_SWITCH), put_map, out);
}

const struct view scheduler_map = {
    LOG_TABLE(map_columns), .name = "scheduler",
    .show = "map",          .summary = "which task each switch goes to, by a short name; . is idle",
    .events = true,         .wish = list_wish,
    .begin = list_begin,    .end = list_end,
    .take = map_take,
};

/* --- log --------------------------------------------------------------------------------- */

static const struct column log_columns[] = {
    {"time_ns", "Guest ns", CELL_NS}, {"cpu", "CPU", CELL_COUNT},
    {"event", "Event", CELL_TEXT},    {"task", "Task", CELL_TEXT},
    {"pid", "Pid", CELL_COUNT},       {"prio", "Prio", CELL_COUNT},
    {"state", "State", CELL_TEXT},    {"preempted", "Preempted", CELL_COUNT},
    {"other", "Other", CELL_TEXT},    {"other_pid", "Pid", CELL_COUNT},
    {"to_cpu", NULL, CELL_COUNT},     {"exit", "Exit", CELL_COUNT},
    {"count", "Count", CELL_COUNT},
};

static void put_log(struct list_state *s, const struct sched_step *step, struct output *out)
{
#define X(name, text) text,
    static const char *const kinds[] = {SCHED_EVENTS(X)};
#undef X
    const struct sched_event *event = step->event;
    const struct sched_name *task = &s->walk.log->names[event->task],
                            *other = &s->walk.log->names[event->other];
    char state[2] = {task_state_letter(event->state), 0};
    output_number(out, event->time);
    output_number(out, event->cpu);
    output_text(out, kinds[event->kind]);
    output_text(out, task->comm);
    output_number(out, task->pid);
    output_number(out, (u16)event->prio);
    output_name(out, event->kind == SCHED_SWITCH || event->kind == SCHED_WAKE ? state : NULL);
    output_number_if(out, event->kind == SCHED_SWITCH, event->preempted);
    output_text(out, other->comm);
    output_number(out, other->pid);
    output_number_if(out, event->kind == SCHED_MIGRATE, event->to);
    output_number(out, event->exit);
    output_number(out, event->count);
}

static struct failure log_take(void *state, const struct slice *slice, struct output *out)
{
    return take(state, slice, BIT(SCHED_KINDS) - 1, put_log, out);
}

const struct view scheduler_log = {
    LOG_TABLE(log_columns),
    .name = "scheduler",
    .show = "log",
    .summary = "switches, wakeups, new tasks, migrations and exits of tasks",
    .events = true,
    .wish = list_wish,
    .begin = list_begin,
    .end = list_end,
    .take = log_take,
};
