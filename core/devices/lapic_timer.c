/*
 * The local APIC's timer (SDM vol. 3A 11.5.4): one-shot, periodic and
 * TSC-deadline mode. Nothing counts between accesses: the current count follows
 * from the time at which it was last known. One guest TSC tick is one ns.
 *
 * The SDM says that a change of the timer mode disarms the timer. As CPUs and
 * other hypervisors do, only a change to or from TSC-deadline mode does here;
 * software exists that sets the count first and the periodic mode after it.
 */
#include "core/devices/lapic.h"
#include "core/devices/ports.h"

enum { MODE_MASK = 3 << 17, ONE_SHOT = 0, PERIODIC = 1 << 17, TSC_DEADLINE = 2 << 17 };
enum { TIMER = 0, NS_A_TICK = NANOSECONDS / CRYSTAL_HZ };

static u32 mode(const struct lapic *lapic)
{
    return lapic->lvt[TIMER] & MODE_MASK;
}

/* Divide configuration, bits 3, 1 and 0: 0 divides by 2, ... 6 by 128, 7 by 1. */
static u64 tick(const struct lapic *lapic)
{
    u32 code = (lapic->divide & 3) | (lapic->divide >> 1 & 4);

    return (u64)NS_A_TICK << ((code + 1) & 7);
}

static void start(struct lapic *lapic, u64 now, u32 count)
{
    lapic->timer_start = now;
    lapic->timer_count = count;
    lapic->deadline = count ? now + count * tick(lapic) : NEVER;
}

static void tell(const struct lapic *lapic, struct access *access)
{
    access->effect = EFFECT_TIMER_SET;
    access->effect_value = lapic->deadline;
}

void lapic_timer_reset(struct lapic *lapic)
{
    lapic->deadline = NEVER;
    lapic->timer_start = lapic->tsc_deadline = 0;
    lapic->timer_count = lapic->initial_count = 0;
}

u32 lapic_current_count(const struct lapic *lapic, u64 now)
{
    if (!lapic->timer_count)
        return 0;
    u64 elapsed = (now - lapic->timer_start) / tick(lapic);

    return elapsed < lapic->timer_count ? lapic->timer_count - (u32)elapsed : 0;
}

void lapic_set_initial_count(struct lapic *lapic, struct access *access)
{
    if (mode(lapic) == TSC_DEADLINE)
        return; /* SDM 11.5.4.1: ignored */
    lapic->initial_count = (u32)access->value;
    start(lapic, access->now, lapic->initial_count);
    tell(lapic, access);
}

/* The count goes on from where it is, at the new speed; a part of a tick is lost. */
void lapic_set_divide(struct lapic *lapic, struct access *access)
{
    u32 count = lapic_current_count(lapic, access->now);

    lapic->divide = (u32)access->value;
    if (count) {
        start(lapic, access->now, count);
        tell(lapic, access);
    }
}

void lapic_set_lvt_timer(struct lapic *lapic, u32 value, struct access *access)
{
    u32 changed = lapic->lvt[TIMER] ^ value;
    bool was_armed = lapic->deadline != NEVER;

    lapic->lvt[TIMER] = value;
    if (!(changed & TSC_DEADLINE))
        return;
    lapic_timer_reset(lapic);
    if (was_armed)
        tell(lapic, access);
}

void lapic_set_tsc_deadline(struct lapic *lapic, u64 deadline)
{
    if (mode(lapic) != TSC_DEADLINE)
        return;
    lapic->tsc_deadline = deadline;
    lapic->deadline = deadline ? deadline : NEVER;
}

/* A periodic timer goes on without drift: the next period starts at a whole
 * number of periods after the last, those that were missed fall together: so many. */
static u64 restart(struct lapic *lapic, u64 now)
{
    u64 period = lapic->initial_count * tick(lapic);
    u64 late = now - lapic->deadline;

    if (late < period) {
        start(lapic, now - late, lapic->initial_count);
        return 0;
    }
    start(lapic, now - late % period, lapic->initial_count);
    return late / period;
}

u8 lapic_timer_vector(const struct lapic *lapic)
{
    u32 lvt = lapic->lvt[TIMER];
    bool legal = (u8)lvt >= LAPIC_FIRST_VECTOR && lapic_enabled(lapic);

    return legal && !(lvt & LVT_MASKED) ? (u8)lvt : 0;
}

u64 lapic_advance(struct lapic *lapic, u64 now)
{
    u64 missed = 0;

    if (now < lapic->deadline || lapic->deadline == NEVER)
        return 0;
    if (mode(lapic) == PERIODIC) {
        missed = restart(lapic, now);
    } else { /* the count stays 0 and IA32_TSC_DEADLINE reads 0 until set anew */
        lapic->timer_count = 0;
        lapic->tsc_deadline = 0;
        lapic->deadline = NEVER;
    }
    if (!(lapic->lvt[TIMER] & LVT_MASKED))
        lapic_raise(lapic, (u8)lapic->lvt[TIMER], false);
    return missed;
}
