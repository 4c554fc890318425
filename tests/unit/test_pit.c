/*
 * The 8254. Ticks below are ticks of its 1193182 Hz clock; a count written during
 * tick t is in the counter from tick t + 1 on.
 */
#include "core/devices/pit.h"
#include "core/devices/ports.h"
#include "core/devices/ticks.h"
#include "tests/unit/port_access.h"
#include <criterion/criterion.h>

static struct pit pit;

static u64 at(u64 tick)
{
    return time_of_tick(tick, PIT_HZ);
}

static struct access out(u64 tick, u32 port, u8 byte)
{
    return port_out(&pit_ops, &pit, at(tick), port, byte);
}

static u16 in16(u64 tick, u32 port)
{
    u8 low = port_in(&pit_ops, &pit, at(tick), port);

    return low | port_in(&pit_ops, &pit, at(tick), port) << 8;
}

static u8 status(u64 tick, u32 channel)
{
    out(tick, 3, 0xe0 | 2 << channel);
    return port_in(&pit_ops, &pit, at(tick), channel);
}

static void start(u64 tick, u32 channel, u8 mode, u16 count)
{
    out(tick, 3, channel << 6 | 0x30 | mode << 1);
    out(tick, channel, count & 0xff);
    out(tick, channel, count >> 8);
}

static u64 deadline(void)
{
    return pit_ops.deadline(&pit);
}

/* Goes to the next deadline and tells its tick. */
static u64 next_pulse(void)
{
    u64 time = deadline();

    pit_ops.advance(&pit, time - 1);
    cr_assert_eq(pit_ops.line(&pit), LINE_LOW);
    pit_ops.advance(&pit, time);
    cr_assert_eq(pit_ops.line(&pit), LINE_PULSE);
    cr_assert_eq(pit_ops.line(&pit), LINE_LOW, "reading it takes it");
    cr_assert(deadline() > time);
    return ticks_at(time, PIT_HZ);
}

static void reset(void)
{
    pit_reset(&pit);
}

TestSuite(pit, .init = reset);

Test(pit, ticks_and_times_agree_exactly)
{
    const u64 ticks[] = {0, 1, 2, 1193181, 1193182, 1193183, 65536ull * 1000003, 1ull << 53};

    cr_assert_eq(ticks_at(NANOSECONDS, PIT_HZ), PIT_HZ);
    cr_assert_eq(ticks_at(86400 * 365 * NANOSECONDS, PIT_HZ), 86400ull * 365 * PIT_HZ);
    for (u32 i = 0; i < ARRAY_SIZE(ticks); i++) {
        cr_assert_eq(ticks_at(time_of_tick(ticks[i], PIT_HZ), PIT_HZ), ticks[i]);
        if (ticks[i])
            cr_assert_eq(ticks_at(time_of_tick(ticks[i], PIT_HZ) - 1, PIT_HZ), ticks[i] - 1);
    }
    cr_assert_eq(time_of_tick(NEVER, PIT_HZ), NEVER);
}

Test(pit, is_silent_at_reset)
{
    cr_assert_eq(deadline(), NEVER);
    cr_assert_eq(pit_ops.line(&pit), LINE_LOW);
}

Test(pit, rate_generator_pulses_each_period)
{
    start(100, 0, 2, 1000);
    cr_assert_eq(next_pulse(), 1101);
    cr_assert_eq(next_pulse(), 2101);
    cr_assert_eq(next_pulse(), 3101);
}

Test(pit, square_wave_pulses_each_period)
{
    start(0, 0, 3, 0); /* 65536 */
    cr_assert_eq(next_pulse(), 65537);
    cr_assert_eq(next_pulse(), 2 * 65536 + 1);
}

Test(pit, missed_periods_make_one_pulse)
{
    start(0, 0, 2, 10);
    pit_ops.advance(&pit, at(55));
    cr_assert_eq(pit_ops.line(&pit), LINE_PULSE);
    cr_assert_eq(pit_ops.line(&pit), LINE_LOW);
    cr_assert_eq(next_pulse(), 61);
}

Test(pit, one_shot_pulses_once)
{
    start(7, 0, 0, 300);
    cr_assert_eq(next_pulse(), 308);
    cr_assert_eq(deadline(), NEVER);
    out(400, 0, 5);
    cr_assert_eq(deadline(), NEVER, "the first byte stops it");
    cr_assert_eq(status(400, 0) & 0x80, 0);
    out(401, 0, 0);
    cr_assert_eq(next_pulse(), 407);
}

Test(pit, software_strobe_pulses_once)
{
    start(0, 0, 4, 50);
    cr_assert_eq(status(50, 0) & 0x80, 0x80);
    cr_assert_eq(status(51, 0) & 0x80, 0x00);
    cr_assert_eq(status(52, 0) & 0x80, 0x80);
    cr_assert_eq(pit_ops.line(&pit), LINE_PULSE);
    start(100, 0, 4, 50);
    cr_assert_eq(next_pulse(), 152);
    cr_assert_eq(deadline(), NEVER);
}

Test(pit, programming_tells_the_new_deadline)
{
    struct access access;

    out(0, 3, 0x34);
    out(0, 0, 0x10);
    access = out(0, 0, 0x27);
    cr_assert_eq(access.effect, EFFECT_TIMER_SET);
    cr_assert_eq(access.effect_value, at(10001));
    cr_assert_eq(deadline(), at(10001));
    access = out(20, 3, 0x30);
    cr_assert_eq(access.effect, EFFECT_TIMER_SET);
    cr_assert_eq(access.effect_value, NEVER);
    cr_assert_eq(out(20, 3, 0xb6).effect, EFFECT_NONE, "channel 2 sets no timer");
}

Test(pit, new_period_begins_when_the_old_one_ends)
{
    start(0, 0, 2, 1000);
    out(500, 0, 200);
    out(500, 0, 0);
    cr_assert_eq(status(500, 0) & 0x40, 0x40, "not in the counter yet");
    cr_assert_eq(in16(500, 0), 1000 - 499);
    cr_assert_eq(next_pulse(), 1001);
    cr_assert_eq(status(1001, 0) & 0x40, 0);
    cr_assert_eq(next_pulse(), 1201);
}

Test(pit, a_held_counter_waits_with_its_new_period)
{
    port_out(&speaker_ops, &pit, at(0), 0, 0x01);
    start(0, 2, 2, 1000);
    port_out(&speaker_ops, &pit, at(100), 0, 0x00);
    out(200, 2, 50);
    out(200, 2, 0);
    cr_assert_eq(in16(5000, 2), 1000 - 99);
    port_out(&speaker_ops, &pit, at(6000), 0, 0x01);
    cr_assert_eq(in16(6001, 2), 50, "the gate loads it");
    cr_assert_eq(in16(6011, 2), 40);
}

Test(pit, counts_as_read_in_each_mode)
{
    start(0, 0, 0, 1000);
    cr_assert_eq(in16(0, 0), 1000);
    cr_assert_eq(in16(11, 0), 990);
    cr_assert_eq(in16(1001, 0), 0);
    cr_assert_eq(in16(1002, 0), 0xffff, "it goes on below zero");
    start(2000, 0, 2, 1000);
    cr_assert_eq(in16(3000, 0), 1);
    cr_assert_eq(in16(3001, 0), 1000);
    start(4000, 0, 3, 1000);
    cr_assert_eq(in16(4001, 0), 1000);
    cr_assert_eq(in16(4002, 0), 998);
    cr_assert_eq(in16(4500, 0), 2);
    cr_assert_eq(in16(4501, 0), 1000);
    start(6000, 0, 3, 5);
    const u16 odd[] = {4, 2, 0, 4, 2, 4};
    for (u32 i = 0; i < ARRAY_SIZE(odd); i++)
        cr_assert_eq(in16(6001 + i, 0), odd[i]);
    start(7000, 0, 4, 10);
    cr_assert_eq(in16(7012, 0), 0xffff);
}

Test(pit, bcd)
{
    out(0, 3, 0x35);
    out(0, 0, 0x00);
    out(0, 0, 0x10);
    cr_assert_eq(in16(2, 0), 0x0999);
    cr_assert_eq(next_pulse(), 1001);
    out(2000, 3, 0x31);
    out(2000, 0, 0);
    out(2000, 0, 0);
    cr_assert_eq(in16(2002, 0), 0x9999);
    cr_assert_eq(deadline(), at(12001));
}

Test(pit, latched_count_stays_until_read)
{
    start(0, 0, 0, 5000);
    out(101, 3, 0x00);
    out(201, 3, 0x00);
    cr_assert_eq(in16(301, 0), 4900);
    cr_assert_eq(in16(301, 0), 4700);
}

Test(pit, a_latch_between_two_bytes_gives_the_high_one)
{
    start(0, 0, 0, 0x5000);
    cr_assert_eq(port_in(&pit_ops, &pit, at(1), 0), 0x00);
    out(0x1001, 3, 0x00);
    cr_assert_eq(port_in(&pit_ops, &pit, at(0x2000), 0), 0x40);
    cr_assert_eq(in16(0x2001, 0), 0x3000);
}

Test(pit, bytes_as_the_control_word_says)
{
    out(0, 3, 0x20); /* high byte only */
    out(0, 0, 0x12);
    cr_assert_eq(port_in(&pit_ops, &pit, at(1), 0), 0x12);
    cr_assert_eq(port_in(&pit_ops, &pit, at(2), 0), 0x11);
    out(2, 3, 0x00);
    cr_assert_eq(port_in(&pit_ops, &pit, at(900), 0), 0x11);
    out(1000, 3, 0x10); /* low byte only */
    out(1000, 0, 0x80);
    cr_assert_eq(port_in(&pit_ops, &pit, at(1001), 0), 0x80);
    cr_assert_eq(port_in(&pit_ops, &pit, at(1002), 0), 0x7f);
    cr_assert_eq(port_in(&pit_ops, &pit, at(0), 3), 0xff);
}

Test(pit, read_back_gives_status_then_count)
{
    start(0, 0, 2, 1000);
    start(0, 2, 3, 1000);
    out(11, 3, 0xc0 | 0x02 | 0x08);
    cr_assert_eq(port_in(&pit_ops, &pit, at(500), 0), 0x80 | 0x30 | 2 << 1);
    cr_assert_eq(in16(500, 0), 990);
    cr_assert_eq(port_in(&pit_ops, &pit, at(500), 2) & 0x3f, 0x30 | 3 << 1);
    out(500, 3, 0x30);
    cr_assert_eq(status(500, 0), 0x40 | 0x30, "no count yet, output low");
}

Test(pit, speaker_port_gates_channel_2)
{
    /* Linux's quick_pit_calibrate: gate on, speaker off, mode 0. */
    port_out(&speaker_ops, &pit, at(0), 0, 0x01);
    start(10, 2, 0, 100);
    cr_assert_eq(port_in(&speaker_ops, &pit, at(110), 0) & 0x2f, 0x01);
    cr_assert_eq(port_in(&speaker_ops, &pit, at(111), 0) & 0x2f, 0x21);
    cr_assert_eq(deadline(), NEVER);
    start(200, 2, 0, 100);
    port_out(&speaker_ops, &pit, at(241), 0, 0x00); /* holds it at 60 */
    cr_assert_eq(in16(1000, 2), 60);
    port_out(&speaker_ops, &pit, at(1000), 0, 0x01);
    cr_assert_eq(in16(1010, 2), 50);
    cr_assert_eq(port_in(&speaker_ops, &pit, at(1060), 0) & 0x20, 0x20);
}

Test(pit, gate_triggers_modes_1_and_5)
{
    start(0, 2, 1, 100);
    cr_assert_eq(status(50, 2) & 0x80, 0x80, "it waits for its trigger");
    port_out(&speaker_ops, &pit, at(60), 0, 0x01);
    cr_assert_eq(status(61, 2) & 0x80, 0);
    cr_assert_eq(status(160, 2) & 0x80, 0);
    cr_assert_eq(status(161, 2) & 0x80, 0x80);
    start(200, 2, 5, 10);
    port_out(&speaker_ops, &pit, at(201), 0, 0x00);
    port_out(&speaker_ops, &pit, at(210), 0, 0x01);
    cr_assert_eq(status(220, 2) & 0x80, 0x80);
    cr_assert_eq(status(221, 2) & 0x80, 0x00);
    cr_assert_eq(status(222, 2) & 0x80, 0x80);
}

Test(pit, low_gate_stops_a_periodic_mode)
{
    port_out(&speaker_ops, &pit, at(0), 0, 0x01);
    start(0, 2, 3, 1000);
    cr_assert_eq(status(700, 2) & 0x80, 0);
    port_out(&speaker_ops, &pit, at(700), 0, 0x00);
    cr_assert_eq(status(700, 2) & 0x80, 0x80);
    port_out(&speaker_ops, &pit, at(5000), 0, 0x01);
    cr_assert_eq(in16(5001, 2), 1000, "it starts anew");
}

Test(pit, refresh_bit_toggles)
{
    u8 first = port_in(&speaker_ops, &pit, 0, 0);

    cr_assert_eq((first ^ port_in(&speaker_ops, &pit, 15085, 0)) & 0x10, 0x10);
    cr_assert_eq((first ^ port_in(&speaker_ops, &pit, 30170, 0)) & 0x10, 0);
}

Test(pit, modes_6_and_7_are_2_and_3)
{
    start(0, 0, 6, 10);
    cr_assert_eq(status(5, 0) >> 1 & 7, 2);
    start(0, 0, 7, 10);
    cr_assert_eq(status(5, 0) >> 1 & 7, 3);
}
