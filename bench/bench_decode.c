/* The instruction decoder, over the machine code of the decoder itself, and over what a kernel
 * does to its local APIC. */
#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "core/decode/emulate.h"

enum { INSTRUCTIONS = 512 };

static void decode_code(struct bench *b)
{
    const u8 *code = (const u8 *)(size_t)insn_decode;
    struct insn insn;
    u64 bytes = 0;
    while (bench_next(b)) {
        const u8 *at = code;
        for (u32 i = 0; i < INSTRUCTIONS; i++) {
            enum decode_status status = insn_decode(&insn, at, 15, 64);
            at += status == DECODE_OK ? insn.length : 1;
            bench_keep(&insn);
        }
        bytes += (u64)(at - code);
    }
    bench_items(b, bench_iterations(b) * INSTRUCTIONS);
    bench_bytes(b, bytes);
}

/* mov %esi, -0x800f50(%rax,%riz,1) and its kin as Linux compiles native_apic_mem_write(). */
static void emulate_store(struct bench *b)
{
    static const u8 store[15] = {0x89, 0x34, 0x25, 0xb0, 0xd0, 0x5f, 0xff};
    u64 gpr[16] = {0}, rflags = 2;
    while (bench_next(b)) {
        struct insn insn;
        insn_decode(&insn, store, sizeof(store), 64);
        struct mmio_insn mmio = insn_mmio(&insn);
        struct mmio_operands operands = mmio_operands(&insn, &mmio, gpr, 0, 8);
        struct mmio_step step = mmio_complete(&insn, &mmio, gpr, &rflags, 0, 8);
        bench_keep(&operands);
        bench_keep(&step);
    }
    bench_items(b, bench_iterations(b));
}

void register_decode_benchmarks(void)
{
    bench_register("insn_decode", decode_code, 0);
    bench_register("emulate/mov_to_apic", emulate_store, 0);
}
