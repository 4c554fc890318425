/*
 * ACPI fixed hardware (ACPI specification 6.4, 4.8.3.1 to 4.8.3.3). There are no
 * buttons; of the sleep states only S5 exists, and entering it powers off. The
 * chipset is in ACPI mode from the start: SCI_EN reads as 1 and there is no SMI.
 *
 * The timer's status is settled when a register is accessed or its deadline
 * comes, and covers everything since it was settled last.
 */
#include "core/devices/acpi_pm.h"
#include "core/devices/byte_ports.h"
#include "core/devices/ports.h"
#include "core/devices/ticks.h"

enum { STATUS_TIMER = BIT(0) };
enum { ENABLE_BITS = 0x0721 }; /* timer, global lock, power and sleep button, RTC */
enum { CONTROL_SCI = BIT(0), CONTROL_KEPT = 0x1c02, CONTROL_TYPE_SHIFT = 10, CONTROL_TYPE = 7 };
enum { TIMER_MSB = 31 }; /* each change of this bit sets the status */

void acpi_pm_reset(struct acpi_pm *pm)
{
    *pm = (struct acpi_pm){.control = CONTROL_SCI};
}

/* How often the timer's highest bit has changed up to `now`. */
static u64 overflows(u64 now)
{
    return ticks_at(now, ACPI_PM_TIMER_HZ) >> TIMER_MSB;
}

static void settle(struct acpi_pm *pm, u64 now)
{
    if (overflows(now) != overflows(pm->settled))
        pm->status |= STATUS_TIMER;
    pm->settled = now;
}

/* Only the change that raises the interrupt matters to anybody. */
static u64 deadline(const void *state)
{
    const struct acpi_pm *pm = state;

    if (!(pm->enable & STATUS_TIMER) || (pm->status & STATUS_TIMER))
        return NEVER;
    return time_of_tick((overflows(pm->settled) + 1) << TIMER_MSB, ACPI_PM_TIMER_HZ);
}

static u64 advance(void *state, u64 now) /* the status stands until it is cleared */
{
    if (now >= deadline(state))
        settle(state, now);
    return 0;
}

static enum line line(void *state)
{
    const struct acpi_pm *pm = state;

    return pm->status & pm->enable ? LINE_HIGH : LINE_LOW;
}

static u8 read_port(void *state, u32 port, struct access *access)
{
    const struct acpi_pm *pm = state;
    u64 events = pm->status | (u32)pm->enable << 16 | (u64)pm->control << 32;

    if (port >= ACPI_PM_TIMER)
        return ticks_at(access->now, ACPI_PM_TIMER_HZ) >> 8 * (port - ACPI_PM_TIMER);
    if (port >= ACPI_PM1_CONTROL + 2)
        return 0xff; /* a gap */
    return events >> 8 * port;
}

/* `old` with its byte `index` replaced. */
static u16 with_byte(u16 old, u32 index, u8 byte)
{
    return (old & 0xff00 >> 8 * index) | byte << 8 * index;
}

static void write_control(struct acpi_pm *pm, u32 index, u8 byte, struct access *access)
{
    u16 control = with_byte(pm->control, index, byte);

    pm->control = (control & CONTROL_KEPT) | CONTROL_SCI;
    /* SLP_EN is not kept, so it is there only when this very byte has it. */
    if ((control & ACPI_SLEEP_ENABLE) &&
        (control >> CONTROL_TYPE_SHIFT & CONTROL_TYPE) == ACPI_S5_TYPE)
        access->effect = EFFECT_POWER_OFF;
}

static void write_port(void *state, u32 port, u8 byte, struct access *access)
{
    struct acpi_pm *pm = state;
    u32 index = port & 1;

    switch (port & ~1u) {
    case ACPI_PM1_STATUS:
        pm->status &= ~(byte << 8 * index); /* ones clear */
        break;
    case ACPI_PM1_ENABLE:
        pm->enable = with_byte(pm->enable, index, byte) & ENABLE_BITS;
        break;
    case ACPI_PM1_CONTROL:
        write_control(pm, index, byte, access);
        break;
    } /* the timer is read-only */
}

static const struct byte_ports ports = {ACPI_PM_PORTS, read_port, write_port};

static void access_ports(void *state, u32 offset, struct access *access)
{
    struct acpi_pm *pm = state;
    u64 before = deadline(pm);

    settle(pm, access->now);
    access_byte_ports(&ports, pm, offset, access);
    if (access->effect == EFFECT_NONE && deadline(pm) != before) {
        access->effect = EFFECT_TIMER_SET;
        access->effect_value = deadline(pm);
    }
}

const struct device_ops acpi_pm_ops = {
    .name = "acpi_pm",
    .state_size = sizeof(struct acpi_pm),
    .access = access_ports,
    .line = line,
    .deadline = deadline,
    .advance = advance,
};
