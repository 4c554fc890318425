/*
 * A whole hypervisor on the fake processor: RAM, EPT, devices, a vCPU in 64-bit
 * mode with 1 GiB of identity-mapped addresses. The gate is the caller's.
 */
#ifndef TESTS_UNIT_HYPERVISOR_RIG_H
#define TESTS_UNIT_HYPERVISOR_RIG_H

#include <string.h>

#include "tests/unit/fake_processor.h"
#include "vmx/exits.h"
#include "vmx/handlers.h"
#include "vmx/hypervisor.h"
#include "vmx/inject.h"

enum { RIG_RAM = 4 << 20, RIG_TABLES = 0x2000, RIG_CODE = 0x100000, RIG_STACK = 0x80000 };

struct rig {
    struct hypervisor h;
    struct controls controls;
    struct vcpu_pages pages;
};

/* Apart, so that ASan sees a step from one into the other. */
static u8 rig_ram[RIG_RAM] __attribute__((aligned(4096)));
static u8 rig_overhead[RIG_RAM / 256] __attribute__((aligned(4096)));
static u8 rig_tables[64 * PAGE_SIZE] __attribute__((aligned(4096)));
static u64 rig_used; /* of the tables */

static inline void *rig_allocate(u64 bytes)
{
    void *pages = rig_tables + rig_used;
    if (bytes > sizeof(rig_tables) - rig_used)
        return NULL;
    rig_used += align_up(bytes, PAGE_SIZE);
    return memset(pages, 0, bytes);
}

static inline void rig_ignore_missing(void *context, const char *text)
{
    (void)context, (void)text;
}

static inline void rig_put(struct rig *rig, u64 gpa, u64 value)
{
    memory_write(&rig->h.machine.memory, gpa, &value, 8);
}

/* The PML4's first entry leads to four 1 GiB pages: all addresses below 4 GiB are themselves. */
static inline void rig_map(struct rig *rig)
{
    enum { PRESENT = 1, WRITE = 2, USER = 4, BIG = 1 << 7 };
    rig_put(rig, RIG_TABLES, (RIG_TABLES + PAGE_SIZE) | PRESENT | WRITE | USER);
    for (u64 i = 0; i < 4; i++)
        rig_put(rig, RIG_TABLES + PAGE_SIZE + i * 8, i << 30 | BIG | PRESENT | WRITE | USER);
}

static inline void rig_start(struct rig *rig)
{
    struct capabilities can = capabilities_read();
    struct boot_state boot = {.rip = RIG_CODE, .rsp = RIG_STACK, .cr3 = RIG_TABLES};
    struct machine *m = &rig->h.machine;
    memset(rig_ram, 0, RIG_RAM);
    memory_init(&m->memory, rig_ram, RIG_RAM, rig_overhead);
    rig_map(rig);
    controls_resolve(&can, &rig->controls, rig_ignore_missing, NULL);
    struct vcpu_setup setup = {
        .boot = &boot,
        .pages = &rig->pages,
        .controls = &rig->controls,
        .ept_pointer = ept_pointer(&rig->h.ept),
    };
    vcpu_init(&rig->h.vcpu, m, &setup);
    machine_init(m, 0);
}

static inline void rig_init(struct rig *rig, struct gate *gate, enum clock_policy clock)
{
    memset(rig, 0, sizeof(*rig));
    rig->h.counts_latencies = true;
    fake_cpu_reset();
    rig_used = 0;
    rig->pages = (struct vcpu_pages){rig_allocate(PAGE_SIZE), rig_allocate(PAGE_SIZE),
                                     rig_allocate(PAGE_SIZE), rig_allocate(PAGE_SIZE)};
    rig->h.machine.gate = gate;
    rig->h.machine.clock = clock;
    rig->h.machine.memory = (struct memory){.base = rig_ram, .size = RIG_RAM};
    ept_init(&rig->h.ept, rig_allocate, capabilities_read().ept_vpid);
    ept_map_memory(&rig->h.ept, &rig->h.machine.memory);
    rig_start(rig);
}

#endif
