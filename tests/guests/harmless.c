/*
 * Instructions that may exit or be intercepted and must simply do their work: WBINVD,
 * INVD (with nothing lost), INVLPG, CLFLUSH, PREFETCH, PAUSE, fences, STAC/CLAC, BMI and
 * LZCNT forms that an older CPU would take for BSF and BSR.
 *
 * @row: 13 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

static volatile u64 kept = 0x1122334455667788;

static void caches(void)
{
    kept = 0x99aabbccddeeff00;
    expect_equal(ATTEMPT("wbinvd", : : : "memory"), NONE, "WBINVD");
    kept = 0x0123456789abcdef;
    expect_equal(ATTEMPT("invd", : : : "memory"), NONE, "INVD");
    expect_equal(kept, 0x0123456789abcdef, "INVD loses nothing here");
    expect_equal(ATTEMPT("clflush %0", : : "m"(kept)), NONE, "CLFLUSH");
    expect_equal(ATTEMPT("prefetcht0 %0", : : "m"(kept)), NONE, "PREFETCH");
    expect_equal(ATTEMPT("invlpg %0", : : "m"(kept)), NONE, "INVLPG");
    expect_equal(ATTEMPT("invlpg (%0)",
                         :
                         : "r"(0x8000000000000000ul)),
                 NONE, "INVLPG of a non-canonical address does nothing");
}

static void small_ones(void)
{
    expect_equal(ATTEMPT("pause; lfence; sfence; mfence",
                         :
                         :
                         : "memory"),
                 NONE, "PAUSE and fences");
    for (u32 i = 0; i < 10000; i++)
        asm volatile("pause");
    expect(true, "10000 times PAUSE");
    expect_equal(ATTEMPT("stac; clac",
                         :),
                 (cpuid(7, 0).ebx & BIT(20)) ? NONE : UD, "STAC and CLAC");
    expect_equal(ATTEMPT("endbr64; nop; nopw 0(%%rax)", :), NONE, "hint NOPs");
    u64 rsp = 0, value = 0;
    asm volatile("mov %%rsp, %0; swapgs; swapgs; sgdt -16(%%rsp); sidt -32(%%rsp); verw %2"
                 : "=r"(rsp), "+r"(value)
                 : "m"(gdt)
                 : "memory", "cc");
    expect(rsp != 0, "SWAPGS, SGDT, SIDT, VERW");
}

static void bit_counts(void)
{
    u64 tz = 0, lz = 0, pop = 0, andn = 0, pext = 0;
    struct cpuid_result seven = cpuid(7, 0);
    if (!(seven.ebx & BIT(3)) || !(seven.ebx & BIT(8)))
        return;
    asm volatile("tzcnt %1, %0" : "=r"(tz) : "r"(0ul) : "cc");
    asm volatile("lzcnt %1, %0" : "=r"(lz) : "r"(0ul) : "cc");
    asm volatile("popcnt %1, %0" : "=r"(pop) : "r"(0xf0f0ul) : "cc");
    asm volatile("andn %1, %2, %0" : "=r"(andn) : "r"(0xfful), "r"(0x0ful) : "cc");
    asm volatile("pext %1, %2, %0" : "=r"(pext) : "r"(0xf0ul), "r"(0xa5ul));
    expect(tz == 64 && lz == 64, "TZCNT and LZCNT of 0 give 64");
    expect(pop == 8 && andn == 0xf0 && pext == 0xa, "POPCNT, ANDN, PEXT");
}

static void syscall_and_back(void)
{
    u64 reached = 0;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    wrmsr(0xc0000081, (u64)CODE64 << 32);
    asm volatile("leaq 1f(%%rip), %%rax; mov %%rax, %%rdx; shr $32, %%rdx; mov $0xc0000082, %%ecx;"
                 "wrmsr; syscall; ud2; 1: mov $1, %0"
                 : "=r"(reached)
                 :
                 : "rax", "rcx", "rdx", "r11", "memory");
    expect_equal(reached, 1, "SYSCALL goes where LSTAR says");
}

int main(void)
{
    caches();
    small_ones();
    bit_counts();
    syscall_and_back();
    return 0;
}
