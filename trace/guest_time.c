/* See guest_time.h. The rules are those of advance_time(), apply() and rest() in
 * vmx/hypervisor.c, told backwards. */
#include "trace/guest_time.h"
#include "core/machine.h"
#include "vmx/exits.h"

enum { MSR_TSC = 0x10 };

void guest_time_init(struct guest_time *t, const struct manifest *manifest)
{
    *t = (struct guest_time){
        .exact = true,
        .host = manifest->clock == CLOCK_HOST,
        .tells_idle = manifest->version >= 2,
        .tsc_hz = manifest->tsc_hz,
    };
}

u64 tsc_to_ns(u64 tsc, u64 tsc_hz)
{
    return tsc_hz ? (u64)((unsigned __int128)tsc * NANOSECONDS / tsc_hz) : 0;
}

static u64 come_to(struct guest_time *t, u64 ns)
{
    return t->now = max_u64(t->now, ns);
}

/* --- policy `count` ---------------------------------------------------------------------- */

static bool gives_tsc(const struct exit_record *exit)
{
    return exit->reason == EXIT_RDTSC || exit->reason == EXIT_RDTSCP ||
           (exit->reason == EXIT_MSR_READ && exit->address == MSR_TSC);
}

/* A HLT of a trace that does not tell how it ended; and the first sight of the time since. */
static void see_idle(struct guest_time *t, const struct exit_record *exit)
{
    if (exit->reason == EXIT_HLT)
        t->exact = false;
    if (t->exact || !gives_tsc(exit))
        return;
    t->skipped = exit->value - t->tsc_offset - exit->count;
    t->exact = true;
}

static u64 at_count(struct guest_time *t, const struct exit_record *exit)
{
    if (!t->tells_idle)
        see_idle(t, exit);
    t->count = exit->count;
    come_to(t, exit->count + t->skipped);
    if (exit->reason == EXIT_MSR_WRITE && exit->address == MSR_TSC)
        t->tsc_offset = exit->value - t->now;
    return t->now;
}

/* --- policy `host` ----------------------------------------------------------------------- */

static u64 at_host(struct guest_time *t, const struct exit_record *exit)
{
    if (!t->anchored) {
        t->read_tsc = exit->tsc_exit; /* guest time began about here */
        t->anchored = true;
    }
    u64 reckoned = t->read_ns + tsc_to_ns(exit->tsc_exit - t->read_tsc, t->tsc_hz);
    if (exit->tsc_exit < t->read_tsc)
        reckoned = t->read_ns;
    t->exact = t->was_read;
    t->entered = exit->tsc_entry;
    if (t->was_read) {
        reckoned = t->read_ns; /* read while it was handled: the truth to within its latency */
        t->read_tsc = exit->tsc_exit;
        t->was_read = false;
    }
    return come_to(t, reckoned);
}

/* --- both -------------------------------------------------------------------------------- */

u64 guest_time_at_exit(struct guest_time *t, const struct exit_record *exit)
{
    return t->host ? at_host(t, exit) : at_count(t, exit);
}

static u64 at_arrival(struct guest_time *t, const struct arrival_record *arrival)
{
    if (arrival->what != ARRIVAL_TIME)
        return t->now;
    if (t->host) {
        t->read_ns = arrival->value;
        t->read_tsc = t->entered;
        t->exact = true;
        return come_to(t, arrival->value);
    }
    t->skipped += arrival->value;
    return come_to(t, t->count + t->skipped);
}

static u64 at_clock(struct guest_time *t, const struct clock_record *clock)
{
    t->read_ns = clock->value;
    t->was_read = true;
    return t->now;
}

static u64 at_idle(struct guest_time *t, const struct idle_record *idle)
{
    if (idle->until > t->now) /* else the trace is damaged */
        t->skipped = idle->until - t->count;
    return come_to(t, idle->until);
}

u64 guest_time_at(struct guest_time *t, const union record *record)
{
    switch (record->kind) {
    case REC_EXIT:
        return guest_time_at_exit(t, &record->exit);
    case REC_ARRIVAL:
        return at_arrival(t, &record->arrival);
    case REC_CLOCK:
        return at_clock(t, &record->clock);
    case REC_IDLE:
        return at_idle(t, &record->idle);
    default:
        return t->now;
    }
}
