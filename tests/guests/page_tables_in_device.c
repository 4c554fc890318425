/*
 * CR3 points where no RAM is: the next walk finds no table there, and the run ends
 * with words instead of a crash.
 *
 * @row: 12 refused
 * @ends: unemulated
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("about to load CR3 with an address outside RAM\n");
    write_cr3(0xd0000000);
    invlpg(physical(0x400000));
    *(volatile u32 *)physical(0x600000) = 1;
    expect(false, "this is never reached");
    return 0;
}
