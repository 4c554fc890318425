/*
 * Instructions cannot be fetched where no RAM is: the run ends with words.
 *
 * @row: 12 refused
 * @ends: unemulated
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("about to jump out of RAM\n");
    ((void (*)(void))physical(0xd0000000))();
    expect(false, "this is never reached");
    return 0;
}
