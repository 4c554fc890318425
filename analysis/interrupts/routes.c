/* See routes.h. */
#include "analysis/interrupts/routes.h"
#include "core/devices/lapic.h"
#include "core/msrs.h"

enum { PIN_OF_LINE_0 = 2, ENTRY_VECTOR = 0xff, ENTRY_MASKED = 1 << 16, PIC_INPUTS = 8 };

void routes_reset(struct routes *r)
{
    ioapic_reset(&r->ioapic);
    pic_reset(&r->pic);
    r->timer = 0;
}

static void feed_pic(struct routes *r, const struct io_access *access)
{
    struct access write = {.value = access->value, .size = 1, .write = true};
    if (access->size != 1 || access->string)
        return;
    if (access->address - PORT_PIC1 < PIC_PORTS)
        pic_master_ops.access(&r->pic, (u32)(access->address - PORT_PIC1), &write);
    else if (access->address - PORT_PIC2 < PIC_PORTS)
        pic_slave_ops.access(&r->pic, (u32)(access->address - PORT_PIC2), &write);
}

static void feed_mmio(struct routes *r, const struct io_access *access)
{
    struct access write = {.value = access->value, .size = 4, .write = true};
    if (access->address == LAPIC_BASE + 16 * LAPIC_LVT_TIMER)
        r->timer = (u8)access->value;
    else if (access->address - IOAPIC_BASE < IOAPIC_SPAN)
        ioapic_access(&r->ioapic, (u32)(access->address - IOAPIC_BASE), &write);
}

void routes_feed(struct routes *r, const struct io_access *access)
{
    if (access->way != WAY_OUT)
        return;
    if (access->space == SPACE_PORT)
        feed_pic(r, access);
    else if (access->space == SPACE_MMIO)
        feed_mmio(r, access);
    else if (access->address == MSR_X2APIC_FIRST + LAPIC_LVT_TIMER)
        r->timer = (u8)access->value;
}

bool routes_is_timer(const struct routes *r, u8 vector)
{
    return r->timer && r->timer == vector;
}

/* An unmasked entry before a masked one: a level may be masked while it is being handled. */
static int pin_of(const struct routes *r, u8 vector)
{
    int pin = -1;
    for (int i = IOAPIC_PINS - 1; i >= 0; i--) {
        u64 entry = r->ioapic.redirect[i];
        bool masked = entry & ENTRY_MASKED;
        if ((entry & ENTRY_VECTOR) == vector &&
            (pin < 0 || !masked || r->ioapic.redirect[pin] & ENTRY_MASKED))
            pin = i;
    }
    return pin;
}

int routes_line(const struct routes *r, u8 vector)
{
    int pin = pin_of(r, vector);
    if (pin >= 0)
        return pin == PIN_OF_LINE_0 ? IRQ_PIT : pin;
    for (int chip = 0; chip < 2; chip++) {
        u32 input = vector - (u32)r->pic.chip[chip].vector_base;
        if (input < PIC_INPUTS)
            return chip * PIC_INPUTS + (int)input;
    }
    return -1;
}

const char *routes_device(int line)
{
    static const char *const devices[ISA_IRQS] = {
        [IRQ_PIT] = "pit", [IRQ_CASCADE] = "cascade", [IRQ_UART] = "uart",
        [IRQ_RTC] = "rtc", [IRQ_ACPI] = "acpi_pm",
    };
    return line >= 0 && line < ISA_IRQS ? devices[line] : NULL;
}
