/* Insertion into a sorted array; see top.h. */
#include "analysis/frame/top.h"

#include <string.h>

void top_take(void *rows, u32 *count, u32 limit, size_t size, const void *row, top_order *before)
{
    u8 *first = rows;
    u32 kept = (u32)min_u64(*count, limit - 1), place = kept;
    if (*count == limit && !before(row, first + (limit - 1) * size))
        return;
    while (place && before(row, first + (place - 1) * size))
        place--;
    memmove(first + (place + 1) * size, first + place * size, (kept - place) * size);
    memcpy(first + place * size, row, size);
    *count = kept + 1;
}
