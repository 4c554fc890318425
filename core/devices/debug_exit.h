/*
 * The debug-exit port: a write ends the run, and the value written is its code.
 * For test guests, which have no other way to tell how they fared.
 */
#ifndef CORE_DEVICES_DEBUG_EXIT_H
#define CORE_DEVICES_DEBUG_EXIT_H

#include "core/bus.h"

enum { DEBUG_EXIT_PORTS = 4 };

struct debug_exit {
    u32 code; /* the value last written */
};

extern const struct device_ops debug_exit_ops;

void debug_exit_reset(struct debug_exit *);

#endif
