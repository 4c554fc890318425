/*
 * Guest RAM and its hash. Never touches a byte outside [base, base + size), and
 * never the VGA hole, whatever the guest-physical address and length.
 *
 * The hash of a page is two CRC-32C (SSE4.2 `crc32`, SDM vol. 2A) over its even
 * and its odd qwords, mixed with the page's number so that two pages that change
 * places are seen. The hash of RAM is the sum of the pages' hashes, so that a
 * page that changed costs one subtraction and one addition.
 */
#include "core/memory.h"

#include "core/crc.h"
#include "core/mem.h"

enum { PAGE_QWORDS = 512, PAGES_A_WORD = 64 };
#define EVEN_SEED 0xffffffffu
#define ODD_SEED 0x9e3779b9u

static u64 pages_of(u64 size)
{
    return size / PAGE_SIZE;
}

static u64 dirty_words(u64 size)
{
    return (pages_of(size) + PAGES_A_WORD - 1) / PAGES_A_WORD;
}

u64 memory_overhead(u64 size)
{
    return (dirty_words(size) + pages_of(size)) * sizeof(u64);
}

static bool in_hole(u64 page)
{
    return page >= VGA_HOLE / PAGE_SIZE && page < VGA_HOLE_END / PAGE_SIZE;
}

/* --- hashing ---------------------------------------------------------------- */

static u64 page_crcs(const u64 *page)
{
    u64 even = EVEN_SEED, odd = ODD_SEED;

    for (const u64 *at = page; at < page + PAGE_QWORDS; at += 16) {
        /* Unrolled: in an emulated carrier every instruction counts. */
        even = crc32c_step(even, at), odd = crc32c_step(odd, at + 1);
        even = crc32c_step(even, at + 2), odd = crc32c_step(odd, at + 3);
        even = crc32c_step(even, at + 4), odd = crc32c_step(odd, at + 5);
        even = crc32c_step(even, at + 6), odd = crc32c_step(odd, at + 7);
        even = crc32c_step(even, at + 8), odd = crc32c_step(odd, at + 9);
        even = crc32c_step(even, at + 10), odd = crc32c_step(odd, at + 11);
        even = crc32c_step(even, at + 12), odd = crc32c_step(odd, at + 13);
        even = crc32c_step(even, at + 14), odd = crc32c_step(odd, at + 15);
    }
    return even << 32 | odd;
}

static u64 numbered(u64 crcs, u64 page)
{
    return mix64(crcs ^ (page + 1) * 0x9e3779b97f4a7c15ull);
}

static void rehash_page(struct memory *memory, u64 page)
{
    u64 hash = numbered(page_crcs((const u64 *)(memory->base + page * PAGE_SIZE)), page);

    memory->hash += hash - memory->page_hash[page];
    memory->page_hash[page] = hash;
}

u64 memory_hash(struct memory *memory)
{
    u64 words = dirty_words(memory->size);

    for (u64 i = 0; i < words; i++) {
        if (!memory->dirty[i])
            continue;
        for (u64 left = memory->dirty[i]; left; left &= left - 1)
            rehash_page(memory, i * PAGES_A_WORD + (u64)__builtin_ctzll(left));
        memory->dirty[i] = 0;
    }
    return memory->hash;
}

void memory_init(struct memory *memory, void *base, u64 size, void *overhead)
{
    static const u64 zero_page[PAGE_QWORDS];
    u64 pages = pages_of(size), zero = page_crcs(zero_page);

    *memory = (struct memory){.base = base, .size = size, .dirty = overhead};
    memory->page_hash = memory->dirty + dirty_words(size);
    memset(memory->dirty, 0, dirty_words(size) * sizeof(u64));
    for (u64 page = 0; page < pages; page++) {
        memory->page_hash[page] = in_hole(page) ? 0 : numbered(zero, page);
        memory->hash += memory->page_hash[page];
    }
}

/* --- access ------------------------------------------------------------------- */

void *memory_at(const struct memory *memory, u64 gpa, u64 length)
{
    if (length > memory->size || gpa > memory->size - length)
        return NULL; /* written so that gpa + length cannot wrap */
    if (gpa < VGA_HOLE_END && gpa + length > VGA_HOLE)
        return NULL;
    return memory->base + gpa;
}

bool memory_read(const struct memory *memory, u64 gpa, void *to, u64 length)
{
    const void *from = memory_at(memory, gpa, length);

    if (from)
        memcpy(to, from, length);
    return from;
}

bool memory_write(struct memory *memory, u64 gpa, const void *from, u64 length)
{
    void *to = memory_at(memory, gpa, length);

    if (!to)
        return false;
    memcpy(to, from, length);
    memory_mark_dirty(memory, gpa, length);
    if (memory->on_write && length && (memory->watched[gpa / PAGE_SIZE] || memory->watched[(gpa + length - 1) / PAGE_SIZE]))
        memory->on_write(gpa, length);
    return true;
}

void memory_mark_dirty(struct memory *memory, u64 gpa, u64 length)
{
    if (gpa >= memory->size || !length)
        return;
    u64 last = gpa + min_u64(length, memory->size - gpa) - 1;

    for (u64 page = gpa / PAGE_SIZE; page <= last / PAGE_SIZE; page++)
        if (!in_hole(page))
            memory->dirty[page / PAGES_A_WORD] |= BIT(page % PAGES_A_WORD);
}
