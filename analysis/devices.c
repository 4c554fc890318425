/* The guest machine's addresses in words; the facts are those of core/devices/ports.h and
 * core/msrs.h. */
#include "analysis/devices.h"
#include "core/devices/ports.h"
#include "core/msrs.h"

struct place {
    u64 first, last;
    const char *name;
};

static const struct place ports[] = {
    {PORT_PIC1, PORT_PIC1 + 1, "pic1"},
    {PORT_PIC2, PORT_PIC2 + 1, "pic2"},
    {PORT_PIT, PORT_PIT + 3, "pit"},
    {PORT_SPEAKER, PORT_SPEAKER, "speaker"},
    {PORT_KEYBOARD, PORT_KEYBOARD, "keyboard"},
    {PORT_CMOS, PORT_CMOS + 1, "cmos"},
    {PORT_DEBUG_EXIT, PORT_DEBUG_EXIT + 3, "debug_exit"},
    {PORT_UART, PORT_UART + 7, "uart"},
    {PORT_ELCR, PORT_ELCR + 1, "elcr"},
    {PORT_ACPI_PM, PORT_ACPI_PM + 0xb, "acpi_pm"},
    {PORT_RESET, PORT_RESET, "reset"},
};

static const struct place frames[] = {
    {LAPIC_BASE, LAPIC_BASE + PAGE_SIZE - 1, "lapic"},
    {IOAPIC_BASE, IOAPIC_BASE + PAGE_SIZE - 1, "ioapic"},
};

static const struct place msrs[] = {
#define X(number, name, class, access, reset, writable) {number, number, #name},
    CPU_MSRS(X)
#undef X
        {MSR_X2APIC_FIRST, MSR_X2APIC_LAST, "x2apic"},
};

static const char *find(const struct place *places, size_t count, u64 address)
{
    for (size_t i = 0; i < count; i++) {
        if (address >= places[i].first && address <= places[i].last)
            return places[i].name;
    }
    return NULL;
}

const char *device_of_port(u64 port)
{
    return find(ports, ARRAY_SIZE(ports), port);
}

const char *device_of_gpa(u64 gpa)
{
    return find(frames, ARRAY_SIZE(frames), gpa);
}

const char *name_of_msr(u64 msr)
{
    return find(msrs, ARRAY_SIZE(msrs), msr);
}
