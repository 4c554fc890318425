/*
 * What CPU model 1 hides by a control or a CR4 bit raises #UD, so that nothing
 * nondeterministic runs: RDRAND, RDSEED, MONITOR, MWAIT, XSAVE and AVX, INVPCID,
 * FSGSBASE, user waits. CPUID does not show them either.
 *
 * @row: 13 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

static u64 operand[2];

static void random_numbers(void)
{
    expect_equal(ATTEMPT("rdrand %%rax", : : : "rax"), UD, "RDRAND raises #UD");
    expect_equal(ATTEMPT("rdrand %%ax", : : : "rax"), UD, "RDRAND AX raises #UD");
    expect_equal(ATTEMPT("rdseed %%ecx", : : : "rcx"), UD, "RDSEED raises #UD");
}

static void waits(void)
{
    expect_equal(ATTEMPT("monitor", : : "a"(operand), "c"(0), "d"(0)), UD, "MONITOR raises #UD");
    expect_equal(ATTEMPT("mwait", : : "a"(0), "c"(0)), UD, "MWAIT raises #UD");
    expect_equal(ATTEMPT(".byte 0x66, 0x0f, 0xae, 0xf1",
                         :
                         : "a"(0), "d"(0)),
                 UD, "TPAUSE raises #UD");
    expect_equal(ATTEMPT(".byte 0xf2, 0x0f, 0xae, 0xf1",
                         :
                         : "a"(0), "d"(0)),
                 UD, "UMWAIT raises #UD");
}

static void extended_state(void)
{
    expect_equal(ATTEMPT("xgetbv", : : "c"(0) : "rax", "rdx"), UD, "XGETBV raises #UD");
    expect_equal(ATTEMPT("xsetbv", : : "a"(1), "c"(0), "d"(0)), UD, "XSETBV raises #UD");
    expect_equal(ATTEMPT("xsave %0", : : "m"(operand), "a"(0), "d"(0)), UD, "XSAVE raises #UD");
    expect_equal(ATTEMPT("vxorps %%ymm0, %%ymm0, %%ymm0", :), UD, "AVX raises #UD");
}

static void others(void)
{
    expect_equal(ATTEMPT("invpcid %0, %1", : : "m"(operand), "r"(0ul)), UD, "INVPCID raises #UD");
    expect_equal(ATTEMPT("rdfsbase %%rax", : : : "rax"), UD, "RDFSBASE raises #UD");
    expect_equal(ATTEMPT("wrgsbase %%rax", : : "a"(0)), UD, "WRGSBASE raises #UD");
    expect_equal(ATTEMPT("xbegin 1f; 1:", : : : "rax"), UD, "XBEGIN raises #UD");
    expect_equal(ATTEMPT("rdpkru", : : "c"(0) : "rax", "rdx"), UD, "RDPKRU raises #UD");
    expect_equal(ATTEMPT("getsec", : : "a"(0)), UD, "GETSEC raises #UD");
}

static void not_shown(void)
{
    struct cpuid_result one = cpuid(1, 0), seven = cpuid(7, 0), extended = cpuid(0x80000001, 0);
    expect(!(one.ecx & BIT(30)) && !(seven.ebx & BIT(18)), "CPUID: no RDRAND, no RDSEED");
    expect(!(one.ecx & BIT(3)), "CPUID: no MONITOR");
    expect(!(one.ecx & (BIT(26) | BIT(27) | BIT(28))), "CPUID: no XSAVE, OSXSAVE, AVX");
    expect(!(one.ecx & BIT(17)) && !(seven.ebx & BIT(10)), "CPUID: no PCID, no INVPCID");
    expect(!(seven.ebx & (BIT(0) | BIT(4) | BIT(11))), "CPUID: no FSGSBASE, HLE, RTM");
    expect(!(seven.ecx & (BIT(2) | BIT(3) | BIT(5) | BIT(22))),
           "CPUID: no UMIP, PKU, WAITPKG, RDPID");
    expect((one.ecx & BIT(21)) != 0, "CPUID: x2APIC is there");
    expect((seven.ebx & (BIT(3) | BIT(8))) == (BIT(3) | BIT(8)), "CPUID: BMI1 and BMI2 are there");
    expect((extended.ecx & BIT(5)) != 0, "CPUID: LZCNT is there");
    expect((one.ecx & BIT(24)) != 0, "CPUID: the TSC deadline is there");
    expect(cpuid(0xa, 0).eax == 0, "CPUID: no performance counters");
}

static void leaves(void)
{
    struct cpuid_result top = cpuid(0, 0), beyond = cpuid(0x12345678, 0), last = cpuid(top.eax, 0);
    expect(beyond.eax == last.eax && beyond.ebx == last.ebx && beyond.ecx == last.ecx &&
               beyond.edx == last.edx,
           "a leaf out of range answers as the highest basic one");
    expect(cpuid(0x80000000, 0).eax >= 0x80000008, "extended leaves up to 0x80000008");
    expect_equal(cpuid(0x80000008, 0).eax & 0xff, 36, "36 physical address bits");
    u64 rax = 0xffffffff00000000, rbx = NEVER, rcx = 0xffffffff00000000, rdx = NEVER;
    asm volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx));
    expect((rax | rbx | rcx | rdx) >> 32 == 0, "CPUID clears the upper halves");
    bool same = true;
    for (u32 leaf = 0; leaf <= top.eax; leaf++) {
        struct cpuid_result a = cpuid(leaf, 0), b = cpuid(leaf, 0);
        same &= a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
    }
    expect(same, "CPUID answers the same twice");
}

int main(void)
{
    if (bare()) {
        note_skipped("hidden features", "this machine shows its own");
        return 0;
    }
    random_numbers();
    waits();
    extended_state();
    others();
    not_shown();
    leaves();
    return 0;
}
