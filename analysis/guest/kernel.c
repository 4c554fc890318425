/* Puts image, symbols and types together; see kernel.h. */
#include "analysis/guest/kernel.h"

#include <stdio.h>
#include <string.h>

/* By the linker's symbols around the section. */
static const u8 *btf_by_symbols(const struct guest_image *image, const struct symbols *symbols,
                                u64 *length)
{
    const struct symbol *start = symbol_named(symbols, "__start_BTF");
    const struct symbol *stop = symbol_named(symbols, "__stop_BTF");
    if (!start || !stop || stop->address <= start->address)
        return NULL;
    *length = stop->address - start->address;
    return image_at(image, start->address, *length);
}

/* Without CONFIG_KALLSYMS_ALL those symbols are missing: by its header, which is on 4 bytes. */
static const u8 *btf_by_header(const struct guest_image *image, u64 *length)
{
    for (u32 i = 0; i < image->count; i++) {
        const struct guest_range *range = &image->range[i];
        for (u64 at = 0; at + 4 <= range->length; at += 4)
            if (range->at[at] == (BTF_MAGIC & 0xff) && range->at[at + 1] == BTF_MAGIC >> 8 &&
                types_length(range->at + at, range->length - at, length))
                return range->at + at;
    }
    return NULL;
}

const u8 *kernel_btf(const struct guest_image *image, const struct symbols *symbols, u64 *length)
{
    const u8 *btf = btf_by_symbols(image, symbols, length);
    return btf ? btf : btf_by_header(image, length);
}

static void find_types(const struct guest_image *image, struct kernel *kernel)
{
    u64 length;
    const u8 *btf = kernel_btf(image, &kernel->symbols, &length);
    struct failure failure = fail(UNSUPPORTED, "the guest's kernel has no BTF: it was built "
                                               "without CONFIG_DEBUG_INFO_BTF");
    if (btf)
        failure = types_read(btf, length, &kernel->types);
    kernel->has_types = !failure.code;
    snprintf(kernel->lacks, sizeof(kernel->lacks), "%.*s", (int)sizeof(kernel->lacks) - 1,
             failure.text);
}

static void find_banner(const struct guest_image *image, struct kernel *kernel)
{
    const struct symbol *banner = symbol_named(&kernel->symbols, "linux_banner");
    const u8 *text = banner ? image_at(image, banner->address, sizeof(kernel->banner) - 1) : NULL;
    if (text)
        memcpy(kernel->banner, text, sizeof(kernel->banner) - 1);
    kernel->banner[strcspn(kernel->banner, "\n")] = 0;
}

/*
 * The kernel is linked to run at KERNEL_SPACE plus its preferred physical address
 * (CONFIG_PHYSICAL_START), which its setup header tells, and that header it keeps in boot_params
 * (Documentation/arch/x86/boot.rst).
 */
static void find_shift(const struct guest_image *image, struct kernel *kernel)
{
    enum { MAGIC_AT = 0x202, PREFERRED_AT = 0x258 };
    const struct symbol *text = symbol_named(&kernel->symbols, "_text");
    const struct symbol *params = symbol_named(&kernel->symbols, "boot_params");
    const u8 *header = params ? image_at(image, params->address, PREFERRED_AT + 8) : NULL;
    u64 preferred;
    kernel->has_shift = text && header && !memcmp(header + MAGIC_AT, "HdrS", 4);
    if (!kernel->has_shift)
        return;
    memcpy(&preferred, header + PREFERRED_AT, sizeof(preferred));
    kernel->shift = (i64)(text->address - (KERNEL_SPACE + preferred));
}

static struct failure find_text(struct kernel *kernel)
{
    const struct symbol *text = symbol_named(&kernel->symbols, "_text");
    if (!text)
        text = symbol_named(&kernel->symbols, "_stext");
    if (!text)
        return fail(UNSUPPORTED, "the guest kernel's symbols have neither _text nor _stext");
    kernel->text = text->address;
    return NO_FAILURE;
}

struct failure kernel_find(struct memory *memory, const struct paging *paging,
                           struct kernel *kernel)
{
    struct guest_image image;
    *kernel = (struct kernel){0};
    ATTEMPT(image_find(memory, paging, &image));
    ATTEMPT(symbols_read(&image, &kernel->symbols));
    struct failure failure = find_text(kernel);
    if (failure.code) {
        kernel_free(kernel);
        return failure;
    }
    find_types(&image, kernel);
    find_shift(&image, kernel);
    find_banner(&image, kernel);
    return NO_FAILURE;
}

void kernel_free(struct kernel *kernel)
{
    symbols_free(&kernel->symbols);
    types_free(&kernel->types);
}
