/*
 * The cycle counter: it goes on, never back, RDTSCP and the MSR agree with it, it can
 * be set, and user mode is refused when CR4.TSD says so; performance counters do not
 * exist (SDM 17.17, vol. 2B RDPMC; Hindvisor: RDTSC and RDPMC exiting).
 *
 * @row: 13 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

static u64 rdtscp(u32 *aux)
{
    u32 low, high;
    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*aux) : : "memory");
    return (u64)high << 32 | low;
}

static void user_rdtsc(void)
{
    asm volatile("rdtsc; int $0x80" : : : "rax", "rdx");
}

static void user_rdtscp(void)
{
    asm volatile("rdtscp; int $0x80" : : : "rax", "rdx", "rcx");
}

static void user_rdpmc(void)
{
    asm volatile("xor %%ecx, %%ecx; rdpmc; int $0x80" : : : "rax", "rdx", "rcx");
}

static void goes_on(void)
{
    u64 last = rdtsc(), start = last, now;
    bool monotonic = true;
    for (u32 i = 0; i < 3000; i++) {
        now = rdtsc();
        monotonic &= now >= last;
        last = now;
    }
    expect(monotonic, "3000 readings never go back");
    expect(last > start, "and go on");
    for (volatile u32 i = 0; i < 100000; i++)
        ;
    now = rdtsc();
    expect(now - last >= 100000, "it counts while the guest computes");
}

static void agree(void)
{
    u32 aux = 1;
    if (!(cpuid(0x80000001, 0).edx & BIT(27))) {
        note_skipped("RDTSCP", "not in this CPU");
        return;
    }
    wrmsr(0xc0000103, 0x55);
    u64 a = rdtsc(), b = rdtscp(&aux), c = rdmsr(MSR_TSC), d = rdtsc();
    expect(a <= b && b <= c && c <= d, "RDTSC, RDTSCP and the MSR agree");
    expect_equal(aux, 0x55, "RDTSCP gives TSC_AUX");
    wrmsr(0xc0000103, 0);
}

static void can_be_set(void)
{
    wrmsr(MSR_TSC, 0x123456789000);
    u64 now = rdtsc();
    expect(now >= 0x123456789000 && now < 0x123456789000 + 100000000,
           "the TSC can be set forwards");
    wrmsr(MSR_TSC, 0);
    expect(rdtsc() < 100000000, "and backwards");
}

static void refused(void)
{
    expect_equal(user_run(user_rdtsc, USER_CODE64), 0x80, "CPL 3: RDTSC works");
    write_cr4(read_cr4() | CR4_TSD);
    expect_equal(user_run(user_rdtsc, USER_CODE64), GP, "CPL 3, TSD: RDTSC raises #GP");
    expect_equal(user_run(user_rdtscp, USER_CODE64), GP, "CPL 3, TSD: RDTSCP raises #GP");
    write_cr4(read_cr4() & ~CR4_TSD);
    expect_equal(user_run(user_rdpmc, USER_CODE64), GP, "CPL 3: RDPMC raises #GP");
    if (!bare())
        expect_equal(ATTEMPT("rdpmc", : : "c"(0) : "rax", "rdx"), GP, "RDPMC raises #GP");
}

static void frequency(void)
{
    if (bare())
        return;
    struct cpuid_result r = cpuid(0x15, 0);
    expect(r.eax && r.ebx && r.ecx, "CPUID 0x15 gives the TSC's frequency");
    expect_equal((u64)r.ecx * r.ebx / r.eax, 1000000000, "1 GHz");
    expect_equal(r.ecx, 25000000, "from a crystal of 25 MHz");
}

int main(void)
{
    paging_own();
    goes_on();
    agree();
    can_be_set();
    refused();
    frequency();
    return 0;
}
