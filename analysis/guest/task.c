/*
 * Which members of task_struct hold what, under the names that they have had since Linux 5.4, and
 * reading them. State bits: include/linux/sched.h.
 */
#include "analysis/guest/task.h"

#include <string.h>

static const struct {
    size_t place; /* in struct task_layout */
    const char *path, *older;
    bool optional; /* else reads as 0 */
} members[] = {
    {offsetof(struct task_layout, comm), "task_struct.comm", NULL, false},
    {offsetof(struct task_layout, pid), "task_struct.pid", NULL, false},
    {offsetof(struct task_layout, tgid), "task_struct.tgid", NULL, false},
    {offsetof(struct task_layout, prio), "task_struct.prio", NULL, false},
    {offsetof(struct task_layout, state), "task_struct.__state", "task_struct.state",
     false}, /* 5.14 */
    {offsetof(struct task_layout, exit_state), "task_struct.exit_state", NULL, false},
    {offsetof(struct task_layout, cpu), "task_struct.thread_info.cpu", "task_struct.cpu",
     true}, /* 5.16; a kernel without SMP has none */
    {offsetof(struct task_layout, voluntary), "task_struct.nvcsw", NULL, false},
    {offsetof(struct task_layout, involuntary), "task_struct.nivcsw", NULL, false},
};

struct failure task_layout_find(const struct types *types, struct task_layout *layout)
{
    for (u32 i = 0; i < ARRAY_SIZE(members); i++) {
        struct member *member = (struct member *)((u8 *)layout + members[i].place);
        if (types_member(types, members[i].path, member) ||
            (members[i].older && types_member(types, members[i].older, member)))
            continue;
        *member = (struct member){0};
        if (!members[i].optional)
            return fail(UNSUPPORTED, "the guest kernel's types have no member %s", members[i].path);
    }
    if (layout->comm.size != TASK_COMM)
        return fail(UNSUPPORTED, "task_struct.comm of the guest's kernel has %lu bytes, not %d",
                    layout->comm.size, TASK_COMM);
    return NO_FAILURE;
}

/* An integer of 1 to 8 bytes. */
static bool read_number(const struct hook_view *view, u64 task, const struct member *member,
                        u64 *value)
{
    *value = 0;
    return member->size <= sizeof(*value) &&
           hook_read(view, task + member->offset, value, member->size);
}

bool task_read(const struct task_layout *layout, const struct hook_view *view, u64 address,
               struct task *task)
{
    u64 pid, tgid, prio, state, exit_state, cpu;
    bool whole = hook_read(view, address + layout->comm.offset, task->comm, TASK_COMM) &&
                 read_number(view, address, &layout->pid, &pid) &&
                 read_number(view, address, &layout->tgid, &tgid) &&
                 read_number(view, address, &layout->prio, &prio) &&
                 read_number(view, address, &layout->state, &state) &&
                 read_number(view, address, &layout->exit_state, &exit_state) &&
                 read_number(view, address, &layout->cpu, &cpu) &&
                 read_number(view, address, &layout->voluntary, &task->voluntary) &&
                 read_number(view, address, &layout->involuntary, &task->involuntary);
    if (!whole)
        return false;
    task->address = address;
    task->pid = (u32)pid;
    task->tgid = (u32)tgid;
    task->prio = (i32)prio;
    task->state = (u32)(state | exit_state);
    task->cpu = (u32)cpu;
    size_t length = strnlen(task->comm, TASK_COMM - 1);
    memset(task->comm + length, 0, TASK_COMM - length); /* equal names are equal bytes */
    return true;
}

char task_state_letter(u32 state)
{
    enum { UNINTERRUPTIBLE = 2, DEAD = 0x80, NOLOAD = 0x400 };
    static const char letters[] = "SDTtXZP"; /* from bit 0 on */
    u32 reported = state & 0x7f;
    if (reported == UNINTERRUPTIBLE && state & NOLOAD)
        return 'I';
    if (reported)
        return letters[__builtin_ctz(reported)];
    return state & DEAD ? 'X' : 'R';
}
