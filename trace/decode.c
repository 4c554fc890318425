/*
 * A block to records. The payload is hostile until proved otherwise: every
 * length in it is compared with what the record counts allow before anything is
 * expanded, and no allocation depends on a length that was not bounded.
 * Columns of kinds that this version does not know are skipped.
 */
#include "trace/codec.h"
#include "trace/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The payload's directory with the pieces found. */
struct directory {
    struct column_entry entries[BLOCK_COLUMNS_MAX];
    const u8 *pieces[BLOCK_COLUMNS_MAX];
    u16 index[REC_KIND_LIMIT][FIELDS_MAX][2]; /* 1 + entry; 0: absent */
};

const char *block_header_check(const struct block_header *h)
{
    if (h->magic != BLOCK_MAGIC)
        return "no block begins here (wrong magic)";
    if (h->header_hash != XXH64(h, offsetof(struct block_header, header_hash), 0))
        return "the block header's checksum is wrong";
    if (h->version != BLOCK_VERSION || h->size != sizeof(*h))
        return "the block is of another format version";
    if (h->stream >= STREAM_COUNT || h->records == 0 || h->records > BLOCK_RECORDS_MAX ||
        h->columns > BLOCK_COLUMNS_MAX || h->exits > BLOCK_RECORDS_MAX)
        return "the block header holds impossible numbers";
    if (h->stored > BLOCK_PAYLOAD_MAX || h->unpacked > BLOCK_PAYLOAD_MAX ||
        (!(h->flags & BLOCK_PACKED) && h->stored != h->unpacked))
        return "the block header holds impossible sizes";
    return NULL;
}

/* --- pieces ------------------------------------------------------------------- */

/* Expands a piece to exactly `length` bytes. */
static bool expand(struct codec *codec, const struct column_entry *entry, const u8 *stored, u8 *to)
{
    switch (entry->mode) {
    case MODE_CONSTANT:
        if (entry->stored != 1)
            return false;
        memset(to, stored[0], entry->length);
        return true;
    case MODE_STORED:
        if (entry->stored != entry->length)
            return false;
        memcpy(to, stored, entry->length);
        return true;
    case MODE_ZSTD:
        return ZSTD_decompressDCtx(codec->decompressor, to, entry->length, stored, entry->stored) ==
               entry->length;
    default:
        return false;
    }
}

static bool note_entry(struct directory *directory, u32 i)
{
    const struct column_entry *entry = &directory->entries[i];
    if (entry->kind >= REC_KIND_LIMIT || entry->field >= FIELDS_MAX || entry->part > PART_LITERALS)
        return true; /* of a kind or field from the future: skipped */
    u16 *slot = &directory->index[entry->kind][entry->field][entry->part];
    bool first = *slot == 0;
    *slot = (u16)(i + 1);
    return first;
}

static const char *read_directory(struct directory *directory, const u8 *payload, size_t length,
                                  u32 columns)
{
    size_t at = (size_t)columns * sizeof(struct column_entry);
    if (at > length)
        return "the block's directory does not fit";
    memcpy(directory->entries, payload, at);
    memset(directory->index, 0, sizeof(directory->index));
    for (u32 i = 0; i < columns; i++) {
        if (directory->entries[i].stored > length - at)
            return "a column is longer than its block";
        directory->pieces[i] = payload + at;
        at += directory->entries[i].stored;
        if (!note_entry(directory, i))
            return "a column comes twice";
    }
    return at == length ? NULL : "bytes follow the last column";
}

/* The piece expanded into `to`, which has room for `most` bytes and the slack. */
static bool take_piece(struct codec *codec, const struct directory *directory, u32 slot, u8 *to,
                       size_t most, struct piece *piece)
{
    *piece = (struct piece){to, 0};
    if (!slot)
        return true;
    const struct column_entry *entry = &directory->entries[slot - 1];
    if (entry->length > most || !expand(codec, entry, directory->pieces[slot - 1], to))
        return false;
    piece->length = entry->length;
    return true;
}

/* --- columns ------------------------------------------------------------------- */

static void read_plain(u64 *column, struct piece piece, u32 width, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        column[i] = 0;
        memcpy(&column[i], piece.data + i * width, width);
    }
}

/* The first guess is right in every row: it says 0 in the first one, since tables begin as zeros,
 * and so in all, unless it leans on other columns. */
static bool is_zeros(const struct directory *directory, const u16 *slots, u32 coding)
{
    const struct column_entry *entry = &directory->entries[slots[PART_SYMBOLS] - 1];
    return coding >= CODING_DELTA && coding <= CODING_LATENCY && entry->mode == MODE_CONSTANT &&
           directory->pieces[slots[PART_SYMBOLS] - 1][0] == 0 && !slots[PART_LITERALS];
}

static const char *read_column(struct codec *codec, const struct directory *directory, u32 kind,
                               int index)
{
    const struct field_layout *field = &kind_layout(kind)->fields[index];
    struct rows *rows = &codec->rows[kind];
    const u16 *slots = directory->index[kind][index];
    bool plain = field->coding == CODING_PLAIN;
    size_t need = plain ? rows->count * field->width : rows->count;
    struct piece first, literals;
    if (!slots[PART_SYMBOLS])
        return "a column is missing";
    if (directory->entries[slots[PART_SYMBOLS] - 1].coding != field->coding)
        return "a column is coded in a way that this version does not know";
    if (!take_piece(codec, directory, slots[PART_SYMBOLS], plain ? codec->literals : codec->symbols,
                    need, &first) ||
        first.length != need)
        return "a column does not unpack to its size";
    if (plain) {
        read_plain(rows->field[index], first, field->width, rows->count);
        return NULL;
    }
    if (is_zeros(directory, slots, field->coding))
        memset(rows->field[index], 0, rows->count * sizeof(u64));
    else if (!take_piece(codec, directory, slots[PART_LITERALS], codec->literals,
                         rows->count * LITERAL_MAX, &literals) ||
             !column_decode(field->coding, &codec->tables, rows, rows->field[index], first,
                            literals))
        return "a column's symbols and literals do not agree";
    column_known(field->coding, rows, rows->field[index]);
    return NULL;
}

/* Undoes take_latency() of encode.c. */
static void give_latency(struct rows *rows, const struct kind_layout *layout)
{
    int exit = field_by_name(layout, "tsc_exit"), entry = field_by_name(layout, "tsc_entry");
    if (exit < 0 || entry < 0)
        return;
    for (size_t i = 0; i < rows->count; i++)
        rows->field[entry][i] += rows->field[exit][i];
}

/* Codings come in the order of their numbers and predict from those before them. A PLAIN column
 * predicts nothing. tsc_entry is its LATENCY and the TSC after it. */
static bool is_needed(const struct field_layout *field, int index, u32 wished, u32 last_coding)
{
    return field->coding == CODING_PLAIN ? wished >> index & 1 : field->coding <= last_coding;
}

/* The last coding that the wish for these fields needs decoded; PLAIN: none. */
static u32 last_needed(const struct kind_layout *layout, u32 wished)
{
    u32 last = CODING_PLAIN;
    for (u32 f = 0; f < layout->field_count; f++) {
        u32 coding = layout->fields[f].coding;
        if (wished >> f & 1)
            last = max_u32(last, coding == CODING_LATENCY ? CODING_TSC : coding);
    }
    return last;
}

static const char *read_kind(struct codec *codec, const struct directory *directory, u32 kind,
                             u32 wished, u32 last_coding)
{
    const struct kind_layout *layout = kind_layout(kind);
    int index;
    for (u32 k = 0; (index = column_in_order(layout, k)) >= 0; k++) {
        if (!is_needed(&layout->fields[index], index, wished, last_coding))
            continue;
        const char *wrong = read_column(codec, directory, kind, index);
        if (wrong)
            return wrong;
    }
    if (last_coding >= CODING_TSC)
        give_latency(&codec->rows[kind], layout);
    return NULL;
}

/* A column has 64 bits a row; a field keeps as many as its type. */
static void narrow(struct rows *rows, const struct kind_layout *layout, u32 wished)
{
    for (u32 f = 0; f < layout->field_count; f++) {
        u32 width = layout->fields[f].width;
        if (width == 8 || layout->fields[f].coding == CODING_PLAIN || !(wished >> f & 1))
            continue;
        for (size_t i = 0; i < rows->count; i++)
            rows->field[f][i] &= BIT(8 * width) - 1;
    }
}

/* Records that are predicted from their exit (AT_*) need its columns up to VALUE. */
static bool leans_on_exits(const struct codec *codec, const struct column_wishes *wishes)
{
    for (u32 kind = REC_EXIT + 1; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        if (layout && codec->rows[kind].count &&
            last_needed(layout, wishes->fields[kind]) >= CODING_AT_RIP)
            return true;
    }
    return false;
}

static const char *read_kinds(struct codec *codec, const struct directory *directory,
                              const struct column_wishes *wishes, u64 first_exit)
{
    const char *wrong = NULL;
    for (u32 kind = 1; !wrong && kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        if (!codec->rows[kind].count)
            continue;
        u32 last = last_needed(layout, wishes->fields[kind]);
        if (kind == REC_EXIT && leans_on_exits(codec, wishes))
            last = max_u32(last, CODING_VALUE);
        rows_begin(codec, kind, first_exit);
        wrong = read_kind(codec, directory, kind, wishes->fields[kind], last);
    }
    for (u32 kind = 1; !wrong && kind < REC_KIND_LIMIT; kind++) {
        if (codec->rows[kind].count)
            narrow(&codec->rows[kind], kind_layout(kind), wishes->fields[kind]);
    }
    return wrong;
}

/* --- rows ------------------------------------------------------------------------ */

static const char *count_kinds(struct codec *codec, const struct block_header *header)
{
    size_t counts[256] = {0};
    for (size_t i = 0; i < codec->count; i++)
        counts[codec->kinds[i]]++;
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        codec->rows[kind].count = layout ? counts[kind] : 0;
        if (layout && counts[kind] && layout->stream != header->stream)
            return "a record is in the wrong stream";
        if (layout && !rows_reserve(codec, kind, counts[kind], false))
            return "no memory for the block";
    }
    if (header->stream == STREAM_OBSERVATION && counts[REC_EXIT] != header->exits)
        return "the block holds another number of exits than its header says";
    return NULL;
}

static const char *read_sequence(struct codec *codec, const struct directory *directory,
                                 const struct block_header *header)
{
    struct piece piece;
    codec->count = header->records;
    if (!take_piece(codec, directory, directory->index[0][0][PART_SYMBOLS], codec->kinds,
                    header->records, &piece) ||
        piece.length != header->records)
        return "the sequence of record kinds does not unpack to its size";
    return count_kinds(codec, header);
}

/* Puts the columns of one kind into the records at `places`. */
static void fill_kind(const struct rows *rows, u32 kind, union record *records, const u32 *places)
{
    u32 column = 0;
    switch (kind) {
#define F(type, name, render, coding)                                       \
    for (size_t i = 0; i < rows->count; i++)                                \
        ((self *)&records[places[i]])->name = (type)rows->field[column][i]; \
    column++;
#define R(number, name, NAME, stream, FIELDS) \
    case number: {                            \
        typedef struct name##_record self;    \
        FIELDS(F)                             \
        break;                                \
    }
        RECORDS(R)
#undef R
#undef F
    default:
        break;
    }
    for (size_t i = 0; i < rows->count; i++)
        records[places[i]].kind = (u16)kind;
}

/* Sorts the places of the records by kind: those of kind k begin at starts[k]. Returns how many
 * records are of known kinds. */
static size_t sort_places(struct codec *codec, u32 starts[REC_KIND_LIMIT])
{
    u32 next[REC_KIND_LIMIT], sum = 0, place = 0;
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        starts[kind] = next[kind] = sum;
        sum += (u32)codec->rows[kind].count;
    }
    for (size_t i = 0; i < codec->count; i++) {
        u32 kind = codec->kinds[i];
        if (record_size(kind))
            codec->places[next[kind]++] = place++;
    }
    return place;
}

static bool records_reserve(struct codec *codec, size_t count)
{
    if (count <= codec->records_capacity)
        return true;
    free(codec->records);
    free(codec->places);
    codec->records = malloc(count * sizeof(*codec->records));
    codec->places = malloc(count * sizeof(*codec->places));
    codec->records_capacity = codec->records && codec->places ? count : 0;
    return codec->records_capacity != 0;
}

static const char *fill_records(struct codec *codec, const union record **records, size_t *count)
{
    u32 starts[REC_KIND_LIMIT];
    if (!records_reserve(codec, codec->count))
        return "no memory for the block";
    *count = sort_places(codec, starts);
    memset(codec->records, 0, *count * sizeof(*codec->records));
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++)
        fill_kind(&codec->rows[kind], kind, codec->records, codec->places + starts[kind]);
    *records = codec->records;
    return NULL;
}

/* --- the whole block --------------------------------------------------------------- */

static const u8 *unpack(struct codec *codec, const struct block_header *header, const u8 *payload)
{
    if (!(header->flags & BLOCK_PACKED))
        return payload;
    codec->unpacked.length = 0;
    if (!buffer_reserve(&codec->unpacked, header->unpacked + PIECE_SLACK))
        return NULL;
    size_t got = ZSTD_decompressDCtx(codec->decompressor, codec->unpacked.data, header->unpacked,
                                     payload, header->stored);
    return got == header->unpacked ? codec->unpacked.data : NULL;
}

const char *codec_decode_columns(struct codec *codec, const struct block_header *header,
                                 const u8 *payload, const struct column_wishes *wishes)
{
    struct directory directory;
    if (XXH64(payload, header->stored, 0) != header->payload_hash)
        return "the block's checksum is wrong";
    payload = unpack(codec, header, payload);
    if (!payload)
        return "the block does not unpack to its size";
    const char *wrong = read_directory(&directory, payload, header->unpacked, header->columns);
    if (!wrong)
        wrong = read_sequence(codec, &directory, header);
    return wrong ? wrong : read_kinds(codec, &directory, wishes, header->first_exit);
}

const char *codec_decode(struct codec *codec, const struct block_header *header, const u8 *payload,
                         const union record **records, size_t *count)
{
    struct column_wishes all;
    memset(&all, 0xff, sizeof(all));
    const char *wrong = codec_decode_columns(codec, header, payload, &all);
    return wrong ? wrong : fill_records(codec, records, count);
}
