/*
 * Record, then replay: the same run. Then one thing in the log is changed at a time,
 * every field of every kind of record, and the replay must say which rule it broke
 * and be at the exit that was changed.
 */
#include <criterion/criterion.h>

#include "tests/unit/recorded_run.h"

static struct run run;
static struct recorded original, changed;
static struct record_list list;
static u8 output[RUN_OUTPUT];
static u32 output_length;
static u64 final_rbx, final_count;

/* --- runs -------------------------------------------------------------------------------- */

static u32 count_kind(u32 kind)
{
    u32 count = 0;
    for (u32 i = 0; i < list.count; i++)
        count += record_at(&original, &list, i)->kind == kind;
    return count;
}

static void record(enum clock_policy clock, u64 seed)
{
    run_prepare(&run, clock);
    run_record(&run, &original, seed);
    list_records(&original, &list);
    memcpy(&changed, &original, sizeof(changed));
    memcpy(output, run.world.output, sizeof(output));
    output_length = run.world.output_length;
    final_rbx = run.rig.h.vcpu.gpr[RBX];
    final_count = run.rig.h.vcpu.count;
}

/* Under the count policy only noise stops the vCPU: a seed that does so at least twice. */
static void record_with_stops(enum clock_policy clock)
{
    struct noise noise;
    for (u64 seed = 1;; seed++) {
        noise_init(&noise, NULL, seed);
        if (clock == CLOCK_COUNT && noise.next > 400000)
            continue;
        record(clock, seed);
        if (count_kind(REC_STOP) >= 2)
            return;
    }
}

static void replay(enum clock_policy clock, const struct recorded *from)
{
    run_prepare(&run, clock);
    run.world.typed = ""; /* nothing of the world's may matter */
    run.world.step = 123456;
    run_replay(&run, from);
}

static void expect_same(void)
{
    const struct difference *d = &run.replayer.difference;
    cr_expect_eq(d->kind, DIVERGENCE_NONE, "%u at exit %lu: %lx, not %lx", d->kind,
                 run.rig.h.vcpu.exits, d->got, d->expected);
    cr_expect_eq(run.rig.h.machine.end.reason, END_DEBUG_EXIT);
    cr_expect_eq(run.rig.h.vcpu.gpr[RBX], final_rbx);
    cr_expect_eq(run.rig.h.vcpu.count, final_count);
    cr_expect_eq(run.world.output_length, output_length);
    cr_expect_arr_eq(run.world.output, output, output_length);
    cr_expect_eq(run.replayer.early, END_NONE);
}

Test(replayer, the_same_run_under_either_policy)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record(clock, 0);
        cr_assert_gt(output_length, 0);
        replay(clock, &original);
        expect_same();
        cr_expect_eq(run.replayer.states, count_kind(REC_STATE) + 1);
    }
}

Test(replayer, the_same_run_under_noise)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        for (u64 seed = 1; seed <= 12; seed++) {
            record(clock, seed * 1000);
            replay(clock, &original);
            expect_same();
        }
    }
}

Test(replayer, stops_of_the_world_land_exactly)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record_with_stops(clock);
        replay(clock, &original);
        expect_same();
    }
}

/* --- what a change of a field must lead to ----------------------------------------------- */

struct field {
    u16 kind;
    u16 at, size;
    const char *name;
};

static const struct field fields[] = {
#define F(type, name, render, coding) \
    {REC_EXIT, offsetof(struct exit_record, name), sizeof(type), #name},
    EXIT_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_INJECTION, offsetof(struct injection_record, name), sizeof(type), #name},
        INJECTION_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_TIMER, offsetof(struct timer_record, name), sizeof(type), #name},
            TIMER_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_RAISE, offsetof(struct raise_record, name), sizeof(type), #name},
                RAISE_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_IDLE, offsetof(struct idle_record, name), sizeof(type), #name},
                    IDLE_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_CLOCK, offsetof(struct clock_record, name), sizeof(type), #name},
                        CLOCK_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_STOP, offsetof(struct stop_record, name), sizeof(type), #name},
                            STOP_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_ARRIVAL, offsetof(struct arrival_record, name), sizeof(type), #name},
                                ARRIVAL_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_STATE, offsetof(struct state_record, name), sizeof(type), #name},
                                    STATE_FIELDS(F)
#undef F
#define F(type, name, render, coding) \
    {REC_END, offsetof(struct end_record, name), sizeof(type), #name},
                                        END_FIELDS(F)
#undef F
};

#define D(name) (1u << DIVERGENCE_##name)
#define ANY (~D(NONE))
#define LATER UINT32_MAX /* found at that exit or at any after it */

/* Which differences are right, and how many exits after the changed one at most. */
static const struct {
    u16 kind;
    const char *name;
    u32 right, within;
} rules[] = {
    {REC_EXIT, "reason", D(REASON), 0},
    {REC_EXIT, "check", D(REGISTERS), 0},
    {REC_EXIT, "flags", D(REASON), 0},
    {REC_EXIT, "count", D(COUNT), 0},
    {REC_EXIT, "rip", D(RIP), 0},
    {REC_EXIT, "qualification", D(QUALIFICATION), 0},
    {REC_EXIT, "address", D(ADDRESS), 0},
    {REC_EXIT, "value", D(VALUE), 0},
    {REC_EXIT, "tsc_exit", D(NONE), 0}, /* how long it took is not what happened */
    {REC_EXIT, "tsc_entry", D(NONE), 0},
    {REC_INJECTION, "info", D(INJECTION), 0},
    {REC_INJECTION, "error", D(INJECTION), 0},
    {REC_INJECTION, "exit", D(INJECTION), 0},
    {REC_INJECTION, "count", D(INJECTION), 0},
    {REC_INJECTION, "rip", D(INJECTION), 0},
    {REC_TIMER, "exit", D(NOTE), 0},
    {REC_TIMER, "deadline", D(NOTE), 0},
    {REC_RAISE, "source", D(NOTE), 1}, /* a request behind its exit is found at the next */
    {REC_RAISE, "vector", D(NOTE), 1},
    {REC_RAISE, "flags", D(NOTE), 1},
    {REC_RAISE, "lost", D(NOTE), 1},
    {REC_RAISE, "late", D(NOTE), 1},
    {REC_RAISE, "exit", D(NOTE), 1},
    {REC_RAISE, "due", D(NOTE), 1},
    {REC_IDLE, "exit", D(NOTE), 1},
    {REC_IDLE, "until", D(NOTE), 1},
    {REC_CLOCK, "exit", D(INPUT_KIND), 0},
    {REC_CLOCK, "value", ANY, LATER},
    {REC_STOP, "exit", D(POSITION), 1},
    {REC_STOP, "count", D(POSITION) | D(COUNT) | D(REASON), 0},
    {REC_STOP, "rip", D(POSITION), 0},
    {REC_STOP, "rcx", D(POSITION), 0},
    {REC_STOP, "check", D(POSITION), 0},
    {REC_ARRIVAL, "what", ANY, LATER},
    {REC_ARRIVAL, "value", ANY, LATER},
    {REC_ARRIVAL, "exit", D(POSITION) | D(INJECTION) | D(INPUT_KIND) | D(COUNT) | D(END), 1},
    {REC_ARRIVAL, "count", D(POSITION), 0},
    {REC_ARRIVAL, "rip", D(POSITION), 0},
    {REC_ARRIVAL, "rcx", D(POSITION), 0},
    {REC_ARRIVAL, "check", D(POSITION), 0},
    {REC_STATE, "exit", D(POSITION) | D(COUNT), 1},
    {REC_STATE, "count", D(POSITION), 0},
    {REC_STATE, "cpu", D(CPU_STATE), 0},
    {REC_STATE, "memory", D(MEMORY_STATE), 0},
    {REC_STATE, "devices", D(DEVICE_STATE), 0},
    {REC_STATE, "inputs", D(INPUT_STATE), 0},
    {REC_END, "reason", D(END), 0},
    {REC_END, "detail", D(END), 0},
    {REC_END, "exit", D(END), 0},
    {REC_END, "count", D(END), 0},
    {REC_END, "cpu", D(CPU_STATE), 0},
    {REC_END, "memory", D(MEMORY_STATE), 0},
    {REC_END, "devices", D(DEVICE_STATE), 0},
    {REC_END, "inputs", D(INPUT_STATE), 0},
};

static u32 rule_for(const struct field *field)
{
    for (u32 i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].kind == field->kind && !strcmp(rules[i].name, field->name))
            return i;
    cr_assert_fail("no rule for field %s of kind %u", field->name, field->kind);
    return 0;
}

Test(replayer, every_field_has_a_rule)
{
    for (u32 i = 0; i < ARRAY_SIZE(fields); i++)
        rule_for(&fields[i]);
    cr_assert_eq(ARRAY_SIZE(fields), ARRAY_SIZE(rules));
}

/* The number of the exit that a record belongs to. */
static u64 exit_of(u32 which)
{
    u64 exits = 0;
    for (u32 i = 0; i < which; i++)
        exits += record_at(&original, &list, i)->kind == REC_EXIT;
    const union record *r = record_at(&original, &list, which);
    switch (r->kind) {
    case REC_INJECTION:
        return r->injection.exit;
    case REC_TIMER:
        return r->timer.exit;
    case REC_RAISE:
        return r->raise.exit;
    case REC_IDLE:
        return r->idle.exit;
    case REC_CLOCK:
        return r->clock.exit;
    case REC_STOP:
        return r->stop.exit;
    case REC_ARRIVAL:
        return r->arrival.exit;
    case REC_STATE:
        return r->state.exit;
    case REC_END:
        return r->end.exit;
    default:
        return exits;
    }
}

static void check_change(enum clock_policy clock, const struct field *field, u32 which)
{
    u32 rule = rule_for(field);
    u64 exit = exit_of(which);
    u8 *byte = (u8 *)record_at(&changed, &list, which) + field->at;
    *byte ^= 1;
    replay(clock, &changed);
    *byte ^= 1;
    u32 kind = run.replayer.difference.kind;
    u64 at = run.rig.h.vcpu.exits;
    cr_expect(rules[rule].right >> kind & 1,
              "%s of record %u (kind %u, exit %lu, clock %u): divergence %u at exit %lu",
              field->name, which, field->kind, exit, clock, kind, at);
    if (rules[rule].right & D(NONE))
        return;
    cr_expect(at + 1 >= exit && (rules[rule].within == LATER || at <= exit + rules[rule].within),
              "%s of record %u (kind %u): changed at exit %lu, found at %lu", field->name, which,
              field->kind, exit, at);
    cr_expect(run.rig.h.machine.end.reason != END_NONE);
}

/* The first, some in the middle, and the last record of the field's kind. */
static void check_field(enum clock_policy clock, const struct field *field)
{
    u32 of_kind = count_kind(field->kind), seen = 0;
    for (u32 i = 0; i < list.count; i++) {
        if (record_at(&original, &list, i)->kind != field->kind)
            continue;
        if (seen == 0 || seen == of_kind / 3 || seen == of_kind / 2 || seen + 1 == of_kind)
            check_change(clock, field, i);
        seen++;
    }
}

static void check_fields(enum clock_policy clock)
{
    record_with_stops(clock);
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++)
        if (record_size(kind) && kind != (clock == CLOCK_COUNT ? REC_CLOCK : REC_IDLE))
            cr_assert_gt(count_kind(kind), 0, "kind %u", kind);
    for (u32 i = 0; i < ARRAY_SIZE(fields); i++)
        check_field(clock, &fields[i]);
}

Test(replayer, a_changed_field_is_found_under_the_count_policy)
{
    check_fields(CLOCK_COUNT);
}

Test(replayer, a_changed_field_is_found_under_the_host_policy)
{
    check_fields(CLOCK_HOST);
}

/* --- records that are gone, too many or out of order ------------------------------------- */

/* Rebuilds `changed` from the original's records, `order` of them. */
static void rebuild(const u32 *order, u32 count)
{
    u32 at = 0, block = 0;
    changed.blocks = 0;
    for (u32 i = 0; i < count; i++) {
        const union record *r = record_at(&original, &list, order[i]);
        if (i && list.block[order[i]] > block) {
            changed.block_at[++changed.blocks] = at;
            block = list.block[order[i]];
        }
        memcpy(changed.bytes + at, r, record_size(r->kind));
        at += record_size(r->kind);
    }
    changed.block_at[++changed.blocks] = at;
}

static u32 order[RUN_BYTES / 64];

static void keep_order(void)
{
    for (u32 i = 0; i < list.count; i++)
        order[i] = i;
}

/* Which of the replayer's readers takes a record of this kind. */
static u32 reader_of(u32 kind)
{
    return kind == REC_CLOCK                                            ? 1
           : kind == REC_EXIT || kind == REC_INJECTION                  ? 2
           : kind == REC_TIMER || kind == REC_RAISE || kind == REC_IDLE ? 3
                                                                        : 0;
}

/* Each seventh record, and the first and last of each kind. */
static bool is_sample(u32 i)
{
    static u32 seen[REC_KIND_LIMIT];
    u32 kind = record_at(&original, &list, i)->kind;
    if (i == 0)
        memset(seen, 0, sizeof(seen));
    seen[kind]++;
    return i % 17 == 0 || seen[kind] == 1 || seen[kind] == count_kind(kind);
}

static void drop_each(enum clock_policy clock)
{
    record_with_stops(clock);
    for (u32 i = 0; i < list.count; i++) {
        u32 kind = record_at(&original, &list, i)->kind;
        if (!is_sample(i))
            continue;
        keep_order();
        memmove(order + i, order + i + 1, (list.count - i - 1) * sizeof(order[0]));
        rebuild(order, list.count - 1);
        replay(clock, &changed);
        bool same = run.replayer.difference.kind == DIVERGENCE_NONE;
        /* Without a state less is known, and that is all. */
        cr_expect_eq(same, kind == REC_STATE, "record %u of kind %u", i, kind);
        cr_expect_leq(run.rig.h.vcpu.exits, exit_of(list.count - 1));
    }
}

static void double_each(enum clock_policy clock)
{
    record_with_stops(clock);
    for (u32 i = 0; i < list.count; i++) {
        u32 kind = record_at(&original, &list, i)->kind;
        if (!is_sample(i))
            continue;
        keep_order();
        memmove(order + i + 1, order + i, (list.count - i) * sizeof(order[0]));
        rebuild(order, list.count + 1);
        replay(clock, &changed);
        bool same = run.replayer.difference.kind == DIVERGENCE_NONE;
        cr_expect(!same, "record %u of kind %u", i, kind);
    }
}

/* Neighbours within what one reader sees; across readers the order says nothing. */
static void swap_each(enum clock_policy clock)
{
    record_with_stops(clock);
    for (u32 i = 0; i < list.count; i++) {
        u32 reader = reader_of(record_at(&original, &list, i)->kind), next = i + 1;
        if (!is_sample(i))
            continue;
        while (next < list.count && reader_of(record_at(&original, &list, next)->kind) != reader)
            next++;
        if (next == list.count)
            continue;
        keep_order();
        order[i] = next;
        order[next] = i;
        rebuild(order, list.count);
        replay(clock, &changed);
        cr_expect_neq(run.replayer.difference.kind, DIVERGENCE_NONE, "records %u and %u", i, next);
    }
}

Test(replayer, a_dropped_record_is_found)
{
    drop_each(CLOCK_COUNT);
    drop_each(CLOCK_HOST);
}

Test(replayer, a_doubled_record_is_found)
{
    double_each(CLOCK_COUNT);
    double_each(CLOCK_HOST);
}

Test(replayer, two_swapped_records_are_found)
{
    swap_each(CLOCK_COUNT);
    swap_each(CLOCK_HOST);
}

/* --- less than a whole log --------------------------------------------------------------- */

/* Inputs are enough. */
static void drop_observations(void)
{
    u32 kept = 0;
    for (u32 i = 0; i < list.count; i++)
        if (record_at(&original, &list, i)->kind >= REC_CLOCK)
            order[kept++] = i;
    rebuild(order, kept);
}

Test(replayer, inputs_alone_replay)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record_with_stops(clock);
        drop_observations();
        replay(clock, &changed);
        expect_same();
        cr_expect(!run.replayer.compares);
    }
}

Test(replayer, inputs_alone_still_find_a_change)
{
    static const u16 kinds[] = {REC_STOP, REC_ARRIVAL, REC_STATE};
    record_with_stops(CLOCK_HOST);
    drop_observations();
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        u32 at = 0;
        while (((union record *)(changed.bytes + at))->kind != kinds[i])
            at += record_size(((union record *)(changed.bytes + at))->kind);
        changed.bytes[at + (kinds[i] == REC_STOP ? offsetof(struct stop_record, rip) : 8)] ^= 1;
        replay(CLOCK_HOST, &changed);
        cr_expect_neq(run.replayer.difference.kind, DIVERGENCE_NONE, "%u", kinds[i]);
        changed.bytes[at + (kinds[i] == REC_STOP ? offsetof(struct stop_record, rip) : 8)] ^= 1;
    }
}

static void replay_some(enum clock_policy clock, const struct recorded *from, u64 exits)
{
    run_prepare(&run, clock);
    run.limit = exits;
    run_replay(&run, from);
}

static struct exit_record *exit_number(u64 number)
{
    for (u32 i = 0; i < list.count; i++) {
        union record *record = record_at(&changed, &list, i);
        if (record->kind == REC_EXIT && !number--)
            return &record->exit;
    }
    return NULL;
}

Test(replayer, a_limit_ends_at_the_last_of_so_many_exits)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record_with_stops(clock);
        u32 exits = count_kind(REC_EXIT);
        for (u32 limit = 1; limit <= exits; limit++) {
            replay_some(clock, &original, limit);
            cr_expect_eq(run.replayer.difference.kind, DIVERGENCE_NONE);
            cr_expect_eq(run.replayer.early, END_REACHED);
            cr_expect_eq(run.rig.h.vcpu.rip, exit_number(limit - 1)->rip, "exit %u", limit - 1);
        }
    }
}

Test(replayer, a_limit_hides_only_what_comes_after_it)
{
    record(CLOCK_COUNT, 0);
    u32 exits = count_kind(REC_EXIT), wrong = exits / 2;
    exit_number(wrong)->count++;
    for (u32 limit = 1; limit <= exits; limit++) {
        replay_some(CLOCK_COUNT, &changed, limit);
        cr_expect_eq(run.replayer.early, limit <= wrong ? END_REACHED : END_NONE);
        cr_expect_eq(run.replayer.difference.kind,
                     limit <= wrong ? DIVERGENCE_NONE : DIVERGENCE_COUNT);
    }
}

static void expect_cut(u32 blocks)
{
    cr_expect_eq(run.replayer.difference.kind, DIVERGENCE_NONE, "after %u blocks: %u", blocks,
                 run.replayer.difference.kind);
    cr_expect_eq(run.replayer.early, END_LOG_ENDED, "after %u blocks", blocks);
}

Test(replayer, a_cut_log_replays_up_to_its_end)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record_with_stops(clock);
        u32 states = 0;
        for (u32 blocks = 1; blocks < original.blocks; blocks++) {
            changed.blocks = blocks;
            replay(clock, &changed);
            expect_cut(blocks);
            cr_expect_gt(run.replayer.states, states);
            states = (u32)run.replayer.states;
        }
    }
}

Test(replayer, a_cut_log_of_inputs_alone_ends_too)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record_with_stops(clock);
        drop_observations();
        u32 blocks = changed.blocks;
        while (--blocks) {
            changed.blocks = blocks;
            replay(clock, &changed);
            expect_cut(blocks);
        }
    }
}

Test(replayer, nothing_at_all_ends_at_once)
{
    record(CLOCK_COUNT, 0);
    changed.blocks = 0;
    replay(CLOCK_COUNT, &changed);
    expect_cut(0);
    cr_expect_eq(run.rig.h.vcpu.exits, 0);
}

/* A log may claim anything. */
Test(replayer, a_byte_that_the_console_cannot_take)
{
    const struct position at = {.exit = 3, .count = 10, .rip = 20, .rcx = 30, .check = 40};
    struct arrival_record typed = {REC_ARRIVAL, ARRIVAL_CONSOLE, 'x', 3, 10, 20, 30, 40};
    changed = (struct recorded){.blocks = 1, .block_at = {0, sizeof(typed)}};
    memcpy(changed.bytes, &typed, sizeof(typed));
    for (u32 may_receive = 0; may_receive < 2; may_receive++) {
        struct run_reader readers[3] = {{&changed, 0}, {&changed, 0}, {&changed, 0}};
        struct log_cursor cursors[3];
        for (u32 i = 0; i < 3; i++)
            cursors[i] = (struct log_cursor){.next_block = run_next_block, .context = &readers[i]};
        const struct log_source source = {&cursors[0], &cursors[1], &cursors[2], NULL};
        replayer_init(&run.replayer, &run.world.world, &source);
        struct gate *gate = &run.replayer.gate;
        struct arrival arrival = gate->ops->arrive(gate, &at, may_receive);
        cr_expect_eq(arrival.kind, may_receive ? ARRIVAL_CONSOLE : ARRIVAL_END);
        cr_expect_eq(run.replayer.difference.kind,
                     may_receive ? DIVERGENCE_NONE : DIVERGENCE_INPUT_KIND);
    }
}
