/*
 * Counts the chunks of records that an image has written to a trace disk, going by
 * the headers alone: a header is written after its payload and vouches for it.
 * Reads the disk on its own, without the code under test.
 *
 * usage: disk_chunks DISK
 */
#include <stdio.h>

#include "trace/wire.h"

int main(int argc, char **argv)
{
    struct disk_header disk;
    struct chunk_header chunk;
    u32 count = 0;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file || fread(&disk, sizeof(disk), 1, file) != 1 || disk.magic != DISK_MAGIC)
        return 2;
    u64 sector = disk.output_start;
    while (!fseek(file, (long)(sector * SECTOR), SEEK_SET) &&
           fread(&chunk, sizeof(chunk), 1, file) == 1 && chunk.magic == CHUNK_MAGIC) {
        count += chunk.kind == CHUNK_RECORDS;
        sector += (sizeof(chunk) + chunk.length + SECTOR - 1) / SECTOR;
    }
    printf("%u\n", count);
    return 0;
}
