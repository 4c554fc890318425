/*
 * Fires the tracepoints for blocks of records. LTTng's own timestamps say when a
 * block was seen; when things happened is in the fields (guest count, host TSC).
 * LTTng drops events when its buffers are full, unless told otherwise: this is a
 * side channel and never the log.
 *
 * lttng_ust_do_tracepoint() tests and fires in one: with a test of its own before
 * it, a session that starts in between would be missed.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "trace/lttng/tracepoints.h"

#include "trace/layout.h"
#include "trace/lttng/plugin.h"

#include <string.h>

const u32 hindvisor_observe_layout = OBSERVE_LAYOUT;

/* The exit seen last, and the number of the next. */
static struct exit_record last;
static u64 exits;
static bool inside; /* the entry after `last` is still to be told */

static void tell_access(const struct exit_record *exit, u64 number)
{
    if (exit->reason == EXIT_IO_INSTRUCTION)
        lttng_ust_do_tracepoint(hindvisor, pio, exit, number);
    else if (exit->reason == EXIT_EPT_VIOLATION)
        lttng_ust_do_tracepoint(hindvisor, mmio, exit, number);
}

/* A halted vCPU that looks around had not been inside the guest. */
static void tell_exit(const struct exit_record *exit)
{
    if (inside && !(exit->flags & EXIT_FLAG_HALTED))
        lttng_ust_do_tracepoint(hindvisor, entry, &last, exits - 1);
    lttng_ust_do_tracepoint(hindvisor, exit, exit, exits);
    tell_access(exit, exits);
    last = *exit;
    inside = true;
    exits++;
}

/* The exit that a record names. */
static u64 number_of(const union record *record)
{
    static const struct field_layout *fields[REC_KIND_LIMIT];
    const struct field_layout **field = &fields[record->kind];
    if (!*field) {
        const struct kind_layout *layout = kind_layout(record->kind);
        *field = &layout->fields[field_by_name(layout, "exit")];
    }
    return field_get(*field, record);
}

static void tell(const union record *record)
{
    if (record->kind == REC_EXIT) {
        tell_exit(&record->exit);
        return;
    }
    switch (record->kind) {
#define R(number, name, NAME, stream, FIELDS)                                       \
    case number:                                                                    \
        lttng_ust_do_tracepoint(hindvisor, name, &record->name, number_of(record)); \
        break;
        RECORDS(R)
#undef R
    }
}

void hindvisor_observe(const void *records, u32 length)
{
    const u8 *at = records, *end = at + length;
    while (at + sizeof(u16) <= end) {
        union record record;
        u16 kind;
        memcpy(&kind, at, sizeof(kind));
        u32 size = record_size(kind);
        if (!size || size > (size_t)(end - at))
            return;
        memcpy(&record, at, size);
        tell(&record);
        at += size;
    }
}
