/*
 * Writes the seeds of fuzz targets whose inputs have parts that no fuzzer guesses: blocks, states
 * of views, caches. They are made of the made-up records of tests/unit/trace_sample.h, so that
 * they always are of today's formats.
 *
 * usage: fuzz_seeds DIRECTORY   (DIRECTORY/TARGET/NAME, for fuzz_TARGET.c)
 */
#include "tests/unit/trace_sample.h"

#include "analysis/frame/partial.h"
#include "analysis/guest/cache.h"
#include "analysis/guest/instructions.h"
#include "analysis/guest/symbols.h"
#include "analysis/scheduler/events.h"
#include "analysis/views.h"
#include "trace/block.h"
#include "trace/files.h"

#include <sys/stat.h>

enum { EXITS = 300, CLOCKS = 3, HASH_BYTES = 8, CACHE_IDENTITY = 0x1234 };

static const char *directory;

static void require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_seeds: cannot make %s\n", what);
    exit(2);
}

/* The input: its first bytes, and the rest. */
static void put(const char *target, const char *name, const void *head, size_t head_length,
                const void *body, size_t length)
{
    char path[FILE_PATH];
    file_path(path, directory, target);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    require(file && fwrite(head, 1, head_length, file) == head_length &&
                fwrite(body, 1, length, file) == length && !fclose(file),
            path);
}

/* --- fuzz_analysis: blocks --------------------------------------------------------------- */

static u8 *encode(const struct sample *s, size_t *length)
{
    struct codec *codec = codec_new();
    struct block_header header = {.stream = STREAM_OBSERVATION, .streams = 3, .exits = EXITS};
    require(codec, "a codec");
    for (size_t at = 0; at < s->used; at += record_size(*(const u16 *)(s->raw + at))) {
        u16 kind = *(const u16 *)(s->raw + at);
        if (kind < REC_CLOCK) /* the observations' numbers */
            require(codec_add(codec, s->raw + at), "a block");
    }
    header.first_count = codec_first_count(codec);
    const u8 *block = codec_encode(codec, &header, length);
    u8 *copy = malloc(*length);
    require(block && copy, "a block");
    memcpy(copy, block, *length);
    codec_free(codec);
    return copy;
}

/* The second byte chooses the view, its key, and the clock. */
static void put_blocks(const struct sample *s)
{
    enum { CHOICES = 96 };
    size_t length;
    u8 *block = encode(s, &length);
    for (u32 choice = 0; choice < CHOICES; choice++) {
        char name[32];
        snprintf(name, sizeof(name), "block-%u", choice);
        put("analysis", name, (u8[]){0, (u8)choice}, 2, block, length);
    }
    free(block);
}

/* --- fuzz_analysis: partial files -------------------------------------------------------- */

static void make_trace(struct sample *s)
{
    struct manifest manifest = {.memory_size = 1 << 20, .tsc_hz = 1000000000};
    struct trace_writer *writer;
    scratch_file("kernel", "kernel", 6);
    require(!trace_create(scratch_path("trace"), &manifest, scratch_path("kernel"), NULL,
                          TRACE_SYNC_NEVER, &writer)
                 .code,
            "a trace");
    sample_end(s);
    require(!trace_append_chunk(writer, s->raw, s->used).code && !trace_finish(writer).code,
            "a trace");
}

/* The hash at the end is the target's own business. */
static void put_partial(const struct view *view, u32 by)
{
    static struct result result;
    struct pass pass = {
        .view = view, .query = {.by = by, .rows = NEVER, .intervals = 10}, .shard = 1, .shards = 1};
    char name[64];
    size_t length;
    require(!pass_run(&pass, scratch_path("trace"), NULL, &result).code, view->name);
    require(!partial_write(scratch_path("partial"), &pass, &result).code, view->name);
    view->end(result.state);
    u8 *file = scratch_read("partial", &length);
    snprintf(name, sizeof(name), "partial-%s-%s-%u", view->name, view->show, by);
    put("analysis", name, (u8[]){1}, 1, file, length - HASH_BYTES);
    free(file);
}

static void put_partials(void)
{
    for (u32 i = 0; views[i]; i++) {
        if (!views[i]->save)
            continue;
        put_partial(views[i], 0);
        for (u32 by = 1; views[i]->keys && views[i]->keys[by]; by++)
            put_partial(views[i], by);
    }
}

/* --- fuzz_cache -------------------------------------------------------------------------- */

static void put_caches(void)
{
    static const struct sched_event events[] = {
        {.time = 1000, .exit = 1, .other = 1, .kind = SCHED_SWITCH},
        {.time = 1500, .exit = 1, .task = 1, .kind = SCHED_WAKE, .state = 1},
        {.time = 2000, .exit = 2, .task = 1, .other = 2, .kind = SCHED_SWITCH, .preempted = 1},
        {.time = 2500, .exit = 3, .task = 2, .other = 2, .kind = SCHED_NEW},
        {.time = 2600, .exit = 3, .task = 2, .other = 1, .kind = SCHED_MIGRATE, .to = 1},
        {.time = 3000, .exit = 40, .task = 2, .other = 2, .kind = SCHED_EXIT},
        {.time = 3100, .exit = 41, .task = 2, .kind = SCHED_SWITCH, .state = 0x80},
    };
    static const struct sched_name tasks[] = {
        {0, 0, "swapper/0"}, {1, 1, "init"}, {77, 70, "cyclictest"}};
    static const struct symbol symbols[] = {{0xffffffff81000000, 0, 'T'},
                                            {0xffffffff81000100, 4, 't'}};
    static const struct instruction instructions[] = {
        {.rip = 0xffffffff81000010, .bytes = {0x0f, 0xa2}, .length = 2, .bits = 64}};
    static const char names[] = "one\0two", banner[] = "Linux version 6", lacks[] = "migrations",
                      no_kernel[] = "";
    const struct cache cache = {
        .section = {[CACHE_BANNER] = {(void *)banner, sizeof(banner) - 1},
                    [CACHE_SYMBOLS] = {(void *)symbols, sizeof(symbols)},
                    [CACHE_SYMBOL_NAMES] = {(void *)names, sizeof(names)},
                    [CACHE_EVENTS] = {(void *)events, sizeof(events)},
                    [CACHE_TASKS] = {(void *)tasks, sizeof(tasks)},
                    [CACHE_LACKS] = {(void *)lacks, sizeof(lacks) - 1},
                    [CACHE_NO_KERNEL] = {(void *)no_kernel, 0},
                    [CACHE_INSTRUCTIONS] = {(void *)instructions, sizeof(instructions)}}};
    u8 head[1 + 2 * CACHE_SECTIONS] = {0}, body[1024];
    size_t used = 0, length;
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        u16 bytes = (u16)cache.section[i].length;
        memcpy(head + 1 + 2 * i, &bytes, sizeof(bytes));
        memcpy(body + used, cache.section[i].data, bytes);
        used += bytes;
    }
    put("cache", "sections", head, sizeof(head), body, used);
    require(!cache_write(scratch, CACHE_IDENTITY, &cache).code, "a cache");
    u8 *file = scratch_read(CACHE_NAME, &length);
    put("cache", "file", (u8[]){1}, 1, file, length);
    free(file);
}

/* --- fuzz_export ------------------------------------------------------------------------- */

/* Each record with its kind before it; the first byte chooses formats. */
static void put_exports(const struct sample *s)
{
    enum { CHOICES = 5, CHOICE_SHIFT = 3, RECORDS_BYTES = 4096 };
    u8 body[2 * RECORDS_BYTES];
    size_t used = 0;
    for (size_t at = 0; at < s->used && at < RECORDS_BYTES;) {
        u16 kind = *(const u16 *)(s->raw + at);
        body[used++] = (u8)kind;
        memcpy(body + used, s->raw + at, record_size(kind));
        used += record_size(kind);
        at += record_size(kind);
    }
    for (u8 choice = 0; choice < CHOICES; choice++) {
        char name[32];
        snprintf(name, sizeof(name), "records-%u", choice);
        put("export", name, (u8[]){(u8)(choice << CHOICE_SHIFT | 5)}, 1, body, used);
    }
}

int main(int argc, char **argv)
{
    struct sample s = {0};
    require(argc == 2, "seeds without a directory");
    directory = argv[1];
    mkdir(directory, 0777);
    scratch_make();
    sample_chunk(&s, EXITS, CLOCKS);
    put_blocks(&s);
    put_exports(&s);
    make_trace(&s);
    put_partials();
    put_caches();
    scratch_remove();
    free(s.raw);
    return 0;
}
