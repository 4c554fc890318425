/*
 * Records to a block. Records are turned into columns as they are added;
 * codec_encode() predicts each column, compresses its pieces and puts header,
 * directory and pieces together. Small blocks are compressed whole instead,
 * which costs fewer bytes than many small frames.
 */
#include "trace/codec.h"
#include "trace/manifest.h"

#include <string.h>
#include <xxhash.h>

enum {
    PACK_RECORDS = 1024, /* blocks with fewer are compressed whole */
    PACK_LEVEL = 9,
    PIECE_LEVEL = 3,
};

void codec_clear(struct codec *codec)
{
    codec->count = 0;
    codec->first_count = 0;
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++)
        codec->rows[kind].count = 0;
}

size_t codec_count(const struct codec *codec)
{
    return codec->count;
}

u64 codec_first_count(const struct codec *codec)
{
    return codec->first_count;
}

/* The record's fields to the next row of its columns. */
static void add_row(struct rows *rows, u32 kind, const void *record)
{
    size_t row = rows->count++;
    u32 column = 0;
    switch (kind) {
#define F(type, name, render, coding) rows->field[column++][row] = from->name;
#define R(number, name, NAME, stream, FIELDS)      \
    case number: {                                 \
        const struct name##_record *from = record; \
        FIELDS(F)                                  \
        break;                                     \
    }
        RECORDS(R)
#undef R
#undef F
    default:
        break;
    }
}

static void note_count(struct codec *codec, u32 kind)
{
    int field = field_by_name(kind_layout(kind), "count");
    const struct rows *rows = &codec->rows[kind];
    if (field >= 0)
        codec->first_count = rows->field[field][rows->count - 1];
}

bool codec_add(struct codec *codec, const void *record)
{
    u16 kind;
    memcpy(&kind, record, sizeof(kind));
    if (!record_size(kind) || codec->count == BLOCK_RECORDS_MAX)
        return false;
    struct rows *rows = &codec->rows[kind];
    if (!rows_reserve(codec, kind, rows->count + 1, true))
        return false;
    add_row(rows, kind, record);
    codec->kinds[codec->count++] = (u8)kind;
    if (!codec->first_count)
        note_count(codec, kind);
    return true;
}

/* --- pieces ------------------------------------------------------------------ */

static bool is_constant(struct piece piece)
{
    return piece.length > 1 && !memcmp(piece.data, piece.data + 1, piece.length - 1);
}

static bool append(struct buffer *buffer, const void *data, size_t length)
{
    if (!buffer_reserve(buffer, length))
        return false;
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    return true;
}

/* Appends the piece compressed; 0: that would not be smaller, or failed. */
static size_t append_zstd(struct codec *codec, struct piece piece)
{
    struct buffer *data = &codec->data;
    if (piece.length < 16 || !buffer_reserve(data, ZSTD_compressBound(piece.length)))
        return 0;
    size_t stored =
        ZSTD_compressCCtx(codec->compressor, data->data + data->length,
                          data->capacity - data->length, piece.data, piece.length, PIECE_LEVEL);
    if (ZSTD_isError(stored) || stored >= piece.length)
        return 0;
    data->length += stored;
    return stored;
}

static bool put_piece(struct codec *codec, struct column_entry entry, struct piece piece)
{
    bool small = codec->count < PACK_RECORDS;
    size_t stored;
    if (!piece.length)
        return true;
    entry.length = (u32)piece.length;
    if (is_constant(piece)) {
        entry.mode = MODE_CONSTANT;
        entry.stored = 1;
    } else if (!small && (stored = append_zstd(codec, piece))) {
        entry.mode = MODE_ZSTD;
        entry.stored = (u32)stored;
        return append(&codec->directory, &entry, sizeof(entry));
    } else {
        entry.mode = MODE_STORED;
        entry.stored = entry.length;
    }
    return append(&codec->data, piece.data, entry.stored) &&
           append(&codec->directory, &entry, sizeof(entry));
}

/* --- columns ------------------------------------------------------------------ */

static struct piece plain_piece(struct codec *codec, const struct field_layout *field,
                                const u64 *column, size_t count)
{
    struct piece piece = {codec->literals, count * field->width};
    for (size_t i = 0; i < count; i++)
        memcpy(piece.data + i * field->width, &column[i], 8);
    return piece;
}

static bool put_column(struct codec *codec, u32 kind, int index)
{
    const struct field_layout *field = &kind_layout(kind)->fields[index];
    struct rows *rows = &codec->rows[kind];
    struct column_entry entry = {.kind = (u8)kind, .field = (u8)index, .coding = field->coding};
    struct piece symbols = {codec->symbols, 0}, literals = {codec->literals, 0};
    if (field->coding == CODING_PLAIN)
        return put_piece(codec, entry, plain_piece(codec, field, rows->field[index], rows->count));
    column_encode(field->coding, &codec->tables, rows, rows->field[index], &symbols, &literals);
    column_known(field->coding, rows, rows->field[index]);
    if (!put_piece(codec, entry, symbols))
        return false;
    entry.part = PART_LITERALS;
    return put_piece(codec, entry, literals);
}

/* The entry's TSC becomes the time since the exit's; decode.c undoes it. */
static void take_latency(struct rows *rows, const struct kind_layout *layout)
{
    int exit = field_by_name(layout, "tsc_exit"), entry = field_by_name(layout, "tsc_entry");
    if (exit < 0 || entry < 0)
        return;
    for (size_t i = 0; i < rows->count; i++)
        rows->field[entry][i] -= rows->field[exit][i];
}

static bool put_kind(struct codec *codec, u32 kind, u64 first_exit)
{
    const struct kind_layout *layout = kind_layout(kind);
    if (!layout || !codec->rows[kind].count)
        return true;
    rows_begin(codec, kind, first_exit);
    take_latency(&codec->rows[kind], layout);
    int index;
    for (u32 k = 0; (index = column_in_order(layout, k)) >= 0; k++) {
        if (!put_column(codec, kind, index))
            return false;
    }
    return true;
}

static bool put_columns(struct codec *codec, u64 first_exit)
{
    struct column_entry sequence = {.kind = 0};
    codec->directory.length = codec->data.length = 0;
    if (!put_piece(codec, sequence, (struct piece){codec->kinds, codec->count}))
        return false;
    for (u32 kind = 1; kind < REC_KIND_LIMIT; kind++) {
        if (!put_kind(codec, kind, first_exit))
            return false;
    }
    return true;
}

/* --- the whole block ------------------------------------------------------------ */

static bool put_payload(struct codec *codec, struct block_header *header)
{
    struct buffer *block = &codec->block;
    if (!append(&codec->directory, codec->data.data, codec->data.length))
        return false;
    const struct buffer *payload = &codec->directory;
    size_t bound = ZSTD_compressBound(payload->length), packed = SIZE_MAX;
    if (!buffer_reserve(block, bound))
        return false;
    u8 *to = block->data + block->length;
    if (codec->count < PACK_RECORDS)
        packed = ZSTD_compressCCtx(codec->compressor, to, bound, payload->data, payload->length,
                                   PACK_LEVEL);
    header->unpacked = header->stored = (u32)payload->length;
    if (!ZSTD_isError(packed) && packed < payload->length) {
        header->flags |= BLOCK_PACKED;
        header->stored = (u32)packed;
    } else {
        memcpy(to, payload->data, payload->length);
    }
    block->length += header->stored;
    return true;
}

const u8 *codec_encode(struct codec *codec, struct block_header *header, size_t *length)
{
    header->magic = BLOCK_MAGIC;
    header->version = BLOCK_VERSION;
    header->size = sizeof(*header);
    header->flags = header->reserved = 0;
    header->records = (u32)codec->count;
    codec->block.length = 0;
    if (!put_columns(codec, header->first_exit) || !append(&codec->block, header, sizeof(*header)))
        return NULL;
    header->columns = (u32)(codec->directory.length / sizeof(struct column_entry));
    if (!put_payload(codec, header))
        return NULL;
    header->payload_hash = XXH64(codec->block.data + sizeof(*header), header->stored, 0);
    header->header_hash = XXH64(header, offsetof(struct block_header, header_hash), 0);
    memcpy(codec->block.data, header, sizeof(*header));
    *length = codec->block.length;
    return codec->block.data;
}
