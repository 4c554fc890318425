/* Guest time from the trace alone: against the machine that was recorded, and on made-up
 * records. */
#include <criterion/criterion.h>

#include "tests/unit/recorded_run.h"
#include "trace/guest_time.h"
#include "vmx/exits.h"

static struct run run;
static struct recorded recorded;
static struct record_list list;

static u32 order[RUN_BYTES / 64];

/* The recorder logs what arrives at an exit before the exit; in merged order it comes after. */
static void merge(void)
{
    u32 exits = 0, used = 0, held = 0;
    static u32 waiting[ARRAY_SIZE(order)];
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&recorded, &list, i);
        if (record->kind == REC_ARRIVAL && record->arrival.exit == exits) {
            waiting[held++] = i;
            continue;
        }
        order[used++] = i;
        if (record->kind != REC_EXIT)
            continue;
        exits++;
        for (u32 j = 0; j < held; j++)
            order[used++] = waiting[j];
        held = 0;
    }
    cr_assert_eq(used, list.count);
}

/* Feeds all that was recorded, in the order of a merged cursor, and returns the last time. Each
 * exit that gave the guest its TSC is compared with it. */
static u64 feed(struct guest_time *t, u32 *compared)
{
    *compared = 0;
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&recorded, &list, order[i]);
        u64 ns = guest_time_at(t, record);
        if (record->kind != REC_EXIT || record->exit.reason != EXIT_RDTSC)
            continue;
        cr_expect_eq(ns, record->exit.value, "record %u: %lu, the guest saw %lu", i, ns,
                     record->exit.value);
        cr_expect(t->exact);
        ++*compared;
    }
    return t->now;
}

static void record(u64 seed)
{
    run_prepare(&run, CLOCK_COUNT);
    run_record(&run, &recorded, seed);
    list_records(&recorded, &list);
    merge();
}

Test(guest_time, is_what_the_machine_had)
{
    for (u64 seed = 0; seed < 4; seed++) {
        struct manifest manifest = {.version = 2, .clock = CLOCK_COUNT};
        struct guest_time t;
        u32 compared;
        record(seed);
        guest_time_init(&t, &manifest);
        u64 end = feed(&t, &compared);
        cr_expect_eq(end, run.rig.h.machine.now, "seed %lu: %lu, the machine had %lu", seed, end,
                     run.rig.h.machine.now);
        cr_expect(t.exact);
        cr_expect_gt(compared, 0);
    }
}

/* --- made-up records ---------------------------------------------------------------------- */

static struct exit_record exit_at(u16 reason, u64 count, u64 value)
{
    return (struct exit_record){.kind = REC_EXIT, .reason = reason, .count = count, .value = value};
}

static u64 at_exit(struct guest_time *t, u16 reason, u64 count, u64 value)
{
    struct exit_record exit = exit_at(reason, count, value);
    return guest_time_at_exit(t, &exit);
}

Test(guest_time, of_old_traces_is_found_again_after_a_halt)
{
    struct manifest manifest = {.version = 1, .clock = CLOCK_COUNT};
    struct guest_time t;
    guest_time_init(&t, &manifest);
    cr_expect_eq(at_exit(&t, EXIT_RDTSC, 100, 100), 100);
    struct exit_record set = exit_at(EXIT_MSR_WRITE, 150, 5150);
    set.address = 0x10; /* the guest's TSC is 5000 ahead */
    guest_time_at_exit(&t, &set);
    cr_expect_eq(at_exit(&t, EXIT_HLT, 200, 0), 200);
    cr_expect_not(t.exact);
    cr_expect_eq(at_exit(&t, EXIT_CPUID, 300, 0), 300, "not later than the truth");
    cr_expect_eq(at_exit(&t, EXIT_RDTSC, 400, 15400), 10400);
    cr_expect(t.exact);
    cr_expect_eq(at_exit(&t, EXIT_CPUID, 500, 0), 10500);
}

Test(guest_time, under_the_host_policy_follows_readings_and_the_tsc)
{
    struct manifest manifest = {.version = 2, .clock = CLOCK_HOST, .tsc_hz = 2 * NANOSECONDS};
    struct guest_time t;
    union record clock = {.clock = {.kind = REC_CLOCK, .value = 1000}};
    struct exit_record exit = exit_at(EXIT_RDTSC, 1, 1000);
    guest_time_init(&t, &manifest);
    exit.tsc_exit = 6000;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 0, "it begins at the first exit");
    exit.tsc_exit = 6500;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 250);
    exit.tsc_exit = 7000;
    guest_time_at(&t, &clock);
    cr_expect_eq(guest_time_at_exit(&t, &exit), 1000);
    cr_expect(t.exact);
    exit.tsc_exit = 7500;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 1250);
    cr_expect_not(t.exact);
    exit.tsc_exit = 6000;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 1250, "it never goes back");
}

Test(guest_time, a_reading_is_taken_for_one_at_the_entry)
{
    struct manifest manifest = {.version = 2, .clock = CLOCK_HOST, .tsc_hz = 2 * NANOSECONDS};
    struct guest_time t;
    union record clock = {.clock = {.kind = REC_CLOCK, .value = 1000}};
    struct exit_record exit = exit_at(EXIT_RDTSC, 1, 1000);
    guest_time_init(&t, &manifest);
    guest_time_at(&t, &clock);
    exit.tsc_exit = 6000;
    exit.tsc_entry = 6400; /* 200 ns of handling */
    cr_expect_eq(guest_time_at_exit(&t, &exit), 800);
    cr_expect(t.exact);
    exit.tsc_exit = 6600;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 1100);
}

Test(guest_time, goes_on_by_the_hosts_tsc_behind_a_gap)
{
    struct manifest manifest = {.version = 2, .clock = CLOCK_HOST, .tsc_hz = NANOSECONDS};
    struct guest_time t;
    union record clock = {.clock = {.kind = REC_CLOCK, .value = 1000}};
    struct exit_record exit = exit_at(EXIT_RDTSC, 1, 1000);
    guest_time_init(&t, &manifest);
    guest_time_at(&t, &clock);
    exit.tsc_exit = exit.tsc_entry = 6000;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 1000);
    guest_time_lose(&t);
    exit.tsc_exit = exit.tsc_entry = 9000;
    cr_expect_eq(guest_time_at_exit(&t, &exit), 4000);
}

Test(guest_time, never_goes_back)
{
    struct manifest manifest = {.version = 2, .clock = CLOCK_COUNT};
    struct guest_time t;
    guest_time_init(&t, &manifest);
    at_exit(&t, EXIT_CPUID, 1000, 0);
    union record idle = {.idle = {.kind = REC_IDLE, .until = 5}};
    cr_expect_eq(guest_time_at(&t, &idle), 1000);
    cr_expect_eq(at_exit(&t, EXIT_CPUID, 10, 0), 1000);
}
