/* The local APIC: priorities, ends, IPIs, modes and the timer (SDM vol. 3A chapter 11). */
#include "core/devices/lapic.h"
#include "core/devices/ports.h"

#include <criterion/criterion.h>

enum { ENABLE = 0x1ff, PERIODIC = 1 << 17, TSC_DEADLINE = 2 << 17, DIVIDE_BY_1 = 0xb };
enum { TICK = 40 }; /* ns: 25 MHz */

static struct lapic lapic;
static struct access last;

static void set_up(void)
{
    lapic_reset(&lapic, 0);
    last = (struct access){.write = true, .size = 4, .value = ENABLE};
    lapic_access(&lapic, LAPIC_SVR, &last);
}

static void to_x2apic(void)
{
    cr_assert(lapic_set_base(&lapic, lapic.base | APIC_BASE_X2APIC));
}

TestSuite(lapic, .init = set_up);

static bool write_at(u64 now, u32 reg, u64 value)
{
    last = (struct access){.now = now, .write = true, .size = 4, .value = value};
    return lapic_access(&lapic, reg, &last);
}

static bool write_reg(u32 reg, u64 value)
{
    return write_at(0, reg, value);
}

static u64 read_at(u64 now, u32 reg)
{
    last = (struct access){.now = now, .size = 4, .value = 0xdeadbeefdeadbeef};
    cr_assert(lapic_access(&lapic, reg, &last));
    return last.value;
}

static u64 read_reg(u32 reg)
{
    return read_at(0, reg);
}

static bool refused(u32 reg, bool write, u64 value)
{
    last = (struct access){.write = write, .size = 8, .value = value};
    return !lapic_access(&lapic, reg, &last);
}

/* --- priorities ---------------------------------------------------------------- */

Test(lapic, the_highest_vector_comes_first)
{
    static const u8 vectors[] = {0x21, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

    for (u32 i = 0; i < ARRAY_SIZE(vectors); i++) {
        cr_assert(lapic_raise(&lapic, vectors[i], false));
        cr_assert_eq(lapic_pending(&lapic), vectors[i]);
    }
    for (u32 i = ARRAY_SIZE(vectors); i-- > 0;) {
        cr_assert_eq(lapic_acknowledge(&lapic), vectors[i]);
        write_reg(LAPIC_EOI, 0);
        cr_assert_eq(last.effect, EFFECT_NONE);
    }
    cr_assert_eq(lapic_pending(&lapic), -1);
    cr_assert_eq(lapic_acknowledge(&lapic), -1);
}

Test(lapic, every_vector_from_16_arrives)
{
    for (u32 vector = 16; vector < 256; vector++) {
        lapic_raise(&lapic, (u8)vector, false);
        cr_assert_eq(read_reg(LAPIC_IRR + vector / 32), BIT(vector % 32));
        cr_assert_eq(lapic_acknowledge(&lapic), (int)vector);
        cr_assert_eq(read_reg(LAPIC_ISR + vector / 32), BIT(vector % 32));
        cr_assert_eq(read_reg(LAPIC_IRR + vector / 32), 0);
        write_reg(LAPIC_EOI, 0);
        cr_assert_eq(read_reg(LAPIC_ISR + vector / 32), 0);
    }
}

Test(lapic, service_holds_back_its_class_and_lower)
{
    lapic_raise(&lapic, 0x51, false);
    lapic_acknowledge(&lapic);
    lapic_raise(&lapic, 0x5f, false);
    cr_assert_eq(lapic_pending(&lapic), -1);
    lapic_raise(&lapic, 0x60, false);
    cr_assert_eq(lapic_pending(&lapic), 0x60);
    cr_assert_eq(lapic_acknowledge(&lapic), 0x60);
    write_reg(LAPIC_EOI, 0);
    cr_assert_eq(lapic_pending(&lapic), -1, "0x51 is in service again");
    write_reg(LAPIC_EOI, 0);
    cr_assert_eq(lapic_pending(&lapic), 0x5f);
}

Test(lapic, the_tpr_holds_back_its_class_and_lower)
{
    lapic_raise(&lapic, 0x51, false);
    cr_assert_eq(lapic_blocked_by_tpr(&lapic), 0);
    lapic_set_tpr(&lapic, 0x50);
    cr_assert_eq(lapic_pending(&lapic), -1);
    cr_assert_eq(lapic_blocked_by_tpr(&lapic), 0x51);
    lapic_set_tpr(&lapic, 0x4f);
    cr_assert_eq(lapic_pending(&lapic), 0x51);
    lapic_acknowledge(&lapic);
    lapic_raise(&lapic, 0x52, false);
    lapic_set_tpr(&lapic, 0x60);
    cr_assert_eq(lapic_blocked_by_tpr(&lapic), 0, "service would hold it back too");
    cr_assert_eq(lapic_tpr(&lapic), 0x60);
}

Test(lapic, processor_priority)
{
    cr_assert_eq(read_reg(LAPIC_PPR), 0);
    write_reg(LAPIC_TPR, 0x35);
    cr_assert_eq(read_reg(LAPIC_PPR), 0x35);
    lapic_raise(&lapic, 0x47, false);
    cr_assert_eq(read_reg(LAPIC_APR), 0x40);
    lapic_acknowledge(&lapic);
    cr_assert_eq(read_reg(LAPIC_PPR), 0x40);
    write_reg(LAPIC_TPR, 0x42);
    cr_assert_eq(read_reg(LAPIC_PPR), 0x42);
}

Test(lapic, only_the_end_of_a_level_is_told)
{
    lapic_raise(&lapic, 0x61, true);
    cr_assert_eq(read_reg(LAPIC_TMR + 3), BIT(1));
    lapic_acknowledge(&lapic);
    write_reg(LAPIC_EOI, 0);
    cr_assert_eq(last.effect, EFFECT_EOI);
    cr_assert_eq(last.effect_value, 0x61);
    write_reg(LAPIC_EOI, 0);
    cr_assert_eq(last.effect, EFFECT_NONE, "nothing is in service");
    lapic_raise(&lapic, 0x61, false);
    cr_assert_eq(read_reg(LAPIC_TMR + 3), 0);
}

Test(lapic, switched_off_it_takes_nothing)
{
    lapic_raise(&lapic, 0x61, false);
    write_reg(LAPIC_SVR, 0xff);
    cr_assert_eq(lapic_pending(&lapic), -1);
    cr_assert_not(lapic_raise(&lapic, 0x62, false));
    write_reg(LAPIC_LVT_LINT0, LVT_EXTINT);
    cr_assert_eq(read_reg(LAPIC_LVT_LINT0), LVT_EXTINT | LVT_MASKED);
    write_reg(LAPIC_SVR, ENABLE);
    cr_assert_eq(lapic_pending(&lapic), 0x61, "what was pending is kept");
    cr_assert_eq(lapic_blocked_by_tpr(&lapic), 0);
}

/* --- registers ------------------------------------------------------------------ */

Test(lapic, registers_after_power_up)
{
    lapic_reset(&lapic, 0);
    cr_assert_eq(read_reg(LAPIC_VERSION_REG), 0x50014);
    cr_assert_eq(read_reg(LAPIC_SVR), 0xff);
    cr_assert_eq(read_reg(LAPIC_DFR), 0xffffffff);
    for (u32 reg = LAPIC_LVT_TIMER; reg <= LAPIC_LVT_ERROR; reg++)
        cr_assert_eq(read_reg(reg), LVT_MASKED);
    cr_assert_eq(lapic.base, 0xfee00900);
    cr_assert_not(lapic_accepts_extint(&lapic));
    lapic_virtual_wire(&lapic);
    cr_assert(lapic_accepts_extint(&lapic));
}

Test(lapic, the_id_moves_with_the_mode)
{
    lapic_reset(&lapic, 0x23);
    cr_assert_eq(read_reg(LAPIC_ID), 0x23000000);
    to_x2apic();
    cr_assert_eq(read_reg(LAPIC_ID), 0x23);
    cr_assert_eq(read_reg(LAPIC_LDR), 2 << 16 | 1 << 3);
}

Test(lapic, mmio_takes_aligned_doublewords_only)
{
    struct access access = {.size = 4};

    lapic_mmio(&lapic, 0x30, &access);
    cr_assert_eq(access.value, 0x50014);
    lapic_mmio(&lapic, 0x34, &access);
    cr_assert_eq(access.value, 0xffffffff);
    access.size = 8;
    lapic_mmio(&lapic, 0x30, &access);
    cr_assert_eq(access.value, UINT64_MAX);
    access = (struct access){.size = 1, .write = true, .value = 0x55};
    lapic_mmio(&lapic, 0x80, &access);
    cr_assert_eq(lapic.tpr, 0);
    access.size = 4;
    lapic_mmio(&lapic, 0x80, &access);
    cr_assert_eq(lapic.tpr, 0x55);
}

Test(lapic, errors_are_latched_by_a_write_to_esr)
{
    write_reg(LAPIC_LVT_ERROR, 0xfe);
    cr_assert(refused(0x05, false, 0));
    cr_assert_eq(last.value, 0);
    cr_assert_eq(read_reg(LAPIC_ESR), 0);
    write_reg(LAPIC_ESR, 0);
    cr_assert_eq(read_reg(LAPIC_ESR), 0x80);
    cr_assert_eq(lapic_pending(&lapic), 0xfe);
    cr_assert_not(lapic_raise(&lapic, 15, false));
    write_reg(LAPIC_ICR, 1 << 18 | 15);
    write_reg(LAPIC_ESR, 0);
    cr_assert_eq(read_reg(LAPIC_ESR), 0x60);
    write_reg(LAPIC_ESR, 0);
    cr_assert_eq(read_reg(LAPIC_ESR), 0);
}

Test(lapic, writing_a_register_that_is_read_only_is_no_error)
{
    cr_assert(refused(LAPIC_VERSION_REG, true, 0));
    cr_assert(refused(LAPIC_REGISTERS, true, 0));
    cr_assert(refused(LAPIC_SELF_IPI, true, 0x40), "x2APIC only");
    cr_assert_eq(lapic.errors, 0x80, "those that do not exist");
    lapic.errors = 0;
    cr_assert(refused(LAPIC_ISR, true, 0));
    cr_assert_eq(lapic.errors, 0);
}

Test(lapic, x2apic_refuses_what_the_sdm_says)
{
    static const u32 absent[] = {0x00, LAPIC_APR, LAPIC_REMOTE_READ, LAPIC_DFR, LAPIC_ICR_HIGH,
                                 0x2f, 0x3a};

    to_x2apic();
    for (u32 i = 0; i < ARRAY_SIZE(absent); i++)
        cr_assert(refused(absent[i], false, 0) && refused(absent[i], true, 0), "%x", absent[i]);
    cr_assert(refused(LAPIC_EOI, false, 0));
    cr_assert(refused(LAPIC_SELF_IPI, false, 0));
    cr_assert(refused(LAPIC_LDR, true, 0));
    cr_assert(refused(LAPIC_EOI, true, 1));
    cr_assert(refused(LAPIC_ESR, true, 1));
    cr_assert(refused(LAPIC_TPR, true, 0x100));
    cr_assert(refused(LAPIC_LVT_TIMER, true, BIT(20)));
    cr_assert(refused(LAPIC_INITIAL_COUNT, true, BIT(32)));
    cr_assert(refused(0xff, false, 0));
    cr_assert_not(refused(LAPIC_EOI, true, 0));
    cr_assert_eq(lapic.errors, 0);
}

/* --- interprocessor interrupts ------------------------------------------------------ */

Test(lapic, ipis_reach_whom_they_address)
{
    static const struct {
        u32 high, low;
        bool arrives;
    } cases[] = {
        {0, 0x41, true},
        {1u << 24, 0x41, false},
        {0xffu << 24, 0x41, true},
        {0, 1 << 18 | 0x41, true},
        {1u << 24, 2 << 18 | 0x41, true},
        {0, 3 << 18 | 0x41, false},
        {2u << 24, 1 << 11 | 0x41, true},
        {1u << 24, 1 << 11 | 0x41, false},
        {0, 1 << 8 | 0x41, true},
    };

    write_reg(LAPIC_LDR, 2u << 24);
    for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
        u32 dropped = lapic.dropped;
        write_reg(LAPIC_ICR_HIGH, cases[i].high);
        write_reg(LAPIC_ICR, cases[i].low);
        cr_assert_eq(lapic_acknowledge(&lapic), cases[i].arrives ? 0x41 : -1, "case %u", i);
        cr_assert_eq(lapic.dropped - dropped, !cases[i].arrives);
        cr_assert_eq(read_reg(LAPIC_ICR), cases[i].low);
        cr_assert_eq(read_reg(LAPIC_ICR_HIGH), cases[i].high);
        write_reg(LAPIC_EOI, 0);
    }
}

Test(lapic, cluster_addresses)
{
    write_reg(LAPIC_DFR, 0);
    write_reg(LAPIC_LDR, 0x32u << 24);
    cr_assert(lapic_addressed(&lapic, 0x32, true));
    cr_assert(lapic_addressed(&lapic, 0x3f, true));
    cr_assert_not(lapic_addressed(&lapic, 0x22, true));
    cr_assert_not(lapic_addressed(&lapic, 0x31, true));
    to_x2apic();
    cr_assert(lapic_addressed(&lapic, 1, true));
    cr_assert_not(lapic_addressed(&lapic, 2, true));
    cr_assert_not(lapic_addressed(&lapic, 0x10001, true));
}

Test(lapic, x2apic_ipis)
{
    to_x2apic();
    cr_assert(write_reg(LAPIC_SELF_IPI, 0x55));
    cr_assert_eq(lapic_acknowledge(&lapic), 0x55);
    write_reg(LAPIC_EOI, 0);
    cr_assert(write_reg(LAPIC_ICR, 0x66));
    cr_assert_eq(lapic_acknowledge(&lapic), 0x66);
    cr_assert(write_reg(LAPIC_ICR, 1ull << 32 | 0x77));
    cr_assert_eq(lapic_pending(&lapic), -1);
    cr_assert_eq(read_reg(LAPIC_ICR), 1ull << 32 | 0x77);
}

Test(lapic, nmis_to_itself_wait_and_the_rest_is_dropped)
{
    write_reg(LAPIC_ICR, LVT_NMI);
    cr_assert_eq(lapic.nmi, 1);
    write_reg(LAPIC_ICR, 5 << 8);
    write_reg(LAPIC_ICR, 6 << 8 | 0x10);
    cr_assert_eq(lapic.dropped, 2);
    cr_assert_eq(lapic_pending(&lapic), -1);
}

/* --- modes --------------------------------------------------------------------------- */

Test(lapic, mode_transitions)
{
    u64 base = LAPIC_BASE | APIC_BASE_BSP, x = APIC_BASE_ENABLE, x2 = x | APIC_BASE_X2APIC;

    cr_assert_not(lapic_set_base(&lapic, base | APIC_BASE_X2APIC), "invalid");
    cr_assert(lapic_set_base(&lapic, base | x2));
    cr_assert_not(lapic_set_base(&lapic, base | x), "only by way of disabled");
    write_reg(LAPIC_TPR, 0x20);
    cr_assert(lapic_set_base(&lapic, base));
    cr_assert_eq(lapic.base, base);
    cr_assert_eq(lapic.tpr, 0, "as after power-up");
    cr_assert_not(lapic_set_base(&lapic, base | x2));
    cr_assert(lapic_set_base(&lapic, base | x));
    cr_assert_not(lapic_set_base(&lapic, base | x | 1));
    cr_assert_not(lapic_set_base(&lapic, base | x | BIT(36)));
    cr_assert_eq(lapic.base, base | x);
}

/* --- the timer ------------------------------------------------------------------------ */

static void program_timer(u32 mode, u32 divide)
{
    write_reg(LAPIC_DIVIDE, divide);
    write_reg(LAPIC_LVT_TIMER, mode | 0x80);
}

Test(lapic, one_shot)
{
    program_timer(0, DIVIDE_BY_1);
    write_at(1000, LAPIC_INITIAL_COUNT, 100);
    cr_assert_eq(last.effect, EFFECT_TIMER_SET);
    cr_assert_eq(last.effect_value, 1000 + 100 * TICK);
    cr_assert_eq(lapic.deadline, 5000);
    cr_assert_eq(read_at(1000, LAPIC_CURRENT_COUNT), 100);
    cr_assert_eq(read_at(1039, LAPIC_CURRENT_COUNT), 100);
    cr_assert_eq(read_at(1040, LAPIC_CURRENT_COUNT), 99);
    cr_assert_eq(read_at(4999, LAPIC_CURRENT_COUNT), 1);
    lapic_advance(&lapic, 4999);
    cr_assert_eq(lapic_pending(&lapic), -1);
    lapic_advance(&lapic, 5000);
    cr_assert_eq(lapic_acknowledge(&lapic), 0x80);
    cr_assert_eq(lapic.deadline, NEVER);
    cr_assert_eq(read_at(9000, LAPIC_CURRENT_COUNT), 0);
    cr_assert_eq(read_reg(LAPIC_INITIAL_COUNT), 100);
    lapic_advance(&lapic, NEVER);
    cr_assert_eq(lapic_pending(&lapic), -1);
}

Test(lapic, every_divider)
{
    static const u32 codes[] = {0xb, 0, 1, 2, 3, 8, 9, 10};

    for (u32 i = 0; i < ARRAY_SIZE(codes); i++) {
        program_timer(0, codes[i]);
        write_at(0, LAPIC_INITIAL_COUNT, 3);
        cr_assert_eq(lapic.deadline, 3 * TICK * BIT(i), "code %x", codes[i]);
    }
}

Test(lapic, a_periodic_timer_neither_drifts_nor_piles_up)
{
    program_timer(PERIODIC, DIVIDE_BY_1);
    write_at(7, LAPIC_INITIAL_COUNT, 10);
    lapic_advance(&lapic, 7 + 400);
    cr_assert_eq(lapic.deadline, 7 + 800);
    lapic_advance(&lapic, 7 + 1000);
    cr_assert_eq(lapic.deadline, 7 + 1200, "late by half a period");
    cr_assert_eq(read_at(7 + 1000, LAPIC_CURRENT_COUNT), 5);
    lapic_advance(&lapic, 7 + 400 * 1000000ull + 1);
    cr_assert_eq(lapic.deadline, 7 + 400 * 1000001ull);
    cr_assert_eq(lapic_acknowledge(&lapic), 0x80);
    cr_assert_eq(lapic_acknowledge(&lapic), -1, "once for all missed periods");
    write_at(0, LAPIC_INITIAL_COUNT, 0);
    cr_assert_eq(last.effect_value, NEVER);
    cr_assert_eq(lapic.deadline, NEVER);
}

Test(lapic, a_masked_timer_is_silent)
{
    program_timer(LVT_MASKED, DIVIDE_BY_1);
    write_at(0, LAPIC_INITIAL_COUNT, 1);
    lapic_advance(&lapic, 1000);
    cr_assert_eq(lapic_pending(&lapic), -1);
}

Test(lapic, a_new_divider_keeps_the_count)
{
    program_timer(0, DIVIDE_BY_1);
    write_at(0, LAPIC_INITIAL_COUNT, 100);
    write_at(50 * TICK, LAPIC_DIVIDE, 0);
    cr_assert_eq(last.effect, EFFECT_TIMER_SET);
    cr_assert_eq(lapic.deadline, 50 * TICK + 50 * 2 * TICK);
    cr_assert_eq(read_at(50 * TICK + 2 * TICK, LAPIC_CURRENT_COUNT), 49);
}

Test(lapic, tsc_deadline)
{
    lapic_set_tsc_deadline(&lapic, 123);
    cr_assert_eq(lapic.tsc_deadline, 0, "another mode: ignored");
    program_timer(TSC_DEADLINE, DIVIDE_BY_1);
    lapic_set_tsc_deadline(&lapic, 123);
    cr_assert_eq(lapic.deadline, 123);
    write_at(0, LAPIC_INITIAL_COUNT, 5);
    cr_assert_eq(last.effect, EFFECT_NONE);
    cr_assert_eq(lapic.deadline, 123);
    cr_assert_eq(read_reg(LAPIC_CURRENT_COUNT), 0);
    lapic_advance(&lapic, 123);
    cr_assert_eq(lapic_acknowledge(&lapic), 0x80);
    cr_assert_eq(lapic.tsc_deadline, 0);
    lapic_set_tsc_deadline(&lapic, 500);
    lapic_set_tsc_deadline(&lapic, 0);
    cr_assert_eq(lapic.deadline, NEVER);
}

Test(lapic, leaving_tsc_deadline_mode_disarms)
{
    program_timer(TSC_DEADLINE, DIVIDE_BY_1);
    lapic_set_tsc_deadline(&lapic, 123);
    write_reg(LAPIC_LVT_TIMER, 0x80);
    cr_assert_eq(last.effect, EFFECT_TIMER_SET);
    cr_assert_eq(last.effect_value, NEVER);
    cr_assert_eq(lapic.deadline, NEVER);
    cr_assert_eq(lapic.tsc_deadline, 0);
}

Test(lapic, masking_does_not_disarm)
{
    program_timer(0, DIVIDE_BY_1);
    write_at(0, LAPIC_INITIAL_COUNT, 10);
    write_reg(LAPIC_LVT_TIMER, LVT_MASKED | 0x80);
    cr_assert_eq(last.effect, EFFECT_NONE);
    write_reg(LAPIC_LVT_TIMER, PERIODIC | 0x80);
    cr_assert_eq(lapic.deadline, 10 * TICK);
}

Test(lapic, only_three_accesses_need_the_time)
{
    for (u32 reg = 0; reg < LAPIC_REGISTERS; reg++) {
        cr_assert_eq(lapic_register_timed(reg, false), reg == LAPIC_CURRENT_COUNT);
        cr_assert_eq(lapic_register_timed(reg, true),
                     reg == LAPIC_INITIAL_COUNT || reg == LAPIC_DIVIDE);
    }
}

Test(lapic, the_state_has_no_padding)
{
    cr_assert_eq(sizeof(struct lapic), 17 * 8 + 18 * 4);
}
