/*
 * The guest's two address spaces for devices: ports and MMIO. A device is a
 * plain struct of state and a table of small functions; time is an argument,
 * interrupts are levels that the machine samples. Devices hold no pointers, so
 * that a state is hashed, saved and restored as bytes.
 */
#ifndef CORE_BUS_H
#define CORE_BUS_H

#include "core/types.h"

/* What an access does beyond its device. Told by value and carried out by the
 * machine, so that no device calls another or holds a pointer to one. */
enum effect {
    EFFECT_NONE,
    EFFECT_CONSOLE_OUT, /* effect_value: the byte sent */
    EFFECT_POWER_OFF,
    EFFECT_RESET,
    EFFECT_DEBUG_EXIT, /* effect_value: the code written */
    EFFECT_EOI,        /* effect_value: vector whose level-triggered interrupt ended */
    EFFECT_TIMER_SET,  /* effect_value: the new deadline, guest ns, or NEVER */
    EFFECT_RAISED,     /* effect_value: the vector that the vCPU requested of itself, with */
                       /* EFFECT_MERGED if it was pending already, or EFFECT_NMI */
};

struct access {
    u64 now;   /* guest time in ns; 0 where the region is not `timed` */
    u64 value; /* in: what the guest writes; out: what it reads; zero-extended */
    u8 size;   /* bytes: 1, 2 or 4 on ports; 1, 2, 4 or 8 on MMIO */
    bool write;
    enum effect effect; /* out; the caller sets EFFECT_NONE */
    u64 effect_value;
};

enum { EFFECT_MERGED = 1 << 8, EFFECT_NMI = 1 << 9 };

/* What a device drives on its interrupt line just now. */
enum line { LINE_LOW, LINE_HIGH, LINE_PULSE /* one rising edge, then low; reading it takes it */ };

struct device_ops {
    const char *name;
    size_t state_size; /* bytes of the state struct, for hashing and saving */
    /* One access at `offset` bytes into the device's region. Never fails: a
     * register that does not exist reads as all ones and ignores writes. */
    void (*access)(void *state, u32 offset, struct access *access);
    enum line (*line)(void *state);        /* NULL: no interrupt line */
    u64 (*deadline)(const void *state);    /* next guest time (ns) at which state changes by itself, or NEVER; NULL: never */
    /* Guest time is now `now` (ns, never goes back). Gives how often it would have gone off
     * between its deadline and now, beyond the once that it does. NULL with deadline. */
    u64 (*advance)(void *state, u64 now);
};

/* A range of ports or of guest-physical addresses that one device answers. */
struct region {
    u64 base;
    u64 length;
    const struct device_ops *ops;
    size_t state; /* where the device's state lies in struct machine */
    i8 irq;     /* ISA line 0..15 = GSI 0..23 that `line` drives, or -1 */
    bool timed; /* its registers show guest time: access.now must be filled in */
};

#endif
