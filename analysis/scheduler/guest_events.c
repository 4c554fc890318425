/* See guest_events.h. Fields as include/trace/events/sched.h of Linux has them. */
#include "analysis/scheduler/guest_events.h"

#include <string.h>

/* prev_state: the bits that the kernel reports, or the one above them for a task that was
 * preempted (__trace_sched_switch_state()). */
enum { STATE_REPORTED = 0xff, STATE_PREEMPTED = 0x100 };

struct task_name {
    i32 pid, tgid;
    guest_text comm;
};

static struct task_name name_of(const struct sched_log *log, u32 index)
{
    const struct sched_name *from = &log->names[index];
    struct task_name name = {(i32)from->pid, (i32)from->tgid, ""};
    memcpy(name.comm, from->comm, sizeof(name.comm));
    return name;
}

static void make_switch(struct guest_event *to, const struct sched_event *event,
                        const struct task_name *task, const struct task_name *other)
{
    struct guest_sched_switch *fields = &to->sched_switch;
    to->kind = GUEST_SCHED_SWITCH;
    memcpy(fields->prev_comm, task->comm, sizeof(guest_text));
    fields->prev_pid = task->pid;
    fields->prev_prio = event->prio;
    fields->prev_state = event->preempted ? STATE_PREEMPTED : event->state & STATE_REPORTED;
    memcpy(fields->next_comm, other->comm, sizeof(guest_text));
    fields->next_pid = other->pid;
    fields->next_prio = event->other_prio;
}

static void make_wakeup(struct guest_event *to, const struct sched_event *event,
                        const struct task_name *task)
{
    bool is_new = event->kind == SCHED_NEW; /* both have the same fields */
    struct guest_sched_waking fields = {
        .pid = task->pid, .prio = event->prio, .target_cpu = event->cpu};
    memcpy(fields.comm, task->comm, sizeof(guest_text));
    to->kind = is_new ? GUEST_SCHED_WAKEUP_NEW : GUEST_SCHED_WAKING;
    memcpy(is_new ? (void *)&to->sched_wakeup_new : (void *)&to->sched_waking, &fields,
           sizeof(fields));
}

static void make_migrate(struct guest_event *to, const struct sched_event *event,
                         const struct task_name *task)
{
    struct guest_sched_migrate_task *fields = &to->sched_migrate_task;
    to->kind = GUEST_SCHED_MIGRATE_TASK;
    memcpy(fields->comm, task->comm, sizeof(guest_text));
    fields->pid = task->pid;
    fields->prio = event->prio;
    fields->orig_cpu = event->cpu;
    fields->dest_cpu = event->to;
}

static void make_exit(struct guest_event *to, const struct sched_event *event,
                      const struct task_name *task)
{
    struct guest_sched_process_exit *fields = &to->sched_process_exit;
    to->kind = GUEST_SCHED_PROCESS_EXIT;
    memcpy(fields->comm, task->comm, sizeof(guest_text));
    fields->pid = task->pid;
    fields->prio = event->prio;
    fields->tgid = task->tgid;
}

static void make(struct guest_event *to, const struct sched_log *log,
                 const struct sched_event *event)
{
    struct task_name task = name_of(log, event->task), other = name_of(log, event->other);
    const struct task_name *ran = event->kind == SCHED_SWITCH ? &task : &other;
    *to = (struct guest_event){.ns = event->time, .cpu = event->cpu, .pid = ran->pid};
    memcpy(to->comm, ran->comm, sizeof(guest_text));
    if (event->kind == SCHED_SWITCH)
        make_switch(to, event, &task, &other);
    else if (event->kind == SCHED_MIGRATE)
        make_migrate(to, event, &task);
    else if (event->kind == SCHED_EXIT)
        make_exit(to, event, &task);
    else
        make_wakeup(to, event, &task);
}

static struct failure next(void *context, struct guest_event *event, bool *more)
{
    struct sched_source *s = context;
    *more = s->next < s->log->event_count;
    if (*more)
        make(event, s->log, &s->log->events[s->next++]);
    return NO_FAILURE;
}

static const u32 kinds = 1u << GUEST_SCHED_SWITCH | 1u << GUEST_SCHED_WAKING |
                         1u << GUEST_SCHED_WAKEUP_NEW | 1u << GUEST_SCHED_MIGRATE_TASK |
                         1u << GUEST_SCHED_PROCESS_EXIT;

struct event_source sched_source(struct sched_source *state, const struct sched_log *log)
{
    *state = (struct sched_source){.log = log};
    return (struct event_source){state, kinds, next};
}
