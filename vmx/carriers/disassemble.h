/* One x86 instruction in words, by Capstone. */
#ifndef VMX_CARRIERS_DISASSEMBLE_H
#define VMX_CARRIERS_DISASSEMBLE_H

#include <stddef.h>

#include "core/types.h"

struct disassembler;

/* NULL: no memory. */
struct disassembler *disassembler_new(void);
void disassembler_free(struct disassembler *); /* NULL is fine */
/* The instruction at `rip` in code of 16, 32 or 64 `bits`, or "?". Returns its length in bytes;
 * 0: these `length` bytes are none. NULL has none. */
u32 disassemble(struct disassembler *, const u8 *bytes, size_t length, u64 rip, u32 bits,
                char *text, size_t size);

#endif
