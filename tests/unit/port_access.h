/*
 * One access to a device's ports, as the machine would make it.
 */
#ifndef TESTS_UNIT_PORT_ACCESS_H
#define TESTS_UNIT_PORT_ACCESS_H

#include "core/bus.h"

static inline struct access port_access(const struct device_ops *ops, void *state, u64 now,
                                        u32 offset, u8 size, bool write, u64 value)
{
    struct access access = {.now = now, .size = size, .write = write, .value = value};

    ops->access(state, offset, &access);
    return access;
}

/* The effect counts. */
static inline struct access port_out(const struct device_ops *ops, void *state, u64 now, u32 offset,
                                     u8 byte)
{
    return port_access(ops, state, now, offset, 1, true, byte);
}

static inline u8 port_in(const struct device_ops *ops, void *state, u64 now, u32 offset)
{
    return (u8)port_access(ops, state, now, offset, 1, false, 0).value;
}

#endif
