/*
 * Reads streams. Trusts nothing that a checksum does not cover, and says of
 * every damage in which file, at which block and byte it is.
 */
#include "trace/stream.h"
#include "trace/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

const char *const stream_names[STREAM_COUNT] = {"inputs", "observations"};

struct failure stream_open(struct stream_file *file, const char *directory, enum stream stream)
{
    struct stat status;
    memset(file, 0, sizeof(*file));
    file->stream = stream;
    file_path(file->path, directory, stream_names[stream]);
    file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0 || fstat(file->descriptor, &status) < 0)
        return fail_errno("%.300s: cannot open it", file->path);
    file->size = (u64)status.st_size;
    return NO_FAILURE;
}

void stream_close(struct stream_file *file)
{
    if (file->descriptor > 0)
        close(file->descriptor);
    free(file->entries);
    free(file->payload);
    memset(file, 0, sizeof(*file));
}

static struct failure damaged(const struct stream_file *file, size_t block, u64 offset,
                              const char *what)
{
    return fail(BAD_INPUT,
                "%.250s: block %zu at offset %" PRIu64
                ": %s; `hindvisor repair` keeps what comes before it",
                file->path, block, offset, what);
}

static struct failure read_failure(const struct stream_file *file, size_t block, u64 offset)
{
    if (errno)
        return fail_errno("%.300s: cannot read it", file->path);
    return damaged(file, block, offset, "the file ends inside the block");
}

/* --- the list of blocks --------------------------------------------------------- */

static struct index_entry *entry_add(struct stream_file *file)
{
    if (file->count == file->capacity) {
        size_t capacity = file->capacity * 2 + 64;
        struct index_entry *entries = realloc(file->entries, capacity * sizeof(*entries));
        if (!entries)
            return NULL;
        file->entries = entries;
        file->capacity = capacity;
    }
    return &file->entries[file->count++];
}

bool stream_note(struct stream_file *file, const struct block_header *header, u64 offset)
{
    struct index_entry *entry = entry_add(file);
    if (!entry)
        return false;
    *entry = (struct index_entry){
        .offset = offset,
        .size = sizeof(*header) + header->stored,
        .first_exit = header->first_exit,
        .exits = header->exits,
        .first_count = header->first_count,
        .records = header->records,
        .chunk = header->chunk,
        .streams = header->streams,
        .header_hash = header->header_hash,
    };
    file->end = offset + entry->size;
    return true;
}

static void forget_from(struct stream_file *file, size_t count)
{
    file->count = count;
    file->end = count ? file->entries[count - 1].offset + file->entries[count - 1].size : 0;
}

/* --- the index -------------------------------------------------------------------- */

u8 *index_make(const struct index_entry *entries, size_t count, u64 offset, size_t *length)
{
    struct index_header header = {INDEX_MAGIC, BLOCK_VERSION, (u32)count};
    size_t body = sizeof(header) + count * sizeof(*entries);
    struct index_trailer trailer = {.index_offset = offset, .magic = INDEX_MAGIC};
    *length = body + sizeof(trailer);
    u8 *bytes = malloc(*length);
    if (!bytes)
        return NULL;
    memcpy(bytes, &header, sizeof(header));
    if (count)
        memcpy(bytes + sizeof(header), entries, count * sizeof(*entries));
    trailer.hash = XXH64(bytes, body, 0);
    memcpy(bytes + body, &trailer, sizeof(trailer));
    return bytes;
}

static struct failure index_damaged(const struct stream_file *file, u64 offset, const char *what)
{
    return fail(BAD_INPUT,
                "%.250s: the index at offset %" PRIu64
                ": %s; the blocks may be whole: try `hindvisor repair`",
                file->path, offset, what);
}

/* Do the entries follow each other from the start of the file to the index? */
static bool entries_are_contiguous(const struct stream_file *file, u64 index_offset)
{
    u64 offset = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct index_entry *entry = &file->entries[i];
        if (entry->offset != offset || entry->size < sizeof(struct block_header) ||
            entry->size > sizeof(struct block_header) + BLOCK_PAYLOAD_MAX)
            return false;
        offset += entry->size;
    }
    return offset == index_offset;
}

static struct failure take_index(struct stream_file *file, const u8 *bytes, size_t length,
                                 u64 offset)
{
    struct index_header header;
    memcpy(&header, bytes, sizeof(header));
    if (header.magic != INDEX_MAGIC || header.version != BLOCK_VERSION ||
        length != sizeof(header) + header.entries * sizeof(struct index_entry))
        return index_damaged(file, offset, "it is not laid out as an index");
    free(file->entries);
    file->entries = malloc(length);
    if (!file->entries)
        return fail(NO_SPACE, "%.300s: no memory for its index", file->path);
    memcpy(file->entries, bytes + sizeof(header), length - sizeof(header));
    file->count = header.entries;
    file->capacity = length / sizeof(struct index_entry);
    if (!entries_are_contiguous(file, offset))
        return index_damaged(file, offset, "its entries do not match the file");
    file->end = offset;
    return NO_FAILURE;
}

struct failure stream_load_index(struct stream_file *file)
{
    struct index_trailer trailer;
    if (file->size < sizeof(struct index_header) + sizeof(trailer))
        return fail(BAD_INPUT, "%.250s: it is cut: no index; try `hindvisor repair`", file->path);
    u64 at = file->size - sizeof(trailer);
    if (!file_read_at(file->descriptor, &trailer, sizeof(trailer), at))
        return read_failure(file, file->count, at);
    if (trailer.magic != INDEX_MAGIC || trailer.index_offset > at - sizeof(struct index_header))
        return index_damaged(file, at, "its last bytes are wrong");
    size_t length = at - trailer.index_offset;
    u8 *bytes = malloc(length);
    if (!bytes)
        return fail(NO_SPACE, "%.300s: no memory for its index", file->path);
    struct failure failure = NO_FAILURE;
    if (!file_read_at(file->descriptor, bytes, length, trailer.index_offset))
        failure = read_failure(file, file->count, trailer.index_offset);
    else if (XXH64(bytes, length, 0) != trailer.hash)
        failure = index_damaged(file, trailer.index_offset, "its checksum is wrong");
    else
        failure = take_index(file, bytes, length, trailer.index_offset);
    free(bytes);
    return failure;
}

/* --- blocks ------------------------------------------------------------------------- */

static struct failure read_header(const struct stream_file *file, size_t block, u64 offset,
                                  struct block_header *header)
{
    if (!file_read_at(file->descriptor, header, sizeof(*header), offset))
        return read_failure(file, block, offset);
    const char *wrong = block_header_check(header);
    u64 previous = block ? file->entries[block - 1].header_hash : 0;
    if (!wrong && (header->stream != file->stream || header->block != block))
        wrong = "a block of another place is here";
    if (!wrong && header->previous != previous)
        wrong = "it does not continue the block before it";
    return wrong ? damaged(file, block, offset, wrong) : NO_FAILURE;
}

static struct failure read_payload(struct stream_file *file, size_t block, u64 offset, size_t size)
{
    if (size > file->payload_size) {
        free(file->payload);
        file->payload = malloc(size);
        file->payload_size = file->payload ? size : 0;
    }
    if (size > file->payload_size)
        return fail(NO_SPACE, "%.300s: no memory for a block", file->path);
    if (!file_read_at(file->descriptor, file->payload, size, offset + sizeof(struct block_header)))
        return read_failure(file, block, offset);
    return NO_FAILURE;
}

/* Header and payload (file->payload) of a block that the list of blocks names. */
static struct failure load_block(struct stream_file *file, size_t block,
                                 struct block_header *header)
{
    const struct index_entry *entry = &file->entries[block];
    ATTEMPT(read_header(file, block, entry->offset, header));
    if (header->header_hash != entry->header_hash ||
        header->stored != entry->size - sizeof(*header) ||
        header->first_exit != entry->first_exit || header->exits != entry->exits ||
        header->chunk != entry->chunk || header->records != entry->records)
        return damaged(file, block, entry->offset, "it is not the block that the index names");
    return read_payload(file, block, entry->offset, header->stored);
}

struct failure stream_read(struct stream_file *file, struct codec *codec, size_t block,
                           const union record **records, size_t *count)
{
    struct block_header header;
    ATTEMPT(load_block(file, block, &header));
    const char *wrong = codec_decode(codec, &header, file->payload, records, count);
    return wrong ? damaged(file, block, file->entries[block].offset, wrong) : NO_FAILURE;
}

struct failure stream_read_columns(struct stream_file *file, struct codec *codec, size_t block,
                                   const struct column_wishes *wishes)
{
    struct block_header header;
    ATTEMPT(load_block(file, block, &header));
    const char *wrong = codec_decode_columns(codec, &header, file->payload, wishes);
    return wrong ? damaged(file, block, file->entries[block].offset, wrong) : NO_FAILURE;
}

/* --- walking ------------------------------------------------------------------------ */

/* Is there no data from here on: what a crashed machine leaves of an unsynced file? */
static bool only_zeros(const struct stream_file *file, u64 offset)
{
    u8 bytes[4096];
    while (offset < file->size) {
        size_t length = min_u64(sizeof(bytes), file->size - offset);
        if (!file_read_at(file->descriptor, bytes, length, offset))
            return false;
        if (bytes[0] || memcmp(bytes, bytes + 1, length - 1))
            return false;
        offset += length;
    }
    return true;
}

static bool index_begins(const struct stream_file *file, u64 offset)
{
    u64 magic = 0;
    return file_read_at(file->descriptor, &magic, sizeof(magic), offset) && magic == INDEX_MAGIC;
}

static struct failure scan_block(struct stream_file *file, struct codec *codec, bool deep,
                                 bool *torn)
{
    struct block_header header;
    u64 offset = file->end;
    const union record *records;
    size_t count, block = file->count;
    *torn = file->size - offset < sizeof(header) || only_zeros(file, offset);
    if (*torn)
        return NO_FAILURE;
    ATTEMPT(read_header(file, block, offset, &header));
    *torn = header.stored > file->size - offset - sizeof(header);
    if (*torn)
        return NO_FAILURE;
    if (!stream_note(file, &header, offset))
        return fail(NO_SPACE, "%.300s: no memory for its index", file->path);
    struct failure failure = NO_FAILURE;
    if (deep)
        failure = stream_read(file, codec, block, &records, &count);
    if (failure.code)
        forget_from(file, block);
    return failure;
}

struct failure stream_scan(struct stream_file *file, struct codec *codec, bool deep)
{
    bool torn = false;
    forget_from(file, 0);
    while (!torn && file->end < file->size && !index_begins(file, file->end))
        ATTEMPT(scan_block(file, codec, deep, &torn));
    return NO_FAILURE;
}

/* --- both streams ------------------------------------------------------------------- */

/* Does `file` hold what it should of this chunk? `next`: the first block not yet looked at. */
static bool chunk_is_here(const struct stream_file *file, size_t next, u32 chunk, u32 streams)
{
    bool have = next < file->count && file->entries[next].chunk == chunk;
    return have == !!(streams & 1u << file->stream);
}

static u32 streams_of_chunk(const struct stream_file files[STREAM_COUNT], const size_t *next,
                            u32 chunk)
{
    for (u32 s = 0; s < STREAM_COUNT; s++) {
        if (next[s] < files[s].count && files[s].entries[next[s]].chunk == chunk)
            return files[s].entries[next[s]].streams;
    }
    return 0;
}

u32 streams_trim(struct stream_file files[STREAM_COUNT], u32 there)
{
    size_t next[STREAM_COUNT] = {0};
    u32 chunk = 0, streams;
    for (; (streams = streams_of_chunk(files, next, chunk) & there) != 0; chunk++) {
        bool whole = true;
        for (u32 s = 0; s < STREAM_COUNT; s++)
            whole =
                whole && (!(there >> s & 1) || chunk_is_here(&files[s], next[s], chunk, streams));
        if (!whole)
            break;
        for (u32 s = 0; s < STREAM_COUNT; s++)
            next[s] += streams >> s & 1;
    }
    for (u32 s = 0; s < STREAM_COUNT; s++)
        forget_from(&files[s], next[s]);
    return chunk;
}
