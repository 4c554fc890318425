/* Host time of the hot functions; options are Google Benchmark's (--help). */
#include "bench/benchmarks.h"
#include "bench/shim.h"

int main(int argc, char **argv)
{
    register_trace_benchmarks();
    register_gate_benchmarks();
    register_machine_benchmarks();
    register_memory_benchmarks();
    register_decode_benchmarks();
    register_processor_benchmarks();
    register_analysis_benchmarks();
    return bench_main(argc, argv);
}
