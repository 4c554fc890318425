/*
 * The reset register ends the run.
 *
 * @row: 13 held
 * @ends: reset
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    print("resetting\n");
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    expect(false, "this is never reached");
    return 0;
}
