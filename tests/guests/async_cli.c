/*
 * Interrupts that become due while the guest spins with IF=0 wait, and are delivered
 * at the first boundary that is open; two vectors due by then come by priority
 * (SDM 26.2; the carrier's own limits must not show).
 *
 * @row: 4 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/sweep.h"

extern u8 spin_start[], spin_open[], spin_end[];
void spin_code(void);
asm("spin_code: mov $2000, %ecx; cli\n"
    "spin_start: dec %ecx; jnz spin_start; nop; sti; nop\n"
    "spin_open: nop; nop; cli\n"
    "spin_end: ret\n");

static volatile u64 closed, late;

static void checked(void)
{
    spin_code();
    if (sweep_hits && sweep_frame.rip != (u64)spin_open && sweep_frame.rip < (u64)spin_open)
        closed++;
    late += !sweep_hits || sweep_frame.rip != (u64)spin_open;
}

int main(void)
{
    sweep_on();
    sweep_run(
        &(struct sweep){"cli", NULL, checked, (u64)spin_start, (u64)spin_end, NULL, 0, 0, 200});
    expect_equal(closed, 0, "nothing is delivered with IF=0");
    expect_equal(late, 0, "what became due meanwhile comes right after the shadow of STI");
    return 0;
}
