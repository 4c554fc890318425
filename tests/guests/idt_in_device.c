/*
 * The IDT lies where nobody answers, and an interrupt is to be delivered through it.
 * Hindvisor must end the run with words, not crash or loop.
 *
 * @row: 11 refused
 * @ends: unemulated
 */
#include "tests/guests/lib/apic.h"

int main(void)
{
    struct table_register nobody = {4095, 0xd0000000};
    apic_on();
    print("about to take an interrupt through an IDT outside RAM\n");
    apic_self_ipi(0x40);
    asm volatile("lidt %0; sti; nop; nop; nop" : : "m"(nobody));
    return 0;
}
