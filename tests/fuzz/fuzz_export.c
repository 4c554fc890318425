/*
 * Exporters on arbitrary records, in whatever order: what a trace's blocks may
 * hold once their hashes are right. Guest time comes along, and so do guest events,
 * both of a source and of handlers that the records show. The input is a byte that
 * chooses clock and formats, then a sequence of: a byte that chooses the kind of a
 * record or event, then its bytes. A format that refuses an item says why, and all
 * that it took is in what it wrote: SQLite's rows, CSV's lines and CTF's packets
 * are counted.
 */
#include "analysis/interrupts/guest_events.h"
#include "core/machine.h"
#include "trace/export/ctf.h"
#include "trace/export/export.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* Choices of the first byte. A format that is slow to begin takes part if it is chosen. */
enum { VERSION_2 = 1, HOST_CLOCK = 2, HAS_TSC_HZ = 4, CHOICE_SHIFT = 3 };
static const struct {
    const struct export_format *format;
    u8 choice; /* 0: always */
} formats[] = {
    {&format_ftrace, 0}, {&format_perfetto, 0}, {&format_folded, 1},
    {&format_ctf, 2},    {&format_csv, 3},      {&format_sqlite, 4},
};
enum { FORMATS = ARRAY_SIZE(formats) };

struct run {
    struct export exports[FORMATS];
    u64 records[FORMATS], entries[FORMATS]; /* that it took: VM entries, and everything else */
    bool used[FORMATS];
    struct guest_time time;
    struct event_watcher watcher;
    struct handler_watch watch;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Bytes that are not there are zeros. */
static size_t take(void *to, size_t length, const u8 *data, size_t size)
{
    size_t some = min_u64(length, size);
    memset(to, 0, length);
    memcpy(to, data, some);
    return some;
}

/* --- putting ----------------------------------------------------------------------------- */

static void put_all(struct run *r, const struct export_item *item)
{
    for (u32 i = 0; i < FORMATS; i++) {
        struct export *x = &r->exports[i];
        if (!r->used[i] || x->failure.code)
            continue;
        if (formats[i].format->put(x, item))
            (item->what == ITEM_ENTRY ? r->entries : r->records)[i]++;
        else
            require(x->failure.code && x->failure.code != INTERNAL && *x->failure.text);
    }
}

static void put_guest_event(struct run *r, struct guest_event *event)
{
    struct export_item item = {
        .what = ITEM_GUEST, .event = event, .ns = r->time.now, .cpu = event->cpu};
    export_end_texts(event);
    put_all(r, &item);
}

/* What a record shows; its time is the record's. */
static void put_seen(struct run *r, const struct export_item *item)
{
    struct moment moment = {.record = *item->record, .ns = item->ns, .exit = item->exit};
    struct guest_event event;
    if (!r->watcher.see(r->watcher.context, &moment, &event))
        return;
    require(event.kind < GUEST_EVENT_KINDS && r->watcher.kinds >> event.kind & 1);
    require(event.ns == item->ns);
    put_guest_event(r, &event);
}

/* A record of kind `kind`, or a VM entry after it; bytes used. */
static size_t put_record(struct run *r, u8 kind, const u8 *data, size_t size)
{
    union record record;
    size_t used = take(&record, record_size(kind), data, size);
    record.kind = kind;
    u64 before = r->time.now;
    struct export_item item = {.what = ITEM_RECORD, .record = &record, .exit = before};
    item.ns = guest_time_at(&r->time, &record);
    require(item.ns >= before);
    put_all(r, &item);
    put_seen(r, &item);
    item.what = ITEM_ENTRY;
    if (kind == REC_EXIT && record.exit.check & 1)
        put_all(r, &item);
    return used;
}

static size_t put_event(struct run *r, const u8 *data, size_t size)
{
    struct guest_event event;
    size_t used = take(&event, sizeof(event), data, size);
    event.kind %= GUEST_EVENT_KINDS;
    put_guest_event(r, &event);
    return used;
}

static void put_input(struct run *r, const u8 *data, size_t size)
{
    while (size > 1) {
        u8 kind = *data++;
        size--;
        size_t used =
            record_size(kind) ? put_record(r, kind, data, size) : put_event(r, data, size);
        data += used;
        size -= used;
    }
}

/* --- counting ---------------------------------------------------------------------------- */

static int add_count(void *sum, int columns, char **values, char **names)
{
    (void)columns;
    (void)names;
    *(u64 *)sum += strtoull(values[0], NULL, 10);
    return 0;
}

static int count_table(void *context, int columns, char **values, char **names)
{
    struct {
        sqlite3 *db;
        u64 rows;
    } *c = context;
    char sql[256];
    (void)columns;
    (void)names;
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM \"%s\"", values[0]);
    return sqlite3_exec(c->db, sql, add_count, &c->rows, NULL);
}

/* The database is the state's first member. */
static u64 count_rows(const struct export *x)
{
    struct {
        sqlite3 *db;
        u64 rows;
    } c = {.rows = 0};
    memcpy(&c.db, x->state, sizeof(c.db));
    require(sqlite3_exec(c.db,
                         "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN "
                         "('trace', 'words') AND name NOT LIKE 'sqlite_%'",
                         count_table, &c, NULL) == SQLITE_OK);
    return c.rows;
}

static u8 *read_whole(const struct export *x, const char *name, size_t *length)
{
    char path[FILE_PATH];
    struct stat status;
    file_path(path, x->place.path, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    require(!fstat(fileno(file), &status));
    u8 *bytes = malloc((size_t)status.st_size + 1);
    require(bytes && fread(bytes, 1, (size_t)status.st_size, file) == (size_t)status.st_size);
    fclose(file);
    *length = (size_t)status.st_size;
    return bytes;
}

/* Ends of lines outside of quotes, but for the header's. */
static u64 count_lines(const struct export *x)
{
    u64 lines = 0;
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        char name[NAME_MAX_LENGTH];
        size_t length = 0;
        bool quoted = false;
        if (!export_class(id) || id == CLASS_EXCEPTION) /* in its sister's file */
            continue;
        snprintf(name, sizeof(name), "%s.csv", export_class(id)->name);
        u8 *text = read_whole(x, name, &length);
        for (size_t i = 0; text && i < length; i++) {
            quoted ^= text[i] == '"';
            lines += text[i] == '\n' && !quoted;
        }
        require(!quoted);
        lines -= text != NULL;
        free(text);
    }
    return lines;
}

/* The packets of all streams are whole, one after the other. */
static void check_packets(const struct export *x)
{
    for (u32 cpu = 0; cpu < 256; cpu++) {
        char name[16];
        size_t length = 0;
        struct ctf_packet packet;
        snprintf(name, sizeof(name), "cpu%u", cpu);
        u8 *bytes = read_whole(x, name, &length);
        for (size_t at = 0; bytes && at < length; at += packet.packet_size / 8) {
            require(length - at >= sizeof(packet));
            memcpy(&packet, bytes + at, sizeof(packet));
            require(packet.magic == CTF_MAGIC && packet.cpu_id == cpu);
            require(packet.timestamp_begin <= packet.timestamp_end);
            require(packet.packet_size / 8 > sizeof(packet) && packet.packet_size % 8 == 0);
            require(packet.packet_size / 8 <= length - at);
        }
        free(bytes);
    }
}

static void check(const struct run *r, u32 i)
{
    const struct export_format *format = formats[i].format;
    if (format == &format_sqlite)
        require(count_rows(&r->exports[i]) == r->records[i]);
    else if (format == &format_csv)
        require(count_lines(&r->exports[i]) == r->records[i]);
    else if (format == &format_ctf)
        check_packets(&r->exports[i]);
}

/* --- a run ------------------------------------------------------------------------------- */

static char scratch[] = "/tmp/hindvisor-fuzz-XXXXXX";

static void remove_scratch(void)
{
    rmdir(scratch);
}

static void begin(struct run *r, u32 i, const struct export_job *job,
                  const struct manifest *manifest, FILE *nowhere)
{
    const struct export_format *format = formats[i].format;
    struct export *x = &r->exports[i];
    char path[FILE_PATH];
    *x = (struct export){.job = job, .manifest = manifest, .out = nowhere};
    file_path(path, scratch, format->name);
    if (format == &format_sqlite)
        strcpy(x->place.path, ":memory:");
    else if (format->shape == SHAPE_DIRECTORY)
        require(!fresh_make(&x->place, path, true).code);
    x->state = calloc(1, format->state_size + 1);
    require(x->state && format->begin(x));
    r->used[i] = true;
}

static void end(struct run *r, u32 i)
{
    const struct export_format *format = formats[i].format;
    struct export *x = &r->exports[i];
    if (!x->failure.code && format->end(x))
        check(r, i);
    if (format->drop)
        format->drop(x);
    if (format->shape == SHAPE_DIRECTORY)
        fresh_drop(&x->place);
    free(x->state);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct run r;
    static FILE *nowhere;
    if (!nowhere) {
        require((nowhere = fopen("/dev/null", "w")) && mkdtemp(scratch));
        atexit(remove_scratch);
    }
    if (!size)
        return 0;
    struct event_source source = {.kinds = ~0u};
    struct export_job job = {.path = "fuzz", .events = &source};
    struct manifest manifest = {.version = 1 + (data[0] & VERSION_2),
                                .clock = data[0] & HOST_CLOCK ? CLOCK_HOST : CLOCK_COUNT,
                                .tsc_hz = data[0] & HAS_TSC_HZ ? NANOSECONDS : 0};
    memset(&r, 0, sizeof(r));
    r.watcher = handler_watcher(&r.watch);
    guest_time_init(&r.time, &manifest);
    for (u32 i = 0; i < FORMATS; i++)
        if (!formats[i].choice || formats[i].choice == data[0] >> CHOICE_SHIFT)
            begin(&r, i, &job, &manifest, nowhere);
    put_input(&r, data + 1, size - 1);
    for (u32 i = 0; i < FORMATS; i++)
        if (r.used[i])
            end(&r, i);
    return 0;
}
