/* Facts of the guest's kernel to and from their cache; see facts.h. */
#include "analysis/guest/facts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/frame/pass.h"
#include "analysis/guest/cache.h"
#include "vmx/carriers/disassemble.h"

#define WORD_SECTIONS                                                                          \
    (BIT(CACHE_BANNER) | BIT(CACHE_SYMBOLS) | BIT(CACHE_SYMBOL_NAMES) | BIT(CACHE_NO_KERNEL) | \
     BIT(CACHE_INSTRUCTIONS))
#define EVENT_SECTIONS (BIT(CACHE_EVENTS) | BIT(CACHE_TASKS) | BIT(CACHE_LACKS))

/* --- names of addresses ------------------------------------------------------------------ */

static bool name_address(const struct symbolizer *symbolizer, u64 address, char *text, size_t size)
{
    const struct facts *facts = (const struct facts *)symbolizer; /* its first member */
    u64 offset;
    const struct symbol *symbol = symbol_at(&facts->symbols, address, &offset);
    if (!symbol)
        return false;
    int length = snprintf(text, size, "%.200s", symbol_name(&facts->symbols, symbol));
    for (char *at = text; *at; at++) /* the guest may call its functions what it likes */
        *at = isprint((u8)*at) ? *at : '?';
    if (offset && length >= 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, "+0x%" PRIx64, offset);
    return true;
}

static bool name_instruction(const struct symbolizer *symbolizer, u64 rip, char *text, size_t size)
{
    const struct facts *facts = (const struct facts *)symbolizer; /* its first member */
    const struct instruction *i = instruction_at(&facts->instructions, rip);
    return i && disassemble(facts->disassembler, i->bytes, i->length, rip, i->bits, text, size);
}

void facts_init(struct facts *facts)
{
    *facts = (struct facts){.symbolizer = {name_address, name_instruction}};
}

void facts_free(struct facts *facts)
{
    symbols_free(&facts->symbols);
    sched_log_free(&facts->log);
    instructions_free(&facts->instructions);
    disassembler_free(facts->disassembler);
    facts_init(facts);
}

struct failure facts_kernel(const struct facts *facts)
{
    return *facts->no_kernel ? fail(UNSUPPORTED, "%s", facts->no_kernel) : NO_FAILURE;
}

/* --- from the cache ---------------------------------------------------------------------- */

/* Takes a section's memory out of the cache. */
static void *move(struct cache *cache, enum cache_section section)
{
    void *data = cache->section[section].data;
    cache->section[section].data = NULL;
    return data;
}

/* false: the section is no whole number of rows, or more than fit. */
static bool rows_of(const struct cache *cache, enum cache_section section, size_t row, u64 *count)
{
    *count = cache->section[section].length / row;
    return cache->section[section].length % row == 0 && *count <= UINT32_MAX;
}

static void take_text(const struct cache *cache, enum cache_section section, char *text,
                      size_t size)
{
    snprintf(text, size, "%.*s", (int)min_u64(cache->section[section].length, size - 1),
             (const char *)cache->section[section].data);
}

static bool take_symbols(struct cache *cache, struct facts *facts)
{
    u64 count, length = cache->section[CACHE_SYMBOL_NAMES].length;
    const struct symbol *table = cache->section[CACHE_SYMBOLS].data;
    const char *names = cache->section[CACHE_SYMBOL_NAMES].data;
    if (!rows_of(cache, CACHE_SYMBOLS, sizeof(*table), &count) || !length || names[length - 1])
        return false;
    for (u64 i = 0; i < count; i++)
        if (table[i].name >= length)
            return false;
    take_text(cache, CACHE_BANNER, facts->banner, sizeof(facts->banner));
    facts->symbols = (struct symbols){
        .table = move(cache, CACHE_SYMBOLS),
        .count = (u32)count,
        .names = move(cache, CACHE_SYMBOL_NAMES),
        .names_length = length,
    };
    return true;
}

static bool events_are_good(const struct sched_event *events, u64 count, u64 tasks)
{
    for (u64 i = 0; i < count; i++) {
        const struct sched_event *event = &events[i], *before = &events[i ? i - 1 : 0];
        if (event->kind >= SCHED_KINDS || event->task >= tasks || event->other >= tasks ||
            event->time < before->time || event->exit < before->exit)
            return false;
    }
    return true;
}

static bool take_events(struct cache *cache, struct facts *facts)
{
    u64 events, tasks;
    struct sched_name *names = cache->section[CACHE_TASKS].data;
    if (!rows_of(cache, CACHE_EVENTS, sizeof(struct sched_event), &events) ||
        !rows_of(cache, CACHE_TASKS, sizeof(*names), &tasks) ||
        !events_are_good(cache->section[CACHE_EVENTS].data, events, tasks))
        return false;
    for (u64 i = 0; i < tasks; i++)
        sched_name_clean(&names[i]);
    take_text(cache, CACHE_LACKS, facts->log.lacks, sizeof(facts->log.lacks));
    facts->log.events = move(cache, CACHE_EVENTS);
    facts->log.event_count = facts->log.event_capacity = events;
    facts->log.names = move(cache, CACHE_TASKS);
    facts->log.name_count = facts->log.name_capacity = (u32)tasks;
    return true;
}

static bool take_kernel(struct cache *cache, bool events, struct facts *facts)
{
    take_text(cache, CACHE_NO_KERNEL, facts->no_kernel, sizeof(facts->no_kernel));
    if (*facts->no_kernel)
        return true;
    return take_symbols(cache, facts) && (!events || take_events(cache, facts));
}

static bool take_instructions(struct cache *cache, struct facts *facts)
{
    u64 count;
    if (!rows_of(cache, CACHE_INSTRUCTIONS, sizeof(struct instruction), &count) ||
        !instructions_are_good(cache->section[CACHE_INSTRUCTIONS].data, count))
        return false;
    facts->instructions = (struct instructions){move(cache, CACHE_INSTRUCTIONS), (u32)count};
    facts->disassembler = count ? disassembler_new() : NULL;
    return true;
}

bool facts_load(const char *directory, u64 identity, bool events, struct facts *facts)
{
    struct cache cache;
    facts_init(facts);
    u64 wanted = WORD_SECTIONS | (events ? EVENT_SECTIONS : 0);
    if (!cache_read(directory, identity, wanted, &cache))
        return false;
    bool good = take_kernel(&cache, events, facts) && take_instructions(&cache, facts);
    cache_free(&cache);
    if (!good)
        facts_free(facts);
    return good;
}

bool facts_cached_words(struct trace *trace, struct facts *facts)
{
    return facts_load(trace_path(trace), trace_identity(trace), false, facts);
}

bool facts_cached(struct trace *trace, struct facts *facts)
{
    return facts_load(trace_path(trace), trace_identity(trace), true, facts);
}

/* --- to the cache ------------------------------------------------------------------------ */

void facts_keep(struct trace *trace, const struct facts *facts)
{
    const struct sched_log *log = &facts->log;
    const struct symbols *symbols = &facts->symbols;
    const struct instructions *instructions = &facts->instructions;
    struct cache cache = {
        .section =
            {
                [CACHE_BANNER] = {(void *)facts->banner, strlen(facts->banner)},
                [CACHE_SYMBOLS] = {symbols->table, symbols->count * sizeof(*symbols->table)},
                [CACHE_SYMBOL_NAMES] = {symbols->names, symbols->names_length},
                [CACHE_EVENTS] = {log->events, log->event_count * sizeof(*log->events)},
                [CACHE_TASKS] = {log->names, log->name_count * sizeof(*log->names)},
                [CACHE_LACKS] = {(void *)log->lacks, strlen(log->lacks)},
                [CACHE_NO_KERNEL] = {(void *)facts->no_kernel, strlen(facts->no_kernel)},
                [CACHE_INSTRUCTIONS] = {instructions->table,
                                        instructions->count * sizeof(*instructions->table)},
            },
    };
    cache_write(trace_path(trace), trace_identity(trace), &cache);
}
