/*
 * Carrier RAM, handed out from the bottom up and never given back: all memory is
 * allocated at set-up. Ranges that hold the image, the modules or the loader's
 * tables are stepped over. Allocations are whole pages.
 */
#include "core/mem.h"
#include "vmx/image/image.h"

static struct {
    u64 next, end;
    bool zeroed_already;
    struct ram_range taken[TAKEN_MAX];
    u32 taken_count;
} ram;

void carrier_ram_init(struct image_context *context, const struct ram_range *taken, u32 count)
{
    ram.next = align_up(context->ram_start, PAGE_SIZE);
    ram.end = context->ram_end & ~(PAGE_SIZE - 1);
    ram.zeroed_already = context->mission.flags & MISSION_RAM_ZERO;
    ram.taken_count = count < TAKEN_MAX ? count : TAKEN_MAX;
    memcpy(ram.taken, taken, ram.taken_count * sizeof(taken[0]));
}

/* The first address from `start` on at which `bytes` touch no taken range. */
static u64 step_over(u64 start, u64 bytes)
{
    for (u32 i = 0; i < ram.taken_count; i++) {
        const struct ram_range *range = &ram.taken[i];

        if (start < range->end && start + bytes > range->start)
            return step_over(align_up(range->end, PAGE_SIZE), bytes);
    }
    return start;
}

void *carrier_allocate(u64 bytes)
{
    u64 size = align_up(bytes, PAGE_SIZE);
    u64 start;

    if (size < bytes || size > ram.end)
        return NULL;
    start = step_over(ram.next, size);
    if (start > ram.end || size > ram.end - start)
        return NULL;
    ram.next = start + size;
    if (!ram.zeroed_already)
        memset((void *)start, 0, size);
    return (void *)start;
}

/* The gap that begins at `start`, up to the next taken range or the end of RAM. */
static u64 gap_at(u64 start)
{
    u64 end = ram.end;

    for (u32 i = 0; i < ram.taken_count; i++) {
        if (ram.taken[i].start >= start)
            end = min_u64(end, ram.taken[i].start & ~(PAGE_SIZE - 1));
    }
    return end > start ? end - start : 0;
}

u64 carrier_free(void)
{
    u64 longest = gap_at(step_over(ram.next, PAGE_SIZE));

    for (u32 i = 0; i < ram.taken_count; i++) {
        u64 after = align_up(ram.taken[i].end, PAGE_SIZE);

        if (after >= ram.next)
            longest = max_u64(longest, gap_at(step_over(after, PAGE_SIZE)));
    }
    return longest;
}
