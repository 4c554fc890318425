/* Of many rows those that come first in an order: an array kept sorted, with room for so many. */
#ifndef ANALYSIS_FRAME_TOP_H
#define ANALYSIS_FRAME_TOP_H

#include "core/types.h"

#include <stddef.h>

/* A total order: of two different rows one is before the other. */
typedef bool top_order(const void *left, const void *right);

/* `rows` has *count rows of `size` bytes and room for `limit`: the new one goes where it belongs,
 * and the last one out if they are too many. */
void top_take(void *rows, u32 *count, u32 limit, size_t size, const void *row, top_order *before);

#endif
