/*
 * The MC146818. The C library's gmtime() judges the calendar.
 */
#include "core/devices/rtc.h"
#include "tests/unit/port_access.h"
#include <criterion/criterion.h>
#include <time.h>

#define MS 1000000ull
#define SECOND NANOSECONDS
#define EPOCH 1709210096ull /* 2024-02-29 12:34:56, a Thursday */

static struct rtc rtc;

static u8 get(u64 now, u8 index)
{
    port_out(&rtc_ops, &rtc, now, 0, index);
    return port_in(&rtc_ops, &rtc, now, 1);
}

static struct access set(u64 now, u8 index, u8 byte)
{
    port_out(&rtc_ops, &rtc, now, 0, index);
    return port_out(&rtc_ops, &rtc, now, 1, byte);
}

static u64 deadline(void)
{
    return rtc_ops.deadline(&rtc);
}

static void expect_time(u64 now, const u8 expected[8])
{
    static const u8 indices[8] = {0x32, 9, 8, 7, 6, 4, 2, 0};

    for (int i = 0; i < 8; i++)
        cr_assert_eq(get(now, indices[i]), expected[i], "register %#x is %#x, not %#x", indices[i],
                     get(now, indices[i]), expected[i]);
}

static void reset(void)
{
    rtc_reset(&rtc, EPOCH);
}

TestSuite(rtc, .init = reset);

Test(rtc, shows_the_epoch_plus_guest_time)
{
    expect_time(0, (u8[]){0x20, 0x24, 0x02, 0x29, 5, 0x12, 0x34, 0x56});
    expect_time(SECOND - 1, (u8[]){0x20, 0x24, 0x02, 0x29, 5, 0x12, 0x34, 0x56});
    expect_time(SECOND, (u8[]){0x20, 0x24, 0x02, 0x29, 5, 0x12, 0x34, 0x57});
    expect_time(86400 * SECOND, (u8[]){0x20, 0x24, 0x03, 0x01, 6, 0x12, 0x34, 0x56});
}

Test(rtc, formats)
{
    set(0, 11, 0x06);
    expect_time(0, (u8[]){20, 24, 2, 29, 5, 12, 34, 56});
    set(0, 11, 0x00);
    cr_assert_eq(get(0, 4), 0x92);
    cr_assert_eq(get(12 * 3600 * SECOND, 4), 0x12, "midnight is 12 am");
    cr_assert_eq(get(11 * 3600 * SECOND, 4), 0x91);
    set(0, 11, 0x04);
    cr_assert_eq(get(3600 * SECOND, 4), 0x81);
}

Test(rtc, calendar_agrees_with_gmtime)
{
    rtc_reset(&rtc, 0);
    set(0, 11, 0x06);
    for (u64 seconds = 0; seconds < 17000000000; seconds += 86400ull * 23 + 3601) {
        time_t time = seconds;
        struct tm tm;

        gmtime_r(&time, &tm);
        expect_time(seconds * SECOND,
                    (u8[]){(tm.tm_year + 1900) / 100, tm.tm_year % 100, tm.tm_mon + 1, tm.tm_mday,
                           tm.tm_wday + 1, tm.tm_hour, tm.tm_min, tm.tm_sec});
    }
}

Test(rtc, set_as_linux_does)
{
    static const u8 date[][2] = {{9, 0x99}, {8, 0x12}, {7, 0x31},   {4, 0x23},
                                 {2, 0x59}, {0, 0x58}, {0x32, 0x19}};
    u64 now = 100 * SECOND + 300 * MS;

    set(now, 11, 0x82);
    set(now, 10, 0x76);
    for (u32 i = 0; i < ARRAY_SIZE(date); i++)
        set(now, date[i][0], date[i][1]);
    cr_assert_eq(get(now + 5 * SECOND, 0), 0x58, "it stands still");
    set(now, 11, 0x02);
    set(now, 10, 0x26);
    expect_time(now, (u8[]){0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58});
    cr_assert_eq(get(now + 499 * MS, 0), 0x58);
    cr_assert_eq(get(now + 500 * MS, 0), 0x59, "half a second after the divider's release");
    expect_time(now + 1500 * MS, (u8[]){0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00});
}

Test(rtc, set_while_running)
{
    set(3 * SECOND + 400 * MS, 2, 0x05);
    cr_assert_eq(get(3 * SECOND + 400 * MS, 2), 0x05);
    cr_assert_eq(get(3 * SECOND + 999 * MS, 0), 0x59, "the phase stays");
    cr_assert_eq(get(4 * SECOND, 0), 0x00);
    cr_assert_eq(get(4 * SECOND, 2), 0x06);
}

Test(rtc, update_in_progress)
{
    cr_assert_eq(get(SECOND - 244001, 10), 0x26);
    cr_assert_eq(get(SECOND - 244000, 10), 0xa6);
    cr_assert_eq(get(SECOND, 10), 0x26);
    set(0, 11, 0x82);
    cr_assert_eq(get(SECOND - 1, 10), 0x26, "SET holds updates");
}

Test(rtc, periodic_interrupt)
{
    struct access access = set(0, 11, 0x42);

    cr_assert_eq(access.effect, EFFECT_TIMER_SET);
    cr_assert_eq(deadline(), 976563, "1024 Hz");
    rtc_ops.advance(&rtc, 976562);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_LOW);
    rtc_ops.advance(&rtc, 976563);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_HIGH);
    cr_assert_eq(deadline(), NEVER, "until register C is read");
    cr_assert_eq(get(10 * MS, 12), 0xc0);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_LOW);
    cr_assert_eq(deadline(), 10742188, "the eleventh period");
    set(10 * MS, 10, 0x2f);
    cr_assert_eq(deadline(), 500 * MS);
    set(10 * MS, 10, 0x21);
    cr_assert_eq(deadline(), 11718750, "256 Hz");
    set(10 * MS, 10, 0x20);
    cr_assert_eq(deadline(), NEVER);
}

Test(rtc, update_interrupt)
{
    set(300 * MS, 11, 0x12);
    cr_assert_eq(deadline(), SECOND);
    rtc_ops.advance(&rtc, SECOND);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_HIGH);
    cr_assert_eq(get(SECOND, 12) & 0x90, 0x90);
    cr_assert_eq(deadline(), 2 * SECOND);
    set(SECOND, 11, 0x92);
    cr_assert_eq(deadline(), NEVER);
    cr_assert_eq(get(SECOND, 11), 0x82, "SET clears the enable");
}

Test(rtc, flags_without_interrupt)
{
    cr_assert_eq(get(900 * MS, 12), 0x40);
    cr_assert_eq(get(SECOND, 12), 0x50);
    cr_assert_eq(get(SECOND, 12), 0x00);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_LOW);
}

Test(rtc, alarm_at_a_time_of_day)
{
    set(0, 5, 0x12);
    set(0, 3, 0x35);
    set(0, 1, 0x10);
    set(0, 11, 0x22);
    cr_assert_eq(deadline(), 14 * SECOND);
    rtc_ops.advance(&rtc, 14 * SECOND);
    cr_assert_eq(rtc_ops.line(&rtc), LINE_HIGH);
    cr_assert_eq(get(14 * SECOND, 12) & 0xa0, 0xa0);
    cr_assert_eq(deadline(), (86400 + 14) * SECOND);
    set(14 * SECOND, 5, 0xc0);
    cr_assert_eq(deadline(), (3600 + 14) * SECOND, "each hour");
    set(14 * SECOND, 3, 0xff);
    cr_assert_eq(deadline(), 74 * SECOND, "each minute");
    set(14 * SECOND, 1, 0xff);
    cr_assert_eq(deadline(), 15 * SECOND, "each second");
    set(14 * SECOND, 1, 0x60);
    cr_assert_eq(deadline(), NEVER, "a second that never comes");
}

Test(rtc, alarm_in_12_hour_format)
{
    set(0, 11, 0x00);
    set(0, 5, 0x81); /* 1 pm */
    set(0, 3, 0x00);
    set(0, 1, 0x00);
    set(0, 11, 0x20);
    cr_assert_eq(deadline(), (25 * 60 + 4) * SECOND);
}

Test(rtc, memory_and_read_only_registers)
{
    set(0, 0x0e, 0x11);
    set(0, 0x7f, 0x22);
    cr_assert_eq(get(0, 0x0e), 0x11);
    cr_assert_eq(get(0, 0xff), 0x22, "bit 7 of the index is not part of it");
    set(0, 13, 0);
    cr_assert_eq(get(0, 13), 0x80);
    set(0, 12, 0xff);
    cr_assert_eq(get(0, 12), 0);
    cr_assert_eq(port_in(&rtc_ops, &rtc, 0, 0), 0xff);
}

Test(rtc, impossible_dates_are_carried_over)
{
    set(0, 11, 0x82);
    set(0, 8, 0x00);
    set(0, 7, 0x00);
    cr_assert_eq(get(0, 8), 0x00);
    set(0, 11, 0x02);
    cr_assert_eq(get(0, 8), 0x01);
    cr_assert_eq(get(0, 7), 0x01);
    set(0, 8, 0xff);
    cr_assert_eq(get(0, 9), 0x37, "165 months later");
}
