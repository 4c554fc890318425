/*
 * The guest machine's addresses in words. Where devices are is core/devices/ports.h's
 * business, what MSRs there are core/msrs.h's; registers are named as in the data
 * sheets that core/devices/ names, and in SDM table 11-1 (local APIC).
 */
#include "analysis/io/devices.h"
#include "core/devices/lapic.h"
#include "core/devices/ports.h"
#include "core/msrs.h"

const char *const space_names[] = {"port", "mmio", "msr"};

struct place {
    enum space space;
    u64 first;
    u32 stride; /* from register to register */
    u32 count;  /* registers */
    const char *device;
    const char *const *registers; /* NULL: none has a name */
};

static const char *const command_data[] = {"command", "data"};
static const char *const index_data[] = {"index", "data"};
static const char *const elcr[] = {"pic1", "pic2"};
static const char *const pit[] = {"channel0", "channel1", "channel2", "control"};
static const char *const uart[] = {"data", "ier", "iir/fcr", "lcr", "mcr", "lsr", "msr", "scr"};
static const char *const acpi_pm[] = {
    "pm1_status", "pm1_status", "pm1_enable", "pm1_enable", "pm1_control", "pm1_control",
    NULL,         NULL,         "pm_timer",   "pm_timer",   "pm_timer",    "pm_timer",
};
static const char *const ioapic[] = {"index", "data", NULL, NULL, "eoi"};
#define EIGHT(name) name "0", name "1", name "2", name "3", name "4", name "5", name "6", name "7"
static const char *const lapic[LAPIC_REGISTERS] = {
    [LAPIC_ID] = "id",
    [LAPIC_VERSION_REG] = "version",
    [LAPIC_TPR] = "tpr",
    [LAPIC_APR] = "apr",
    [LAPIC_PPR] = "ppr",
    [LAPIC_EOI] = "eoi",
    [LAPIC_REMOTE_READ] = "rrd",
    [LAPIC_LDR] = "ldr",
    [LAPIC_DFR] = "dfr",
    [LAPIC_SVR] = "svr",
    [LAPIC_ISR] = EIGHT("isr"),
    [LAPIC_TMR] = EIGHT("tmr"),
    [LAPIC_IRR] = EIGHT("irr"),
    [LAPIC_ESR] = "esr",
    [LAPIC_ICR] = "icr",
    [LAPIC_ICR_HIGH] = "icr_high",
    [LAPIC_LVT_TIMER] = "lvt_timer",
    [LAPIC_LVT_THERMAL] = "lvt_thermal",
    [LAPIC_LVT_PERF] = "lvt_perf",
    [LAPIC_LVT_LINT0] = "lvt_lint0",
    [LAPIC_LVT_LINT1] = "lvt_lint1",
    [LAPIC_LVT_ERROR] = "lvt_error",
    [LAPIC_INITIAL_COUNT] = "initial_count",
    [LAPIC_CURRENT_COUNT] = "current_count",
    [LAPIC_DIVIDE] = "divide",
    [LAPIC_SELF_IPI] = "self_ipi",
};

static const struct place places[] = {
    {SPACE_PORT, PORT_PIC1, 1, 2, "pic1", command_data},
    {SPACE_PORT, PORT_PIC2, 1, 2, "pic2", command_data},
    {SPACE_PORT, PORT_PIT, 1, 4, "pit", pit},
    {SPACE_PORT, PORT_SPEAKER, 1, 1, "speaker", NULL},
    {SPACE_PORT, PORT_KEYBOARD, 1, 1, "keyboard", NULL},
    {SPACE_PORT, PORT_CMOS, 1, 2, "cmos", index_data},
    {SPACE_PORT, PORT_DEBUG_EXIT, 1, 1, "debug_exit", NULL},
    {SPACE_PORT, PORT_UART, 1, 8, "uart", uart},
    {SPACE_PORT, PORT_ELCR, 1, 2, "elcr", elcr},
    {SPACE_PORT, PORT_ACPI_PM, 1, 12, "acpi_pm", acpi_pm},
    {SPACE_PORT, PORT_RESET, 1, 1, "reset", NULL},
    {SPACE_MMIO, LAPIC_BASE, 16, LAPIC_REGISTERS, "lapic", lapic},
    {SPACE_MMIO, IOAPIC_BASE, 16, 5, "ioapic", ioapic},
    {SPACE_MSR, MSR_X2APIC_FIRST, 1, LAPIC_REGISTERS, "lapic", lapic},
};

static const struct place *find(enum space space, u64 address)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        const struct place *p = &places[i];
        if (p->space == space && address >= p->first && (address - p->first) / p->stride < p->count)
            return p;
    }
    return NULL;
}

const char *device_at(enum space space, u64 address)
{
    const struct place *place = find(space, address);
    return place ? place->device : NULL;
}

const char *register_at(enum space space, u64 address)
{
    const struct place *place = find(space, address);
    return place && place->registers ? place->registers[(address - place->first) / place->stride]
                                     : NULL;
}

const char *name_of_msr(u64 msr)
{
    static const struct {
        u32 number;
        const char *name;
    } names[] = {
#define X(number, name, class, access, reset, writable) {number, #name},
        CPU_MSRS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number == msr)
            return names[i].name;
    }
    return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST ? "x2APIC" : NULL;
}
