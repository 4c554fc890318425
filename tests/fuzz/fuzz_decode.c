/*
 * Fuzzes the decoder and the MMIO emulator with arbitrary bytes in all three modes:
 * no input may make them read beyond its end, name a register that does not exist or
 * take another length when more bytes follow.
 */
#include <stdlib.h>
#include <string.h>

#include "core/decode/emulate.h"
#include "core/decode/insn.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_register(u8 number)
{
    return number < 16;
}

static void check_insn(const struct insn *insn, u32 available)
{
    require(insn->length > 0 && insn->length <= 15 && insn->length <= available);
    require(insn->map <= MAP_0F3A && insn->segment < SEG_COUNT);
    require(is_register(insn->reg) && is_register(insn->rm) && is_register(insn->vvvv));
    require(is_register(insn->base) || insn->base == NO_REGISTER || insn->base == RIP_RELATIVE);
    require(is_register(insn->index) || insn->index == NO_REGISTER);
    require(insn->operand_size && insn->operand_size <= 8 && insn->address_size <= 8);
}

static void check_length(const u8 *code, const struct insn *insn, u32 bits)
{
    u8 padded[15];
    struct insn again;
    memset(padded, 0xff, sizeof(padded));
    memcpy(padded, code, insn->length);
    require(insn_decode(&again, padded, sizeof(padded), bits) == DECODE_OK);
    require(again.length == insn->length);
    require(insn_decode(&again, code, insn->length - 1u, bits) == DECODE_SHORT);
}

static void emulate(const struct insn *insn, const u8 *data, u32 bits)
{
    u64 gpr[16], rflags = data[0], value = data[1];
    struct mmio_insn mmio = insn_mmio(insn);
    for (u32 i = 0; i < 16; i++)
        gpr[i] = (u64)data[i % 15] << (i * 4);
    u8 stack = (u8)(bits / 8);
    struct mmio_operands where = mmio_operands(insn, &mmio, gpr, value, stack);
    struct mmio_step step = mmio_complete(insn, &mmio, gpr, &rflags, value, stack);
    require(where.target.exists == step.writes);
    require(mmio.kind == MMIO_NONE || mmio.size == 8 || !(step.value >> (8 * mmio.size)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const u32 modes[] = {16, 32, 64};
    u8 bytes[15] = {0};
    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    for (u32 i = 0; i < ARRAY_SIZE(modes); i++) {
        struct insn insn;
        if (insn_decode(&insn, data, (u32)size, modes[i]) != DECODE_OK)
            continue;
        check_insn(&insn, (u32)size);
        check_length(data, &insn, modes[i]);
        emulate(&insn, bytes, modes[i]);
    }
    return 0;
}
