/*
 * An event is to be delivered on a stack in device memory. No machine does
 * anything useful there; Hindvisor must end the run with words, not crash or loop.
 *
 * @row: 11 refused
 * @ends: unemulated
 */
#include "tests/guests/lib/apic.h"

int main(void)
{
    u64 top = APIC_MMIO + 0x1000;
    memcpy(tss + 36, &top, 8);
    gate_stack(UD, 1);
    print("about to push on the local APIC\n");
    asm volatile("ud2");
    return 0;
}
