/*
 * MSRs of CPU model 1 read back what was written; unknown ones, reserved bits and
 * non-canonical addresses raise #GP(0); x2APIC registers exist in x2APIC mode alone
 * (SDM vol. 4; 11.12.1; Hindvisor: MSR bitmaps generated from an allow list).
 *
 * @row: 10 held
 * @row: 10 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum {
    SYSENTER_CS = 0x174,
    SYSENTER_ESP = 0x175,
    SYSENTER_EIP = 0x176,
    PAT = 0x277,
    MISC_ENABLE = 0x1a0
};
enum { STAR = 0, LSTAR = 1, CSTAR = 2, FMASK = 3 };
#define MSR_STAR 0xc0000081u
#define MSR_TSC_AUX 0xc0000103u
#define WILD 0x800000000000ull

static void keeps(u32 msr, u64 value, const char *text)
{
    u64 before = 0, after = 0;
    bool ok = try_rdmsr(msr, &before) == NONE && try_wrmsr(msr, value) == NONE;
    ok = ok && try_rdmsr(msr, &after) == NONE && after == value;
    ok = ok && try_wrmsr(msr, before) == NONE;
    if (!ok)
        say("MSR 0x%x: vector %ld, 0x%lx then 0x%lx\n", msr, trap.vector, value, after);
    expect(ok, text);
}

static void refuses(u32 msr, u64 value, const char *text)
{
    u64 before = 0, after = 0;
    bool known = try_rdmsr(msr, &before) == NONE;
    bool ok = try_wrmsr(msr, value) == GP && trap.error == 0 && trap.offset == 0;
    if (known)
        ok = ok && try_rdmsr(msr, &after) == NONE && after == before;
    expect(ok, text);
}

static void known(void)
{
    keeps(SYSENTER_CS, 0x10, "SYSENTER_CS");
    keeps(SYSENTER_ESP, 0xffff800000001000, "SYSENTER_ESP");
    keeps(SYSENTER_EIP, 0xffff800000002000, "SYSENTER_EIP");
    keeps(PAT, 0x0007040600070406, "PAT");
    keeps(MSR_STAR + STAR, 0x0023001000000000, "STAR");
    keeps(MSR_STAR + LSTAR, 0xffff800000003000, "LSTAR");
    keeps(MSR_STAR + CSTAR, 0xffff800000004000, "CSTAR");
    keeps(MSR_STAR + FMASK, 0x47700, "FMASK");
    keeps(MSR_FS_BASE, 0x7fffffffffff, "FS_BASE");
    keeps(MSR_GS_BASE, 0xffffffff81000000, "GS_BASE");
    keeps(MSR_KERNEL_GS_BASE, 0x1000, "KERNEL_GS_BASE");
    if (cpuid(0x80000001, 0).edx & BIT(27))
        keeps(MSR_TSC_AUX, 0x1234, "TSC_AUX");
    keeps(MSR_TSC_DEADLINE, 0, "TSC_DEADLINE");
}

static void reserved(void)
{
    refuses(PAT, 0x0202020202020202, "PAT: memory type 2 raises #GP");
    refuses(PAT, 0x08, "PAT: memory type 8 raises #GP");
    refuses(MSR_STAR + LSTAR, WILD, "LSTAR: a non-canonical address raises #GP");
    refuses(MSR_FS_BASE, WILD, "FS_BASE: a non-canonical address raises #GP");
    refuses(MSR_KERNEL_GS_BASE, WILD, "KERNEL_GS_BASE: a non-canonical address raises #GP");
    refuses(SYSENTER_EIP, WILD, "SYSENTER_EIP: a non-canonical address raises #GP");
    refuses(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 1, "APIC_BASE: a reserved bit raises #GP");
    refuses(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) | BIT(10)) & ~BIT(11),
            "APIC_BASE: x2APIC without enable raises #GP");
    if (!bare())
        refuses(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BIT(40),
                "APIC_BASE: beyond the physical width");
}

static void unknown(void)
{
    static const u32 absent[] = {0x9,        0xc1,       0x186,      0x309,      0x38f,
                                 0x480,      0x490,      0x4c1,      0x600,      0xda1,
                                 0xfff,      0x1fff,     0x2000,     0x40000000, 0x4b564d00,
                                 0xbfffffff, 0xc0000202, 0xc0001000, 0xc0002000, 0xffffffff};
    u64 value = 0;
    bool reads = true, writes = true;
    for (u32 i = 0; i < ARRAY_SIZE(absent); i++) {
        int read = try_rdmsr(absent[i], &value), written = try_wrmsr(absent[i], 0);
        if (read != GP || written != GP)
            say("MSR 0x%x: read %d, write %d\n", absent[i], read, written);
        reads &= read == GP;
        writes &= written == GP;
    }
    expect(reads, "reading an MSR that does not exist raises #GP");
    expect(writes, "writing one too");
}

static void fixed(void)
{
    u64 value = 0;
    if (bare())
        return;
    expect(try_rdmsr(0x3a, &value) == NONE && value == 1, "FEATURE_CONTROL: locked, VMX off");
    expect_equal(try_wrmsr(0x3a, 5), GP, "FEATURE_CONTROL: locked means #GP on writing");
    expect_equal(try_rdmsr(0x49, &value), GP, "PRED_CMD cannot be read");
    expect_equal(try_wrmsr(0x49, 1), NONE, "PRED_CMD: a barrier");
    refuses(0x48, BIT(40), "SPEC_CTRL: reserved bits raise #GP");
    refuses(0xfe, 0, "MTRRCAP is read-only");
    keeps(0x2ff, 0xc06, "MTRR_DEF_TYPE");
}

static void sweep(void)
{
    static const u32 from[] = {0, 0xc0000000};
    u32 readable = 0;
    u64 value;
    for (u32 range = 0; range < 2; range++)
        for (u32 msr = from[range]; msr < from[range] + 0x2000; msr++)
            readable += try_rdmsr(msr, &value) == NONE;
    say("%u MSRs can be read\n", readable);
    expect(readable < 128, "no more than the allow list holds");
}

static void x2apic(void)
{
    u64 value;
    expect_equal(try_rdmsr(0x802, &value), GP, "x2APIC registers raise #GP in xAPIC mode");
    expect_equal(try_wrmsr(0x80b, 0), GP, "writes too");
    u32 id = apic_read(APIC_ID) >> 24, version = apic_read(APIC_VERSION);
    x2apic_on();
    expect_equal(apic_read(APIC_ID), id, "x2APIC: the same ID");
    expect_equal(apic_read(APIC_VERSION), version, "x2APIC: the same version");
    expect_equal(try_rdmsr(0x80e, &value), GP, "x2APIC: there is no DFR");
    expect_equal(try_rdmsr(0x831, &value), GP, "x2APIC: there is no upper ICR");
    expect_equal(try_wrmsr(0x802, 0), GP, "x2APIC: the ID cannot be written");
    expect_equal(try_rdmsr(0x80b, &value), GP, "x2APIC: EOI cannot be read");
    expect_equal(try_wrmsr(0x80b, 1), GP, "x2APIC: EOI takes 0 alone");
    expect_equal(try_wrmsr(0x808, 0x100), GP, "x2APIC: reserved TPR bits raise #GP");
    expect_equal(try_rdmsr(0x8ff, &value), GP, "x2APIC: unknown registers raise #GP");
    refuses(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~BIT(10), "x2APIC to xAPIC raises #GP");
    wrmsr(0x80f, 0x1ff);
    wrmsr(0x808, 0x70);
    expect_equal(read_cr8(), 7, "x2APIC: TPR and CR8 agree");
    write_cr8(0);
    expect_equal(rdmsr(0x808), 0, "both ways");
}

int main(void)
{
    known();
    reserved();
    unknown();
    fixed();
    sweep();
    x2apic();
    return 0;
}
