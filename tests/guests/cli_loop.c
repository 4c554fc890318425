/*
 * A guest that spins with interrupts off for ever: the limit on guest time ends it.
 *
 * @row: 13 refused
 * @ends: guest-timeout
 * @options: --timeout 100ms
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("spinning with interrupts off\n");
    for (;;)
        asm volatile("cli" : : : "memory");
}
