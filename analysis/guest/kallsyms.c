/*
 * Finds the tables of kallsyms by what only they can look like, from the most telling one on:
 * token_index, 256 rising numbers that are the offsets of 256 strings before it; markers, where
 * every 256th name begins; names, that end where markers begin; and then addresses, which rise.
 */
#include "analysis/guest/kallsyms.h"

#include <string.h>

enum {
    TOKEN_INDEX_BYTES = TOKENS * 2,
    TOKEN_LENGTH_MAX = 512,
    NAMES_BYTES_MAX = MARKER_STRIDE * 600, /* of one stride of names */
    SYMBOLS_MAX = 4 << 20,
    EFFORT = 1 << 28, /* a real kernel takes some millions */
};

static u16 get16(const struct guest_range *r, u64 at)
{
    u16 value;
    memcpy(&value, r->at + at, sizeof(value));
    return value;
}

static u32 get32(const struct guest_range *r, u64 at)
{
    u32 value;
    memcpy(&value, r->at + at, sizeof(value));
    return value;
}

static u64 get64(const struct guest_range *r, u64 at)
{
    u64 value;
    memcpy(&value, r->at + at, sizeof(value));
    return value;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static bool tired(struct kallsyms *k)
{
    if (k->effort)
        k->effort--;
    return !k->effort;
}

static bool rises(const struct guest_range *r, u64 index)
{
    if (get16(r, index))
        return false;
    for (u32 i = 1; i < TOKENS; i++)
        if (get16(r, index + 2 * i) <= get16(r, index + 2 * i - 2))
            return false;
    return true;
}

/* Are there strings at `table` just as the index says, and nothing but zeros behind them? */
static bool strings_fit(const struct kallsyms *k)
{
    const struct guest_range *r = k->range;
    u64 table = k->token_table, index = k->token_index, at = table;
    for (u32 i = 0; i < TOKENS; i++) {
        if (at != table + get16(r, index + 2 * i))
            return false;
        const u8 *end = memchr(r->at + at, 0, index - at);
        if (!end)
            return false;
        at = (u64)(end - r->at) + 1;
    }
    for (u64 padding = at; padding < index; padding++)
        if (r->at[padding])
            return false;
    return index - at < k->alignment;
}

/* The strings end shortly before their index; only the length of the last one is not known. */
static bool find_token_table(struct kallsyms *k)
{
    u64 last = get16(k->range, k->token_index + TOKEN_INDEX_BYTES - 2);
    for (u64 length = 1; length <= TOKEN_LENGTH_MAX; length += k->alignment) {
        u64 bytes = align_up(last + length, k->alignment);
        if (bytes > k->token_index)
            return false;
        k->token_table = k->token_index - bytes;
        if (strings_fit(k))
            return true;
    }
    return false;
}

/* --- names ------------------------------------------------------------------------------- */

/* Length of the name at `at` and of its length, one byte or two; 0: none is there before `end`. */
static u32 name_length(const struct guest_range *r, u64 at, u64 end, u32 *prefix)
{
    if (at >= end)
        return 0;
    u32 length = r->at[at];
    *prefix = 1;
    if (length & 0x80) { /* from 6.1 on; before, no name was that long */
        if (at + 1 >= end)
            return 0;
        length = (length & 0x7f) | (u32)r->at[at + 1] << 7;
        *prefix = 2;
    }
    return at + *prefix + length <= end ? length : 0;
}

/* Do `count` names begin at k->names, pass all markers and end where the markers begin? */
static bool names_fit(struct kallsyms *k)
{
    u64 at = k->names;
    for (u32 i = 0; i < k->count; i++) {
        u32 prefix, length = name_length(k->range, at, k->markers, &prefix);
        if (!length || tired(k))
            return false;
        if (i % MARKER_STRIDE == 0 &&
            get32(k->range, k->markers + i / MARKER_STRIDE * 4) != at - k->names)
            return false;
        at += prefix + length;
    }
    return align_up(at, k->alignment) == k->markers;
}

/* num_syms, before the names: a 32-bit number, and zeros up to the alignment. */
static u64 count_before(const struct kallsyms *k, u64 names)
{
    u64 at = names - k->alignment;
    return k->alignment == 8 ? get64(k->range, at) : get32(k->range, at);
}

/* With `markers` markers: the names' start is only known to within the last stride. */
static bool find_names(struct kallsyms *k, u32 markers)
{
    u64 last = get32(k->range, k->markers + (markers - 1) * 4);
    u64 high = k->markers - min_u64(k->markers, last), low = high - min_u64(high, NAMES_BYTES_MAX);
    u32 step = k->alignment;
    for (u64 at = high & ~(u64)(step - 1); at >= low && at >= step; at -= step) {
        u64 count = count_before(k, at);
        if (tired(k))
            return false;
        if (count <= (markers - 1) * (u64)MARKER_STRIDE || count > markers * (u64)MARKER_STRIDE)
            continue;
        k->names = at;
        k->count = (u32)count;
        if (names_fit(k))
            return true;
    }
    return false;
}

/* Markers that could be at `at`: from 0, each some strides' bytes after the one before. */
static u32 count_markers(const struct guest_range *r, u64 at, u64 end)
{
    u32 count = 0, previous = 0;
    for (; at + 4 <= end && count <= SYMBOLS_MAX / MARKER_STRIDE; at += 4, count++) {
        u32 marker = get32(r, at);
        if (count ? marker < previous + 2 * MARKER_STRIDE || marker > previous + NAMES_BYTES_MAX
                  : marker != 0)
            break;
        previous = marker;
    }
    return count;
}

/* What follows the markers may look like a few more of them. */
static bool find_names_for(struct kallsyms *k, u32 markers)
{
    enum { DOUBTFUL = 3 };
    for (u32 fewer = 0; fewer < DOUBTFUL && fewer + 1 < markers; fewer++)
        if (find_names(k, markers - fewer))
            return true;
    return false;
}

/* seqs_of_names, 3 or 4 bytes a symbol, may lie between markers and tokens. */
static bool find_markers(struct kallsyms *k)
{
    u64 reach = min_u64(k->token_table, SYMBOLS_MAX * 4ull);
    for (u64 back = k->alignment; back <= reach && !tired(k); back += k->alignment) {
        k->markers = k->token_table - back;
        u32 markers = count_markers(k->range, k->markers, k->token_table);
        if (markers > 1 && find_names_for(k, markers))
            return true;
    }
    return false;
}

/* --- addresses --------------------------------------------------------------------------- */

u64 kallsyms_address(const struct kallsyms *k, u32 index)
{
    u64 at = k->addresses + index * 4ull;
    switch (k->form) {
    case FORM_PERCPU_ABSOLUTE: {
        i32 offset = (i32)get32(k->range, at);
        return offset >= 0 ? (u64)offset : k->base - 1 - (u64)(i64)offset;
    }
    case FORM_UNSIGNED:
        return k->base + get32(k->range, at);
    case FORM_PLACE_RELATIVE:
        return k->range->linear + at + (u64)(i64)(i32)get32(k->range, at);
    case FORM_ADDRESSES:
        break;
    }
    return get64(k->range, k->addresses + index * 8ull);
}

/* All rise; those of the kernel, and there are some, begin with its text, on a page. */
static bool addresses_fit(const struct kallsyms *k)
{
    u64 previous = 0, first = 0;
    for (u32 i = 0; i < k->count; i++) {
        u64 address = kallsyms_address(k, i);
        bool high = address >= KERNEL_SPACE && address <= KERNEL_SPACE_END;
        if (address < previous || (!high && address >= 1ull << 32))
            return false;
        if (high && !first)
            first = address;
        previous = address;
    }
    return first && first % PAGE_SIZE == 0;
}

struct place {
    enum address_form form;
    bool before; /* num_syms; else after token_index */
};

static const struct place places[] = {
    {FORM_PERCPU_ABSOLUTE, true}, {FORM_PERCPU_ABSOLUTE, false}, {FORM_UNSIGNED, false},
    {FORM_UNSIGNED, true},        {FORM_PLACE_RELATIVE, false},  {FORM_ADDRESSES, true},
    {FORM_ADDRESSES, false},
};

/* false: the tables would reach out of the range. */
static bool put_addresses(struct kallsyms *k, const struct place *place)
{
    u64 size = place->form == FORM_ADDRESSES ? 8 : 4;
    u64 based = place->form == FORM_PERCPU_ABSOLUTE || place->form == FORM_UNSIGNED ? 8 : 0;
    u64 bytes = align_up(k->count * size, 8), num_syms = k->names - k->alignment;
    k->form = place->form;
    if (place->before) {
        if (num_syms < bytes + based)
            return false;
        k->addresses = num_syms - based - bytes;
    } else {
        k->addresses = k->token_index + TOKEN_INDEX_BYTES;
        if (k->range->length - k->addresses < bytes + based)
            return false;
    }
    k->base = based ? get64(k->range, k->addresses + bytes) : 0;
    return true;
}

static bool find_addresses(struct kallsyms *k)
{
    for (u32 i = 0; i < ARRAY_SIZE(places); i++)
        if (put_addresses(k, &places[i]) && addresses_fit(k))
            return true;
    return false;
}

/* --- all --------------------------------------------------------------------------------- */

static bool find_aligned(const struct guest_range *range, u32 alignment, struct kallsyms *k)
{
    *k = (struct kallsyms){.range = range, .alignment = alignment, .effort = EFFORT};
    for (u64 at = 0; at + TOKEN_INDEX_BYTES <= range->length && k->effort; at += alignment) {
        k->token_index = at;
        if (rises(range, at) && find_token_table(k) && find_markers(k) && find_addresses(k))
            return true;
    }
    return false;
}

bool kallsyms_find(const struct guest_range *range, struct kallsyms *k)
{
    return find_aligned(range, 8, k) || find_aligned(range, 4, k);
}

u32 kallsyms_next_name(const struct kallsyms *k, u64 *at, char text[NAME_MAX_LENGTH + 1])
{
    u32 prefix = 0, used = 0;
    u32 length = name_length(k->range, k->names + *at, k->markers, &prefix);
    const u8 *codes = k->range->at + k->names + *at + (length ? prefix : 0);
    for (u32 i = 0; i < length; i++) {
        const char *token = (const char *)k->range->at + k->token_table +
                            get16(k->range, k->token_index + 2 * codes[i]);
        size_t more = strlen(token);
        if (used + more > NAME_MAX_LENGTH)
            return 0;
        memcpy(text + used, token, more);
        used += (u32)more;
    }
    text[used] = 0;
    *at += prefix + length;
    return length ? used : 0;
}
