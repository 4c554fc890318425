/*
 * Counts the chunks that an image has completed on a trace disk and that were not
 * taken from it yet, going by the headers alone: a header is written after its
 * payload and vouches for it. Taken ones are holes of zeros. Prints the number
 * of the last chunk plus one, 0 when there is none. Reads the disk on its own, without the
 * code under test.
 *
 * usage: disk_chunks DISK
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "trace/wire.h"

static bool read_at(int disk, void *to, size_t length, off_t at)
{
    return pread(disk, to, length, at) == (ssize_t)length;
}

/* The first chunk behind the holes. */
static off_t first_chunk(int disk, off_t at)
{
    struct chunk_header chunk;
    for (at = lseek(disk, at, SEEK_DATA); at >= 0; at += SECTOR) {
        at -= at % SECTOR;
        if (!read_at(disk, &chunk, sizeof(chunk), at))
            return -1;
        if (chunk.magic == CHUNK_MAGIC)
            return at;
        off_t data = lseek(disk, at + SECTOR, SEEK_DATA);
        if (data < 0)
            return -1;
        at = data - (off_t)SECTOR > at ? data - (off_t)SECTOR : at;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct disk_header header;
    struct chunk_header chunk;
    u32 completed = 0;
    int disk = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (disk < 0 || !read_at(disk, &header, sizeof(header), 0) || header.magic != DISK_MAGIC)
        return 2;
    off_t at = first_chunk(disk, (off_t)(header.output_start * SECTOR));
    while (at >= 0 && read_at(disk, &chunk, sizeof(chunk), at) && chunk.magic == CHUNK_MAGIC) {
        if (chunk.kind == CHUNK_RECORDS)
            completed = chunk.sequence + 1;
        at += (off_t)((sizeof(chunk) + chunk.length + SECTOR - 1) / SECTOR * SECTOR);
    }
    printf("%u\n", completed);
    return 0;
}
