/*
 * The integer operations of the instructions above, with exact flags (SDM vol. 1, 3.4.3).
 */
#ifndef CORE_DECODE_ALU_H
#define CORE_DECODE_ALU_H

#include "core/decode/insn.h"

enum {
    FLAG_CF = 1,
    FLAG_PF = 4,
    FLAG_AF = 16,
    FLAG_ZF = 64,
    FLAG_SF = 128,
    FLAG_OF = 2048,
    FLAGS_STATUS = 0x8d5
};

/* target op source on `size` bytes (1, 2, 4, 8); *rflags is read (ADC, SBB) and its status
 * bits are set. CMP, TEST and BT return the target unchanged. For INC, DEC, NOT, NEG the source is
 * ignored. BT family: source is the bit number, taken modulo the operand's width. XADD adds. The
 * other operations return the source and leave the flags. Status flags that the SDM leaves
 * undefined: AF after OR AND XOR TEST is 0; all but CF after BT BTS BTR BTC keep their values
 * (silicon and Bochs agree). */
u64 alu(enum mmio_operation, u8 size, u64 target, u64 source, u64 *rflags);

#endif
