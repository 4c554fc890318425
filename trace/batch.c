/* Chunks to columns: finds a chunk's blocks and points at what the codec made of them. */
#include "trace/batch.h"
#include "trace/codec.h"
#include "trace/reader.h"

#include <stdlib.h>
#include <string.h>

struct trace_scan {
    struct trace *trace;
    struct column_wishes wishes;
    struct codec *codecs[STREAM_COUNT]; /* NULL: nothing of this stream is wished for */
};

/* No more than there are blocks: a hostile index may name chunk 2^32. */
size_t trace_chunk_count(const struct trace *trace)
{
    u64 count = 0, blocks = 0;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        const struct stream_file *file = &trace->files[s];
        blocks += file->count;
        if (file->count)
            count = max_u64(count, (u64)file->entries[file->count - 1].chunk + 1);
    }
    return min_u64(count, blocks);
}

/* The block of this chunk; NULL: the stream has none. */
static const struct index_entry *find_block(const struct stream_file *file, size_t chunk)
{
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (file->entries[middle].chunk < chunk)
            low = middle + 1;
        else
            high = middle;
    }
    return low < file->count && file->entries[low].chunk == chunk ? &file->entries[low] : NULL;
}

struct trace_block trace_chunk_at(const struct trace *trace, size_t chunk)
{
    const struct index_entry *entry = find_block(&trace->files[STREAM_OBSERVATION], chunk);
    entry = entry ? entry : find_block(&trace->files[STREAM_INPUT], chunk);
    if (!entry) /* a gap in the numbers: only a hostile index has one */
        return (struct trace_block){.chunk = (u32)chunk};
    return block_of(entry);
}

/* --- scanning ------------------------------------------------------------------------- */

static bool is_wished(const struct column_wishes *wishes, enum stream stream)
{
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        if (wishes->fields[kind] && kind_layout(kind) && kind_layout(kind)->stream == stream)
            return true;
    }
    return false;
}

struct trace_scan *trace_scan_new(struct trace *trace, const struct column_wishes *wishes)
{
    struct trace_scan *scan = calloc(1, sizeof(*scan));
    if (!scan)
        return NULL;
    scan->trace = trace;
    scan->wishes = *wishes;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        if (!is_wished(wishes, s))
            continue;
        scan->codecs[s] = codec_new();
        if (!scan->codecs[s]) {
            trace_scan_free(scan);
            return NULL;
        }
    }
    return scan;
}

void trace_scan_free(struct trace_scan *scan)
{
    for (u32 s = 0; scan && s < STREAM_COUNT; s++)
        codec_free(scan->codecs[s]);
    free(scan);
}

/* The columns of a stream's kinds into the batch. */
static void point(const struct trace_scan *scan, enum stream s, struct trace_batch *batch)
{
    const struct rows *rows = scan->codecs[s]->rows;
    u32 field, wished;
#define F(type, name_, render, coding) \
    to->name_ = wished >> field & 1 ? from->field[field] : NULL, field++;
#define R(number, name, NAME, stream_, FIELDS)                  \
    if (STREAM_##stream_ == s && scan->wishes.fields[number]) { \
        struct name##_columns *to = &batch->name;               \
        const struct rows *from = &rows[number];                \
        wished = scan->wishes.fields[number], field = 0;        \
        to->rows = from->count;                                 \
        FIELDS(F)                                               \
    }
    RECORDS(R)
#undef R
#undef F
}

struct failure trace_scan_read(struct trace_scan *scan, size_t chunk, struct trace_batch *batch)
{
    struct trace_block block = trace_chunk_at(scan->trace, chunk);
    memset(batch, 0, sizeof(*batch));
    if (!block.size)
        return fail(BAD_INPUT, "%.300s: block %zu is missing in both streams", scan->trace->path,
                    chunk);
    batch->first_exit = block.first_exit;
    batch->exits = block.exits;
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        struct stream_file *file = &scan->trace->files[s];
        const struct index_entry *entry = scan->codecs[s] ? find_block(file, chunk) : NULL;
        if (!entry)
            continue;
        ATTEMPT(stream_read_columns(file, scan->codecs[s], (size_t)(entry - file->entries),
                                    &scan->wishes));
        point(scan, s, batch);
    }
    if (manifest_has_dropped(&scan->trace->manifest) && scan->codecs[STREAM_OBSERVATION])
        return fail(BAD_INPUT, "%.300s: its observations were dropped: exits are not known",
                    scan->trace->path);
    if (scan->wishes.fields[REC_EXIT] && batch->exit.rows != batch->exits)
        return fail(BAD_INPUT, "%.300s: the observations of block %zu are missing",
                    scan->trace->path, chunk);
    return NO_FAILURE;
}
