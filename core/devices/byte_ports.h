/*
 * Wide accesses to byte-wide devices. The ISA bus splits a 16- or 32-bit access
 * into byte accesses at rising addresses, so a device needs to know bytes only.
 */
#ifndef CORE_DEVICES_BYTE_PORTS_H
#define CORE_DEVICES_BYTE_PORTS_H

#include "core/bus.h"

struct byte_ports {
    u32 ports; /* bytes beyond it belong to nobody: they read as all ones */
    u8 (*read)(void *state, u32 port, struct access *access);
    void (*write)(void *state, u32 port, u8 byte, struct access *access);
};

static __attribute__((noinline, unused)) void
access_bytes(const struct byte_ports *device, void *state, u32 offset, struct access *access)
{
    u64 value = 0;

    for (u32 i = 0; i < access->size; i++) {
        bool exists = offset + i < device->ports;
        u8 byte = 0xff;

        if (!access->write && exists)
            byte = device->read(state, offset + i, access);
        else if (exists)
            device->write(state, offset + i, (u8)(access->value >> (8 * i)), access);
        value |= (u64)byte << (8 * i);
    }
    if (!access->write)
        access->value = value;
}

static inline void access_byte_ports(const struct byte_ports *device, void *state, u32 offset,
                                     struct access *access)
{
    if (access->size != 1 || offset >= device->ports)
        access_bytes(device, state, offset, access);
    else if (access->write) /* one byte, as nearly all are */
        device->write(state, offset, (u8)access->value, access);
    else
        access->value = device->read(state, offset, access);
}

#endif
