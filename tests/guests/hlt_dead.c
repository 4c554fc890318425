/*
 * HLT with interrupts off: nothing can wake it, and the run ends.
 *
 * @row: 4 refused
 * @ends: dead-halt
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("halting with interrupts off\n");
    for (;;)
        asm volatile("cli; hlt" : : : "memory");
}
