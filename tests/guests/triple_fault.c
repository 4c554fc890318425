/*
 * A fault that cannot be delivered, nor the #DF after it, ends the run as a triple
 * fault (SDM 6.15, vector 8); what was recorded until then is kept.
 *
 * @row: 11 refused
 * @ends: triple-fault
 * @message: triple
 */
#include "tests/guests/lib/guest.h"

int main(void)
{
    struct table_register none = {0, 0};
    print("about to triple-fault\n");
    asm volatile("lidt %0; ud2" : : "m"(none));
    expect(false, "this is never reached");
    return 0;
}
