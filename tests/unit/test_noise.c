/* The noisy world: drawn from its seed alone, never back in time, and otherwise the world it wraps.
 */
#include <criterion/criterion.h>

#include "tests/unit/recorded_run.h"

static struct run run;
static struct recorded first, second;
static struct record_list list;

static void record(struct recorded *into, enum clock_policy clock, u64 seed)
{
    run_prepare(&run, clock);
    run_record(&run, into, seed);
}

static bool alike(void)
{
    u32 length = first.block_at[first.blocks];
    return first.blocks == second.blocks && length == second.block_at[second.blocks] &&
           !memcmp(first.bytes, second.bytes, length);
}

Test(noise, the_same_seed_makes_the_same_run)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record(&first, clock, 4711);
        record(&second, clock, 4711);
        cr_assert(alike(), "%u", clock);
    }
}

Test(noise, other_seeds_make_other_runs)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        record(&first, clock, 1);
        for (u64 seed = 2; seed < 8; seed++) {
            record(&second, clock, seed);
            cr_assert(!alike(), "seed %lu, clock %u", seed, clock);
        }
        record(&second, clock, 0);
        cr_assert(!alike(), "and so does none");
    }
}

Test(noise, bytes_are_held_back_and_never_lost)
{
    for (u64 seed = 1; seed < 6; seed++) {
        struct counted_world world;
        struct noise noise;
        char seen[8] = "";
        u32 length = 0, looks = 0;
        counted_world_init(&world);
        world.look_every = 1;
        noise_init(&noise, &world.world, seed);
        while (length < 5 && looks++ < 1000) {
            int byte = noise.world.ops->console(&noise.world);
            if (byte >= 0)
                seen[length++] = (char)byte;
        }
        cr_assert_str_eq(seen, "hello");
        cr_assert_gt(looks, 5, "seed %lu held nothing back", seed);
    }
}

Test(noise, the_clock_never_goes_back)
{
    struct counted_world world;
    struct noise noise;
    u64 before = 0, stolen = 0, count = 0;
    counted_world_init(&world);
    noise_init(&noise, &world.world, 9);
    for (u32 i = 0; i < 2000; i++) {
        u64 next = noise.world.ops->interruption(&noise.world, count);
        cr_assert_gt(next, count, "an interruption lies ahead");
        cr_assert_eq(noise.world.ops->interruption(&noise.world, count), next,
                     "asking twice changes nothing");
        u64 now = noise.world.ops->clock(&noise.world);
        cr_assert_gt(now, before);
        before = now;
        cr_assert_geq(noise.stolen, stolen);
        stolen = noise.stolen;
        count = next;
    }
    cr_assert_eq(before, world.clock + stolen, "what is stolen is all that it adds");
    cr_assert_gt(stolen, 0);
}

Test(noise, everything_else_is_the_world_s)
{
    struct counted_world world;
    struct noise noise;
    counted_world_init(&world);
    noise_init(&noise, &world.world, 1);
    cr_assert_eq(noise.world.ops->ticks(&noise.world, 1234), 1234);
    cr_assert_eq(noise.world.ops->stop(&noise.world), END_NONE);
    world.stop_after = 0;
    cr_assert_eq(noise.world.ops->stop(&noise.world), END_STOPPED);
    noise.world.ops->output(&noise.world, 'q');
    cr_assert_eq(world.output[0], 'q');
    noise.world.ops->progress(&noise.world, 1, 2);
}

/* Guest time as the run saw it: counts and ns of the records never fall. */
Test(noise, a_noisy_run_s_time_never_goes_back)
{
    for (u64 seed = 1; seed < 6; seed++) {
        u64 count = 0, clock = 0;
        record(&first, CLOCK_HOST, seed);
        list_records(&first, &list);
        for (u32 i = 0; i < list.count; i++) {
            const union record *r = record_at(&first, &list, i);
            if (r->kind == REC_EXIT) {
                cr_assert_geq(r->exit.count, count);
                count = r->exit.count;
            }
            bool tells_time =
                r->kind == REC_CLOCK || (r->kind == REC_ARRIVAL && r->arrival.what == ARRIVAL_TIME);
            if (!tells_time)
                continue;
            u64 now = r->kind == REC_CLOCK ? r->clock.value : r->arrival.value;
            cr_assert_geq(now, clock);
            clock = now;
        }
    }
}
