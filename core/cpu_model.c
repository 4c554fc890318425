/*
 * CPU model 1: its CPUID leaves and its MSRs, from two tables. Shows nothing of
 * the processor below: a trace must replay on any. Never decides what a shown
 * feature does; the processors implement it.
 *
 * Family 6, model 0x8c: a core that Linux runs without workarounds for flaws or
 * missing features, once IA32_ARCH_CAPABILITIES says so.
 *
 * Sources: SDM vol. 2A CPUID; vol. 3A 9.9 (topology); core/msrs.h for MSRs.
 */
#include "core/cpu_model.h"

#include "core/devices/ports.h"
#include "core/msrs.h"

/* --- CPUID ---------------------------------------------------------------------- */

/* Leaf 1. */
#define F1_EDX                                                                                     \
    (BIT(0) /* FPU */ | BIT(1) /* VME */ | BIT(2) /* DE */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | \
     BIT(5) /* MSR */ | BIT(6) /* PAE */ | BIT(7) /* MCE */ | BIT(8) /* CX8 */ |                   \
     BIT(9) /* APIC */ | BIT(11) /* SEP */ | BIT(12) /* MTRR */ | BIT(13) /* PGE */ |              \
     BIT(14) /* MCA */ | BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE36 */ |            \
     BIT(19) /* CLFSH */ | BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ |            \
     BIT(26) /* SSE2 */)
#define F1_ECX                                                                            \
    (BIT(0) /* SSE3 */ | BIT(9) /* SSSE3 */ | BIT(13) /* CX16 */ | BIT(19) /* SSE4.1 */ | \
     BIT(20) /* SSE4.2 */ | BIT(21) /* x2APIC */ | BIT(23) /* POPCNT */ |                 \
     BIT(24) /* TSC deadline */ | BIT(31) /* a hypervisor is present */)
/* Leaf 7. */
#define F7_EBX (BIT(3) /* BMI1 */ | BIT(7) /* SMEP */ | BIT(8) /* BMI2 */ | BIT(20) /* SMAP */)
#define F7_EDX (BIT(26) /* IBRS, IBPB */ | BIT(29) /* ARCH_CAPABILITIES */)
/* Leaf 0x80000001. */
#define FX1_ECX (BIT(0) /* LAHF */ | BIT(5) /* LZCNT */)
#define FX1_EDX                                                                                    \
    (BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GiB pages */ | BIT(27) /* RDTSCP */ | \
     BIT(29) /* 64-bit mode */)

#define SIGNATURE 0x000806c1u /* family 6, model 0x8c, stepping 1 */
#define CLFLUSH_64_BYTES (8u << 8)
#define ONE_LOGICAL_CPU (1u << 16)

/* Leaf 4: type 1 data, 2 instructions, 3 both; 64-byte lines, one CPU, self-initialising. */
#define CACHE_EAX(type, level) ((type) | (level) << 5 | 1u << 8)
#define CACHE_EBX(ways) (63u | ((ways)-1u) << 22)
#define WBINVD_REACHES BIT(0)
#define INCLUSIVE BIT(1)

/* Topology levels of leaves 0xb and 0x1f, ECX bits 15:8. */
#define LEVEL_THREAD (1u << 8)
#define LEVEL_CORE (2u << 8)

#define TEXT4(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

enum { BASIC_LAST = 0x1f };
#define ANY_SUBLEAF UINT32_MAX
#define HYPERVISOR_FIRST 0x40000000u
#define HYPERVISOR_END 0x40000100u /* SDM: 0x40000000-0x4fffffff; by custom 256 leaves each */
#define EXTENDED_FIRST 0x80000000u
#define EXTENDED_LAST 0x80000008u

struct cpuid_row {
    u32 leaf, subleaf;
    struct cpuid value;
};

/* Leaves and subleaves in range that have no row answer zeros. */
/* clang-format off */
static const struct cpuid_row cpuid_rows[] = {
    {0x00, ANY_SUBLEAF, {BASIC_LAST, TEXT4('G','e','n','u'), TEXT4('n','t','e','l'), TEXT4('i','n','e','I')}},
    {0x01, ANY_SUBLEAF, {SIGNATURE, CLFLUSH_64_BYTES | ONE_LOGICAL_CPU, F1_ECX, F1_EDX}},
    {0x02, ANY_SUBLEAF, {0x0000ff01 /* caches: see leaf 4 */, 0, 0, 0}},
    {0x04, 0, {CACHE_EAX(1, 1), CACHE_EBX(8),  63,   0}},               /*  32 KiB */
    {0x04, 1, {CACHE_EAX(2, 1), CACHE_EBX(8),  63,   0}},               /*  32 KiB */
    {0x04, 2, {CACHE_EAX(3, 2), CACHE_EBX(16), 1023, WBINVD_REACHES}},  /*   1 MiB */
    {0x04, 3, {CACHE_EAX(3, 3), CACHE_EBX(16), 8191, INCLUSIVE}},       /*   8 MiB */
    {0x06, ANY_SUBLEAF, {BIT(2) /* APIC timer always runs */, 0, 0, 0}},
    {0x07, 0, {0, F7_EBX, 0, F7_EDX}},
    {0x0b, 0, {0, 1, LEVEL_THREAD, 0}},
    {0x0b, 1, {0, 1, LEVEL_CORE | 1, 0}},
    {0x15, ANY_SUBLEAF, {1, GUEST_TSC_HZ / CRYSTAL_HZ, CRYSTAL_HZ, 0}},
    {0x16, ANY_SUBLEAF, {1000, 1000, 100, 0}}, /* base, maximum and bus MHz */
    {0x1f, 0, {0, 1, LEVEL_THREAD, 0}},
    {0x1f, 1, {0, 1, LEVEL_CORE | 1, 0}},
    {0x40000000, ANY_SUBLEAF, {HYPERVISOR_FIRST, TEXT4('H','i','n','d'), TEXT4('v','i','s','o'), TEXT4('r',' ','H','V')}},
    {0x80000000, ANY_SUBLEAF, {EXTENDED_LAST, 0, 0, 0}},
    {0x80000001, ANY_SUBLEAF, {0, 0, FX1_ECX, FX1_EDX}},
    {0x80000002, ANY_SUBLEAF, {TEXT4('H','i','n','d'), TEXT4('v','i','s','o'), TEXT4('r',' ','C','P'), TEXT4('U',' ','m','o')}},
    {0x80000003, ANY_SUBLEAF, {TEXT4('d','e','l',' '), TEXT4('1', 0, 0, 0), 0, 0}},
    {0x80000006, ANY_SUBLEAF, {0, 0, 1024u << 16 | 8u << 12 | 64, 0}}, /* L2: 1 MiB, 16 ways */
    {0x80000007, ANY_SUBLEAF, {0, 0, 0, BIT(8) /* invariant TSC */}},
    {0x80000008, ANY_SUBLEAF, {48u << 8 | CPU_PHYSICAL_BITS, 0, 0, 0}},
};
/* clang-format on */

_Static_assert(GUEST_TSC_HZ % CRYSTAL_HZ == 0, "leaf 0x15 gives the TSC as a ratio");

static struct cpuid table_answer(u32 leaf, u32 subleaf)
{
    for (u32 i = 0; i < ARRAY_SIZE(cpuid_rows); i++) {
        const struct cpuid_row *row = &cpuid_rows[i];
        if (row->leaf == leaf && (row->subleaf == subleaf || row->subleaf == ANY_SUBLEAF))
            return row->value;
    }
    return (struct cpuid){0};
}

/* Leaves out of range show the highest basic leaf. */
static u32 leaf_in_range(u32 leaf)
{
    if (leaf <= BASIC_LAST)
        return leaf;
    bool hypervisor = leaf >= HYPERVISOR_FIRST && leaf < HYPERVISOR_END;
    bool extended = leaf >= EXTENDED_FIRST && leaf <= EXTENDED_LAST;

    return hypervisor || extended ? leaf : BASIC_LAST;
}

struct cpuid cpu_model_cpuid(u32 leaf, u32 subleaf, u32 apic_id)
{
    u32 asked = leaf_in_range(leaf);
    struct cpuid answer = table_answer(asked, subleaf);

    if (asked == 0x1)
        answer.ebx |= apic_id << 24;
    if (asked == 0xb || asked == 0x1f) {
        answer.ecx |=
            subleaf & 0xff; /* also beyond the last level, which is all that is shown there */
        answer.edx = apic_id;
    }
    return answer;
}

/* --- MSRs ------------------------------------------------------------------------ */

enum msr_access { RW, RO, WO };

#define X(number, name, class, access, reset, writable) ROW_##name,
enum row { CPU_MSRS(X) ROWS };
#undef X

_Static_assert((int)ROWS <= (int)CPU_MSR_LIMIT, "every row has a place for its value");

struct msr_row {
    u32 msr;
    enum msr_class class;
    enum msr_access access;
    u64 reset, writable;
};

#define X(number, name, class, access, reset, writable) \
    [ROW_##name] = {number, MSR_##class, access, reset, writable},
static const struct msr_row msr_rows[] = {CPU_MSRS(X)};
#undef X

/* ROWS when there is none. A switch, so that the compiler makes it a search tree. */
static enum row row_of(u32 msr)
{
    switch (msr) {
#define X(number, name, class, access, reset, writable) \
    case number:                                        \
        return ROW_##name;
        CPU_MSRS(X)
#undef X
    default:
        return ROWS;
    }
}

static const struct msr_row *stored_row(u32 msr)
{
    enum row row = row_of(msr);

    return row != ROWS && msr_rows[row].class == MSR_STORED ? &msr_rows[row] : NULL;
}

void cpu_msrs_reset(struct cpu_msrs *msrs)
{
    for (u32 i = 0; i < CPU_MSR_LIMIT; i++)
        msrs->value[i] = i < ROWS ? msr_rows[i].reset : 0;
}

enum msr_class cpu_msr_class(u32 msr)
{
    enum row row = row_of(msr);

    if (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST)
        return MSR_HANDLED;
    return row == ROWS ? MSR_ABSENT : msr_rows[row].class;
}

bool cpu_msr_read(const struct cpu_msrs *msrs, u32 msr, u64 *value)
{
    const struct msr_row *row = stored_row(msr);

    if (!row || row->access == WO)
        return false;
    *value = msrs->value[row - msr_rows];
    return true;
}

bool cpu_msr_write(struct cpu_msrs *msrs, u32 msr, u64 value)
{
    const struct msr_row *row = stored_row(msr);

    if (!row || row->access == RO || value & ~(row->writable | row->reset))
        return false;
    if (row->access == RW)
        msrs->value[row - msr_rows] = (value & row->writable) | (row->reset & ~row->writable);
    return true;
}

void cpu_msr_each_pass(void (*each)(void *context, u32 msr), void *context)
{
    for (u32 i = 0; i < ROWS; i++)
        if (msr_rows[i].class == MSR_PASS)
            each(context, msr_rows[i].msr);
}
