/* CPU model 1: CPUID and MSRs as a guest sees them. Bits are written here from the SDM, not from
 * the table. */
#include <criterion/criterion.h>
#include <string.h>

#include "core/cpu_model.h"
#include "core/devices/ports.h"
#include "core/msrs.h"

static struct cpuid ask(u32 leaf, u32 subleaf)
{
    return cpu_model_cpuid(leaf, subleaf, 0);
}

static bool bit(u32 word, int n)
{
    return word >> n & 1;
}

Test(cpu_model, has_intels_vendor_and_a_name)
{
    struct cpuid c = ask(0, 0);
    char vendor[13] = {0}, name[49] = {0};

    memcpy(vendor, (u32[]){c.ebx, c.edx, c.ecx}, 12);
    cr_assert_str_eq(vendor, "GenuineIntel");
    for (u32 i = 0; i < 3; i++) {
        c = ask(0x80000002 + i, 0);
        memcpy(name + 16 * i, &c, 16);
    }
    cr_assert_str_eq(name, "Hindvisor CPU model 1");
}

Test(cpu_model, names_the_hypervisor)
{
    struct cpuid c = ask(0x40000000, 0);
    char signature[13] = {0};

    cr_assert(bit(ask(1, 0).ecx, 31));
    memcpy(signature, (u32[]){c.ebx, c.ecx, c.edx}, 12);
    cr_assert_str_eq(signature, "Hindvisor HV");
    cr_assert_eq(ask(0x40000001, 0).eax, 0u, "no KVM features by accident");
}

Test(cpu_model, is_x86_64_v2_with_lzcnt_and_bmi)
{
    static const u8 ecx1[] = {0, 9, 13, 19, 20, 23}; /* SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT */

    for (u32 i = 0; i < ARRAY_SIZE(ecx1); i++)
        cr_assert(bit(ask(1, 0).ecx, ecx1[i]), "leaf 1 ECX bit %u", ecx1[i]);
    cr_assert(bit(ask(0x80000001, 0).ecx, 0), "LAHF");
    cr_assert(bit(ask(0x80000001, 0).ecx, 5), "LZCNT");
    cr_assert(bit(ask(7, 0).ebx, 3) && bit(ask(7, 0).ebx, 8), "BMI1, BMI2");
    cr_assert(bit(ask(0x80000001, 0).edx, 29), "64-bit mode");
}

/* What no processor below may have to replay. */
Test(cpu_model, hides_what_cannot_be_replayed)
{
    static const u8 ecx1[] = {1, 3, 5, 12, 17, 22, 25, 26, 27, 28, 29, 30};
    /* PCLMUL MONITOR VMX FMA PCID MOVBE AES XSAVE OSXSAVE AVX F16C RDRAND */
    static const u8 ebx7[] = {0, 1, 4, 5, 9, 10, 11, 16, 18, 19};
    /* FSGSBASE TSC_ADJUST HLE AVX2 ERMS INVPCID RTM AVX512F RDSEED ADX */

    for (u32 i = 0; i < ARRAY_SIZE(ecx1); i++)
        cr_assert_not(bit(ask(1, 0).ecx, ecx1[i]), "leaf 1 ECX bit %u", ecx1[i]);
    for (u32 i = 0; i < ARRAY_SIZE(ebx7); i++)
        cr_assert_not(bit(ask(7, 0).ebx, ebx7[i]), "leaf 7 EBX bit %u", ebx7[i]);
    cr_assert_eq(ask(7, 0).ecx, 0u, "no WAITPKG, RDPID, PKU");
    cr_assert_not(bit(ask(7, 0).edx, 4), "no FSRM");
    cr_assert_eq(ask(0xd, 0).eax | ask(0xd, 1).eax, 0u, "no XSAVE");
    cr_assert_eq(ask(0xa, 0).eax, 0u, "no performance counters");
}

/* Each feature that a CR4 bit switches is shown exactly when the guest may set the bit. */
Test(cpu_model, control_register_masks_agree_with_cpuid)
{
    static const struct {
        u8 cr4;
        u32 leaf;
        u8 reg, bit; /* reg: 0 EAX, 1 EBX, 2 ECX, 3 EDX */
    } pairs[] = {
        {0, 1, 3, 1},   {2, 1, 3, 4},  {3, 1, 3, 2},   {4, 1, 3, 3},  {5, 1, 3, 6},  {6, 1, 3, 7},
        {7, 1, 3, 13},  {9, 1, 3, 24}, {13, 1, 2, 5},  {14, 1, 2, 6}, {16, 7, 1, 0}, {17, 1, 2, 17},
        {18, 1, 2, 26}, {20, 7, 1, 7}, {21, 7, 1, 20}, {22, 7, 2, 3},
    };

    for (u32 i = 0; i < ARRAY_SIZE(pairs); i++) {
        struct cpuid c = ask(pairs[i].leaf, 0);
        u32 words[] = {c.eax, c.ebx, c.ecx, c.edx};
        cr_assert_eq(bit(words[pairs[i].reg], pairs[i].bit),
                     !!(CPU_MODEL_CR4_BITS & BIT(pairs[i].cr4)), "CR4 bit %u", pairs[i].cr4);
    }
    cr_assert_eq(bit(ask(0x80000001, 0).edx, 20), !!(CPU_MODEL_EFER_BITS & BIT(11)), "NX");
    cr_assert_eq(bit(ask(0x80000001, 0).edx, 11), !!(CPU_MODEL_EFER_BITS & BIT(0)), "SYSCALL");
}

Test(cpu_model, gives_the_tsc_frequency)
{
    struct cpuid c = ask(0x15, 0);

    cr_assert_eq((u64)c.ecx * c.ebx / c.eax, (u64)GUEST_TSC_HZ);
    cr_assert_eq(c.ecx, (u32)CRYSTAL_HZ);
    cr_assert_eq((u64)ask(0x16, 0).eax * 1000000, (u64)GUEST_TSC_HZ);
    cr_assert(bit(ask(0x80000007, 0).edx, 8), "invariant");
    cr_assert(bit(ask(1, 0).ecx, 24), "TSC deadline");
    cr_assert(bit(ask(6, 0).eax, 2), "the APIC timer runs while halted");
}

Test(cpu_model, shows_the_apic_id_where_it_belongs)
{
    cr_assert_eq(cpu_model_cpuid(1, 0, 3).ebx >> 24, 3u);
    cr_assert_eq(cpu_model_cpuid(0xb, 0, 3).edx, 3u);
    cr_assert_eq(cpu_model_cpuid(0x1f, 1, 3).edx, 3u);
    cr_assert_eq(cpu_model_cpuid(7, 0, 3).edx, ask(7, 0).edx);
}

Test(cpu_model, topology_ends_after_the_core)
{
    cr_assert_eq(ask(0xb, 0).ecx, 0x100u);
    cr_assert_eq(ask(0xb, 1).ecx, 0x201u);
    cr_assert_eq(ask(0xb, 2).ecx, 2u, "level type 0: no more");
    cr_assert_eq(ask(0xb, 2).ebx, 0u);
    cr_assert_eq(ask(4, 4).eax & 31, 0u, "no fifth cache");
}

Test(cpu_model, caches_have_the_sizes_that_their_fields_give)
{
    static const u32 kib[] = {32, 32, 1024, 8192};

    for (u32 i = 0; i < 4; i++) {
        struct cpuid c = ask(4, i);
        u64 size = ((c.ebx >> 22) + 1ull) * ((c.ebx >> 12 & 0x3ff) + 1) * ((c.ebx & 0xfff) + 1) *
                   (c.ecx + 1ull);
        cr_assert_eq(size, kib[i] * 1024ull, "cache %u: %lu", i, (unsigned long)size);
    }
    cr_assert_eq(ask(0x80000006, 0).ecx >> 16, kib[2]);
}

Test(cpu_model, leaves_out_of_range_show_the_highest_basic_leaf)
{
    struct cpuid last = ask(ask(0, 0).eax, 1);
    static const u32 leaves[] = {0x20, 0x3fffffff, 0x40000100, 0x7fffffff, 0x80000009, 0xffffffff};

    cr_assert_neq(last.ecx, 0u, "or this test cannot fail");
    for (u32 i = 0; i < ARRAY_SIZE(leaves); i++) {
        struct cpuid c = ask(leaves[i], 1);
        cr_assert(!memcmp(&c, &last, sizeof(c)), "leaf 0x%x", leaves[i]);
    }
}

/* --- MSRs ---------------------------------------------------------------------- */

static struct cpu_msrs fresh(void)
{
    struct cpu_msrs msrs;

    memset(&msrs, 0xff, sizeof(msrs));
    cpu_msrs_reset(&msrs);
    return msrs;
}

static u64 read_msr(const struct cpu_msrs *msrs, u32 msr)
{
    u64 value = 0xbad;

    cr_assert(cpu_msr_read(msrs, msr, &value), "MSR 0x%x", msr);
    return value;
}

Test(cpu_model, every_msr_has_one_class)
{
    cr_assert_eq(cpu_msr_class(0xc0000082), MSR_PASS, "LSTAR");
    cr_assert_eq(cpu_msr_class(0x277), MSR_PASS, "PAT");
    cr_assert_eq(cpu_msr_class(0x10), MSR_HANDLED, "TSC");
    cr_assert_eq(cpu_msr_class(0x800), MSR_HANDLED);
    cr_assert_eq(cpu_msr_class(0x8ff), MSR_HANDLED);
    cr_assert_eq(cpu_msr_class(0x7ff), MSR_ABSENT);
    cr_assert_eq(cpu_msr_class(0x900), MSR_ABSENT);
    cr_assert_eq(cpu_msr_class(0x1a0), MSR_STORED);
    cr_assert_eq(cpu_msr_class(0x480), MSR_ABSENT, "no VMX");
    cr_assert_eq(cpu_msr_class(0x3b), MSR_ABSENT, "no TSC_ADJUST");
    cr_assert_eq(cpu_msr_class(0xda0), MSR_ABSENT, "no XSS");
}

Test(cpu_model, only_stored_msrs_are_read_and_written_here)
{
    static const u32 others[] = {0x10, 0x277, 0xc0000082, 0x808, 0x480};
    struct cpu_msrs msrs = fresh();
    u64 value;

    for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
        cr_assert_not(cpu_msr_read(&msrs, others[i], &value), "0x%x", others[i]);
        cr_assert_not(cpu_msr_write(&msrs, others[i], 0), "0x%x", others[i]);
    }
}

Test(cpu_model, stored_msrs_keep_what_is_written)
{
    struct cpu_msrs msrs = fresh();

    cr_assert(cpu_msr_write(&msrs, 0xc0000103, 0xfedcba98));
    cr_assert(cpu_msr_write(&msrs, 0x20e, 0x80000006));
    cr_assert_eq(read_msr(&msrs, 0xc0000103), 0xfedcba98u);
    cr_assert_eq(read_msr(&msrs, 0x20e), 0x80000006u);
    cr_assert_eq(read_msr(&msrs, 0x20f), 0u, "the neighbour is another");
}

Test(cpu_model, reserved_bits_and_read_only_msrs_fault)
{
    struct cpu_msrs msrs = fresh();
    u64 value;

    cr_assert_not(cpu_msr_write(&msrs, 0xc0000103, BIT(32)), "TSC_AUX has 32 bits");
    cr_assert_not(cpu_msr_write(&msrs, 0x200, BIT(CPU_PHYSICAL_BITS)), "beyond physical memory");
    cr_assert_not(cpu_msr_write(&msrs, 0xfe, read_msr(&msrs, 0xfe)), "MTRR_CAP is read-only");
    cr_assert_not(cpu_msr_write(&msrs, 0x3a, 5), "FEATURE_CONTROL is locked");
    cr_assert_not(cpu_msr_write(&msrs, 0x48, 4), "no SSBD");
    cr_assert(cpu_msr_write(&msrs, 0x49, 1), "IBPB is a command");
    cr_assert_not(cpu_msr_read(&msrs, 0x49, &value), "and write-only");
}

/* As Linux does: read-modify-write of MISC_ENABLE, and 0 into the microcode's signature. */
Test(cpu_model, bits_that_are_fixed_stay)
{
    struct cpu_msrs msrs = fresh();
    u64 before = read_msr(&msrs, 0x1a0);

    cr_assert(before & 1, "fast strings");
    cr_assert(cpu_msr_write(&msrs, 0x1a0, before & ~1ull));
    cr_assert_eq(read_msr(&msrs, 0x1a0), before & ~1ull);
    cr_assert_not(cpu_msr_write(&msrs, 0x1a0, before | BIT(34)), "XD disable does not exist");
    cr_assert(cpu_msr_write(&msrs, 0x8b, 0));
    cr_assert_eq(read_msr(&msrs, 0x8b), BIT(32));
}

/* A PC's memory types: RAM write-back, the MMIO window from 3 to 4 GiB uncacheable. */
Test(cpu_model, mtrrs_start_as_firmware_leaves_them)
{
    struct cpu_msrs msrs = fresh();
    u64 base = read_msr(&msrs, 0x200), mask = read_msr(&msrs, 0x201);

    cr_assert_eq(read_msr(&msrs, 0x2ff) & 0xcff, 0xc06u);
    cr_assert_eq(read_msr(&msrs, 0xfe) & 0xff, 8u);
    cr_assert_eq(base & 0xff, 0u, "uncacheable");
    cr_assert(mask & BIT(11), "valid");
    mask &= ~0xfffull;
    cr_assert_eq(LAPIC_BASE & mask, base & mask);
    cr_assert_eq(IOAPIC_BASE & mask, base & mask);
    cr_assert_neq(0xbffff000ull & mask, base & mask);
    cr_assert_neq(BIT(32) & mask, base & mask);
}

Test(cpu_model, linux_finds_no_flaws)
{
    struct cpu_msrs msrs = fresh();
    u64 caps = read_msr(&msrs, 0x10a);
    static const u8 bits[] = {0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62};

    cr_assert(bit(ask(7, 0).edx, 29), "or Linux does not read it");
    for (u32 i = 0; i < ARRAY_SIZE(bits); i++)
        cr_assert(caps & BIT(bits[i]), "bit %u", bits[i]);
    cr_assert_not(caps & (BIT(2) | BIT(7) | BIT(19)), "RSBA, TSX_CTRL, RRSBA");
}

static void collect(void *context, u32 msr)
{
    u32 *seen = context;

    seen[++seen[0]] = msr;
}

Test(cpu_model, names_every_pass_msr_once)
{
    u32 seen[CPU_MSR_LIMIT + 1] = {0};

    cpu_msr_each_pass(collect, seen);
    cr_assert_eq(seen[0], 11u);
    for (u32 i = 1; i <= seen[0]; i++) {
        cr_assert_eq(cpu_msr_class(seen[i]), MSR_PASS, "0x%x", seen[i]);
        for (u32 j = 1; j < i; j++)
            cr_assert_neq(seen[i], seen[j]);
    }
}

/* The whole state is reset: it is part of what a trace begins with. */
Test(cpu_model, reset_leaves_no_old_bytes)
{
    struct cpu_msrs a = fresh(), b;

    memset(&b, 0, sizeof(b));
    cpu_msrs_reset(&b);
    cr_assert(!memcmp(&a, &b, sizeof(a)));
}
