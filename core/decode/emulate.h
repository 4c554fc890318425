/*
 * Carries out one instruction of insn_mmio() when its memory is not plain RAM.
 * The caller moves the bytes; this file says which, and computes everything else.
 *
 *   insn_decode(); mmio = insn_mmio();                    kind MMIO_NONE: cannot be emulated
 *   if (mmio_idle(...)) -> RIP advances, nothing is touched (REP with a zero count)
 *   where = mmio_operands(...);                           before any register changes
 *   if (where.source.exists) value = read `mmio.size` bytes at where.source
 *   step = mmio_complete(..., value);                     registers and flags are updated
 *   if (step.writes) write step.value, `mmio.size` bytes, at where.target
 *   if (step.done) RIP += insn.length                     else the same instruction goes on
 *
 * Either operand may be the device or RAM: for MOVS, PUSH and POP both sides are
 * memory, and the caller finds by their linear addresses which of them is which.
 * The caller checks all accesses before mmio_complete(): after it there is no way back.
 * It never touches memory itself, and knows no segment bases.
 */
#ifndef CORE_DECODE_EMULATE_H
#define CORE_DECODE_EMULATE_H

#include "core/decode/insn.h"

struct mmio_operand {
    bool exists;
    u8 segment; /* enum segment */
    u64 offset; /* within the segment, truncated to the address size */
};

struct mmio_operands {
    struct mmio_operand source; /* is read, mmio_insn.size bytes */
    struct mmio_operand target; /* is written; the same place as source for read-modify-write */
};

struct mmio_step {
    bool writes; /* `value` goes to the target */
    bool done;   /* the instruction is finished: RIP may advance */
    u64 value;
};

/* Whether the instruction reads memory before it completes. */
bool mmio_reads(const struct mmio_insn *);
/* REP with a count of zero: no access, no change, RIP advances. */
bool mmio_idle(const struct insn *, const struct mmio_insn *, const u64 gpr[16]);
/* `stack_size`: bytes of the stack pointer
 * that count (2, 4 or 8; 8 in 64-bit mode), for PUSH and POP. `rip`: the instruction's own. */
struct mmio_operands mmio_operands(const struct insn *, const struct mmio_insn *, const u64 gpr[16],
                                   u64 rip, u8 stack_size);
/* One iteration for strings. `read_value`: what was read at the source, zero-extended; 0 without
 * one. */
struct mmio_step mmio_complete(const struct insn *, const struct mmio_insn *, u64 gpr[16],
                               u64 *rflags, u64 read_value, u8 stack_size);

#endif
