/*
 * HLT with interrupts on and no timer armed: time has nowhere to jump. The limit ends it.
 *
 * @row: 4 refused
 * @ends: guest-timeout
 * @options: --timeout 1s
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("halting with nothing armed\n");
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    for (;;)
        asm volatile("sti; hlt" : : : "memory");
}
