/*
 * The carrier's clocks: how fast its TSC runs and what its CMOS clock says. The
 * TSC's frequency is what the mission says; failing that it is measured by the
 * 8254 (channel 2, which needs no interrupt), and CPUID leaf 0x15 refines that
 * where it agrees. Bochs's leaf 0x15 does not agree. SDM 18.7.3; 8254 data sheet.
 */
#include "vmx/image/image.h"
#include "vmx/image/ports.h"

enum {
    PIT_CHANNEL_2 = 0x42,
    PIT_MODE = 0x43,
    PIT_GATE = 0x61,
    GATE_ON = 1u << 0,
    SPEAKER_ON = 1u << 1,
    OUTPUT_HIGH = 1u << 5,
    MODE_ONE_SHOT = 0xb0, /* channel 2, both bytes, mode 0 */
    PIT_HZ = 1193182,
    MEASURE_TICKS = 23864, /* 20 ms */
    MEASURE_PATIENCE = 10000000,
};

/* 0: the 8254 did not answer. */
static u64 measure_tsc_hz(void)
{
    u8 before = port_read(PIT_GATE);
    u64 start, ticks;
    u32 looks = 0;

    port_write(PIT_GATE, (u8)((before & ~SPEAKER_ON) | GATE_ON));
    port_write(PIT_MODE, MODE_ONE_SHOT);
    port_write(PIT_CHANNEL_2, MEASURE_TICKS & 0xff);
    port_write(PIT_CHANNEL_2, MEASURE_TICKS >> 8);
    start = host_tsc();
    while (!(port_read(PIT_GATE) & OUTPUT_HIGH) && looks < MEASURE_PATIENCE)
        looks++;
    ticks = host_tsc() - start;
    port_write(PIT_GATE, before);
    return looks < MEASURE_PATIENCE ? ticks * PIT_HZ / MEASURE_TICKS : 0;
}

static void cpuid(u32 leaf, u32 r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

/* What leaf 0x15 says, or 0. */
static u64 declared_tsc_hz(void)
{
    u32 r[4];

    cpuid(0, r);
    if (r[0] < 0x15)
        return 0;
    cpuid(0x15, r);
    return r[0] && r[1] ? (u64)r[2] * r[1] / r[0] : 0;
}

u64 host_tsc_hz(u64 told)
{
    u64 measured, declared, difference;

    if (told)
        return told;
    measured = measure_tsc_hz();
    declared = declared_tsc_hz();
    difference = max_u64(measured, declared) - min_u64(measured, declared);
    return measured && difference > measured / 20 ? measured : declared;
}

enum { CMOS_INDEX = 0x70, CMOS_DATA = 0x71, CMOS_UPDATING = 0x80, CMOS_CENTURY = 0x32 };
enum { CMOS_BINARY = 1u << 2, CMOS_24_HOURS = 1u << 1, CMOS_PM = 0x80 };

static u8 cmos_read(u8 index)
{
    port_write(CMOS_INDEX, index | 0x80); /* NMI stays masked while the index is set */
    return port_read(CMOS_DATA);
}

struct cmos_time {
    u8 second, minute, hour, day, month, year, century;
};

static struct cmos_time cmos_read_time(void)
{
    for (u32 i = 0; i < 1000000 && (cmos_read(0x0a) & CMOS_UPDATING); i++)
        ;
    return (struct cmos_time){cmos_read(0), cmos_read(2), cmos_read(4),           cmos_read(7),
                              cmos_read(8), cmos_read(9), cmos_read(CMOS_CENTURY)};
}

static u32 from_bcd(u8 value, u8 format)
{
    return format & CMOS_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static u64 days_since_1970(u64 year, u32 month, u32 day)
{
    static const u16 before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    u64 past = month > 2 ? year : year - 1; /* leap days count from March on */

    return year * 365 + past / 4 - past / 100 + past / 400 + before_month[(month - 1) % 12] + day -
           1 - 719527;
}

u64 host_seconds(void)
{
    struct cmos_time t = cmos_read_time();
    u8 format = cmos_read(0x0b);
    u32 century = from_bcd(t.century, format);
    u32 hour = from_bcd(t.hour & (u8)~CMOS_PM, format);
    u64 year = (century >= 19 && century <= 29 ? century : 20) * 100u + from_bcd(t.year, format);

    port_write(CMOS_INDEX, 0x0d); /* NMI on again */
    if (!(format & CMOS_24_HOURS))
        hour = hour % 12 + (t.hour & CMOS_PM ? 12 : 0);
    return days_since_1970(year, from_bcd(t.month, format), from_bcd(t.day, format)) * 86400 +
           hour * 3600ull + from_bcd(t.minute, format) * 60ull + from_bcd(t.second, format);
}
