/*
 * Blocks of records, encoded and decoded. The records are those of a trace if
 * BENCH_TRACE names one (its observation stream, from the start), else made up.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/benchmarks.h"
#include "bench/made_up.h"
#include "bench/shim.h"
#include "trace/block.h"
#include "trace/trace.h"
#include "trace/wire.h"

enum { RECORDS = BLOCK_EXITS };

static struct {
    union record records[RECORDS];
    u32 count;
} stream;

static void take_made_up(void)
{
    const union record *records = made_up_records(&stream.count);
    memcpy(stream.records, records, stream.count * sizeof(*records));
}

static bool load(const char *path)
{
    struct trace *trace;
    if (trace_open(path, &trace).code)
        return false;
    struct trace_cursor *cursor = trace_cursor(trace, STREAM_OBSERVATION);
    while (cursor && stream.count < RECORDS &&
           trace_next(cursor, &stream.records[stream.count]) == TRACE_RECORD)
        stream.count++;
    trace_cursor_free(cursor);
    trace_close(trace);
    return stream.count;
}

static bool have_records(struct bench *b)
{
    const char *path = getenv("BENCH_TRACE");
    if (stream.count)
        return true;
    if (!path)
        take_made_up();
    else if (!load(path))
        bench_skip(b, "BENCH_TRACE names no trace with observations");
    return stream.count;
}

static const u8 *encode(struct codec *codec, struct block_header *header, size_t *length)
{
    *header =
        (struct block_header){.stream = STREAM_OBSERVATION, .streams = 1 << STREAM_OBSERVATION};
    codec_clear(codec);
    for (u32 i = 0; i < stream.count; i++) {
        codec_add(codec, &stream.records[i]);
        header->exits += stream.records[i].kind == REC_EXIT;
    }
    header->first_count = codec_first_count(codec);
    return codec_encode(codec, header, length);
}

static void encode_block(struct bench *b)
{
    struct codec *codec = codec_new();
    struct block_header header;
    size_t length = 0;
    if (!have_records(b))
        return;
    while (bench_next(b))
        bench_keep(encode(codec, &header, &length));
    bench_items(b, bench_iterations(b) * stream.count);
    bench_counter(b, "bytes/record", (double)length / stream.count);
    codec_free(codec);
}

static void decode_block(struct bench *b)
{
    struct codec *encoder = codec_new(), *decoder = codec_new();
    struct block_header header;
    const union record *records;
    size_t length, count = 0;
    if (!have_records(b))
        return;
    const u8 *block = encode(encoder, &header, &length);
    while (bench_next(b)) {
        const char *wrong =
            codec_decode(decoder, &header, block + sizeof(header), &records, &count);
        if (wrong || count != stream.count) {
            bench_skip(b, wrong ? wrong : "records are missing");
            break;
        }
        bench_keep(records);
    }
    bench_items(b, bench_iterations(b) * count);
    codec_free(encoder);
    codec_free(decoder);
}

void register_trace_benchmarks(void)
{
    bench_register("trace/encode_block", encode_block, 0);
    bench_register("trace/decode_block", decode_block, 0);
}
