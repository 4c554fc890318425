/*
 * An 8254 interval timer with the PC's port 0x61 (gate and output of counter 2).
 * All counters are functions of guest time; nothing runs between accesses.
 */
#ifndef CORE_DEVICES_PIT_H
#define CORE_DEVICES_PIT_H

#include "core/bus.h"

enum { PIT_PORTS = 4, SPEAKER_PORTS = 1, PIT_CHANNELS = 3 };

struct pit_channel {
    u64 start;       /* tick at which `reload` went into the counter */
    u64 switch_tick; /* tick at which `written` takes the place of `reload` (modes 2, 3), or NEVER
                      */
    u64 held;        /* ticks counted so far, while the gate holds the counter */
    u32 written;     /* the count last written, 1..65536; 0: none since the control word */
    u32 reload;      /* the count in use, 1..65536 */
    u16 latch;       /* the count, latched */
    u8 latched;      /* bytes of `latch` that are still to be read */
    u8 status;       /* the status byte, latched */
    u8 status_latched;
    u8 mode;                  /* 0..5 */
    u8 bytes;                 /* control word bits 5..4: 1 low, 2 high, 3 low then high */
    u8 bcd;                   /* counts in decimal */
    u8 low;                   /* first byte of a two-byte write */
    u8 write_high, read_high; /* the next byte of a two-byte access is the high one */
    u8 gate;
    u8 running;     /* a count is loaded and (modes 1, 5) triggered */
    u8 reserved[3]; /* no padding: the state is hashed as bytes */
};

struct pit {
    struct pit_channel channel[PIT_CHANNELS];
    u64 edge;   /* tick at which channel 0's output rises next, or NEVER */
    u8 pulse;   /* it has risen since `line` was read */
    u8 speaker; /* port 0x61 bits 0..3 as written */
    u8 reserved[6];
};

/* Two regions share one struct pit: ports 0x40..0x43 and 0x61. The interrupt and
 * the deadline belong to pit_ops. */
extern const struct device_ops pit_ops, speaker_ops;

void pit_reset(struct pit *);

#endif
