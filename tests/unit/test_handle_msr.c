/*
 * RDMSR and WRMSR by the class of the MSR: the bitmap lets PASS through, STORED are
 * kept, HANDLED act, and anything else is #GP with RIP where it was.
 */
#include <criterion/criterion.h>

#include "tests/unit/guest_mode.h"
#include "tests/unit/rig_on_fakes.h"

enum {
    TSC = 0x10,
    APIC_BASE = 0x1b,
    FEATURE_CONTROL = 0x3a,
    PRED_CMD = 0x49,
    TSC_DEADLINE = 0x6e0
};
#define EFER 0xc0000080u
#define TSC_AUX 0xc0000103u
enum { SCE = 1, LME = 1 << 8, LMA = 1 << 10, NXE = 1 << 11 };

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
    v->exit.length = 2;
}

TestSuite(handle_msr, .init = set_up);

/* ~0: the guest got #GP(0) and nothing changed; else RIP has moved on. */
static bool did(void (*handler)(struct vcpu *), u32 reason)
{
    v->rip = RIG_CODE;
    v->event.info = 0;
    v->exit.reason = reason;
    handler(v);
    if (!v->event.info) {
        cr_assert_eq(v->rip, RIG_CODE + 2);
        return true;
    }
    cr_assert_eq(v->event.info, EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR);
    cr_assert_eq(v->event.error, 0);
    cr_assert_eq(v->rip, RIG_CODE);
    return false;
}

static bool read_msr(u32 msr, u64 *value)
{
    v->gpr[RCX] = 0xffffffff00000000ull | msr; /* only ECX counts */
    v->gpr[RAX] = v->gpr[RDX] = ~0ull;
    if (!did(on_msr_read, EXIT_MSR_READ)) {
        cr_assert(v->gpr[RAX] == ~0ull && v->gpr[RDX] == ~0ull);
        return false;
    }
    cr_assert_eq(v->gpr[RAX] >> 32 | v->gpr[RDX] >> 32, 0, "RDMSR clears the upper halves");
    *value = v->gpr[RDX] << 32 | v->gpr[RAX];
    cr_assert_eq(v->value, *value);
    cr_assert_eq(v->address, msr);
    return true;
}

static bool write_msr(u32 msr, u64 value)
{
    v->gpr[RCX] = 0xffffffff00000000ull | msr;
    v->gpr[RAX] = 0xdead00000000ull | (u32)value;
    v->gpr[RDX] = 0xdead00000000ull | value >> 32;
    return did(on_msr_write, EXIT_MSR_WRITE);
}

static u64 get(u32 msr)
{
    u64 value = 0;
    cr_assert(read_msr(msr, &value), "%x", msr);
    return value;
}

/* --- the bitmap ------------------------------------------------------------------------------ */

static bool exits(u32 msr, bool write)
{
    u32 low = msr & 0x1fff, at = (write ? 2048 : 0) + (msr >= 0xc0000000 ? 1024 : 0) + low / 8;
    return rig.pages.msr_bitmap[at] >> low % 8 & 1;
}

Test(handle_msr, only_the_guest_s_own_do_not_exit)
{
    u32 open = 0;
    for (u32 low = 0; low < 0x2000; low++) {
        for (u32 half = 0; half < 2; half++) {
            u32 msr = (half ? 0xc0000000 : 0) + low;
            bool pass = cpu_msr_class(msr) == MSR_PASS;
            cr_assert_eq(exits(msr, false), !pass, "%x", msr);
            cr_assert_eq(exits(msr, true), !pass, "%x", msr);
            open += pass;
        }
    }
    cr_assert_eq(open, 11);
}

Test(handle_msr, one_that_does_not_exist)
{
    static const u32 absent[] = {0,          0x11,       0x480,      0x1234,    0x2000,
                                 0x40000000, 0xc0000110, 0xc0002000, 0xffffffff};
    for (u32 i = 0; i < ARRAY_SIZE(absent); i++) {
        u64 value;
        cr_assert(!read_msr(absent[i], &value), "%x", absent[i]);
        cr_assert(!write_msr(absent[i], 0), "%x", absent[i]);
    }
}

/* The bitmap keeps these from exiting; if one did, it must not look like success. */
Test(handle_msr, one_that_is_the_guest_s_own_has_no_answer_here)
{
    u64 value;
    cr_assert(!read_msr(0xc0000082, &value));
    cr_assert(!write_msr(0xc0000082, 0));
}

Test(handle_msr, stored_ones_are_kept)
{
    cr_assert(write_msr(TSC_AUX, 0x12345678));
    cr_assert_eq(get(TSC_AUX), 0x12345678);
    cr_assert(!write_msr(TSC_AUX, BIT(32)), "reserved bits");
    cr_assert_eq(get(TSC_AUX), 0x12345678);
}

Test(handle_msr, read_only_and_write_only)
{
    u64 value;
    cr_assert_eq(get(FEATURE_CONTROL), 1);
    cr_assert(!write_msr(FEATURE_CONTROL, 5));
    cr_assert(!read_msr(PRED_CMD, &value));
    cr_assert(write_msr(PRED_CMD, 1));
}

/* --- time -------------------------------------------------------------------------------- */

Test(handle_msr, the_guest_sets_its_own_tsc)
{
    m->now = 1000;
    cr_assert_eq(get(TSC), 1000);
    cr_assert(write_msr(TSC, 5));
    cr_assert_eq(get(TSC), 5);
    m->now = 1100;
    cr_assert_eq(get(TSC), 105);
}

static void set_deadline_mode(void)
{
    struct access lvt = {.size = 4, .write = true, .value = 2 << 17 | 0x40};
    machine_mmio(m, (m->lapic.base & ~0xfffull) + LAPIC_LVT_TIMER * 16, &lvt);
}

Test(handle_msr, the_deadline_is_in_the_guest_s_tsc)
{
    set_deadline_mode();
    m->now = 1000;
    cr_assert(write_msr(TSC, 5));
    cr_assert(write_msr(TSC_DEADLINE, 105));
    cr_assert_eq(m->deadline, 1100);
    cr_assert_eq(get(TSC_DEADLINE), 105);
    cr_assert(write_msr(TSC_DEADLINE, 0));
    cr_assert_eq(get(TSC_DEADLINE), 0);
}

Test(handle_msr, under_the_host_s_clock_a_reading_is_an_input)
{
    m->clock = CLOCK_HOST;
    fake.clock = 5000;
    cr_assert_eq(get(TSC), 5000);
    cr_assert_eq(fake.clock_reads, 1);
}

/* --- the local APIC ---------------------------------------------------------------------- */

Test(handle_msr, the_apic_s_base_and_mode)
{
    u64 base = get(APIC_BASE);
    cr_assert_eq(base, 0xfee00900);
    u64 value;
    cr_assert(!read_msr(0x802, &value), "no x2APIC yet");
    cr_assert(!write_msr(APIC_BASE, base | 1), "reserved bits");
    cr_assert(write_msr(APIC_BASE, base | BIT(10)));
    cr_assert_eq(get(0x802), 0);
    cr_assert_eq(get(0x803), LAPIC_VERSION);
    cr_assert(!write_msr(0x803, 0), "read-only");
    cr_assert(!read_msr(0x8ff, &value));
    cr_assert(write_msr(0x808, 0x30));
    cr_assert_eq(lapic_tpr(&m->lapic), 0x30);
    cr_assert(!write_msr(APIC_BASE, base), "SDM 11.12.5: not from x2APIC straight back");
}

/* --- EFER -------------------------------------------------------------------------------- */

Test(handle_msr, efer_bits_that_the_model_has)
{
    u32 flushes = fake_cpu.tlb_flushes;
    cr_assert_eq(get(EFER), LME | LMA);
    cr_assert(write_msr(EFER, LME | LMA | SCE | NXE));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME | LMA | SCE | NXE);
    cr_assert_gt(fake_cpu.tlb_flushes, flushes, "NXE changes what entries mean");
    for (u32 bit = 0; bit < 64; bit++)
        if (!(BIT(bit) & CPU_MODEL_EFER_BITS))
            cr_assert(!write_msr(EFER, LME | LMA | BIT(bit)), "%u", bit);
}

Test(handle_msr, lme_is_fixed_while_paging_is_on)
{
    cr_assert(!write_msr(EFER, LMA));
    guest_enter_mode(&rig, MODE_32_PAGED);
    cr_assert(!write_msr(EFER, LME));
    guest_enter_mode(&rig, MODE_32);
    cr_assert(write_msr(EFER, LME));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME);
}

Test(handle_msr, lma_is_the_processor_s)
{
    cr_assert(write_msr(EFER, LME));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME | LMA);
    guest_enter_mode(&rig, MODE_32);
    cr_assert(write_msr(EFER, LME | LMA));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME);
}
