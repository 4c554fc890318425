/* Parts of a sum as whole units that add up: the method of largest remainders. */
#ifndef ANALYSIS_FRAME_SHARES_H
#define ANALYSIS_FRAME_SHARES_H

#include "analysis/frame/histogram.h"

/* Replaces each part by its share of `whole` units, so that the shares add up to `whole` exactly
 * and none is off by a unit or more. All zeros stay zeros. Equal parts: the first ones get the
 * units that are left. false: no memory. whole < 2^32, count < 2^18; of parts of 2^78 and more the
 * last bits do not count. */
bool shares_apportion(u128 *parts, size_t count, u64 whole);

#endif
