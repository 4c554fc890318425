/*
 * The trace disk as a file (trace/wire.h): made sparse before a run, read while
 * the image writes to it. A chunk's space is given back as soon as it has been
 * taken, so the file stays small however long the run is. Everything on it is
 * untrusted: lengths and checksums are checked before use.
 */
#define _GNU_SOURCE /* fallocate */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crc.h"
#include "vmx/carriers/carrier.h"

enum { DISK_MIN = 32 << 20 };

/* Makes the file `bytes` long, or half of that and so on where the file system has a limit. */
static struct failure stretch(int descriptor, const char *path, u64 bytes, u64 least, u64 *sectors)
{
    const u64 cylinder = (u64)DISK_CYLINDER * SECTOR;
    least = max_u64(least, DISK_MIN);
    for (bytes = max_u64(bytes, least);; bytes = max_u64(bytes / 2, least)) {
        u64 size = (bytes + cylinder - 1) / cylinder * cylinder;
        if (!ftruncate(descriptor, (off_t)size)) {
            *sectors = size / SECTOR;
            return NO_FAILURE;
        }
        if ((errno != EFBIG && errno != EINVAL) || bytes == least)
            return fail_errno("cannot make the trace disk %s", path);
    }
}

static struct failure write_header(int descriptor, const char *path,
                                   const struct disk_header *header)
{
    u8 sector[SECTOR] = {0};
    memcpy(sector, header, sizeof(*header));
    if (pwrite(descriptor, sector, SECTOR, 0) != SECTOR)
        return fail_errno("cannot write the trace disk %s", path);
    return NO_FAILURE;
}

static struct failure lay_out(int descriptor, const char *path, u64 bytes, disk_fill *fill,
                              void *context)
{
    u64 input = 1, exits = 1; /* an empty area is one sector of zeros */
    struct disk_header header = {.magic = DISK_MAGIC, .version = WIRE_VERSION, .input_start = 1};
    if (lseek(descriptor, SECTOR, SEEK_SET) < 0)
        return fail_errno("cannot write the trace disk %s", path);
    if (fill)
        ATTEMPT(fill(context, descriptor, &input, &exits));
    header.exit_start = header.input_start + input;
    header.output_start = header.exit_start + exits;
    ATTEMPT(
        stretch(descriptor, path, bytes, header.output_start * SECTOR + DISK_MIN, &header.sectors));
    return write_header(descriptor, path, &header);
}

struct failure disk_create(const char *path, u64 bytes, disk_fill *fill, void *context)
{
    int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return fail_errno("cannot make the trace disk %s", path);
    struct failure failure = lay_out(descriptor, path, bytes, fill, context);
    if (close(descriptor) && !failure.code)
        failure = fail_errno("cannot write the trace disk %s", path);
    return failure;
}

/* Reads all of it; false: the file ends before, or cannot be read. */
static bool read_at(int descriptor, void *to, size_t length, u64 offset)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(descriptor, (u8 *)to + done, length - done, (off_t)(offset + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

static struct failure open_output(struct trace_disk *disk, const char *path, int access)
{
    struct disk_header header;
    *disk = (struct trace_disk){.descriptor = open(path, access | O_CLOEXEC)};
    if (disk->descriptor < 0)
        return fail_errno("cannot open the trace disk %s", path);
    if (!read_at(disk->descriptor, &header, sizeof(header), 0) || header.magic != DISK_MAGIC ||
        header.version != WIRE_VERSION)
        return fail(BAD_INPUT, "%s is no trace disk of this version", path);
    disk->sectors = header.sectors;
    disk->next = header.output_start;
    disk->payload = malloc(CHUNK_MAX);
    return disk->payload ? NO_FAILURE : fail(NO_SPACE, "out of memory");
}

struct failure disk_open_output(struct trace_disk *disk, const char *path)
{
    return open_output(disk, path, O_RDWR);
}

void disk_close(struct trace_disk *disk)
{
    if (disk->descriptor >= 0)
        close(disk->descriptor);
    free(disk->payload);
    *disk = (struct trace_disk){.descriptor = -1};
}

static u64 chunk_sectors(u32 length)
{
    return align_up(sizeof(struct chunk_header) + length, SECTOR) / SECTOR;
}

static struct failure damaged(const struct trace_disk *disk, const char *why)
{
    return fail(INTERNAL, "chunk %u on the trace disk is damaged: %s", disk->sequence, why);
}

struct failure disk_next_chunk(struct trace_disk *disk, u32 *kind, u32 *length)
{
    struct chunk_header header;
    u64 offset = disk->next * SECTOR;
    *kind = 0;
    if (disk->next >= disk->sectors ||
        !read_at(disk->descriptor, &header, sizeof(header), offset) || header.magic != CHUNK_MAGIC)
        return NO_FAILURE;
    if (header.sequence != disk->sequence)
        return damaged(disk, "it has another number");
    if (header.length > CHUNK_MAX || disk->next + chunk_sectors(header.length) > disk->sectors)
        return damaged(disk, "it is too long");
    if (!read_at(disk->descriptor, disk->payload, header.length, offset + sizeof(header)))
        return damaged(disk, "it cannot be read");
    if (crc32c(~0u, disk->payload, header.length) != header.checksum)
        return damaged(disk, "its checksum is wrong");
    *kind = header.kind;
    *length = header.length;
    disk->next += chunk_sectors(header.length);
    disk->sequence++;
    return NO_FAILURE;
}

void disk_forget_chunk(struct trace_disk *disk, u32 length)
{
    u64 sectors = chunk_sectors(length);
    /* A file system that cannot do it only keeps more: not an error. */
    if (fallocate(disk->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)((disk->next - sectors) * SECTOR), (off_t)(sectors * SECTOR)))
        return;
}

/* --- a report that is read later ---------------------------------------------------- */

/* Is what lies between the headers and the output areas the same? */
static bool same_log(const struct trace_disk *disk, const struct trace_disk *expected)
{
    bool same = disk->next == expected->next;
    u8 *ours = disk->payload, *theirs = expected->payload;
    for (u64 at = SECTOR, end = disk->next * SECTOR, length; same && at < end; at += length) {
        length = min_u64(end - at, CHUNK_MAX);
        same = read_at(disk->descriptor, ours, length, at) &&
               read_at(expected->descriptor, theirs, length, at) && !memcmp(ours, theirs, length);
    }
    return same;
}

static struct failure find_report(struct trace_disk *disk, const char *path, struct report *report)
{
    for (u32 kind = 0, length = 0;;) {
        struct failure failure = disk_next_chunk(disk, &kind, &length);
        if (failure.code)
            return fail(BAD_INPUT, "%s: %.300s", path, failure.text);
        if (!kind)
            return fail(BAD_INPUT, "%s holds no report: the run on it has not come to its end", path);
        if (kind != CHUNK_REPORT)
            continue;
        if (length != sizeof(*report))
            return fail(BAD_INPUT, "the report on %s is of another version", path);
        memcpy(report, disk->payload, sizeof(*report));
        return NO_FAILURE;
    }
}

struct failure disk_read_report(const char *path, const char *log, struct report *report)
{
    struct trace_disk disk = {.descriptor = -1}, expected = {.descriptor = -1};
    struct failure failure = open_output(&disk, path, O_RDONLY);
    if (!failure.code)
        failure = open_output(&expected, log, O_RDONLY);
    if (!failure.code && !same_log(&disk, &expected))
        failure = fail(BAD_INPUT, "%s was made from another trace, or was damaged", path);
    if (!failure.code)
        failure = find_report(&disk, path, report);
    disk_close(&disk);
    disk_close(&expected);
    return failure;
}
