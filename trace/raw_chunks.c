/*
 * Raw chunks for the replay areas of the trace disk (trace/wire.h): one chunk a
 * block, so that the image needs no decompressor.
 */
#include "core/crc.h"
#include "trace/reader.h"
#include "trace/wire.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct chunk_header) <= SECTOR, "a chunk header fits into a sector");

/* A chunk in memory: header, payload, zeros up to the sector's end. */
struct area {
    u8 *bytes;
    size_t used, capacity;
};

static bool area_reserve(struct area *area, size_t capacity)
{
    if (capacity <= area->capacity)
        return true;
    u8 *bytes = realloc(area->bytes, capacity);
    if (!bytes)
        return false;
    area->bytes = bytes;
    area->capacity = capacity;
    return true;
}

static bool put_records(struct area *area, const union record *records, size_t count)
{
    if (!area_reserve(area, sizeof(struct chunk_header) + count * sizeof(*records) + SECTOR))
        return false;
    area->used = sizeof(struct chunk_header);
    for (size_t i = 0; i < count; i++) {
        u32 size = record_size(records[i].kind);
        memcpy(area->bytes + area->used, &records[i], size);
        area->used += size;
    }
    return true;
}

static void close_chunk(struct area *area, u32 sequence)
{
    struct chunk_header header = {
        .magic = CHUNK_MAGIC,
        .kind = CHUNK_RECORDS,
        .sequence = sequence,
        .length = (u32)(area->used - sizeof(header)),
    };
    header.checksum = crc32c(~0u, area->bytes + sizeof(header), header.length);
    memcpy(area->bytes, &header, sizeof(header));
    size_t padded = align_up(area->used, SECTOR);
    memset(area->bytes + area->used, 0, padded - area->used);
    area->used = padded;
}

/* Writes `count` records as chunks of at most CHUNK_MAX bytes. */
static struct failure put_block(struct area *area, const union record *records, size_t count,
                                int descriptor, u32 *sequence, u64 *sectors)
{
    enum { MOST = CHUNK_MAX / sizeof(union record) };
    for (size_t at = 0; at < count;) {
        size_t some = min_u64(count - at, MOST);
        if (!put_records(area, records + at, some))
            return fail(NO_SPACE, "no memory for a chunk of the trace disk");
        close_chunk(area, (*sequence)++);
        if (!file_write(descriptor, area->bytes, area->used))
            return fail_errno("cannot write the trace disk");
        *sectors += area->used / SECTOR;
        at += some;
    }
    return NO_FAILURE;
}

static struct failure put_stream(struct stream_file *file, struct codec *codec, struct area *area,
                                 int descriptor, u64 *sectors)
{
    static const u8 zeros[SECTOR];
    u32 sequence = 0;
    for (size_t block = 0; block < file->count; block++) {
        const union record *records;
        size_t count;
        ATTEMPT(stream_read(file, codec, block, &records, &count));
        ATTEMPT(put_block(area, records, count, descriptor, &sequence, sectors));
    }
    if (!file_write(descriptor, zeros, sizeof(zeros)))
        return fail_errno("cannot write the trace disk");
    *sectors += 1;
    return NO_FAILURE;
}

struct failure trace_export_raw(struct trace *trace, enum stream stream, int descriptor,
                                u64 *sectors)
{
    struct area area = {0};
    u64 written = 0;
    struct codec *codec = codec_new();
    struct failure failure =
        codec ? put_stream(&trace->files[stream], codec, &area, descriptor, &written)
              : fail(NO_SPACE, "%.300s: no memory to read the trace", trace->path);
    free(area.bytes);
    codec_free(codec);
    if (sectors)
        *sectors = written;
    return failure;
}
