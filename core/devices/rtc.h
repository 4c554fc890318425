/*
 * The PC's real-time clock and CMOS memory, a Motorola MC146818A: ports 0x70
 * (index) and 0x71 (data). What it shows is the epoch plus guest time.
 */
#ifndef CORE_DEVICES_RTC_H
#define CORE_DEVICES_RTC_H

#include "core/bus.h"

enum { RTC_PORTS = 2, RTC_BYTES = 128 };

struct rtc {
    u64 seconds; /* since 1970 UTC, shown at guest time `zero` */
    u64 zero;    /* ns, modulo 2^64: when the clock's divider was at the start of a second */
    u64 settled; /* ns: the flags in register C cover everything up to here */
    u8 index;
    u8 reserved[7];
    u8 bytes[RTC_BYTES]; /* registers and memory; the time registers only while it is stopped */
};

extern const struct device_ops rtc_ops;

/* `epoch`: seconds since 1970 UTC that it shows at guest time 0. */
void rtc_reset(struct rtc *, u64 epoch);

#endif
