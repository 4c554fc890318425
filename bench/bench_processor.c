/*
 * The software processor by kind of work: whole runs of bench/guest/processor.c in this process, so
 * that exits are those of the hypervisor, not recorded. Items are guest instructions (REP: its
 * iterations); the counters are what one run did. $BENCH_PROCESSOR_GUEST names the guest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "core/machine.h"
#include "vmx/software/cpu.h"
#include "vmx/software/host_run.h"

enum { RAM = 8 << 20 };

static const char *const kinds[] = {"alu", "multiply", "branches", "calls",  "memory",
                                    "rep", "sse",      "exits",    "flushes"};

/* --- a world where nothing happens ------------------------------------------------------ */

static u64 no_time(struct world *world)
{
    (void)world;
    return 0;
}

static u64 same_ticks(struct world *world, u64 ns)
{
    (void)world;
    return ns;
}

static int nobody_types(struct world *world)
{
    (void)world;
    return -1;
}

static void no_rest(struct world *world, u64 ns)
{
    (void)world, (void)ns;
}

static u32 goes_on(struct world *world)
{
    (void)world;
    return 0;
}

static void no_output(struct world *world, u8 byte)
{
    (void)world, (void)byte;
}

static u32 no_progress(struct world *world, u64 exits, u64 guest_ns)
{
    (void)world, (void)exits, (void)guest_ns;
    return 0;
}

static u64 no_interruption(struct world *world, u64 count)
{
    (void)world, (void)count;
    return NEVER;
}

static const struct world_ops quiet_ops = {no_time,     same_ticks,      nobody_types,
                                           no_rest,     goes_on,         no_output,
                                           no_progress, no_interruption, no_time};
static struct world quiet = {&quiet_ops};

/* --- runs --------------------------------------------------------------------------------- */

static struct bytes map_guest(void)
{
    struct bytes bytes = {0};
    struct stat status;
    const char *path = getenv("BENCH_PROCESSOR_GUEST");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0 && !fstat(file, &status)) {
        void *at = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
        if (at != MAP_FAILED)
            bytes = (struct bytes){at, (u64)status.st_size};
    }
    if (file >= 0)
        close(file);
    return bytes;
}

static void say_what_it_did(struct bench *b, const struct report *report)
{
    const struct tally *t = &software_cpu.tally;
    bench_items(b, report->count * bench_iterations(b));
    bench_counter(b, "exits", (double)report->exits);
    bench_counter(b, "blocks_made", (double)t->blocks_made);
    bench_counter(b, "block_searches", (double)t->block_searches);
    bench_counter(b, "pages_of_code_dropped", (double)t->pages_dropped);
    bench_counter(b, "page_walks", (double)t->page_walks);
    bench_counter(b, "tlb_flushes", (double)t->tlb_flushes);
}

static void run_kind(struct bench *b)
{
    struct bytes guest = map_guest();
    struct mission mission = {
        .mode = MODE_RUN, .kernel_format = KERNEL_ELF, .memory_size = RAM, .timeout_ns = NEVER};
    const struct host_run run = {.mission = &mission, .kernel = guest, .world = &quiet};
    static struct report report;
    snprintf(mission.command_line, sizeof(mission.command_line), "%s",
             kinds[bench_argument(b) - 1]);
    if (!guest.at) {
        bench_skip(b, "BENCH_PROCESSOR_GUEST names no guest: `make bench-micro` does");
        return;
    }
    while (bench_next(b)) {
        struct err err = host_run(&run, &report);
        if (err.code || report.end_reason != END_DEBUG_EXIT || report.end_detail) {
            bench_skip(b, "the guest failed");
            break;
        }
    }
    munmap((void *)guest.at, guest.length);
    say_what_it_did(b, &report);
}

void register_processor_benchmarks(void)
{
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        char name[64];
        snprintf(name, sizeof(name), "processor/%s", kinds[i]);
        bench_register(name, run_kind, i + 1);
    }
}
