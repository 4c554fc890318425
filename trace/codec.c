/* Memory of the block codec, and what both directions agree on. */
#include "trace/codec.h"

#include <stdlib.h>
#include <string.h>

enum { HASH_COLUMNS = 2 }; /* place and what */

bool buffer_reserve(struct buffer *buffer, size_t more)
{
    size_t need = buffer->length + more;
    if (need <= buffer->capacity)
        return true;
    size_t capacity = max_u64(need, buffer->capacity * 2);
    u8 *data = realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* All columns of a kind lie in one allocation, one after the other. */
static void place_columns(struct rows *rows, u64 *memory, size_t capacity)
{
    for (u32 i = 0; i < FIELDS_MAX; i++)
        rows->field[i] = memory + i * capacity;
    rows->place = memory + FIELDS_MAX * capacity;
    rows->what = rows->place + capacity;
}

bool rows_reserve(struct codec *codec, u32 kind, size_t count, bool keep)
{
    struct rows *rows = &codec->rows[kind];
    if (count <= codec->capacity[kind])
        return true;
    size_t capacity = count + count / 2 + 16;
    u64 *old = rows->field[0];
    u64 *memory = malloc((FIELDS_MAX + HASH_COLUMNS) * capacity * sizeof(u64));
    if (!memory)
        return false;
    for (u32 i = 0; keep && old && i < FIELDS_MAX; i++)
        memcpy(memory + i * capacity, rows->field[i], rows->count * sizeof(u64));
    place_columns(rows, memory, capacity);
    codec->capacity[kind] = capacity;
    free(old);
    return true;
}

void rows_begin(struct codec *codec, u32 kind, u64 first_exit)
{
    struct rows *rows = &codec->rows[kind];
    int exit = field_by_name(kind_layout(kind), "exit");
    memset(rows->by_coding, 0, sizeof(rows->by_coding));
    rows->exit = exit >= 0 ? rows->field[exit] : NULL;
    rows->exits = &codec->rows[REC_EXIT];
    rows->first_exit = first_exit;
    if (rows->count) {
        memset(rows->place, 0, rows->count * sizeof(u64));
        memset(rows->what, 0, rows->count * sizeof(u64));
    }
}

int column_in_order(const struct kind_layout *layout, u32 k)
{
    for (u32 coding = 0; coding < CODING_LIMIT; coding++) {
        for (int field = 0; field < layout->field_count; field++) {
            if (layout->fields[field].coding == coding && k-- == 0)
                return field;
        }
    }
    return -1;
}

struct codec *codec_new(void)
{
    struct codec *codec = calloc(1, sizeof(*codec));
    if (!codec)
        return NULL;
    codec->kinds = malloc(BLOCK_RECORDS_MAX + PIECE_SLACK);
    codec->symbols = malloc(BLOCK_RECORDS_MAX + PIECE_SLACK);
    codec->literals = malloc((size_t)BLOCK_RECORDS_MAX * LITERAL_MAX + PIECE_SLACK);
    codec->compressor = ZSTD_createCCtx();
    codec->decompressor = ZSTD_createDCtx();
    if (codec->kinds && codec->symbols && codec->literals && codec->compressor &&
        codec->decompressor)
        return codec;
    codec_free(codec);
    return NULL;
}

void codec_free(struct codec *codec)
{
    if (!codec)
        return;
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++)
        free(codec->rows[kind].field[0]);
    free(codec->kinds);
    free(codec->symbols);
    free(codec->literals);
    free(codec->directory.data);
    free(codec->data.data);
    free(codec->block.data);
    free(codec->unpacked.data);
    free(codec->records);
    free(codec->places);
    ZSTD_freeCCtx(codec->compressor);
    ZSTD_freeDCtx(codec->decompressor);
    free(codec);
}
