/*
 * The two ways in which a PC's software pulls the reset line: the reset control
 * register at port 0xcf9 and the keyboard controller's command 0xfe at port 0x64.
 */
#ifndef CORE_DEVICES_RESET_H
#define CORE_DEVICES_RESET_H

#include "core/bus.h"

enum { RESET_PORTS = 1, KEYBOARD_PORTS = 1 };

struct reset {
    u8 control; /* port 0xcf9 as written */
};

/* Two regions share one struct reset: ports 0xcf9 and 0x64. */
extern const struct device_ops reset_ops, keyboard_ops;

void reset_reset(struct reset *);

#endif
