/* The file guest.cache; see cache.h. */
#include "analysis/guest/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>
#include <zstd.h>

#include "trace/fresh.h"

enum { LEVEL = 3 };
/* Limits for files that are made to hurt: 150 million events; and a frame of some bytes that says
 * it is gigabytes (real ones shrink to a seventh at best). */
#define SECTION_MAX (8ull << 30)
enum { SHRINKS_MAX = 1000 };

static const char magic[8] = "HNDguest";

struct place {
    u64 offset, size; /* of the frame in the file */
    u64 length;       /* of what is in it */
    u64 hash;         /* of the frame */
};

struct cache_header {
    char magic[8];
    u32 version, sections;
    u64 identity; /* of the trace (frame/pass.h) */
    struct place place[CACHE_SECTIONS];
    u64 hash; /* of what is above */
};

static u64 hash_header(const struct cache_header *header)
{
    return XXH64(header, offsetof(struct cache_header, hash), 0);
}

/* --- reading -------------------------------------------------------------------------------- */

static bool header_is_good(const struct cache_header *header, u64 identity, u64 file_size)
{
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 || header->version != CACHE_VERSION ||
        header->sections != CACHE_SECTIONS || header->hash != hash_header(header) ||
        header->identity != identity)
        return false;
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        const struct place *place = &header->place[i];
        if (place->length > SECTION_MAX || place->length / SHRINKS_MAX > place->size ||
            place->offset > file_size || place->size > file_size - place->offset)
            return false;
    }
    return true;
}

static bool read_section(int file, const struct place *place, void *frame, void *data)
{
    return file_read_at(file, frame, place->size, place->offset) &&
           XXH64(frame, place->size, 0) == place->hash &&
           ZSTD_decompress(data, place->length, frame, place->size) == place->length;
}

static bool load_section(int file, const struct place *place, struct cache *cache, u32 i)
{
    void *frame = malloc(place->size + 1);
    void *data = malloc(place->length + 1);
    bool good = frame && data && read_section(file, place, frame, data);
    free(frame);
    cache->section[i].data = data;
    cache->section[i].length = place->length;
    return good;
}

static bool load(int file, u64 identity, u64 wanted, struct cache *cache)
{
    struct cache_header header;
    struct stat status;
    if (fstat(file, &status) < 0 || !file_read_at(file, &header, sizeof(header), 0) ||
        !header_is_good(&header, identity, (u64)status.st_size))
        return false;
    for (u32 i = 0; i < CACHE_SECTIONS; i++)
        if (wanted & BIT(i) && !load_section(file, &header.place[i], cache, i))
            return false;
    return true;
}

bool cache_read(const char *directory, u64 identity, u64 wanted, struct cache *cache)
{
    char path[FILE_PATH];
    *cache = (struct cache){0};
    file_path(path, directory, CACHE_NAME);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool good = load(file, identity, wanted, cache);
    close(file);
    if (!good)
        cache_free(cache);
    return good;
}

void cache_free(struct cache *cache)
{
    for (u32 i = 0; i < CACHE_SECTIONS; i++)
        free(cache->section[i].data);
    *cache = (struct cache){0};
}

/* --- writing -------------------------------------------------------------------------------- */

static u64 room_for(const struct cache *cache)
{
    u64 room = sizeof(struct cache_header);
    for (u32 i = 0; i < CACHE_SECTIONS; i++)
        room += ZSTD_compressBound(cache->section[i].length);
    return room;
}

/* Into `file`, which has the room; the whole length, or 0. */
static u64 build(u8 *file, u64 room, u64 identity, const struct cache *cache)
{
    struct cache_header header = {
        .version = CACHE_VERSION, .sections = CACHE_SECTIONS, .identity = identity};
    u64 used = sizeof(header);
    memcpy(header.magic, magic, sizeof(magic));
    for (u32 i = 0; i < CACHE_SECTIONS; i++) {
        u64 length = cache->section[i].length;
        const void *data = length ? cache->section[i].data : "";
        u64 size = ZSTD_compress(file + used, room - used, data, length, LEVEL);
        if (ZSTD_isError(size))
            return 0;
        header.place[i] = (struct place){used, size, length, XXH64(file + used, size, 0)};
        used += size;
    }
    header.hash = hash_header(&header);
    memcpy(file, &header, sizeof(header));
    return used;
}

/* Two analyses may write at the same time. */
static struct failure put(const char *directory, const void *data, u64 length)
{
    char path[FILE_PATH];
    struct fresh fresh;
    file_path(path, directory, CACHE_NAME);
    ATTEMPT(fresh_make(&fresh, path, false));
    if (file_write(fresh.lock, data, length))
        return fresh_finish(&fresh, path);
    struct failure failure = fail_errno("%.300s: cannot write it", fresh.path);
    fresh_drop(&fresh);
    return failure;
}

struct failure cache_write(const char *directory, u64 identity, const struct cache *cache)
{
    for (u32 i = 0; i < CACHE_SECTIONS; i++)
        if (cache->section[i].length > SECTION_MAX)
            return fail(UNSUPPORTED, "there is too much to keep it in %s", CACHE_NAME);
    u64 room = room_for(cache);
    u8 *file = malloc(room);
    u64 length = file ? build(file, room, identity, cache) : 0;
    struct failure failure =
        length ? put(directory, file, length) : fail(NO_SPACE, "no memory for %s", CACHE_NAME);
    free(file);
    return failure;
}
