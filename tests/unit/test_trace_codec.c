/* The block codec: what goes in comes out, small, and nothing crafted gets through. */
#include "trace_sample.h"

#include "trace/block.h"
#include "trace/manifest.h"

#include <criterion/criterion.h>
#include <xxhash.h>
#include <zstd.h>

static u8 block[8 << 20];

/* Encodes the records of one stream in `raw`; returns the block's size. */
static size_t encode(struct codec *codec, enum stream stream, const u8 *raw, size_t length,
                     u64 first_exit, u64 exits)
{
    struct block_header header = {
        .stream = (u8)stream, .streams = 3, .first_exit = first_exit, .exits = exits};
    size_t size;
    codec_clear(codec);
    for (size_t at = 0; at < length;) {
        const union record *record = (const void *)(raw + at);
        u32 bytes = record_size(record->kind);
        if (kind_layout(record->kind)->stream == stream)
            cr_assert(codec_add(codec, record));
        at += bytes;
    }
    const u8 *made = codec_encode(codec, &header, &size);
    cr_assert(made);
    memcpy(block, made, size);
    return size;
}

static const char *decode(struct codec *codec, const union record **records, size_t *count)
{
    struct block_header header;
    memcpy(&header, block, sizeof(header));
    const char *wrong = block_header_check(&header);
    return wrong ? wrong : codec_decode(codec, &header, block + sizeof(header), records, count);
}

/* Each record of `stream` in `raw` equals the next decoded one. */
static void compare(enum stream stream, const u8 *raw, size_t length, const union record *records,
                    size_t count)
{
    size_t i = 0;
    for (size_t at = 0; at < length;) {
        const union record *record = (const void *)(raw + at);
        u32 bytes = record_size(record->kind);
        if (kind_layout(record->kind)->stream == stream) {
            cr_assert_lt(i, count);
            cr_assert(!memcmp(record, &records[i], bytes), "record %zu of kind %u", i,
                      record->kind);
            i++;
        }
        at += bytes;
    }
    cr_assert_eq(i, count);
}

static void round_trip(enum stream stream, const u8 *raw, size_t length, u64 first_exit, u64 exits)
{
    const union record *records;
    size_t count;
    struct codec *codec = codec_new();
    encode(codec, stream, raw, length, first_exit, exits);
    const char *wrong = decode(codec, &records, &count);
    cr_assert_null(wrong, "%s", wrong);
    compare(stream, raw, length, records, count);
    codec_free(codec);
}

Test(trace_codec, lifelike_records_round_trip)
{
    struct sample s = {0};
    for (u32 i = 0; i < 3; i++) {
        u64 first = s.exit;
        sample_chunk(&s, 5000, 300);
        round_trip(STREAM_OBSERVATION, s.raw, s.used, first, 5000);
        round_trip(STREAM_INPUT, s.raw, s.used, first, 5000);
    }
    free(s.raw);
}

Test(trace_codec, lifelike_exits_take_few_bytes)
{
    struct sample s = {0};
    struct codec *codec = codec_new();
    sample_chunk(&s, 16384, 0);
    size_t size = encode(codec, STREAM_OBSERVATION, s.raw, s.used, 0, 16384);
    cr_assert_lt(size, 5 * 16384, "%zu bytes", size);
    size = encode(codec, STREAM_INPUT, s.raw, s.used, 0, 16384);
    cr_assert_lt(size, 512, "%zu bytes", size);
    codec_free(codec);
    free(s.raw);
}

/* Every kind, every field filled with random bytes: nothing may depend on likelihood. */
static size_t random_records(struct sample *s, u32 count, u32 *exits)
{
    s->used = 0;
    *exits = 0;
    for (u32 i = 0; i < count; i++) {
        union record record = {0};
        do
            record.kind = sample_random(s) % REC_KIND_LIMIT;
        while (!kind_layout(record.kind));
        const struct kind_layout *layout = kind_layout(record.kind);
        for (u32 f = 0; f < layout->field_count; f++)
            field_set(&layout->fields[f], &record, sample_random(s) >> sample_random(s) % 64);
        *exits += record.kind == REC_EXIT;
        sample_put(s, &record, layout->size);
    }
    return s->used;
}

Test(trace_codec, random_records_of_every_kind_round_trip)
{
    static const u32 counts[] = {1, 2, 3, 30, 255, 256, 900, 1024, 5000};
    struct sample s = {.random = 42};
    for (u32 i = 0; i < ARRAY_SIZE(counts); i++) {
        u32 exits;
        size_t length = random_records(&s, counts[i] + 40, &exits);
        round_trip(STREAM_OBSERVATION, s.raw, length, sample_random(&s), exits);
        round_trip(STREAM_INPUT, s.raw, length, 0, exits);
    }
    free(s.raw);
}

Test(trace_codec, each_column_has_a_coding_that_exists)
{
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        cr_assert_eq(layout ? layout->size : 0, record_size(kind));
        for (u32 f = 0; layout && f < layout->field_count; f++)
            cr_assert_lt(layout->fields[f].coding, CODING_LIMIT);
    }
    cr_assert_eq(kind_by_name("state"), REC_STATE);
    cr_assert_eq(kind_by_name("nothing"), 0);
}

Test(trace_codec, any_changed_byte_is_noticed)
{
    struct sample s = {0};
    const union record *records;
    size_t count;
    struct codec *codec = codec_new();
    sample_chunk(&s, 40, 3);
    size_t size = encode(codec, STREAM_OBSERVATION, s.raw, s.used, 0, 40);
    for (size_t i = 0; i < size; i++) {
        block[i] ^= (u8)(1u << i % 8);
        cr_assert(decode(codec, &records, &count), "byte %zu", i);
        block[i] ^= (u8)(1u << i % 8);
    }
    cr_assert_null(decode(codec, &records, &count));
    codec_free(codec);
    free(s.raw);
}

/* --- crafted blocks: all hashes right, contents hostile ------------------------------------ */

static void seal(struct block_header *header)
{
    header->payload_hash = XXH64(block + sizeof(*header), header->stored, 0);
    header->header_hash = XXH64(header, offsetof(struct block_header, header_hash), 0);
    memcpy(block, header, sizeof(*header));
}

/* Replaces a packed payload by its contents, so that a test can edit it. */
static void unpack(struct block_header *header)
{
    static u8 payload[1 << 20];
    memcpy(header, block, sizeof(*header));
    cr_assert(header->flags & BLOCK_PACKED);
    size_t got = ZSTD_decompress(payload, sizeof(payload), block + sizeof(*header), header->stored);
    cr_assert_eq(got, header->unpacked);
    memcpy(block + sizeof(*header), payload, got);
    header->stored = header->unpacked;
    header->flags = 0;
    seal(header);
}

Test(trace_codec, unknown_kinds_are_skipped)
{
    enum { FUTURE = 250 };
    struct sample s = {0};
    struct block_header header;
    const union record *records;
    size_t count, kept = 0;
    struct codec *codec = codec_new();
    sample_chunk(&s, 200, 0);
    encode(codec, STREAM_OBSERVATION, s.raw, s.used, 0, 200);
    unpack(&header);
    struct column_entry *entries = (void *)(block + sizeof(header));
    u8 *kinds = (u8 *)(entries + header.columns);
    cr_assert_eq(entries[0].mode, MODE_STORED);
    for (u32 i = 0; i < header.records; i++) {
        kept += kinds[i] != REC_INJECTION;
        if (kinds[i] == REC_INJECTION)
            kinds[i] = FUTURE;
    }
    for (u32 i = 0; i < header.columns; i++)
        entries[i].kind = entries[i].kind == REC_INJECTION ? FUTURE : entries[i].kind;
    seal(&header);
    const char *wrong = decode(codec, &records, &count);
    cr_assert_null(wrong, "%s", wrong);
    cr_assert_lt(kept, header.records);
    cr_assert_eq(count, kept);
    for (size_t i = 0; i < count; i++)
        cr_assert_neq(records[i].kind, REC_INJECTION);
    codec_free(codec);
    free(s.raw);
}

Test(trace_codec, hostile_lengths_are_refused)
{
    struct sample s = {0};
    struct block_header header, good;
    const union record *records;
    size_t count;
    struct codec *codec = codec_new();
    sample_chunk(&s, 100, 0);
    encode(codec, STREAM_OBSERVATION, s.raw, s.used, 0, 100);
    unpack(&good);
    cr_assert_null(decode(codec, &records, &count));
    struct column_entry *entries = (void *)(block + sizeof(header));
    for (u32 i = 0; i < good.columns; i++) {
        struct column_entry entry = entries[i];
        entries[i].length += 1;
        header = good;
        seal(&header);
        cr_expect(decode(codec, &records, &count), "length of column %u", i);
        entries[i] = entry;
        entries[i].stored = 0xfffffff0u;
        seal(&header);
        cr_expect(decode(codec, &records, &count), "stored of column %u", i);
        entries[i] = entry;
        entries[i].mode = 7;
        seal(&header);
        cr_expect(decode(codec, &records, &count), "mode of column %u", i);
        entries[i] = entry;
    }
    codec_free(codec);
    free(s.raw);
}

Test(trace_codec, impossible_headers_are_refused)
{
    struct block_header header = {
        .magic = BLOCK_MAGIC, .version = BLOCK_VERSION, .size = sizeof(header), .records = 1};
    struct block_header changed;
#define REFUSED(field, value) \
    changed = header;         \
    changed.field = value;    \
    seal(&changed);           \
    cr_expect(block_header_check(&changed), #field);
    seal(&header);
    cr_assert_null(block_header_check(&header));
    REFUSED(magic, 1)
    REFUSED(version, BLOCK_VERSION + 1)
    REFUSED(size, 4)
    REFUSED(stream, STREAM_COUNT)
    REFUSED(records, 0)
    REFUSED(records, BLOCK_RECORDS_MAX + 1)
    REFUSED(columns, BLOCK_COLUMNS_MAX + 1)
    REFUSED(unpacked, BLOCK_PAYLOAD_MAX + 1)
    REFUSED(unpacked, 1)
}
