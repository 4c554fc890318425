/*
 * The running hash over inputs, the same in recorder and replayer: block ends
 * carry it, so that an input changed in the log is found even if the guest never used it.
 */
#ifndef REPLAY_INPUTS_H
#define REPLAY_INPUTS_H

#include "core/crc.h"
#include "trace/schema.h"

static inline u32 inputs_add(u32 inputs, enum record_kind kind, u64 exit, u64 value)
{
    return crc32c_u64(crc32c_u64(inputs, (u64)kind << 56 ^ exit), value);
}

#endif
