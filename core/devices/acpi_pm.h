/*
 * ACPI fixed hardware (ACPI specification 4.8.3): the PM1a event and control
 * blocks and the power-management timer with 32 bits (FADT flag TMR_VAL_EXT).
 */
#ifndef CORE_DEVICES_ACPI_PM_H
#define CORE_DEVICES_ACPI_PM_H

#include "core/bus.h"

enum {
    ACPI_PM1_STATUS = 0,
    ACPI_PM1_ENABLE = 2,
    ACPI_PM1_CONTROL = 4,
    ACPI_PM_TIMER = 8,
    ACPI_PM_PORTS = 12,
};

struct acpi_pm {
    u64 settled; /* ns: the status covers everything up to here */
    u16 status, enable, control;
    u16 reserved;
};

extern const struct device_ops acpi_pm_ops;

void acpi_pm_reset(struct acpi_pm *);

#endif
