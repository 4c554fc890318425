/* Scheduler events as the kernel's tracepoints. */
#include "analysis/scheduler/guest_events.h"

#include <criterion/criterion.h>

static struct sched_log events;

static void add(struct sched_event event)
{
    static const struct sched_name names[] = {{1, 1, "init"}, {42, 40, "worker"}};
    cr_assert(sched_log_name(&events, &names[0], &event.task));
    cr_assert(sched_log_name(&events, &names[1], &event.other));
    event.prio = 120;
    event.other_prio = -1;
    cr_assert(sched_log_add(&events, &event));
}

/* The only event, converted. */
static struct guest_event convert(struct sched_event event)
{
    struct sched_source state;
    struct guest_event made, none;
    bool more;
    events = (struct sched_log){0};
    add(event);
    struct event_source source = sched_source(&state, &events);
    cr_assert_eq(source.next(source.context, &made, &more).code, OK);
    cr_assert(more);
    cr_assert_eq(source.next(source.context, &none, &more).code, OK);
    cr_assert_not(more);
    sched_log_free(&events);
    return made;
}

Test(guest_events, a_switch_names_both_tasks)
{
    struct guest_event event =
        convert((struct sched_event){.kind = SCHED_SWITCH, .time = 5, .state = 0x402, .cpu = 3});
    cr_expect_eq(event.kind, GUEST_SCHED_SWITCH);
    cr_expect_eq(event.ns, 5);
    cr_expect_eq(event.cpu, 3);
    cr_expect_eq(event.pid, 1);
    cr_expect_str_eq(event.comm, "init");
    cr_expect_str_eq(event.sched_switch.prev_comm, "init");
    cr_expect_eq(event.sched_switch.prev_prio, 120);
    cr_expect_eq(event.sched_switch.prev_state, 2, "the bits that the kernel reports");
    cr_expect_str_eq(event.sched_switch.next_comm, "worker");
    cr_expect_eq(event.sched_switch.next_pid, 42);
    cr_expect_eq(event.sched_switch.next_prio, -1);
}

Test(guest_events, a_preempted_task_has_a_state_of_its_own)
{
    struct guest_event event = convert((struct sched_event){.kind = SCHED_SWITCH, .preempted = 1});
    cr_expect_eq(event.sched_switch.prev_state, 0x100);
}

Test(guest_events, who_wakes_is_who_ran)
{
    struct guest_event event = convert((struct sched_event){.kind = SCHED_WAKE, .cpu = 1});
    cr_expect_eq(event.kind, GUEST_SCHED_WAKING);
    cr_expect_eq(event.pid, 42);
    cr_expect_eq(event.sched_waking.pid, 1);
    cr_expect_eq(event.sched_waking.target_cpu, 1);
    event = convert((struct sched_event){.kind = SCHED_NEW, .cpu = 1});
    cr_expect_eq(event.kind, GUEST_SCHED_WAKEUP_NEW);
    cr_expect_str_eq(event.sched_wakeup_new.comm, "init");
    cr_expect_eq(event.sched_wakeup_new.prio, 120);
}

Test(guest_events, migrations_and_ends)
{
    struct guest_event event =
        convert((struct sched_event){.kind = SCHED_MIGRATE, .cpu = 1, .to = 2});
    cr_expect_eq(event.kind, GUEST_SCHED_MIGRATE_TASK);
    cr_expect_eq(event.sched_migrate_task.orig_cpu, 1);
    cr_expect_eq(event.sched_migrate_task.dest_cpu, 2);
    event = convert((struct sched_event){.kind = SCHED_EXIT});
    cr_expect_eq(event.kind, GUEST_SCHED_PROCESS_EXIT);
    cr_expect_eq(event.sched_process_exit.tgid, 1);
}
