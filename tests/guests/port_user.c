/*
 * Port I/O from CPL 3: refused with #GP by IOPL and the TSS's I/O map before the
 * hypervisor sees it; a port that the map opens works (SDM 19.5).
 *
 * @row: 9 refused
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { IO_MAP = 104, UNKNOWN = 0x1234, IOPL_3 = 3 << 12 };
static volatile u32 result;

static void user_in(void)
{
    asm volatile("mov $0x1234, %%edx; xor %%eax, %%eax; in %%dx, %%al; mov %%eax, %0; int $0x80"
                 : "=m"(result)
                 :
                 : "rax", "rdx");
}

static void user_in_long(void)
{
    asm volatile("mov $0x1234, %%edx; in %%dx, %%eax; mov %%eax, %0; int $0x80"
                 : "=m"(result)
                 :
                 : "rax", "rdx");
}

static void user_outs(void)
{
    asm volatile("mov $0x1234, %%edx; mov $0x600000, %%esi; outsb; int $0x80" : : : "rdx", "rsi");
}

static void user_cli(void)
{
    asm volatile("cli; int $0x80");
}

int main(void)
{
    paging_own();
    expect_equal(user_run(user_in, USER_CODE64), GP, "IN at CPL 3 raises #GP");
    expect(trap.error == 0, "with error code 0");
    expect_equal(user_run(user_outs, USER_CODE64), GP, "OUTS at CPL 3 raises #GP");
    tss[IO_MAP + UNKNOWN / 8] &= (u8) ~(1 << UNKNOWN % 8);
    expect_equal(user_run(user_in, USER_CODE64), 0x80, "IN of a port that the map opens works");
    expect_equal(result, 0xff, "and reads what is there");
    expect_equal(user_run(user_in_long, USER_CODE64), GP, "all four ports of IN EAX must be open");
    tss[IO_MAP + UNKNOWN / 8] &= (u8) ~(0xf << UNKNOWN % 8);
    expect_equal(user_run(user_in_long, USER_CODE64), 0x80, "with all four open it works");
    expect_equal(result, 0xffffffff, "and reads what is there");
    expect_equal(user_run(user_cli, USER_CODE64), GP, "CLI at CPL 3 raises #GP");
    tss[IO_MAP + UNKNOWN / 8] = 0xff;
    user_flags = 2 | IOPL_3;
    expect_equal(user_run(user_in, USER_CODE64), 0x80, "IOPL 3 opens every port");
    return 0;
}
