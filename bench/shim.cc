// See shim.h. No exceptions or C++ types cross the border.
#include <benchmark/benchmark.h>

#include <string>

extern "C" {
#include "bench/shim.h"
}

struct bench {
    benchmark::State &state;
    i64 argument;
};

void bench_register(const char *name, bench_function *function, i64 argument)
{
    std::string title = argument ? std::string(name) + "/" + std::to_string(argument) : name;
    benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State &state) {
        bench one{state, argument};
        function(&one);
    });
}

int bench_main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

bool bench_next(bench *b)
{
    return b->state.KeepRunning();
}

i64 bench_argument(const bench *b)
{
    return b->argument;
}

u64 bench_iterations(const bench *b)
{
    return b->state.iterations();
}

void bench_items(bench *b, u64 items)
{
    b->state.SetItemsProcessed(static_cast<int64_t>(items));
}

void bench_bytes(bench *b, u64 bytes)
{
    b->state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void bench_counter(bench *b, const char *name, double value)
{
    b->state.counters[name] = value;
}

void bench_skip(bench *b, const char *why)
{
    b->state.SkipWithError(why);
}
