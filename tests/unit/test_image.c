/*
 * The parts of the image's start-up that need no machine: text, the allocator and
 * the trace disk over a disk made of memory. The files are included, so that the
 * image's names stay out of the command.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "vmx/image/alloc.c"
#include "vmx/image/disk.c"
#include "vmx/image/print.c"

enum { SECTORS = 64, OUTPUT_START = 8, BUFFER = 16384 };

static u8 medium[SECTORS][SECTOR];
static u32 frames, writes_left;

bool ata_present(void)
{
    return true;
}

u64 ata_sectors(void)
{
    return SECTORS;
}

struct err ata_read(u64 sector, void *to, u32 count)
{
    cr_assert(sector + count <= SECTORS);
    memcpy(to, medium[sector], (size_t)count * SECTOR);
    return NO_ERR;
}

/* Power goes off after `writes_left` sectors. */
struct err ata_write(u64 sector, const void *from, u32 count)
{
    cr_assert(sector + count <= SECTORS);
    for (u32 i = 0; i < count && writes_left; i++, writes_left--)
        memcpy(medium[sector + i], (const u8 *)from + (size_t)i * SECTOR, SECTOR);
    return NO_ERR;
}

struct err ata_flush(void)
{
    return NO_ERR;
}

void console_frame(char letter, const char *format, ...)
{
    (void)format;
    frames += letter == FRAME_CHUNK;
}

void console_error(const struct err *error)
{
    (void)error;
}

static void fresh_disk(u8 filling)
{
    struct disk_header header = {DISK_MAGIC, WIRE_VERSION, 0, SECTORS, 1, 4, OUTPUT_START};

    memset(medium, filling, sizeof(medium));
    memcpy(medium[0], &header, sizeof(header));
    frames = 0;
    writes_left = UINT32_MAX;
    cr_assert_eq(disk_open().code, OK);
}

static struct chunk_cursor output_area(void)
{
    return (struct chunk_cursor){OUTPUT_START, SECTORS, 0};
}

static void fill(u8 *bytes, u32 length, u32 seed)
{
    for (u32 i = 0; i < length; i++)
        bytes[i] = (u8)(i * 31 + seed + (i >> 8));
}

Test(image, chunks_of_every_edge_size_come_back)
{
    static const u32 lengths[] = {1, 479, 480, 481, 991, 992, 993, 5000};
    u8 payload[BUFFER], back[BUFFER];
    struct chunk_cursor cursor = output_area();
    u32 length;

    fresh_disk(0xee); /* a used disk: nothing on it may be taken for a chunk */
    for (u32 i = 0; i < ARRAY_SIZE(lengths); i++) {
        fill(payload, lengths[i], i);
        cr_assert_eq(disk_append(CHUNK_RECORDS, payload, lengths[i]).code, OK);
    }
    for (u32 i = 0; i < ARRAY_SIZE(lengths); i++) {
        fill(payload, lengths[i], i);
        cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, OK);
        cr_assert_eq(length, lengths[i]);
        cr_assert_arr_eq(back, payload, length);
    }
    cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, OK);
    cr_assert_eq(length, 0);
    cr_assert_eq(frames, ARRAY_SIZE(lengths));
}

static u32 chunks_on_disk(void)
{
    struct chunk_cursor cursor = output_area();
    u8 back[BUFFER];
    u32 count = 0, length;

    for (;; count++) {
        cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, OK);
        if (!length)
            return count;
    }
}

Test(image, a_power_cut_at_any_sector_leaves_whole_chunks)
{
    u8 payload[5000];

    fill(payload, sizeof(payload), 7);
    for (u32 cut = 0; cut < 14; cut++) {
        fresh_disk(0);
        disk_append(CHUNK_RECORDS, payload, sizeof(payload));
        disk.next = OUTPUT_START; /* the same again: stale chunks lie where the new ones go */
        disk.sequence = 0;
        ata_write(OUTPUT_START, end_mark, 1);
        disk_append(CHUNK_RECORDS, payload, 600);
        writes_left = cut;
        disk_append(CHUNK_RECORDS, payload, sizeof(payload));
        cr_assert_eq(chunks_on_disk(), cut < 11 ? 1 : 2, "cut after %u sectors", cut);
    }
}

Test(image, a_full_disk_says_so_and_stays_whole)
{
    u8 payload[BUFFER];
    u64 room;

    fresh_disk(0);
    fill(payload, sizeof(payload), 1);
    while (disk_room() >= sizeof(payload))
        cr_assert_eq(disk_append(CHUNK_RECORDS, payload, sizeof(payload)).code, OK);
    room = disk_room();
    cr_assert_eq(disk_append(CHUNK_RECORDS, payload, (u32)room + 1).code, NO_SPACE);
    cr_assert_eq(disk_append(CHUNK_RECORDS, payload, (u32)room).code, OK);
    cr_assert_eq(disk_room(), 0);
    cr_assert_eq(disk_append(CHUNK_RECORDS, payload, 1).code, NO_SPACE);
    cr_assert_eq(chunks_on_disk(), disk.sequence);
}

Test(image, damaged_chunks_are_refused)
{
    u8 payload[1000], back[BUFFER];
    struct chunk_header *header = (void *)medium[OUTPUT_START];
    struct chunk_cursor cursor = output_area();
    u32 length;

    fresh_disk(0);
    fill(payload, sizeof(payload), 3);
    disk_append(CHUNK_RECORDS, payload, sizeof(payload));
    cr_assert_eq(disk_read_chunk(&cursor, back, 999, &length).code, BAD_INPUT);
    medium[OUTPUT_START + 1][5] ^= 1;
    cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, BAD_INPUT);
    medium[OUTPUT_START + 1][5] ^= 1;
    header->length = SECTORS * SECTOR;
    cr_assert_eq(disk_read_chunk(&cursor, back, UINT32_MAX, &length).code, BAD_INPUT);
    header->length = sizeof(payload);
    header->sequence = 1;
    cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, BAD_INPUT);
    header->sequence = 0;
    cr_assert_eq(disk_read_chunk(&cursor, back, BUFFER, &length).code, OK);
    cr_assert_eq(length, sizeof(payload));
}

Test(image, a_disk_that_is_not_ours_is_left_alone)
{
    struct disk_header *header = (void *)medium[0];

    fresh_disk(0);
    memset(medium[OUTPUT_START], 0x55, SECTOR);
    header->magic++;
    cr_assert_eq(disk_open().code, BAD_INPUT);
    header->magic--;
    header->sectors = SECTORS + 1;
    cr_assert_eq(disk_open().code, BAD_INPUT);
    header->sectors = OUTPUT_START;
    cr_assert_eq(disk_open().code, BAD_INPUT);
    cr_assert_eq(medium[OUTPUT_START][0], 0x55);
}

Test(image, text)
{
    char text[80], cut[8];
    const struct err error = ERR(BAD_INPUT, "%a at 0x%A, %b 100%", 171, 9);

    print_to(text, sizeof(text), "%5d|%-5d|%05d|%x|%08lx|%c|%-3s|%3s|%%|%u", 42, -42, -42, 255u,
             0xbeeful, 'c', "a", "b", 7u);
    cr_assert_str_eq(text, "   42|-42  |-0042|ff|0000beef|c|a  |  b|%|7");
    print_to(text, sizeof(text), "%d %ld %lu", -2147483647 - 1, INT64_MIN, UINT64_MAX);
    cr_assert_str_eq(text, "-2147483648 -9223372036854775808 18446744073709551615");
    cr_assert_eq(print_to(cut, sizeof(cut), "%s", "longer than that"), sizeof(cut) - 1);
    cr_assert_str_eq(cut, "longer ");
    print_error(text, sizeof(text), &error);
    cr_assert_str_eq(text, "171 at 0xab, 9 100%");
}

Test(image, allocations_step_over_what_is_taken)
{
    enum { PAGES = 32 };
    u8 *base = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);
    u64 start = (u64)base;
    struct image_context context = {.ram_start = start, .ram_end = start + PAGES * PAGE_SIZE};
    const struct ram_range taken[] = {{start + 10 * PAGE_SIZE, start + 11 * PAGE_SIZE + 1},
                                      {start, start + 100}};

    memset(base, 0xaa, PAGES * PAGE_SIZE);
    carrier_ram_init(&context, taken, ARRAY_SIZE(taken));
    cr_assert_eq(carrier_free(), 20 * PAGE_SIZE);
    cr_assert_eq((u64)carrier_allocate(PAGE_SIZE + 1), start + PAGE_SIZE);
    cr_assert_eq(base[PAGE_SIZE], 0);
    cr_assert_eq((u64)carrier_allocate(8 * PAGE_SIZE), start + 12 * PAGE_SIZE);
    cr_assert_eq(base[10 * PAGE_SIZE], 0xaa);
    cr_assert_eq(carrier_free(), 12 * PAGE_SIZE);
    cr_assert_null(carrier_allocate(13 * PAGE_SIZE));
    cr_assert_null(carrier_allocate(UINT64_MAX));
    cr_assert_not_null(carrier_allocate(12 * PAGE_SIZE));
    cr_assert_eq(carrier_free(), 0);
    free(base);
}
