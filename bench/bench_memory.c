/* The hash of guest RAM, which every block ends with: only pages written since the last count. */
#include <stdlib.h>

#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "core/memory.h"

enum { RAM = 64 << 20 };

static void hash_dirty_pages(struct bench *b)
{
    struct memory memory;
    u64 pages = (u64)bench_argument(b), sum = 0;
    void *ram = calloc(1, RAM), *books = calloc(1, memory_overhead(RAM));
    memory_init(&memory, ram, RAM, books);
    while (bench_next(b)) {
        memory_mark_dirty(&memory, 1 << 20, pages * PAGE_SIZE);
        sum += memory_hash(&memory);
        bench_keep(&sum);
    }
    bench_bytes(b, bench_iterations(b) * pages * PAGE_SIZE);
    bench_items(b, bench_iterations(b) * pages);
    free(ram);
    free(books);
}

void register_memory_benchmarks(void)
{
    bench_register("memory_hash/pages", hash_dirty_pages, 1);
    bench_register("memory_hash/pages", hash_dirty_pages, 256);
    bench_register("memory_hash/pages", hash_dirty_pages, 8192);
}
