/* The recording gate: what is written, in which order, in blocks of which size, and when the world
 * is asked. */
#include <criterion/criterion.h>

#include "tests/unit/recorded_run.h"

static struct run run;
static struct recorded log_of_run, again;
static struct record_list list;

static void record(enum clock_policy clock, u64 seed)
{
    run_prepare(&run, clock);
    run_record(&run, &log_of_run, seed);
    list_records(&log_of_run, &list);
}

static u32 count_kind(u32 kind)
{
    u32 count = 0;
    for (u32 i = 0; i < list.count; i++)
        count += record_at(&log_of_run, &list, i)->kind == kind;
    return count;
}

Test(recorder, the_guest_runs_to_its_end)
{
    record(CLOCK_COUNT, 0);
    cr_assert_eq(run.rig.h.machine.end.reason, END_DEBUG_EXIT);
    cr_assert_eq(run.rig.h.machine.end.detail, 7);
    cr_assert_eq(run.world.output_length, 5);
    cr_assert_arr_eq(run.world.output, "hello", 5);
    cr_assert_geq(log_of_run.blocks, 3);
}

Test(recorder, every_exit_is_there_and_the_end_comes_last)
{
    record(CLOCK_COUNT, 0);
    cr_assert_eq(count_kind(REC_EXIT), run.rig.h.vcpu.exits + 1);
    cr_assert_eq(count_kind(REC_END), 1);
    const union record *end = record_at(&log_of_run, &list, list.count - 1);
    cr_assert_eq(end->kind, REC_END);
    cr_assert_eq(end->end.reason, END_DEBUG_EXIT);
    cr_assert_eq(end->end.detail, 7);
    cr_assert_eq(end->end.exit, run.rig.h.vcpu.exits);
    cr_assert_eq(end->end.count, run.rig.h.vcpu.count);
}

Test(recorder, without_noise_the_count_policy_needs_no_clock_and_no_stops)
{
    record(CLOCK_COUNT, 0);
    cr_assert_eq(count_kind(REC_CLOCK), 0);
    cr_assert_eq(count_kind(REC_STOP), 0);
    cr_assert_eq(count_kind(REC_ARRIVAL), 5, "what was typed");
    cr_assert_gt(count_kind(REC_INJECTION), TINY_EVENTS - 1);
    cr_assert_gt(count_kind(REC_TIMER), 0u);
}

Test(recorder, the_host_policy_logs_each_reading)
{
    record(CLOCK_HOST, 0);
    cr_assert_eq(run.rig.h.machine.end.reason, END_DEBUG_EXIT);
    cr_assert_gt(count_kind(REC_CLOCK), 0);
    cr_assert_gt(count_kind(REC_ARRIVAL), 5);
    cr_assert_gt(count_kind(REC_STOP), 0);
}

/* A killed recording loses no more than the block being filled, so blocks end in a state
 * whose exits are all before it. */
Test(recorder, blocks_end_in_a_state)
{
    record(CLOCK_COUNT, 3);
    u64 exits = 0;
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&log_of_run, &list, i);
        bool last = i + 1 == list.count || list.block[i + 1] != list.block[i];
        exits += record->kind == REC_EXIT;
        if (record->kind == REC_STATE)
            cr_assert_eq(record->state.exit, exits - 1);
        if (last && i + 1 < list.count)
            cr_assert(record->kind == REC_STATE || record->kind == REC_INJECTION, "%u",
                      record->kind);
    }
    cr_assert_geq(count_kind(REC_STATE), log_of_run.blocks - 1);
}

Test(recorder, the_end_has_a_state_too)
{
    record(CLOCK_COUNT, 0);
    const union record *end = record_at(&log_of_run, &list, list.count - 1);
    cr_assert_eq(end->end.memory, memory_hash(&run.rig.h.machine.memory));
    cr_assert_eq(end->end.devices, machine_hash(&run.rig.h.machine));
    cr_assert_eq(end->end.cpu, vcpu_hash(&run.rig.h.vcpu));
    cr_assert_eq(end->end.inputs, run.recorder.inputs);
}

Test(recorder, stamps_of_entries_follow_those_of_exits)
{
    record(CLOCK_COUNT, 0);
    u64 before = 0;
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&log_of_run, &list, i);
        if (record->kind != REC_EXIT)
            continue;
        cr_assert_geq(record->exit.tsc_exit, before);
        before = record->exit.tsc_exit;
        if (i + 3 < list.count)
            cr_assert_gt(record->exit.tsc_entry, record->exit.tsc_exit, "record %u", i);
    }
}

Test(recorder, it_repeats_itself)
{
    record(CLOCK_HOST, 0);
    run_prepare(&run, CLOCK_HOST);
    run_record(&run, &again, 0);
    cr_assert_eq(again.blocks, log_of_run.blocks);
    cr_assert_eq(memcmp(again.bytes, log_of_run.bytes, log_of_run.block_at[log_of_run.blocks]), 0);
}

Test(recorder, time_never_goes_back)
{
    run_prepare(&run, CLOCK_HOST);
    run.world.clock = 1000000;
    run.world.step = -1ull; /* the host's clock runs backwards */
    run.world.stop_after = 50;
    run_record(&run, &log_of_run, 0);
    list_records(&log_of_run, &list);
    u64 before = 0;
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&log_of_run, &list, i);
        if (record->kind != REC_CLOCK)
            continue;
        cr_assert_geq(record->clock.value, before);
        before = record->clock.value;
    }
    cr_assert_eq(before, 999999);
}

Test(recorder, the_user_s_stop_is_an_arrival)
{
    run_prepare(&run, CLOCK_COUNT);
    run.world.stop_after = 6;
    run_record(&run, &log_of_run, 0);
    list_records(&log_of_run, &list);
    cr_assert_eq(run.rig.h.machine.end.reason, END_STOPPED);
    bool found = false;
    for (u32 i = 0; i < list.count; i++) {
        const union record *record = record_at(&log_of_run, &list, i);
        found |= record->kind == REC_ARRIVAL && record->arrival.what == ARRIVAL_END &&
                 record->arrival.value == END_STOPPED;
    }
    cr_assert(found);
}

Test(recorder, a_full_disk_ends_the_run)
{
    run_prepare(&run, CLOCK_COUNT);
    log_of_run.space = 20000;
    run_record(&run, &log_of_run, 0);
    cr_assert_eq(run.rig.h.machine.end.reason, END_TRACE_FULL);
    cr_assert_eq(run.log.error.code, NO_SPACE);
    cr_assert_gt(log_of_run.blocks, 0);
    cr_assert_leq(log_of_run.block_at[log_of_run.blocks], 20000);
}

/* Nothing is typed: the console is also looked at where a block ends. */
static void prepare_silent(void)
{
    run_prepare(&run, CLOCK_COUNT);
    run.world.typed = "";
}

Test(recorder, a_run_that_keeps_nothing_is_the_same_run)
{
    prepare_silent();
    run_record(&run, &log_of_run, 0);
    u64 count = run.rig.h.vcpu.count, rbx = run.rig.h.vcpu.gpr[RBX];
    struct log nothing = {0};
    prepare_silent();
    recorder_init(&run.recorder, &run.world.world, &nothing, CLOCK_COUNT);
    run.rig.h.machine.gate = &run.recorder.gate;
    hypervisor_run(&run.rig.h);
    cr_assert_eq(run.rig.h.machine.end.reason, END_DEBUG_EXIT);
    cr_assert_eq(run.rig.h.vcpu.count, count);
    cr_assert_eq(run.rig.h.vcpu.gpr[RBX], rbx);
}
