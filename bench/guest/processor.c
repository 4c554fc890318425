/*
 * One kind of work, long enough to time from outside, and the end: what bench/bench_processor.c
 * measures the software processor with. The command line is the kind's name. Loops are in assembly,
 * so that no compiler decides what they are made of; about 20 million instructions each.
 */
#include "tests/guests/lib/guest.h"

enum { DEBUG_EXIT = 0xf4, ZERO_PAGE_COMMAND_LINE = 0x228 };
static u8 block[1 << 20] __attribute__((aligned(4096)));

#define LOOP(times, body, ...)                                                                \
    do {                                                                                      \
        u64 left_ = (times);                                                                  \
        asm volatile("1:\n\t" body "\n\tdec %0\n\tjnz 1b"                                     \
                     : "+r"(left_)                                                            \
                     : __VA_ARGS__                                                            \
                     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "memory", "cc"); \
    } while (0)

static void do_alu(void)
{
    LOOP(1000000,
         "add $3, %%rax; mov %%rax, %%rcx; shr $7, %%rcx; xor %%rcx, %%rax; sub %%rdx, %%rcx;"
         "and $0xff, %%ecx; lea 5(%%rax,%%rcx,2), %%rdx; or $1, %%edx; cmp %%rdx, %%rax;"
         "movzbl %%al, %%esi; add %%rsi, %%rdx; not %%rsi; rol $9, %%rdx; adc $0, %%rax;"
         "neg %%rcx; test %%rax, %%rax; sar $3, %%rsi; xor %%esi, %%ecx");
}

/* 64 x 64 -> 128 bits, as in multi-precision arithmetic. */
static void do_multiply(void)
{
    LOOP(2000000, "mov %%r8, %%rax; mul %%r9; add %%r10, %%rax; adc $0, %%rdx; mov %%rdx, %%r10;"
                  "imul %%rax, %%r9; add %%rax, %%r8; setc %%cl");
}

static void do_branches(void)
{
    LOOP(2000000,
         "imul $1103515245, %%eax; add $12345, %%eax; test $0x10000, %%eax; jz 2f; add $1, %%ecx;"
         "2: test $0x40000, %%eax; jnz 3f; add $1, %%edx; 3: cmp %%ecx, %%edx; ja 4f; nop; 4:");
}

static void do_calls(void)
{
    LOOP(1500000, "call 2f; call 3f; jmp 4f; 2: push %%rax; call 3f; pop %%rax; ret;"
                  "3: add $1, %%rax; ret; 4:");
}

static void do_memory(void)
{
    LOOP(1500000,
         "mov %0, %%rax; and $0x7fff8, %%eax; mov (%1,%%rax), %%rcx; add 64(%1,%%rax), %%rcx;"
         "mov %%rcx, 128(%1,%%rax); movzbl 3(%1,%%rax), %%edx; add %%edx, 8(%1,%%rax);"
         "mov %%cx, 18(%1); mov 17(%1), %%rsi; cmp %%rsi, (%1); movl $7, 32(%1)",
         "r"(block));
}

/* 4 KiB moved, then filled: counts 1024 iterations a round. */
static void do_rep(void)
{
    LOOP(20000,
         "lea 8192(%1), %%rdi; mov %1, %%rsi; mov $512, %%ecx; rep movsq;"
         "lea 8192(%1), %%rdi; mov $512, %%ecx; xor %%eax, %%eax; rep stosq",
         "r"(block));
}

/* What memcpy() and hashes are made of. */
static void do_sse(void)
{
    LOOP(1500000,
         "movups (%1), %%xmm0; movaps 64(%1), %%xmm1; movups %%xmm0, 129(%1);"
         "movaps %%xmm1, 192(%1); pxor %%xmm1, %%xmm0; paddd %%xmm0, %%xmm1;"
         "movq %%xmm0, %%rax; pshufd $0x4e, %%xmm1, %%xmm2; movdqa %%xmm2, %%xmm3; movaps %%xmm3, "
         "256(%1)",
         "r"(block));
}

static void do_exits(void)
{
    LOOP(500000, "rdtsc");
}

/* A flush of the TLB, then 64 pages. */
static void do_flushes(void)
{
    LOOP(20000,
         "mov %%cr3, %%rax; mov %%rax, %%cr3; xor %%ecx, %%ecx;"
         "2: mov (%1,%%rcx), %%rdx; add $4096, %%ecx; cmp $0x40000, %%ecx; jb 2b",
         "r"(block));
}

static const struct kind {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"alu", do_alu},     {"multiply", do_multiply}, {"branches", do_branches},
    {"calls", do_calls}, {"memory", do_memory},     {"rep", do_rep},
    {"sse", do_sse},     {"exits", do_exits},       {"flushes", do_flushes},
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

int main(void)
{
    const u32 *at = physical(entry_state.rsi + ZERO_PAGE_COMMAND_LINE);
    write_cr4(read_cr4() | CR4_OSFXSR);
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!same(physical(*at), kinds[i].name))
            continue;
        kinds[i].run();
        outl(DEBUG_EXIT, 0);
    }
    outl(DEBUG_EXIT, 1);
    return 1;
}
