/* Exit latency from two sides; see exit_bench.h. */
#include "analysis/bench/exit_bench.h"

#include <stdlib.h>

#include "vmx/exits.h"

#define X(name, title, start, once) [EXIT_KIND_##name] = #name,
const char *const exit_kind_names[EXIT_KIND_COUNT] = {EXIT_KINDS(X)};
#undef X
#define X(name, title, start, once) [EXIT_KIND_##name] = title,
const char *const exit_kind_titles[EXIT_KIND_COUNT] = {EXIT_KINDS(X)};
#undef X

enum { IO_IN = 1 << 3, IO_PORT_SHIFT = 16 }; /* exit qualification, SDM table 28-5 */

static bool begins_kind(const struct exit_record *exit)
{
    return exit->reason == EXIT_IO_INSTRUCTION && !(exit->qualification & IO_IN) &&
           (u16)(exit->qualification >> IO_PORT_SHIFT) == KIND_PORT;
}

static void begin_kind(struct exit_bench *b, u64 number)
{
    b->begun = number < EXIT_KIND_COUNT;
    b->kind = (u32)number;
    b->round = 0;
    b->open = false;
}

static void close_round(struct exit_bench *b, u64 reading)
{
    struct exit_samples *s = &b->kinds[b->kind];
    b->open = false;
    if (b->round++ < KIND_WARM_UP || s->count == KIND_ROUNDS)
        return;
    s->inside[s->count] = reading - b->reading;
    s->outside[s->count++] = b->ticks;
    s->exits += b->exits;
}

static void open_round(struct exit_bench *b, u64 reading)
{
    b->open = true;
    b->reading = reading;
    b->ticks = b->exits = 0;
}

static void take_exit(struct exit_bench *b, const struct exit_record *exit)
{
    if (begins_kind(exit))
        return begin_kind(b, exit->value);
    if (!b->begun)
        return;
    if (exit->reason == EXIT_RDTSCP)
        return b->open ? close_round(b, exit->value) : open_round(b, exit->value);
    if (exit->tsc_entry > exit->tsc_exit)
        b->ticks += exit->tsc_entry - exit->tsc_exit;
    b->exits += !(exit->flags & EXIT_FLAG_HALTED);
}

void exit_bench_take(struct exit_bench *b, const void *records, u32 length)
{
    const u8 *at = records, *end = at + length;
    for (u32 size; at < end && (size = record_size(*(const u16 *)at)); at += size)
        if (*(const u16 *)at == REC_EXIT)
            take_exit(b, (const struct exit_record *)at);
}

bool exit_bench_is_whole(const struct exit_bench *b)
{
    for (u32 kind = 0; kind < EXIT_KIND_COUNT; kind++)
        if (b->kinds[kind].count != KIND_ROUNDS)
            return false;
    return true;
}

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

u64 exit_bench_quantile(u64 *samples, u32 count, u32 parts, u32 whole)
{
    qsort(samples, count, sizeof(*samples), compare);
    u64 rank = ((u64)count * parts + whole - 1) / whole; /* how many must not exceed it */
    return count ? samples[rank ? rank - 1 : 0] : 0;
}
