/* Reads all symbols out of kallsyms and keeps them, sorted both ways. */
#define _GNU_SOURCE /* qsort_r */
#include "analysis/guest/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/guest/kallsyms.h"

static int compare_names(const void *a, const void *b, void *context)
{
    const struct symbols *s = context;
    u32 first = *(const u32 *)a, second = *(const u32 *)b;
    int order = strcmp(symbol_name(s, &s->table[first]), symbol_name(s, &s->table[second]));
    return order ? order : (first > second) - (first < second);
}

/* Room for more bytes of names; false: there is none. */
static bool make_room(struct symbols *s, size_t used, size_t more, size_t *capacity)
{
    if (used + more <= *capacity)
        return true;
    size_t larger = 2 * (used + more);
    char *names = realloc(s->names, larger);
    if (!names)
        return false;
    s->names = names;
    *capacity = larger;
    return true;
}

static struct failure take_names(const struct kallsyms *k, struct symbols *s)
{
    char text[NAME_MAX_LENGTH + 1];
    size_t used = 0, capacity = 0;
    u64 at = 0;
    for (u32 i = 0; i < k->count; i++) {
        u32 length = kallsyms_next_name(k, &at, text);
        if (!length)
            return fail(BAD_INPUT, "the guest kernel's kallsyms are damaged at symbol %u of %u", i,
                        k->count);
        if (!make_room(s, used, length, &capacity))
            return fail(NO_SPACE, "no memory for the guest kernel's symbols");
        s->table[i] = (struct symbol){kallsyms_address(k, i), (u32)used, text[0]};
        memcpy(s->names + used, text + 1, length);
        used += length; /* without the type, with the NUL */
    }
    s->names_length = used;
    return NO_FAILURE;
}

static struct failure take(const struct kallsyms *k, struct symbols *s)
{
    *s = (struct symbols){
        .table = calloc(k->count, sizeof(*s->table)),
        .by_name = calloc(k->count, sizeof(*s->by_name)),
        .count = k->count,
    };
    if (!s->table || !s->by_name)
        return fail(NO_SPACE, "no memory for the guest kernel's %u symbols", k->count);
    ATTEMPT(take_names(k, s));
    for (u32 i = 0; i < s->count; i++)
        s->by_name[i] = i;
    qsort_r(s->by_name, s->count, sizeof(*s->by_name), compare_names, s);
    return NO_FAILURE;
}

void symbols_free(struct symbols *s)
{
    free(s->table);
    free(s->by_name);
    free(s->names);
    *s = (struct symbols){0};
}

struct failure symbols_read(const struct guest_image *image, struct symbols *symbols)
{
    struct kallsyms k;
    *symbols = (struct symbols){0};
    for (u32 i = 0; i < image->count; i++) {
        if (!kallsyms_find(&image->range[i], &k))
            continue;
        struct failure failure = take(&k, symbols);
        if (failure.code)
            symbols_free(symbols);
        return failure;
    }
    return fail(UNSUPPORTED, "the guest's kernel has no symbol table that is known here: it was "
                             "built without CONFIG_KALLSYMS, or it is no Linux from 5.4 on");
}

/* --- looking up -------------------------------------------------------------------------- */

/* Index in by_name of the first name that is not less. */
static u32 lower_bound(const struct symbols *s, const char *name)
{
    u32 low = 0, high = s->count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (strcmp(symbol_name(s, &s->table[s->by_name[middle]]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct symbol *symbol_named(const struct symbols *s, const char *name)
{
    u32 at = lower_bound(s, name);
    const struct symbol *symbol = at < s->count ? &s->table[s->by_name[at]] : NULL;
    return symbol && !strcmp(symbol_name(s, symbol), name) ? symbol : NULL;
}

static bool is_clone(const char *suffix)
{
    return !strncmp(suffix, ".isra.", 6) || !strncmp(suffix, ".constprop.", 11);
}

const struct symbol *symbol_function(const struct symbols *s, const char *name)
{
    const struct symbol *plain = symbol_named(s, name);
    size_t length = strlen(name);
    if (plain)
        return plain;
    for (u32 at = lower_bound(s, name); at < s->count; at++) {
        const struct symbol *symbol = &s->table[s->by_name[at]];
        if (strncmp(symbol_name(s, symbol), name, length) != 0)
            break;
        if (is_clone(symbol_name(s, symbol) + length))
            return symbol;
    }
    return NULL;
}

const struct symbol *symbol_at(const struct symbols *s, u64 address, u64 *offset)
{
    u32 low = 0, high = s->count;
    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (s->table[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || s->table[low - 1].address < KERNEL_SPACE || address >= KERNEL_SPACE_END)
        return NULL;
    *offset = address - s->table[low - 1].address;
    return &s->table[low - 1];
}
