/* Walks the kernel's part of the guest's address space; see image.h. */
#include "analysis/guest/image.h"

#define CR0_PG BIT(31)
#define EFER_LMA BIT(10)

/* Joins the page to the last range or begins one. false: there are too many. */
static bool add_page(struct guest_image *image, u64 linear, const u8 *at, u64 length)
{
    struct guest_range *last = image->count ? &image->range[image->count - 1] : NULL;
    if (last && last->linear + last->length == linear && last->at + last->length == at) {
        last->length += length;
        return true;
    }
    if (image->count == IMAGE_RANGES)
        return false;
    image->range[image->count++] = (struct guest_range){linear, at, length};
    return true;
}

static void collect(struct memory *memory, const struct paging *paging, struct guest_image *image)
{
    for (u64 linear = KERNEL_SPACE; linear < KERNEL_SPACE_END;) {
        struct translation t = paging_walk(memory, paging, linear, 0, false);
        u64 length = PAGE_SIZE;
        if (!t.fault) {
            length = min_u64(t.page_size - linear % t.page_size, KERNEL_SPACE_END - linear);
            const u8 *at = memory_at(memory, t.gpa, length);
            if (at && !add_page(image, linear, at, length))
                return;
        }
        linear += length;
    }
}

struct failure image_find(struct memory *memory, const struct paging *paging,
                          struct guest_image *image)
{
    image->count = 0;
    if (!(paging->cr0 & CR0_PG) || !(paging->efer & EFER_LMA))
        return fail(UNSUPPORTED, "the guest is not in 64-bit mode here, so no x86-64 Linux is "
                                 "running; look at a later position");
    collect(memory, paging, image);
    if (!image->count)
        return fail(UNSUPPORTED,
                    "the guest maps nothing at 0x%llx, where x86-64 Linux has its "
                    "kernel: it is another system, or its kernel has not started yet",
                    KERNEL_SPACE);
    return NO_FAILURE;
}

const u8 *image_at(const struct guest_image *image, u64 linear, u64 length)
{
    for (u32 i = 0; i < image->count; i++) {
        const struct guest_range *range = &image->range[i];
        u64 offset = linear - range->linear;
        if (linear >= range->linear && offset <= range->length && length <= range->length - offset)
            return range->at + offset;
    }
    return NULL;
}
