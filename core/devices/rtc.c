/*
 * The MC146818A (Motorola data sheet) with the PC's century byte at 0x32. The
 * square-wave output and daylight saving are accepted and have no effect; the
 * battery is always good. The day of the week follows from the date.
 *
 * The clock is arithmetic on guest time. It stands still, and the time registers
 * are plain memory, while the guest holds it (SET) or its divider (in reset).
 * Flags in register C are settled when a register is accessed or a deadline
 * comes, and then cover everything since they were settled last.
 */
#include "core/devices/rtc.h"
#include "core/devices/byte_ports.h"
#include "core/devices/ticks.h"

enum {
    SECONDS = 0,
    SECONDS_ALARM = 1,
    MINUTES = 2,
    MINUTES_ALARM = 3,
    HOURS = 4,
    HOURS_ALARM = 5,
    WEEKDAY = 6,
    DAY = 7,
    MONTH = 8,
    YEAR = 9,
    REG_A = 10,
    REG_B = 11,
    REG_C = 12,
    REG_D = 13,
    CENTURY = 0x32,
};
enum { PORT_INDEX = 0, INDEX_BITS = 0x7f };
enum { A_UPDATING = 0x80, A_DIVIDER = 0x70, A_DIVIDER_RESET = 0x60, A_RATE = 0x0f };
enum { B_HOURS_24 = 0x02, B_BINARY = 0x04, B_SET = 0x80 };
/* Flags in register C; the same bits in register B enable their interrupts. */
enum { UPDATE = 0x10, ALARM = 0x20, PERIODIC = 0x40, C_REQUEST = 0x80 };
static const u8 events[] = {UPDATE, ALARM, PERIODIC};
enum { D_VALID = 0x80 };
enum { HOURS_PM = 0x80, ALARM_ANY = 0xc0 };
enum { CRYSTAL = 32768, UPDATE_WARNING = 244000 /* ns between UIP and the update */ };
enum { DAY_SECONDS = 86400, HALF_SECOND = NANOSECONDS / 2 };

/* --- dates --- */

struct date {
    u64 year;       /* 1970.. */
    u32 month, day; /* 1.. */
};

/* Days from 1970-01-01. Years are counted from March, so that the leap day comes
 * last and month lengths follow one formula; the era has 400 years. */
static u64 days_of_date(struct date date)
{
    u64 year = date.month > 2 ? date.year : date.year - 1;
    u32 month = (date.month + 9) % 12; /* March is 0 */
    u64 leap_days = year / 4 - year / 100 + year / 400;

    return year * 365 + leap_days + (153 * month + 2) / 5 + date.day - 1 - 719468;
}

static struct date date_of_days(u64 days)
{
    u64 since = days + 719468; /* since the first of March of year 0 */
    u64 era = since / 146097, of_era = since % 146097;
    u64 year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    u32 of_year = of_era - (365 * year + year / 4 - year / 100);
    u32 month = (5 * of_year + 2) / 153; /* March is 0 */
    struct date date = {.day = of_year - (153 * month + 2) / 5 + 1, .month = (month + 2) % 12 + 1};

    date.year = era * 400 + year + (date.month <= 2);
    return date;
}

/* --- register formats --- */

static u8 encode(const struct rtc *rtc, u32 value)
{
    return rtc->bytes[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static u32 decode(const struct rtc *rtc, u8 byte)
{
    return rtc->bytes[REG_B] & B_BINARY ? byte : (byte >> 4) * 10u + (byte & 15);
}

static u8 encode_hour(const struct rtc *rtc, u32 hour)
{
    if (rtc->bytes[REG_B] & B_HOURS_24)
        return encode(rtc, hour);
    return encode(rtc, (hour + 11) % 12 + 1) | (hour >= 12 ? HOURS_PM : 0);
}

static u32 decode_hour(const struct rtc *rtc, u8 byte)
{
    if (rtc->bytes[REG_B] & B_HOURS_24)
        return decode(rtc, byte);
    return decode(rtc, byte & ~HOURS_PM) % 12 + (byte & HOURS_PM ? 12 : 0);
}

static bool is_time_register(u32 index)
{
    return index == SECONDS || index == MINUTES || index == HOURS ||
           (index >= WEEKDAY && index <= YEAR) || index == CENTURY;
}

/* Fills the time registers with `seconds` since 1970. */
static void store_time(struct rtc *rtc, u64 seconds)
{
    u64 days = seconds / DAY_SECONDS;
    u32 of_day = seconds % DAY_SECONDS;
    struct date date = date_of_days(days);
    u8 *bytes = rtc->bytes;

    bytes[SECONDS] = encode(rtc, of_day % 60);
    bytes[MINUTES] = encode(rtc, of_day / 60 % 60);
    bytes[HOURS] = encode_hour(rtc, of_day / 3600);
    bytes[WEEKDAY] = encode(rtc, (days + 4) % 7 + 1); /* 1970 began with a Thursday; Sunday is 1 */
    bytes[DAY] = encode(rtc, date.day);
    bytes[MONTH] = encode(rtc, date.month);
    bytes[YEAR] = encode(rtc, date.year % 100);
    bytes[CENTURY] = encode(rtc, date.year / 100 % 100);
}

/* Seconds since 1970 that the time registers say. Values that no clock shows are
 * carried over (a month 13 is January of the next year); before 1970 is 1970. */
static u64 load_time(const struct rtc *rtc)
{
    const u8 *bytes = rtc->bytes;
    u32 months = max_u64(decode(rtc, bytes[MONTH]), 1) - 1;
    struct date date = {
        .year = decode(rtc, bytes[CENTURY]) * 100 + decode(rtc, bytes[YEAR]) + months / 12,
        .month = months % 12 + 1,
        .day = max_u64(decode(rtc, bytes[DAY]), 1),
    };

    if (date.year < 1970)
        date = (struct date){1970, 1, 1};
    return days_of_date(date) * DAY_SECONDS + decode_hour(rtc, bytes[HOURS]) * 3600 +
           decode(rtc, bytes[MINUTES]) * 60 + decode(rtc, bytes[SECONDS]);
}

/* --- the running clock --- */

static bool divider_runs(const struct rtc *rtc)
{
    return (rtc->bytes[REG_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

static bool clock_runs(const struct rtc *rtc)
{
    return divider_runs(rtc) && !(rtc->bytes[REG_B] & B_SET);
}

static u64 seconds_at(const struct rtc *rtc, u64 now)
{
    return rtc->seconds + (now - rtc->zero) / NANOSECONDS;
}

/* The clock shows `seconds` from now on; the divider's phase stays. */
static void set_seconds(struct rtc *rtc, u64 seconds, u64 now)
{
    rtc->seconds = seconds;
    rtc->zero = now - (now - rtc->zero) % NANOSECONDS;
}

/* Guest time that is `after` ns after the divider's zero, or NEVER where 64 bits
 * end: `zero` may be "before 0", that is near 2^64. */
static u64 time_after_zero(const struct rtc *rtc, u64 after)
{
    u64 at = rtc->zero + after;

    return after == NEVER || at < rtc->settled ? NEVER : at;
}

static u64 next_update(const struct rtc *rtc)
{
    u64 second = (rtc->settled - rtc->zero) / NANOSECONDS + 1;

    return clock_runs(rtc) ? time_after_zero(rtc, time_of_tick(second, 1)) : NEVER;
}

/* Rates 1 and 2 are the same as 8 and 9 with the usual 32 kHz time base. */
static u64 next_period(const struct rtc *rtc)
{
    u32 rate = rtc->bytes[REG_A] & A_RATE;
    u32 period = 1u << ((rate < 3 ? rate + 7 : rate) - 1); /* in cycles of the crystal */
    u64 cycle = ticks_at(rtc->settled - rtc->zero, CRYSTAL) / period * period + period;

    if (!rate || !divider_runs(rtc))
        return NEVER;
    return time_after_zero(rtc, time_of_tick(cycle, CRYSTAL));
}

/* What an alarm register asks for: -1: any value will do; a value out of range never comes. */
static int alarm_value(const struct rtc *rtc, u32 index)
{
    u8 byte = rtc->bytes[index];

    if (byte >= ALARM_ANY)
        return -1;
    return index == HOURS_ALARM ? decode_hour(rtc, byte) : decode(rtc, byte);
}

static bool agrees(int wanted, u32 value)
{
    return wanted < 0 || (u32)wanted == value;
}

/* The first second after `seconds` whose time of day the alarm registers match,
 * or NEVER. Goes from hour to hour, then minute to minute, then second to second. */
static u64 next_alarm_second(const struct rtc *rtc, u64 seconds)
{
    int hour = alarm_value(rtc, HOURS_ALARM), minute = alarm_value(rtc, MINUTES_ALARM);
    int second = alarm_value(rtc, SECONDS_ALARM);
    u64 at = seconds + 1;

    if (hour > 23 || minute > 59 || second > 59)
        return NEVER;
    for (;;) {
        if (!agrees(hour, at / 3600 % 24))
            at = (at / 3600 + 1) * 3600;
        else if (!agrees(minute, at / 60 % 60))
            at = (at / 60 + 1) * 60;
        else if (!agrees(second, at % 60))
            at++;
        else
            return at;
    }
}

static u64 next_alarm(const struct rtc *rtc)
{
    u64 at;

    if (!clock_runs(rtc))
        return NEVER;
    at = next_alarm_second(rtc, seconds_at(rtc, rtc->settled));
    return at == NEVER ? NEVER : time_after_zero(rtc, time_of_tick(at - rtc->seconds, 1));
}

static u64 next_event(const struct rtc *rtc, u8 event)
{
    if (event == PERIODIC)
        return next_period(rtc);
    return event == ALARM ? next_alarm(rtc) : next_update(rtc);
}

static void settle(struct rtc *rtc, u64 now)
{
    u8 flags = rtc->bytes[REG_C];

    for (u32 i = 0; i < ARRAY_SIZE(events); i++)
        if (next_event(rtc, events[i]) <= now)
            flags |= events[i];
    rtc->bytes[REG_C] = flags;
    rtc->settled = now;
}

/* Events that raise the interrupt; one whose flag is set already changes nothing. */
static u64 deadline(const void *state)
{
    const struct rtc *rtc = state;
    u8 awaited = rtc->bytes[REG_B] & ~rtc->bytes[REG_C];
    u64 first = NEVER;

    for (u32 i = 0; i < ARRAY_SIZE(events); i++)
        if (awaited & events[i])
            first = min_u64(first, next_event(rtc, events[i]));
    return first;
}

/* Whatever falls together sets flags that stand until they are read: the line rises once. */
static u64 advance(void *state, u64 now)
{
    if (now >= deadline(state))
        settle(state, now);
    return 0;
}

static bool requests(const struct rtc *rtc)
{
    return rtc->bytes[REG_B] & rtc->bytes[REG_C] & (UPDATE | ALARM | PERIODIC);
}

static enum line line(void *state)
{
    return requests(state) ? LINE_HIGH : LINE_LOW;
}

/* --- registers --- */

static u8 read_a(const struct rtc *rtc, u64 now)
{
    u64 in_second = (now - rtc->zero) % NANOSECONDS;
    bool updating = clock_runs(rtc) && in_second >= NANOSECONDS - UPDATE_WARNING;

    return rtc->bytes[REG_A] | (updating ? A_UPDATING : 0);
}

static u8 read_c(struct rtc *rtc)
{
    u8 flags = rtc->bytes[REG_C] | (requests(rtc) ? C_REQUEST : 0);

    rtc->bytes[REG_C] = 0;
    return flags;
}

static u8 read_port(void *state, u32 port, struct access *access)
{
    struct rtc *rtc = state;

    if (port == PORT_INDEX)
        return 0xff; /* write-only on a PC */
    if (rtc->index == REG_A)
        return read_a(rtc, access->now);
    if (rtc->index == REG_C)
        return read_c(rtc);
    if (rtc->index == REG_D)
        return D_VALID;
    if (is_time_register(rtc->index) && clock_runs(rtc))
        store_time(rtc, seconds_at(rtc, access->now));
    return rtc->bytes[rtc->index];
}

/* Writes a register that may stop or start the clock or change its format. A clock
 * that stops leaves its time in the registers; one that starts takes it from there. */
static void write_control(struct rtc *rtc, u8 byte, u64 now)
{
    bool ran = clock_runs(rtc), divider_ran = divider_runs(rtc);

    if (ran)
        store_time(rtc, seconds_at(rtc, now));
    rtc->bytes[rtc->index] = byte;
    if (!divider_ran && divider_runs(rtc))
        rtc->zero = now - HALF_SECOND; /* the first update comes half a second later */
    if (!ran && clock_runs(rtc))
        set_seconds(rtc, load_time(rtc), now);
}

static void write_time(struct rtc *rtc, u8 byte, u64 now)
{
    bool runs = clock_runs(rtc);

    if (runs)
        store_time(rtc, seconds_at(rtc, now));
    rtc->bytes[rtc->index] = byte;
    if (runs)
        set_seconds(rtc, load_time(rtc), now);
}

static void write_data(struct rtc *rtc, u8 byte, u64 now)
{
    switch (rtc->index) {
    case REG_A:
        write_control(rtc, byte & ~A_UPDATING, now);
        break;
    case REG_B: /* setting SET ends the interrupt that updates would raise */
        write_control(rtc, byte & B_SET ? byte & ~UPDATE : byte, now);
        break;
    case REG_C:
    case REG_D:
        break; /* read-only */
    default:
        if (is_time_register(rtc->index))
            write_time(rtc, byte, now);
        else
            rtc->bytes[rtc->index] = byte;
    }
}

static void write_port(void *state, u32 port, u8 byte, struct access *access)
{
    struct rtc *rtc = state;

    if (port == PORT_INDEX)
        rtc->index = byte & INDEX_BITS; /* bit 7 masks the NMI, which nobody raises */
    else
        write_data(rtc, byte, access->now);
}

static const struct byte_ports ports = {RTC_PORTS, read_port, write_port};

static void access_ports(void *state, u32 offset, struct access *access)
{
    struct rtc *rtc = state;
    u64 before = deadline(rtc);

    settle(rtc, access->now);
    access_byte_ports(&ports, rtc, offset, access);
    if (deadline(rtc) != before) {
        access->effect = EFFECT_TIMER_SET;
        access->effect_value = deadline(rtc);
    }
}

void rtc_reset(struct rtc *rtc, u64 epoch)
{
    *rtc = (struct rtc){.seconds = epoch};
    rtc->bytes[REG_A] = 0x26; /* 32 kHz time base, 1024 Hz periodic rate */
    rtc->bytes[REG_B] = B_HOURS_24;
}

const struct device_ops rtc_ops = {
    .name = "rtc",
    .state_size = sizeof(struct rtc),
    .access = access_ports,
    .line = line,
    .deadline = deadline,
    .advance = advance,
};
