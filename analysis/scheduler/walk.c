/* The walk over the scheduler's events; see walk.h. */
#include "analysis/scheduler/walk.h"

enum { TASKS_MAX = 1 << 20 }; /* guest memory says which pids there are: it may be hostile */

/* What is known of a pid. */
struct sched_pid {
    struct tally_key key;
    u64 in;  /* time of the last switch to it */
    u64 out; /* of the last switch away from it */
    bool was_in, was_out;
    u64 ready; /* since when it waits, if `wait` */
    enum sched_wait wait;
    u32 name;                 /* then */
    struct sched_stint stint; /* since `in` */
};

const char *const sched_wait_names[] = {
    [WAIT_NONE] = NULL, [WAIT_WOKEN] = "wakeup", [WAIT_PREEMPTED] = "preempted"};

void sched_walk_init(struct sched_walk *w, const struct query *query)
{
    static const struct sched_log none;
    *w = (struct sched_walk){
        .log = query->scheduler ? query->scheduler : &none,
        .subject = query->subject,
        .tasks = TALLY(struct sched_pid, TASKS_MAX),
    };
}

void sched_walk_free(struct sched_walk *w)
{
    tally_free(&w->tasks);
}

/* --- one event -------------------------------------------------------------------------------- */

static u64 since(u64 from, u64 to)
{
    return to > from ? to - from : 0;
}

static struct sched_stint leave(struct sched_pid *p, const struct sched_event *event)
{
    struct sched_stint stint = p->stint;
    stint.ran = p->was_in ? since(p->in, event->time) : 0;
    p->out = event->time;
    p->was_out = true;
    p->stint = (struct sched_stint){0};
    /* A task that has set a state but is preempted before it sleeps is ready as well. */
    bool ready = event->preempted || !event->state;
    p->wait = ready ? WAIT_PREEMPTED : WAIT_NONE;
    p->ready = event->time;
    p->name = event->task;
    return stint;
}

static struct sched_stint enter(struct sched_pid *p, const struct sched_event *event)
{
    p->stint = (struct sched_stint){
        .away = p->was_out ? since(p->out, event->time) : 0,
        .delay = p->wait ? since(p->ready, event->time) : 0,
        .wait = p->wait,
    };
    p->in = event->time;
    p->was_in = true;
    p->wait = WAIT_NONE;
    return p->stint;
}

static void wake(struct sched_walk *w, struct sched_pid *p, const struct sched_event *event)
{
    bool runs = w->owner == OWNER_TASK && w->runner_pid == p->key.a;
    if (event->kind == SCHED_NEW) /* the pid may have been another's before */
        *p = (struct sched_pid){.key = p->key};
    if (runs || p->wait)
        return;
    p->wait = WAIT_WOKEN;
    p->ready = event->time;
    p->name = event->task;
}

static bool swap(struct sched_walk *w, const struct sched_event *event, struct sched_step *step)
{
    u32 from = w->log->names[event->task].pid, to = w->log->names[event->other].pid;
    struct sched_pid *p = from ? tally_row(&w->tasks, from, 0) : NULL;
    if (p)
        step->ends = leave(p, event);
    struct sched_pid *q = to ? tally_row(&w->tasks, to, 0) : NULL;
    if (q)
        step->begins = enter(q, event);
    w->owner = to ? OWNER_TASK : OWNER_IDLE;
    w->runner = event->other;
    w->runner_pid = to;
    return (p || !from) && (q || !to);
}

/* What the event changes. false: too many tasks. */
static bool apply(struct sched_walk *w, const struct sched_event *event, struct sched_step *step)
{
    if (event->kind == SCHED_SWITCH)
        return swap(w, event, step);
    if (event->kind != SCHED_WAKE && event->kind != SCHED_NEW)
        return true;
    struct sched_pid *p = tally_row(&w->tasks, w->log->names[event->task].pid, 0);
    if (p)
        wake(w, p, event);
    return p;
}

static struct failure take(struct sched_walk *w, struct sched_step *step)
{
    const struct sched_event *event = &w->log->events[w->next++];
    *step = (struct sched_step){
        .event = event,
        .span = since(w->time, event->time),
        .owner = w->owner,
        .runner = w->runner,
    };
    w->time = max_u64(w->time, event->time);
    if (!apply(w, event, step))
        return fail(NO_SPACE, "the guest has more than %d tasks, or there is no memory for them",
                    TASKS_MAX);
    return NO_FAILURE;
}

/* --- slices ------------------------------------------------------------------------------ */

/* Events of the slice belong to exits before this one. What comes after the last exit is its. */
static u64 end_exit(const struct sched_walk *w, const struct slice *slice)
{
    u64 end = slice->batch->first_exit + slice->end;
    return end >= w->subject->exits ? NEVER : end;
}

static bool has_next(const struct sched_walk *w, u64 exit)
{
    return w->next < w->log->event_count && w->log->events[w->next].exit < exit;
}

struct failure sched_walk_to(struct sched_walk *w, const struct slice *slice)
{
    struct sched_step step;
    if (slice->begin == slice->end)
        return NO_FAILURE;
    while (has_next(w, slice->batch->first_exit + slice->begin))
        ATTEMPT(take(w, &step));
    if (slice->before.kind == BEFORE_GAP)
        w->time = max_u64(w->time, slice->times[slice->begin]);
    else if (!w->begun && slice->before.kind == BEFORE_EXIT)
        w->time = max_u64(w->time, slice->before.time);
    w->begun = true;
    return NO_FAILURE;
}

static bool end_span(struct sched_walk *w, u64 time, struct sched_step *step)
{
    *step =
        (struct sched_step){.span = since(w->time, time), .owner = w->owner, .runner = w->runner};
    w->time = max_u64(w->time, time);
    return step->span != 0;
}

/* Guest time at the slice's last exit is known from below (analysis/frame/timeline.h); at the run's
 * end the trace tells it. */
static bool end_slice(struct sched_walk *w, const struct slice *slice, struct sched_step *step)
{
    u64 time = slice->begin < slice->end ? slice->times[slice->end - 1] : 0;
    if (slice->begin < slice->end && end_exit(w, slice) == NEVER)
        time = max_u64(time, w->subject->guest_ns);
    return end_span(w, time, step);
}

struct failure sched_walk_next(struct sched_walk *w, const struct slice *slice,
                               struct sched_step *step, bool *more)
{
    *more = true;
    if (slice->begin < slice->end && has_next(w, end_exit(w, slice)))
        return take(w, step);
    *more = end_slice(w, slice, step);
    return NO_FAILURE;
}

struct failure sched_walk_on(struct sched_walk *w, struct sched_step *step, bool *more)
{
    *more = true;
    if (has_next(w, NEVER))
        return take(w, step);
    *more = end_span(w, w->subject->guest_ns, step);
    return NO_FAILURE;
}

bool sched_walk_waiting(const struct sched_walk *w, u32 *cursor, struct sched_waiter *waiter)
{
    while (*cursor < w->tasks.count) {
        const struct sched_pid *p = tally_at(&w->tasks, (*cursor)++);
        *waiter = (struct sched_waiter){p->name, p->wait, p->ready};
        if (p->wait != WAIT_NONE)
            return true;
    }
    return false;
}
