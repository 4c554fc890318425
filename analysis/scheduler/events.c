/* The growing log of events, and the hash table of its names. */
#include "analysis/scheduler/events.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

static bool grow_slots(struct sched_log *log)
{
    u32 count = log->slot_count ? 2 * log->slot_count : 256;
    u32 *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return false;
    for (u32 i = 0; i < log->name_count; i++) {
        u32 at = (u32)XXH64(&log->names[i], sizeof(log->names[i]), 0) & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = i + 1;
    }
    free(log->slots);
    log->slots = slots;
    log->slot_count = count;
    return true;
}

static bool grow_names(struct sched_log *log)
{
    u32 capacity = log->name_capacity ? 2 * log->name_capacity : 128;
    struct sched_name *names = realloc(log->names, capacity * sizeof(*names));
    if (!names)
        return false;
    log->names = names;
    log->name_capacity = capacity;
    return true;
}

void sched_name_clean(struct sched_name *name)
{
    size_t length = strnlen(name->comm, sizeof(name->comm) - 1);
    memset(name->comm + length, 0, sizeof(name->comm) - length);
    for (size_t i = 0; i < length; i++)
        if (name->comm[i] < ' ' || name->comm[i] > '~')
            name->comm[i] = '?';
}

bool sched_log_name(struct sched_log *log, const struct sched_name *name, u32 *index)
{
    if (2 * log->name_count >= log->slot_count && !grow_slots(log))
        return false;
    if (log->name_count == log->name_capacity && !grow_names(log))
        return false;
    u32 at = (u32)XXH64(name, sizeof(*name), 0) & (log->slot_count - 1);
    for (; log->slots[at]; at = (at + 1) & (log->slot_count - 1)) {
        *index = log->slots[at] - 1;
        if (!memcmp(&log->names[*index], name, sizeof(*name)))
            return true;
    }
    *index = log->name_count++;
    log->names[*index] = *name;
    log->slots[at] = *index + 1;
    return true;
}

bool sched_log_add(struct sched_log *log, const struct sched_event *event)
{
    if (log->event_count == log->event_capacity) {
        u64 capacity = log->event_capacity ? 2 * log->event_capacity : 4096;
        struct sched_event *events = realloc(log->events, capacity * sizeof(*events));
        if (!events)
            return false;
        log->events = events;
        log->event_capacity = capacity;
    }
    log->events[log->event_count++] = *event;
    return true;
}

void sched_log_free(struct sched_log *log)
{
    free(log->events);
    free(log->names);
    free(log->slots);
    *log = (struct sched_log){0};
}
