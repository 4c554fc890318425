/* See disassemble.h. One handle serves all modes: setting its mode costs nothing. */
#include "vmx/carriers/disassemble.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

struct disassembler {
    csh handle;
    cs_insn *instruction; /* room for one, used again and again */
};

struct disassembler *disassembler_new(void)
{
    struct disassembler *d = calloc(1, sizeof(*d));
    if (d && cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) == CS_ERR_OK)
        d->instruction = cs_malloc(d->handle);
    if (d && d->instruction)
        return d;
    disassembler_free(d);
    return NULL;
}

void disassembler_free(struct disassembler *d)
{
    if (d && d->instruction)
        cs_free(d->instruction, 1);
    if (d && d->handle)
        cs_close(&d->handle);
    free(d);
}

static cs_mode mode_of(u32 bits)
{
    return bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64;
}

u32 disassemble(struct disassembler *d, const u8 *bytes, size_t length, u64 rip, u32 bits,
                char *text, size_t size)
{
    snprintf(text, size, "?");
    if (!d || cs_option(d->handle, CS_OPT_MODE, mode_of(bits)) != CS_ERR_OK ||
        !cs_disasm_iter(d->handle, &bytes, &length, &rip, d->instruction))
        return 0;
    const cs_insn *i = d->instruction;
    snprintf(text, size, "%s%s%s", i->mnemonic, *i->op_str ? " " : "", i->op_str);
    return i->size;
}
