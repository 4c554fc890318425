/*
 * The views of `hindvisor analyze` on arbitrary data. The first byte chooses: a block of
 * observations whose hashes are made right, decoded to columns and given to a view slice by slice,
 * told, saved and loaded again; or a partial file with its checksum made right. What is saved must
 * load, and print the same.
 */
#include "analysis/frame/partial.h"
#include "analysis/frame/pass.h"
#include "tests/fuzz/views.h"
#include "trace/codec.h"
#include "trace/guest_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { HZ = 1000, PIECE = 100 };

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* --- partial files ----------------------------------------------------------------------- */

static void parse_partial(const u8 *data, size_t size)
{
    static struct result result;
    struct pass pass = {.query.rows = NEVER};
    u8 *copy = malloc(size + sizeof(u64));
    require(copy);
    memcpy(copy, "HNDPart1", size < 8 ? size : 8);
    if (size > 8)
        memcpy(copy + 8, data + 8, size - 8);
    u64 hash = XXH64(copy, size, 0);
    memcpy(copy + size, &hash, sizeof(hash));
    if (!partial_parse(copy, size + sizeof(hash), "fuzz", true, &pass, &result).code) {
        free(view_print(pass.view, result.state, &pass.query));
        pass.view->end(result.state);
    }
    free(copy);
}

/* --- blocks ------------------------------------------------------------------------------ */

static bool decode(struct codec *codec, const u8 *data, size_t size, struct block_header *header)
{
    struct column_wishes all;
    memset(&all, 0xff, sizeof(all));
    if (size < sizeof(*header))
        return false;
    memcpy(header, data, sizeof(*header));
    u8 *payload = malloc(size - sizeof(*header) + 1);
    require(payload);
    memcpy(payload, data + sizeof(*header), size - sizeof(*header));
    header->magic = BLOCK_MAGIC;
    header->version = BLOCK_VERSION;
    header->size = sizeof(*header);
    header->stream = STREAM_OBSERVATION;
    header->stored = (u32)(size - sizeof(*header));
    header->payload_hash = XXH64(payload, header->stored, 0);
    header->header_hash = XXH64(header, offsetof(struct block_header, header_hash), 0);
    bool good = !block_header_check(header) && !codec_decode_columns(codec, header, payload, &all);
    free(payload);
    return good;
}

static void point(const struct codec *codec, const struct block_header *header,
                  struct trace_batch *batch)
{
    *batch = (struct trace_batch){.first_exit = header->first_exit, .exits = header->exits};
    u32 field;
#define F(type, name_, render, coding) to->name_ = from->field[field++];
#define R(number, name, NAME, stream_, FIELDS)          \
    if (codec->rows[number].count) {                    \
        struct name##_columns *to = &batch->name;       \
        const struct rows *from = &codec->rows[number]; \
        field = 0;                                      \
        to->rows = from->count;                         \
        FIELDS(F)                                       \
    }
    RECORDS(R)
#undef R
#undef F
}

/* The exit before row `at`; every second time behind a gap. */
static struct before before_row(const struct trace_batch *batch, const u64 *times, size_t at)
{
    const struct exit_columns *exits = &batch->exit;
    struct before before = {.kind = BEFORE_GAP};
    if (at / PIECE % 2 == 0 || exits->rows != batch->exits)
        return before;
    return (struct before){BEFORE_EXIT,
                           exits->reason[at - 1],
                           exits->tsc_exit[at - 1],
                           exits->tsc_entry[at - 1],
                           exits->count[at - 1],
                           times[at - 1]};
}

static void take(const struct view *view, const struct trace_batch *batch,
                 const struct query *query, const u64 *times)
{
    void *state = view->begin(query);
    require(state);
    bool good = true;
    struct slice slice = {.batch = batch, .times = times, .clock = query->subject->clock};
    for (u64 at = 0; good && at < batch->exits; at = slice.end) {
        slice.begin = (size_t)at;
        slice.end = (size_t)min_u64(at + PIECE, batch->exits);
        slice.stolen = at * 1000;
        good = !view->take(state, &slice, NULL).code;
        if (slice.end < batch->exits)
            slice.before = before_row(batch, times, slice.end);
    }
    if (good)
        view_reload(view, state, query);
    view->end(state);
}

static void look_at_block(u8 choice, const u8 *data, size_t size)
{
    static struct codec *codec;
    static u64 times[BLOCK_RECORDS_MAX];
    struct subject subject = {.clock = choice >> 6 & 1, .tsc_hz = HZ};
    struct query query = {.rows = NEVER, .subject = &subject};
    struct block_header header;
    struct trace_batch batch;
    size_t count = 0;
    codec = codec ? codec : codec_new();
    require(codec);
    while (views[count])
        count++;
    const struct view *view = query.view = views[choice % count];
    if (!view->save || !decode(codec, data, size, &header))
        return;
    for (query.by = 0; view->keys && view->keys[query.by + 1] && query.by < (choice >> 3 & 7);)
        query.by++;
    point(codec, &header, &batch);
    struct guest_time time;
    struct manifest manifest = {.version = 2, .clock = subject.clock, .tsc_hz = HZ};
    guest_time_init(&time, &manifest);
    if (batch.exit.rows)
        guest_time_at_exits(&time, &batch.exit, 0, batch.exit.rows, times);
    if (batch.exit.rows == batch.exits)
        take(view, &batch, &query, times);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] & 1)
        parse_partial(data + 1, size - 1);
    else
        look_at_block(data[1], data + 2, size - 2);
    return 0;
}
