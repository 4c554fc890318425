/* What each bench_*.c has to offer; micro.c calls them in this order. */
#ifndef BENCH_BENCHMARKS_H
#define BENCH_BENCHMARKS_H

void register_trace_benchmarks(void);     /* bench_trace.c: blocks, encoded and decoded */
void register_gate_benchmarks(void);      /* bench_gate.c: an exit through recorder and replayer */
void register_machine_benchmarks(void);   /* bench_machine.c: device registers and time */
void register_memory_benchmarks(void);    /* bench_memory.c: the hash of guest RAM */
void register_decode_benchmarks(void);    /* bench_decode.c: instructions */
void register_processor_benchmarks(void); /* bench_processor.c: guests on the software processor */
void register_analysis_benchmarks(void);  /* bench_analysis.c: passes over a trace */

#endif
