/* Rows by key; open addressing, linear probing. */
#define _GNU_SOURCE /* qsort_r */
#include "analysis/frame/tally.h"

#include <stdlib.h>
#include <string.h>

static inline u32 hash(u64 a, u64 b)
{
    u64 x = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
    return (u32)(x ^ x >> 32);
}

static inline bool is_key(const void *row, u64 a, u64 b)
{
    const struct tally_key *key = row;
    return key->a == a && key->b == b;
}

/* The slot of the key, or the free one where it belongs. */
static inline u32 *slot_of(const struct tally *t, u64 a, u64 b)
{
    u32 mask = t->slot_count - 1;
    for (u32 i = hash(a, b) & mask;; i = (i + 1) & mask) {
        if (!t->slots[i] || is_key(tally_at(t, t->slots[i] - 1), a, b))
            return &t->slots[i];
    }
}

void *tally_find(const struct tally *t, u64 a, u64 b)
{
    u32 slot = t->slot_count ? *slot_of(t, a, b) : 0;
    return slot ? tally_at(t, slot - 1) : NULL;
}

static bool rehash(struct tally *t, u32 slot_count)
{
    u32 *slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return false;
    free(t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    for (u32 i = 0; i < t->count; i++) {
        const struct tally_key *key = tally_at(t, i);
        *slot_of(t, key->a, key->b) = i + 1;
    }
    return true;
}

/* Room for one more row; the slots stay at most half full. */
static bool grow(struct tally *t)
{
    if (t->count >= t->limit)
        return false;
    if (t->count == t->capacity) {
        u32 capacity = t->capacity ? t->capacity * 2 : 16;
        u8 *rows = realloc(t->rows, capacity * t->row_size);
        if (!rows)
            return false;
        t->rows = rows;
        t->capacity = capacity;
    }
    return (t->count + 1) * 2 <= t->slot_count || rehash(t, t->slot_count ? t->slot_count * 2 : 64);
}

static void *add(struct tally *t, u64 a, u64 b)
{
    if (!grow(t)) {
        t->full = true;
        return NULL;
    }
    struct tally_key *key = tally_at(t, t->count);
    memset(key, 0, t->row_size);
    *key = (struct tally_key){a, b};
    *slot_of(t, a, b) = ++t->count;
    return key;
}

void *tally_row(struct tally *t, u64 a, u64 b)
{
    void *row = tally_find(t, a, b);
    return row ? row : add(t, a, b);
}

void tally_free(struct tally *t)
{
    free(t->rows);
    free(t->slots);
    *t = (struct tally){.row_size = t->row_size, .limit = t->limit};
}

void tally_forget(struct tally *t)
{
    tally_free(t);
    t->full = true;
}

/* --- sorted ---------------------------------------------------------------------------------- */

struct order {
    int (*compare)(const void *left, const void *right);
};

static int compare_pointers(const void *left, const void *right, void *order)
{
    return ((const struct order *)order)->compare(*(void *const *)left, *(void *const *)right);
}

void **tally_sorted(const struct tally *t, int (*compare)(const void *left, const void *right))
{
    void **rows = malloc((t->count + 1) * sizeof(*rows));
    for (u32 i = 0; rows && i < t->count; i++)
        rows[i] = tally_at(t, i);
    if (rows)
        qsort_r(rows, t->count, sizeof(*rows), compare_pointers, &(struct order){compare});
    return rows;
}

int tally_by_key(const void *left, const void *right)
{
    const struct tally_key *l = left, *r = right;
    if (l->a != r->a)
        return l->a < r->a ? -1 : 1;
    return l->b < r->b ? -1 : l->b > r->b;
}
