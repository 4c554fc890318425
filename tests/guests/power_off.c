/*
 * ACPI power-off ends the run.
 *
 * @row: 13 held
 * @ends: power-off
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("powering off\n");
    power_off();
}
