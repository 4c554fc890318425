/*
 * Blocks of records, encoded and decoded. The records are those of a trace if
 * BENCH_TRACE names one (its observation stream, from the start), else made up
 * after a kernel's boot: few places in the code, most of them in loops, and costs that
 * belong to the place.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "trace/block.h"
#include "trace/trace.h"
#include "trace/wire.h"

enum { RECORDS = BLOCK_EXITS };

static struct {
    union record records[RECORDS];
    u32 count;
} stream;

/* A place that exits, and what comes of it. */
static const struct place {
    u16 reason;
    u64 rip, qualification, address;
    u32 ticks, latency; /* to the next exit; from exit to entry */
    u32 repeats;        /* how often in a row */
    bool timed;         /* its value is the guest's time, else a counter's */
} places[] = {
    {30, 0xffffffff816a1f02, 0x03fd0008, 0, 61, 620, 2, false},       /* the console's status ... */
    {30, 0xffffffff816a1f49, 0x03f80000, 0, 97, 590, 1, false},       /* ... and its bytes */
    {16, 0xffffffff81079a10, 0, 0, 840, 300, 3, true},                /* RDTSC */
    {48, 0xffffffff8105e6a4, 0x182, 0xfee000b0, 2300, 900, 1, false}, /* end of interrupt */
    {32, 0xffffffff8106a0c4, 0, 0x6e0, 5100, 480, 1, true},           /* the next timer */
    {31, 0xffffffff8106a0a2, 0, 0xc0000080, 700, 360, 1, false},
    {28, 0xffffffff81063f31, 0x300, 0, 1900, 410, 1, false},
    {52, 0xffffffff81b2c110, 0, 0, 180000, 520, 1, false},
};

static u64 next(u64 *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

static void make_up(void)
{
    u64 seed = 1, count = 0, tsc = 0;
    while (stream.count < RECORDS) {
        const struct place *p =
            &places[next(&seed) % 100 < 70 ? next(&seed) % 2 : next(&seed) % ARRAY_SIZE(places)];
        for (u32 i = 0; i < p->repeats && stream.count < RECORDS; i++) {
            u64 ticks = p->ticks + (next(&seed) % 8 ? 0 : next(&seed) % 64);
            count += ticks;
            tsc += ticks + p->latency;
            stream.records[stream.count++].exit = (struct exit_record){
                .kind = REC_EXIT,
                .reason = p->reason,
                .check = (u8)next(&seed),
                .count = count,
                .rip = p->rip,
                .qualification = p->qualification,
                .address = p->address,
                .value = p->timed ? count : next(&seed) % 96 + 32,
                .tsc_exit = tsc,
                .tsc_entry = tsc + p->latency,
            };
        }
    }
}

union record *bench_made_up(u32 *count)
{
    if (!stream.count)
        make_up();
    *count = stream.count;
    return stream.records;
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
        bench_made_up(&(u32){0});
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
