/*
 * An instruction that no compiler uses on device registers, an SSE store, on device
 * memory: the run ends with words that name the address; it is never skipped.
 *
 * @row: 12 refused
 * @ends: unemulated
 * @message: 0xd0000000
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    fpu_on();
    print("about to store an SSE register where nobody is\n");
    asm volatile("movups %%xmm0, (%0)" : : "r"(0xd0000000ul) : "memory");
    expect(false, "this is never reached");
    return 0;
}
