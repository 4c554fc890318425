/*
 * The points of the kernel that are hooked, by table: each has a function, an older or other name
 * for kernels that inline it, and what it takes in its registers (System V: RDI, RSI). They are
 * called at most once for each event of their kind:
 *
 *   switch   __switch_to_asm(prev, next), by every context switch since 4.9; its place in
 *            context_switch() comes after the counters nr_switches and nvcsw or nivcsw have moved.
 *   wake     try_to_wake_up(task, states, flags): wakes the task only if it is in one of those
 *            states. That is where the kernel has its tracepoint sched_waking.
 *   new      wake_up_new_task(task).
 *   migrate  set_task_cpu(task, cpu), if that is another one.
 *   exit     do_exit(), by the task itself.
 */
#include "analysis/scheduler/probe.h"

#include <stdio.h>
#include <string.h>

#include "vmx/handlers.h"

static bool put_event(struct probe *p, const struct hook_view *view, struct sched_event event,
                      const struct task *task, const struct task *other)
{
    struct sched_name name = {task->pid, task->tgid, {0}}, second = {other->pid, other->tgid, {0}};
    memcpy(name.comm, task->comm, TASK_COMM);
    memcpy(second.comm, other->comm, TASK_COMM);
    sched_name_clean(&name);
    sched_name_clean(&second);
    event.time = view->now;
    event.count = view->count;
    event.exit = view->exit;
    event.prio = (i16)task->prio;
    event.other_prio = (i16)other->prio;
    if (sched_log_name(p->log, &name, &event.task) &&
        sched_log_name(p->log, &second, &event.other) && sched_log_add(p->log, &event))
        return true;
    p->failure = fail(NO_SPACE, "no memory for %lu scheduler events", p->log->event_count);
    return false;
}

static bool read_task(struct probe *p, const struct hook_view *view, u64 address, struct task *task)
{
    bool whole = task_read(&p->layout, view, address, task);
    p->unread += !whole;
    return whole && !p->failure.code;
}

/* The task on the CPU under its name of now: it may have changed since it was switched to. */
static struct task current_of(struct probe *p, const struct hook_view *view)
{
    struct task task;
    if (p->current.address && task_read(&p->layout, view, p->current.address, &task))
        return task;
    return p->current;
}

/* --- the events -------------------------------------------------------------------------- */

/* Did the kernel count this switch as involuntary? Before the first one only the state tells. */
static bool was_preempted(const struct probe *p, const struct task *prev)
{
    if (p->current.address == prev->address)
        return prev->involuntary != p->current.involuntary;
    return !prev->state;
}

static void on_switch(void *context, const struct hook_view *view)
{
    struct probe *p = context;
    struct task prev, next;
    if (!read_task(p, view, view->gpr[RDI], &prev) || !read_task(p, view, view->gpr[RSI], &next))
        return;
    struct sched_event event = {
        .kind = SCHED_SWITCH,
        .state = prev.state,
        .preempted = was_preempted(p, &prev),
        .cpu = (u16)next.cpu,
    };
    put_event(p, view, event, &prev, &next);
    p->current = next;
}

static void on_wake(void *context, const struct hook_view *view)
{
    struct probe *p = context;
    struct task task;
    if (!read_task(p, view, view->gpr[RDI], &task) || !(task.state & (u32)view->gpr[RSI]))
        return;
    struct sched_event event = {.kind = SCHED_WAKE, .state = task.state, .cpu = (u16)task.cpu};
    struct task by = current_of(p, view);
    put_event(p, view, event, &task, &by);
}

static void on_new(void *context, const struct hook_view *view)
{
    struct probe *p = context;
    struct task task;
    if (!read_task(p, view, view->gpr[RDI], &task))
        return;
    struct sched_event event = {.kind = SCHED_NEW, .cpu = (u16)task.cpu};
    struct task by = current_of(p, view);
    put_event(p, view, event, &task, &by);
}

static void on_migrate(void *context, const struct hook_view *view)
{
    struct probe *p = context;
    struct task task;
    u32 to = (u32)view->gpr[RSI];
    if (!read_task(p, view, view->gpr[RDI], &task) || task.cpu == to)
        return;
    struct sched_event event = {.kind = SCHED_MIGRATE, .cpu = (u16)task.cpu, .to = (u16)to};
    struct task by = current_of(p, view);
    put_event(p, view, event, &task, &by);
}

static void on_exit(void *context, const struct hook_view *view)
{
    struct probe *p = context;
    struct task task = current_of(p, view);
    if (!task.address)
        return;
    struct sched_event event = {.kind = SCHED_EXIT, .cpu = (u16)task.cpu};
    put_event(p, view, event, &task, &task);
}

static const struct point {
    const char *events, *function, *other; /* other: NULL, or a name that will do as well */
    hook_fn fn;
} points[PROBE_POINTS] = {
    {"switches", "__switch_to_asm", "__switch_to", on_switch},
    {"wakeups", "try_to_wake_up", NULL, on_wake},
    {"new tasks", "wake_up_new_task", NULL, on_new},
    {"migrations", "set_task_cpu", NULL, on_migrate},
    {"exits", "do_exit", NULL, on_exit},
};

/* --- attaching --------------------------------------------------------------------------- */

static void note_missing(struct sched_log *log, const struct point *point)
{
    size_t used = strlen(log->lacks);
    snprintf(log->lacks + used, sizeof(log->lacks) - used, "%s%s (the kernel has no function %s)",
             used ? ", " : "", point->events, point->function);
}

static void sort_hooks(struct probe *p)
{
    for (u32 i = 1; i < p->hook_count; i++)
        for (u32 j = i; j && p->hooks[j].linear < p->hooks[j - 1].linear; j--) {
            struct hook hook = p->hooks[j];
            p->hooks[j] = p->hooks[j - 1];
            p->hooks[j - 1] = hook;
        }
}

static struct failure choose_points(struct probe *p)
{
    const struct symbols *symbols = &p->kernel.symbols;
    p->hook_count = 0;
    for (u32 i = 0; i < PROBE_POINTS; i++) {
        const struct symbol *symbol = symbol_function(symbols, points[i].function);
        if (!symbol && points[i].other)
            symbol = symbol_function(symbols, points[i].other);
        if (symbol)
            p->hooks[p->hook_count++] = (struct hook){symbol->address, points[i].fn, p};
        else if (points[i].fn == on_switch)
            return fail(UNSUPPORTED,
                        "the guest's kernel has no function %s: there are no task "
                        "switches to be seen",
                        points[i].function);
        else
            note_missing(p->log, &points[i]);
    }
    sort_hooks(p);
    return NO_FAILURE;
}

static struct failure attach(struct probe *p, struct vcpu *v)
{
    struct paging paging = vcpu_paging(v);
    ATTEMPT(kernel_find(&v->machine->memory, &paging, &p->kernel));
    if (!p->kernel.has_types)
        return fail(UNSUPPORTED, "%s", p->kernel.lacks);
    ATTEMPT(task_layout_find(&p->kernel.types, &p->layout));
    ATTEMPT(choose_points(p));
    return fail_err(hooks_set(p->hooks, p->hook_count));
}

/* Looks for the kernel when its code runs, and if it is not yet there, ever less often. */
static void on_beat(void *context, struct vcpu *v)
{
    struct probe *p = context;
    if (p->attached || v->rip < KERNEL_SPACE || p->beats++ < p->wait)
        return;
    p->wait = 2 * p->wait + 1;
    p->beats = 0;
    p->failure = attach(p, v);
    p->attached = !p->failure.code;
    if (!p->attached)
        kernel_free(&p->kernel);
}

void probe_init(struct probe *p, struct sched_log *log)
{
    *p = (struct probe){.observer = {.beats = on_beat}, .log = log};
    p->observer.context = p;
}

void probe_free(struct probe *p)
{
    kernel_free(&p->kernel);
}

struct failure probe_result(const struct probe *p)
{
    if (p->failure.code || p->attached)
        return p->failure;
    return fail(UNSUPPORTED, "the guest never ran a kernel where x86-64 Linux has its own: "
                             "there is no scheduler to look at");
}
