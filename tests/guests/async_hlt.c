/*
 * Interrupts around STI; HLT: they wake it with RIP behind it, whether they come
 * before, in or after the HLT; none is lost (SDM vol. 2A HLT, 7.8.1).
 *
 * @row: 5 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/sweep.h"

extern u8 hlt_start[], hlt_at[], hlt_behind[], hlt_end[];
void hlt_code(void);
asm("hlt_code: cli\n"
    "hlt_start: nop; nop; nop; nop; sti\n"
    "hlt_at: hlt\n"
    "hlt_behind: nop; cli\n"
    "hlt_end: ret\n");

static volatile u64 wrong;

static void checked(void)
{
    hlt_code();
    wrong += sweep_hits != 1 || sweep_frame.rip != (u64)hlt_behind;
}

int main(void)
{
    sweep_on();
    sweep_run(&(struct sweep){"hlt", NULL, checked, (u64)hlt_start, (u64)hlt_end, NULL, 0, 0, 150});
    sweep_run(&(struct sweep){"long hlt", NULL, checked, (u64)hlt_start, (u64)hlt_end, NULL, 0,
                              1000000, 1000020});
    expect_equal(wrong, 0, "each HLT is woken by its interrupt, RIP behind it");
    return 0;
}
