/* Exit latency from two sides, from records made by hand. */
#include <criterion/criterion.h>

#include "analysis/bench/exit_bench.h"
#include "vmx/exits.h"

enum { OUT_TO_KIND = KIND_PORT << 16 };

static struct exit_bench bench;
static u64 tsc;

static void take(u32 reason, u64 qualification, u64 value, u64 latency)
{
    struct exit_record exit = {.kind = REC_EXIT,
                               .reason = (u16)reason,
                               .qualification = qualification,
                               .value = value,
                               .tsc_exit = tsc += 1000,
                               .tsc_entry = tsc + latency};
    exit_bench_take(&bench, &exit, sizeof(exit));
}

static void round_of(u64 inside, u64 outside)
{
    take(EXIT_RDTSCP, 0, 5000, 10);
    take(EXIT_CPUID, 0, 0, outside);
    take(EXIT_RDTSCP, 0, 5000 + inside, 10);
}

static void begin(enum exit_kind kind)
{
    take(EXIT_IO_INSTRUCTION, OUT_TO_KIND, kind, 10);
}

Test(exit_bench, warm_up_rounds_do_not_count)
{
    begin(EXIT_KIND_cpuid);
    for (u32 i = 0; i < KIND_WARM_UP; i++)
        round_of(999, 999);
    round_of(300, 70);
    round_of(200, 80);
    const struct exit_samples *s = &bench.kinds[EXIT_KIND_cpuid];
    cr_assert_eq(s->count, 2);
    cr_assert_eq(s->exits, 2);
    cr_assert_eq(s->inside[0], 300);
    cr_assert_eq(s->outside[0], 70);
    cr_assert_eq(s->inside[1], 200);
    cr_assert_not(exit_bench_is_whole(&bench));
}

Test(exit_bench, all_kinds_make_it_whole_and_more_is_dropped)
{
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++) {
        begin(kind);
        for (u32 i = 0; i < KIND_WARM_UP + KIND_ROUNDS + 3; i++)
            round_of(i, i);
    }
    cr_assert(exit_bench_is_whole(&bench));
    cr_assert_eq(bench.kinds[EXIT_KIND_hlt].inside[0], KIND_WARM_UP);
}

Test(exit_bench, the_looks_of_a_halted_vcpu_add_time_and_no_exits)
{
    begin(EXIT_KIND_hlt);
    for (u32 i = 0; i < KIND_WARM_UP; i++)
        round_of(1, 1);
    take(EXIT_RDTSCP, 0, 100, 10);
    take(EXIT_HLT, 0, 0, 40);
    struct exit_record look = {.kind = REC_EXIT,
                               .reason = EXIT_HLT,
                               .flags = EXIT_FLAG_HALTED,
                               .tsc_exit = 10,
                               .tsc_entry = 15};
    exit_bench_take(&bench, &look, sizeof(look));
    take(EXIT_RDTSCP, 0, 300, 10);
    cr_assert_eq(bench.kinds[EXIT_KIND_hlt].outside[0], 45);
    cr_assert_eq(bench.kinds[EXIT_KIND_hlt].exits, 1);
}

Test(exit_bench, an_unknown_kind_and_exits_before_any_are_ignored)
{
    round_of(5, 5);
    begin(EXIT_KIND_COUNT);
    round_of(5, 5);
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++)
        cr_assert_eq(bench.kinds[kind].count, 0);
}

Test(exit_bench, quantiles_are_samples)
{
    u64 samples[] = {50, 10, 40, 20, 30};
    cr_assert_eq(exit_bench_quantile(samples, 5, 0, 1), 10);
    cr_assert_eq(exit_bench_quantile(samples, 5, 1, 2), 30);
    cr_assert_eq(exit_bench_quantile(samples, 5, 4, 5), 40);
    cr_assert_eq(exit_bench_quantile(samples, 5, 81, 100), 50);
    cr_assert_eq(exit_bench_quantile(samples, 5, 1, 1), 50);
    cr_assert_eq(exit_bench_quantile(samples, 0, 1, 2), 0);
}
