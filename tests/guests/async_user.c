/*
 * Interrupts that arrive at CPL 3 go to the stack of the TSS and back, at the same
 * instruction in each run; in 64-bit user code and in 32-bit user code (SDM 6.14.2).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/sweep.h"

extern u8 user64_start[], user64_end[], user32_start[], user32_end[];
void user64_code(void);
void user32_code(void);
asm("user64_code: mov $100, %ecx\n"
    "user64_start: nop; lea 1(%rax), %rax; dec %ecx; jnz user64_start\n"
    "user64_end: int $0x80\n"
    ".code32\n"
    "user32_code: movl $100, %ecx\n"
    "user32_start: nop; incl %eax; decl %ecx; jnz user32_start\n"
    "user32_end: int $0x80\n"
    ".code64\n");

static volatile u64 ended, user_hits, bad;

static void look(u64 selector)
{
    if (!sweep_hits || (sweep_frame.cs & 3) != 3)
        return;
    user_hits++;
    bad += sweep_frame.cs != selector || sweep_frame.ss != USER_DATA;
}

static void run64(void)
{
    user_flags = 2 | FLAG_IF;
    ended += user_run(user64_code, USER_CODE64) == 0x80;
    look(USER_CODE64);
}

static void run32(void)
{
    user_flags = 2 | FLAG_IF;
    ended += user_run(user32_code, USER_CODE32) == 0x80;
    look(USER_CODE32);
}

int main(void)
{
    paging_own();
    sweep_on();
    sweep_run(&(struct sweep){"user 64", NULL, run64, (u64)user64_start, (u64)user64_end, NULL, 0,
                              0, 500});
    sweep_run(&(struct sweep){"user 32", NULL, run32, (u64)user32_start, (u64)user32_end, NULL, 0,
                              0, 500});
    expect_equal(ended, 1000, "the user code came to its end each time");
    expect_equal(bad, 0, "CS and SS of the interrupted code are right");
    if (!bare())
        expect(user_hits > 100, "many interrupts hit user code");
    return 0;
}
