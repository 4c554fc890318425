/*
 * Chunks on the trace disk (trace/wire.h). Writing keeps one rule: at any moment
 * the output area reads as whole chunks followed by a sector without magic. So a
 * chunk's tail goes first, then the end mark behind it, and its first sector,
 * which replaces the old end mark, last. Reading trusts nothing that it has not
 * checked: a chunk is accepted with its magic, sequence, length and checksum right.
 */
#include "core/mem.h"
#include "vmx/image/image.h"

enum { FIRST_PAYLOAD = SECTOR - sizeof(struct chunk_header) };

static struct {
    struct disk_header layout;
    u64 next; /* sector of the next output chunk: holds the end mark */
    u32 sequence;
} disk;

static const u8 end_mark[SECTOR];

/* CRC-32C by the SSE4.2 instruction, which needs no SSE state. */
static u32 checksum(u64 crc, const void *data, u64 length)
{
    const u8 *at = data;

    for (; length >= 8; length -= 8, at += 8)
        __asm__("crc32q %1, %0" : "+r"(crc) : "m"(*(const u64 *)at));
    for (; length; length--, at++)
        __asm__("crc32b %1, %0" : "+r"(crc) : "m"(*at));
    return (u32)crc;
}

static u64 chunk_sectors(u32 length)
{
    return (sizeof(struct chunk_header) + (u64)length + SECTOR - 1) / SECTOR;
}

static struct err check_layout(const struct disk_header *header)
{
    if (header->magic != DISK_MAGIC)
        return ERR(BAD_INPUT, "the disk on the primary ATA channel is not a trace disk", 0, 0);
    if (header->version != WIRE_VERSION)
        return ERR(BAD_INPUT, "the trace disk has format %a and this image has %b: build both anew",
                   header->version, WIRE_VERSION);
    if (header->input_start < 1 || header->exit_start < header->input_start ||
        header->output_start < header->exit_start || header->sectors <= header->output_start ||
        header->sectors > ata_sectors())
        return ERR(BAD_INPUT, "the trace disk's header is damaged (%a sectors; the disk has %b)",
                   header->sectors, ata_sectors());
    return NO_ERR;
}

struct err disk_open(void)
{
    u8 sector[SECTOR];

    if (!ata_present())
        return ERR(BAD_INPUT, "there is no trace disk on the primary ATA channel", 0, 0);
    TRY(ata_read(0, sector, 1));
    memcpy(&disk.layout, sector, sizeof(disk.layout));
    TRY(check_layout(&disk.layout));
    disk.next = disk.layout.output_start;
    disk.sequence = 0;
    return ata_write(disk.next, end_mark, 1);
}

const struct disk_header *disk_layout(void)
{
    return &disk.layout;
}

u64 disk_room(void)
{
    u64 sectors = disk.layout.sectors - disk.next;

    if (sectors < 2) /* the end mark keeps the last one */
        return 0;
    return min_u64((sectors - 1) * SECTOR - sizeof(struct chunk_header), CHUNK_MAX);
}

/* Everything of the payload that lies behind the chunk's first sector. */
static struct err write_tail(u64 sector, const u8 *payload, u32 length)
{
    u32 rest = length > FIRST_PAYLOAD ? length - FIRST_PAYLOAD : 0;
    u32 whole = rest / SECTOR;
    u8 last[SECTOR];

    TRY(ata_write(sector, payload + FIRST_PAYLOAD, whole));
    if (rest % SECTOR == 0)
        return NO_ERR;
    memset(last, 0, sizeof(last));
    memcpy(last, payload + FIRST_PAYLOAD + whole * SECTOR, rest % SECTOR);
    return ata_write(sector + whole, last, 1);
}

static struct err write_first(u64 sector, const struct chunk_header *header, const u8 *payload)
{
    u8 first[SECTOR] = {0};

    memcpy(first, header, sizeof(*header));
    memcpy(first + sizeof(*header), payload, min_u64(header->length, FIRST_PAYLOAD));
    return ata_write(sector, first, 1);
}

struct err disk_append(enum chunk_kind kind, const void *payload, u32 length)
{
    struct chunk_header header = {
        .magic = CHUNK_MAGIC,
        .kind = kind,
        .sequence = disk.sequence,
        .length = length,
        .checksum = checksum(~0u, payload, length),
    };
    u64 sectors = chunk_sectors(length);

    if (length > disk_room())
        return ERR(NO_SPACE,
                   "the trace disk is full: %a more bytes do not fit in %b; use a larger one",
                   length, disk_room());
    TRY(write_tail(disk.next + 1, payload, length));
    TRY(ata_write(disk.next + sectors, end_mark, 1));
    TRY(write_first(disk.next, &header, payload));
    disk.next += sectors;
    console_frame(FRAME_CHUNK, "%u", disk.sequence++);
    return NO_ERR;
}

void disk_flush(void)
{
    struct err error = NO_ERR;

    if (disk.layout.magic == DISK_MAGIC)
        error = ata_flush();
    if (error.code)
        console_error(&error);
}

struct chunk_cursor disk_input_area(void)
{
    return (struct chunk_cursor){disk.layout.input_start, disk.layout.exit_start, 0};
}

struct chunk_cursor disk_exit_area(void)
{
    return (struct chunk_cursor){disk.layout.exit_start, disk.layout.output_start, 0};
}

static struct err check_header(const struct chunk_cursor *cursor, const struct chunk_header *header,
                               u32 size)
{
    if (header->sequence != cursor->sequence)
        return ERR(BAD_INPUT, "chunk %a of the trace is missing: chunk %b is in its place",
                   cursor->sequence, header->sequence);
    if (header->kind != CHUNK_RECORDS || header->length > size || header->length == 0 ||
        chunk_sectors(header->length) > cursor->end - cursor->sector)
        return ERR(BAD_INPUT, "chunk %a of the trace is damaged: its length %b cannot be",
                   cursor->sequence, header->length);
    return NO_ERR;
}

static struct err read_tail(u64 sector, u8 *payload, u32 length)
{
    u32 rest = length > FIRST_PAYLOAD ? length - FIRST_PAYLOAD : 0;
    u32 whole = rest / SECTOR;
    u8 last[SECTOR];

    TRY(ata_read(sector, payload + FIRST_PAYLOAD, whole));
    if (rest % SECTOR == 0)
        return NO_ERR;
    TRY(ata_read(sector + whole, last, 1));
    memcpy(payload + FIRST_PAYLOAD + whole * SECTOR, last, rest % SECTOR);
    return NO_ERR;
}

struct err disk_read_chunk(struct chunk_cursor *cursor, void *buffer, u32 size, u32 *length)
{
    struct chunk_header header;
    u8 first[SECTOR];

    *length = 0;
    if (cursor->sector >= cursor->end)
        return NO_ERR;
    TRY(ata_read(cursor->sector, first, 1));
    memcpy(&header, first, sizeof(header));
    if (header.magic != CHUNK_MAGIC)
        return NO_ERR;
    TRY(check_header(cursor, &header, size));
    memcpy(buffer, first + sizeof(header), min_u64(header.length, FIRST_PAYLOAD));
    TRY(read_tail(cursor->sector + 1, buffer, header.length));
    if (checksum(~0u, buffer, header.length) != header.checksum)
        return ERR(BAD_INPUT, "chunk %a of the trace is damaged: its checksum is wrong",
                   cursor->sequence, 0);
    cursor->sector += chunk_sectors(header.length);
    cursor->sequence++;
    *length = header.length;
    return NO_ERR;
}
