/* A machine on a fake gate, and the accesses that a guest makes to it. */
#ifndef TESTS_UNIT_MACHINE_RIG_H
#define TESTS_UNIT_MACHINE_RIG_H

#include <string.h>

#include "core/devices/ports.h"
#include "core/machine.h"
#include "tests/unit/fake_gate.h"

static struct fake_gate fake;
static struct machine m;

static inline void machine_rig(void)
{
    fake_gate_init(&fake);
    memset(&m, 0, sizeof(m));
    m.gate = &fake.gate;
    machine_init(&m, 0);
}

static inline void out(u16 port, u8 value)
{
    struct access access = {.size = 1, .write = true, .value = value};
    machine_port(&m, port, &access);
}

static inline void mmio_write(u64 gpa, u32 value)
{
    struct access access = {.size = 4, .write = true, .value = value};
    machine_mmio(&m, gpa, &access);
}

static inline void lapic_write(u32 reg, u32 value)
{
    mmio_write(LAPIC_BASE + reg * 16, value);
}

#endif
