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
        .tells_idle = manifest_tells(manifest, REC_IDLE),
        .tsc_hz = manifest->tsc_hz,
    };
}

u64 tsc_to_ns(u64 tsc, u64 tsc_hz)
{
    u64 product;
    if (!tsc_hz)
        return 0;
    if (!__builtin_mul_overflow(tsc, NANOSECONDS, &product)) /* far faster, and as a rule */
        return product / tsc_hz;
    return (u64)((unsigned __int128)tsc * NANOSECONDS / tsc_hz);
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

/* The first sight of the time since it was lost, or since the HLT of a trace that does not tell how
 * that ended. */
static void see_tsc(struct guest_time *t, const struct exit_record *exit)
{
    if (!t->tells_idle && exit->reason == EXIT_HLT)
        t->exact = false;
    if (t->exact || t->tsc_blind || !gives_tsc(exit))
        return;
    t->skipped = exit->value - t->tsc_offset - exit->count;
    t->exact = true;
    t->by_tsc = t->by_tsc || t->lost;
    t->lost = false;
}

static inline u64 at_usual_exit(struct guest_time *t, u64 count)
{
    t->count = count;
    return come_to(t, count + t->skipped);
}

static u64 at_count(struct guest_time *t, const struct exit_record *exit)
{
    see_tsc(t, exit);
    at_usual_exit(t, exit->count);
    if (exit->reason == EXIT_MSR_WRITE && exit->address == MSR_TSC) {
        t->tsc_offset = exit->value - t->now;
        t->tsc_blind = t->lost;
        t->tsc_set = true;
    }
    return t->now;
}

/* Is all that at_count() does for this exit at_usual_exit()? */
static inline bool is_usual(const struct guest_time *t, u64 reason)
{
    if (reason == EXIT_MSR_WRITE)
        return false;
    return t->exact && (t->tells_idle || reason != EXIT_HLT);
}

/* --- policy `host` ----------------------------------------------------------------------- */

/* The time at this host TSC, which comes after the last reading or before the first. */
static u64 reckon(const struct guest_time *t, u64 tsc)
{
    if (tsc >= t->read_tsc)
        return t->read_ns + tsc_to_ns(tsc - t->read_tsc, t->tsc_hz);
    return t->read_ns - min_u64(t->read_ns, tsc_to_ns(t->read_tsc - tsc, t->tsc_hz));
}

/* The clock was read between these two stamps. The later one is nearer as a rule: what makes an exit
 * long (a recorder that hands on a chunk, a host that was elsewhere) comes before its handler. */
u64 guest_time_read_by(u64 tsc_exit, u64 tsc_entry)
{
    return max_u64(tsc_exit, tsc_entry); /* an entry that never came has no stamp */
}

static u64 at_host(struct guest_time *t, const struct exit_record *exit)
{
    if (!t->anchored) {
        t->read_tsc = exit->tsc_exit; /* guest time began about here */
        t->anchored = true;
    }
    u64 reckoned = reckon(t, exit->tsc_exit);
    t->exact = t->was_read;
    t->entered = exit->tsc_entry;
    if (t->was_read) {
        t->read_tsc = guest_time_read_by(exit->tsc_exit, exit->tsc_entry);
        t->was_read = t->lost = false;
        reckoned = reckon(t, exit->tsc_exit);
    }
    return come_to(t, reckoned);
}

/* --- both -------------------------------------------------------------------------------- */

u64 guest_time_at_exit(struct guest_time *t, const struct exit_record *exit)
{
    return t->host ? at_host(t, exit) : at_count(t, exit);
}

/* What the rules above look at, of one row. */
static struct exit_record exit_of(const struct guest_time *t, const struct exit_columns *exits,
                                  size_t i)
{
    if (t->host)
        return (struct exit_record){.tsc_exit = exits->tsc_exit[i],
                                    .tsc_entry = exits->tsc_entry[i]};
    return (struct exit_record){.reason = (u16)exits->reason[i],
                                .count = exits->count[i],
                                .address = exits->address[i],
                                .value = exits->value[i]};
}

void guest_time_at_exits(struct guest_time *t, const struct exit_columns *exits, size_t begin,
                         size_t end, u64 *times)
{
    for (size_t i = begin; i < end; i++) {
        if (!t->host && is_usual(t, exits->reason[i])) {
            times[i] = at_usual_exit(t, exits->count[i]);
            continue;
        }
        struct exit_record exit = exit_of(t, exits, i);
        times[i] = guest_time_at_exit(t, &exit);
    }
}

void guest_time_wish(const struct guest_time *t, struct column_wishes *wishes)
{
    wishes->fields[REC_ARRIVAL] |=
        COLUMN(arrival, what) | COLUMN(arrival, value) | COLUMN(arrival, exit);
    wishes->fields[REC_CLOCK] |= COLUMN(clock, exit) | COLUMN(clock, value);
    wishes->fields[REC_IDLE] |= COLUMN(idle, exit) | COLUMN(idle, until);
    wishes->fields[REC_EXIT] |= t->host ? COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry)
                                        : COLUMN(exit, reason) | COLUMN(exit, count) |
                                              COLUMN(exit, address) | COLUMN(exit, value);
}

void guest_time_lose(struct guest_time *t)
{
    t->lost = true;
    t->exact = t->by_tsc = false;
    if (t->host && !t->now) { /* a start in the middle: the trace's first reading is far away */
        t->read_ns = 0;
        t->anchored = false;
    }
}

static u64 at_arrival(struct guest_time *t, const struct arrival_record *arrival)
{
    if (arrival->what != ARRIVAL_TIME)
        return t->now;
    if (t->host) {
        t->read_ns = arrival->value;
        t->read_tsc = t->entered;
        t->exact = true;
        t->lost = false;
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
    if (idle->until > t->now) { /* else the trace is damaged */
        t->skipped = idle->until - t->count;
        t->exact = true;
        t->lost = t->by_tsc = false;
    }
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
