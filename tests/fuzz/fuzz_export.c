/*
 * Exporters on arbitrary records, in whatever order: what a trace's blocks may
 * hold once their hashes are right. Guest time comes along, and so do guest events.
 * The input is a sequence of: a byte that chooses the kind of a record or event,
 * then its bytes.
 */
#include "trace/export/export.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The last one's table is large: it takes part in some runs. */
enum { FORMATS = 3 };
static const struct export_format *const formats[FORMATS] = {&format_ftrace, &format_perfetto,
                                                             &format_folded};

/* Bytes that are not there are zeros. */
static size_t take(void *to, size_t length, const u8 *data, size_t size)
{
    size_t some = min_u64(length, size);
    memset(to, 0, length);
    memcpy(to, data, some);
    return some;
}

static u32 formats_used;

static void put_all(struct export *exports, const struct export_item *item)
{
    for (u32 i = 0; i < formats_used; i++) {
        if (!formats[i]->put(&exports[i], item) && exports[i].failure.code == INTERNAL)
            abort();
    }
}

/* A record of kind `kind`, or a VM entry after it; bytes used. */
static size_t put_record(struct export *exports, struct guest_time *time, u8 kind, const u8 *data,
                         size_t size)
{
    union record record;
    size_t used = take(&record, record_size(kind), data, size);
    record.kind = kind;
    u64 before = time->now;
    struct export_item item = {.what = ITEM_RECORD, .record = &record, .exit = before};
    item.ns = guest_time_at(time, &record);
    if (item.ns < before)
        abort();
    put_all(exports, &item);
    item.what = ITEM_ENTRY;
    if (kind == REC_EXIT && record.exit.check & 1)
        put_all(exports, &item);
    return used;
}

static size_t put_event(struct export *exports, const struct guest_time *time, const u8 *data,
                        size_t size)
{
    struct guest_event event;
    size_t used = take(&event, sizeof(event), data, size);
    event.kind %= GUEST_EVENT_KINDS;
    struct export_item item = {
        .what = ITEM_GUEST, .event = &event, .ns = time->now, .cpu = event.cpu};
    export_end_texts(&event);
    put_all(exports, &item);
    return used;
}

static void put_input(struct export *exports, struct guest_time *time, const u8 *data, size_t size)
{
    while (size > 1) {
        u8 kind = *data++;
        size--;
        size_t used = record_size(kind) ? put_record(exports, time, kind, data, size)
                                        : put_event(exports, time, data, size);
        data += used;
        size -= used;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct export exports[FORMATS];
    static struct manifest manifest;
    static struct export_job job;
    static FILE *nowhere;
    struct guest_time time;
    nowhere = nowhere ? nowhere : fopen("/dev/null", "w");
    if (!size || !nowhere)
        return 0;
    manifest = (struct manifest){.version = 1 + (data[0] & 1), .clock = data[0] >> 1 & 1};
    manifest.tsc_hz = data[0] & 4 ? NANOSECONDS : 0;
    guest_time_init(&time, &manifest);
    formats_used = data[0] & 8 ? FORMATS : FORMATS - 1;
    for (u32 i = 0; i < formats_used; i++) {
        exports[i] = (struct export){.job = &job, .manifest = &manifest, .out = nowhere};
        exports[i].state = calloc(1, formats[i]->state_size + 1);
        if (!exports[i].state || !formats[i]->begin(&exports[i]))
            abort();
    }
    put_input(exports, &time, data + 1, size - 1);
    for (u32 i = 0; i < formats_used; i++) {
        formats[i]->end(&exports[i]);
        free(exports[i].state);
    }
    return 0;
}
