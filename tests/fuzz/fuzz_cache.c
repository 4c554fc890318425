/*
 * guest.cache, the file beside a trace with what a replay found out: of a stranger's making. The
 * first byte chooses: the rest is a whole file whose header, places and hashes are made right, or
 * it is what the sections hold. What is taken from it then goes where it is used: names of
 * addresses, all views of the scheduler, events for exports.
 *
 *   sections   CACHE_SECTIONS numbers of 16 bits, modulo what is left: their lengths; their bytes
 */
#include "analysis/guest/cache.h"
#include "analysis/guest/facts.h"
#include "analysis/scheduler/guest_events.h"
#include "tests/fuzz/views.h"
#include "trace/export/export.h"

#include <unistd.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { IDENTITY = 0x1234, EXITS = 64, EXIT_NS = 1000 };

static char scratch[] = "/tmp/hindvisor-fuzz-XXXXXX";

static void remove_scratch(void)
{
    char path[FILE_PATH];
    file_path(path, scratch, CACHE_NAME);
    unlink(path);
    rmdir(scratch);
}

/* --- the file ---------------------------------------------------------------------------- */

/* As analysis/guest/cache.c has it. */
struct header {
    char magic[8];
    u32 version, sections;
    u64 identity;
    struct {
        u64 offset, size, length, hash;
    } place[CACHE_SECTIONS];
    u64 hash;
};

static void write_file(const u8 *data, size_t size)
{
    char path[FILE_PATH];
    struct header header;
    if (size < sizeof(header))
        return;
    memcpy(&header, data, sizeof(header));
    memcpy(header.magic, "HNDguest", 8);
    header.version = CACHE_VERSION;
    header.sections = CACHE_SECTIONS;
    header.identity = IDENTITY;
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        u64 offset = header.place[i].offset, length = header.place[i].size;
        if (offset <= size && length <= size - offset)
            header.place[i].hash = XXH64(data + offset, length, 0);
    }
    header.hash = XXH64(&header, offsetof(struct header, hash), 0);
    file_path(path, scratch, CACHE_NAME);
    FILE *file = fopen(path, "wb");
    require(file && fwrite(&header, sizeof(header), 1, file) == 1);
    require(fwrite(data + sizeof(header), 1, size - sizeof(header), file) == size - sizeof(header));
    require(!fclose(file));
}

static void write_sections(const u8 *data, size_t size)
{
    struct cache cache = {0};
    u16 lengths[CACHE_SECTIONS];
    if (size < sizeof(lengths))
        return;
    memcpy(lengths, data, sizeof(lengths));
    size_t at = sizeof(lengths);
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        cache.section[i].length = lengths[i] % (size - at + 1);
        cache.section[i].data = (void *)(data + at);
        at += cache.section[i].length;
    }
    require(!cache_write(scratch, IDENTITY, &cache).code);
}

/* --- what it is for ---------------------------------------------------------------------- */

static void name_addresses(const struct facts *facts)
{
    static const u64 addresses[] = {0, 0xffffffff81000000, 0xffffffffbfffffff, UINT64_MAX};
    char text[NAME_MAX_LENGTH];
    for (u32 i = 0; i < ARRAY_SIZE(addresses) + facts->symbols.count; i++) {
        u64 address = i < ARRAY_SIZE(addresses)
                          ? addresses[i]
                          : facts->symbols.table[i - ARRAY_SIZE(addresses)].address + i % 3;
        if (facts->symbolizer.name(&facts->symbolizer, address, text, sizeof(text)))
            require(strlen(text) < sizeof(text));
    }
    for (u32 i = 0; i < facts->instructions.count; i++) {
        u64 rip = facts->instructions.table[i].rip;
        if (facts->symbolizer.instruction(&facts->symbolizer, rip, text, sizeof(text)))
            require(strlen(text) < sizeof(text));
    }
}

/* Over three slices, the last one after a gap. */
static void look(const struct view *view, const struct query *query)
{
    u64 times[EXITS], counts[EXITS];
    for (u64 i = 0; i < EXITS; i++)
        times[i] = counts[i] = i * EXIT_NS;
    struct trace_batch batch = {.exits = EXITS, .exit = {.rows = EXITS, .count = counts}};
    struct slice slice = {.batch = &batch, .times = times};
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = file ? output_new(file, OUTPUT_JSON) : NULL;
    void *state = view->begin(query);
    require(out && state);
    if (view->head)
        view->head(query, out);
    for (u32 part = 0; part < 3; part++) {
        slice.begin = slice.end;
        slice.end = (part + 1) * EXITS / 3;
        require(!view->take(state, &slice, view->head ? out : NULL).code);
        slice.before = (struct before){.kind = part ? BEFORE_GAP : BEFORE_EXIT};
    }
    if (view->save)
        view_reload(view, state, query);
    view->end(state);
    output_end(out);
    fclose(file);
    free(text);
}

static void export_events(const struct sched_log *log)
{
    struct sched_source state;
    struct event_source source = sched_source(&state, log);
    struct guest_event event;
    u64 count = 0;
    for (bool more = true;; count++) {
        require(!source.next(source.context, &event, &more).code);
        if (!more)
            break;
        require(event.kind < GUEST_EVENT_KINDS && source.kinds >> event.kind & 1);
        export_end_texts(&event);
    }
    require(count == log->event_count);
}

static void use(const struct facts *facts)
{
    struct subject subject = {.exits = EXITS, .guest_ns = (u64)EXITS * EXIT_NS};
    struct query query = {.rows = NEVER,
                          .subject = &subject,
                          .symbols = &facts->symbolizer,
                          .scheduler = &facts->log};
    for (u32 i = 0; views[i]; i++) {
        query.view = views[i];
        if (views[i]->events)
            look(views[i], &query);
    }
    name_addresses(facts);
    export_events(&facts->log);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static bool begun;
    struct facts facts;
    if (!begun) {
        require(mkdtemp(scratch));
        atexit(remove_scratch);
        begun = true;
    }
    if (!size)
        return 0;
    if (data[0] & 1)
        write_file(data + 1, size - 1);
    else
        write_sections(data + 1, size - 1);
    if (facts_load(scratch, IDENTITY, true, &facts)) {
        use(&facts);
        facts_free(&facts);
    }
    return 0;
}
