/* Lengths of intervals from partial files; see intervals.h. */
#include "analysis/frame/intervals.h"

static bool is_length(u64 interval)
{
    u64 doublings = interval / INTERVAL_FINEST;
    return interval % INTERVAL_FINEST == 0 && doublings && (doublings & (doublings - 1)) == 0;
}

void interval_load(u64 *interval, u64 intervals, struct unpack *unpack)
{
    u64 length = unpack_number(unpack);
    if (intervals ? is_length(length) : length == *interval)
        *interval = length;
    else
        unpack_refuse(unpack, "its intervals cannot have that length");
}
