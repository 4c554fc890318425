/* Largest remainders; see shares.h. */
#define _GNU_SOURCE /* qsort_r */
#include "analysis/frame/shares.h"

#include <stdlib.h>

static int by_remainder(const void *left, const void *right, void *remainders)
{
    size_t l = *(const size_t *)left, r = *(const size_t *)right;
    u128 a = ((const u128 *)remainders)[l], b = ((const u128 *)remainders)[r];
    if (a != b)
        return a > b ? -1 : 1;
    return l < r ? -1 : 1;
}

static void hand_out(u128 *parts, size_t *order, u128 *remainders, size_t count, u64 left)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof(*order), by_remainder, remainders);
    for (size_t i = 0; i < left; i++)
        parts[order[i]]++;
}

/* So that sums and products of hostile numbers fit as well. */
static void scale_down(u128 *parts, size_t count)
{
    u128 all = 0;
    u32 shift = 0;
    for (size_t i = 0; i < count; i++)
        all |= parts[i];
    while (all >> shift >> 78)
        shift++;
    for (size_t i = 0; shift && i < count; i++)
        parts[i] >>= shift;
}

bool shares_apportion(u128 *parts, size_t count, u64 whole)
{
    u128 sum = 0;
    u64 left = whole;
    scale_down(parts, count);
    for (size_t i = 0; i < count; i++)
        sum += parts[i];
    if (!sum)
        return true;
    size_t *order = malloc(count * sizeof(*order));
    u128 *remainders = malloc(count * sizeof(*remainders));
    for (size_t i = 0; order && remainders && i < count; i++) {
        u128 scaled = parts[i] * whole;
        parts[i] = scaled / sum;
        remainders[i] = scaled % sum;
        left -= (u64)parts[i];
    }
    bool good = order && remainders;
    if (good)
        hand_out(parts, order, remainders, count, left);
    free(order);
    free(remainders);
    return good;
}
