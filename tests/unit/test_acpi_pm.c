/*
 * ACPI fixed hardware, and the small ports: reset, keyboard reset, debug exit.
 */
#include "core/devices/acpi_pm.h"
#include "core/devices/debug_exit.h"
#include "core/devices/ports.h"
#include "core/devices/reset.h"
#include "core/devices/ticks.h"
#include "tests/unit/port_access.h"
#include <criterion/criterion.h>

static struct acpi_pm pm;

static u32 in(u64 now, u32 port, u8 size)
{
    return port_access(&acpi_pm_ops, &pm, now, port, size, false, 0).value;
}

static struct access out16(u64 now, u32 port, u16 value)
{
    return port_access(&acpi_pm_ops, &pm, now, port, 2, true, value);
}

static void reset(void)
{
    acpi_pm_reset(&pm);
}

TestSuite(acpi_pm, .init = reset);

Test(acpi_pm, timer_follows_guest_time)
{
    cr_assert_eq(in(0, ACPI_PM_TIMER, 4), 0);
    cr_assert_eq(in(NANOSECONDS, ACPI_PM_TIMER, 4), ACPI_PM_TIMER_HZ);
    cr_assert_eq(in(10 * NANOSECONDS, ACPI_PM_TIMER, 4), 10 * ACPI_PM_TIMER_HZ);
    cr_assert_eq(in(3600 * NANOSECONDS, ACPI_PM_TIMER, 4), (u32)(3600ull * ACPI_PM_TIMER_HZ));
    cr_assert_eq(in(NANOSECONDS, ACPI_PM_TIMER + 1, 1), ACPI_PM_TIMER_HZ >> 8 & 0xff);
    cr_assert_eq(in(0, 6, 2), 0xffff, "a gap");
}

Test(acpi_pm, s5_powers_off)
{
    const u16 s5 = ACPI_S5_TYPE << 10;

    cr_assert_eq(out16(0, ACPI_PM1_CONTROL, s5 | 1).effect, EFFECT_NONE);
    cr_assert_eq(in(0, ACPI_PM1_CONTROL, 2), s5 | 1);
    cr_assert_eq(out16(0, ACPI_PM1_CONTROL, s5 | 1 | ACPI_SLEEP_ENABLE).effect, EFFECT_POWER_OFF);
    cr_assert_eq(in(0, ACPI_PM1_CONTROL, 2), s5 | 1, "SLP_EN reads as 0");
    cr_assert_eq(out16(0, ACPI_PM1_CONTROL, 1 << 10 | ACPI_SLEEP_ENABLE).effect, EFFECT_NONE);
}

Test(acpi_pm, sci_enable_stays)
{
    out16(0, ACPI_PM1_CONTROL, 0);
    cr_assert_eq(in(0, ACPI_PM1_CONTROL, 2), 1);
}

Test(acpi_pm, overflow_interrupts_until_cleared)
{
    u64 half = time_of_tick(1ull << 31, ACPI_PM_TIMER_HZ);
    struct access access = out16(0, ACPI_PM1_ENABLE, 0x0001);

    cr_assert_eq(access.effect, EFFECT_TIMER_SET);
    cr_assert_eq(access.effect_value, half);
    acpi_pm_ops.advance(&pm, half - 1);
    cr_assert_eq(acpi_pm_ops.line(&pm), LINE_LOW);
    acpi_pm_ops.advance(&pm, half);
    cr_assert_eq(acpi_pm_ops.line(&pm), LINE_HIGH);
    cr_assert_eq(acpi_pm_ops.deadline(&pm), NEVER);
    cr_assert_eq(in(half, ACPI_PM1_STATUS, 2), 1);
    access = out16(half, ACPI_PM1_STATUS, 1);
    cr_assert_eq(acpi_pm_ops.line(&pm), LINE_LOW);
    cr_assert_eq(access.effect_value, time_of_tick(2ull << 31, ACPI_PM_TIMER_HZ));
}

Test(acpi_pm, overflow_is_seen_without_the_interrupt)
{
    u64 late = time_of_tick(3ull << 31, ACPI_PM_TIMER_HZ);

    cr_assert_eq(in(late, ACPI_PM1_STATUS, 2), 1);
    cr_assert_eq(acpi_pm_ops.line(&pm), LINE_LOW);
    out16(late, ACPI_PM1_STATUS, 0xfffe);
    cr_assert_eq(in(late, ACPI_PM1_STATUS, 2), 1, "zeros clear nothing");
    out16(late, ACPI_PM1_STATUS, 0xffff);
    cr_assert_eq(in(late, ACPI_PM1_STATUS, 2), 0);
    cr_assert_eq(acpi_pm_ops.deadline(&pm), NEVER);
}

Test(acpi_pm, enable_keeps_the_bits_that_exist)
{
    port_access(&acpi_pm_ops, &pm, 0, 0, 4, true, 0xffffffff);
    cr_assert_eq(in(0, 0, 4), 0x07210000);
}

Test(acpi_pm, reset_by_cf9)
{
    struct reset state;

    reset_reset(&state);
    cr_assert_eq(port_out(&reset_ops, &state, 0, 0, 0x02).effect, EFFECT_NONE);
    cr_assert_eq(port_in(&reset_ops, &state, 0, 0), 0x02);
    cr_assert_eq(port_out(&reset_ops, &state, 0, 0, 0x06).effect, EFFECT_RESET);
}

Test(acpi_pm, reset_by_keyboard_controller)
{
    struct reset state;

    reset_reset(&state);
    cr_assert_eq(port_out(&keyboard_ops, &state, 0, 0, 0xfe).effect, EFFECT_RESET);
    cr_assert_eq(port_out(&keyboard_ops, &state, 0, 0, 0xff).effect, EFFECT_NONE);
    cr_assert_eq(port_out(&keyboard_ops, &state, 0, 0, 0xae).effect, EFFECT_NONE);
    cr_assert_eq(port_in(&keyboard_ops, &state, 0, 0) & 0x02, 0, "a command may be sent");
}

Test(acpi_pm, debug_exit_takes_any_size)
{
    struct debug_exit state;
    struct access access;

    debug_exit_reset(&state);
    access = port_access(&debug_exit_ops, &state, 0, 0, 4, true, 0xdeadbeef);
    cr_assert_eq(access.effect, EFFECT_DEBUG_EXIT);
    cr_assert_eq(access.effect_value, 0xdeadbeef);
    cr_assert_eq(port_out(&debug_exit_ops, &state, 0, 0, 0).effect, EFFECT_DEBUG_EXIT);
    cr_assert_eq(port_access(&debug_exit_ops, &state, 0, 0, 2, false, 0).value, 0xffff);
}
