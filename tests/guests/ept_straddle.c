/*
 * Accesses that begin in RAM and end where nobody is, or begin where nobody is and end on
 * a page that is absent in the guest's tables: each half by its own page (SDM 4.7, 29.3.3;
 * an access across pages is two accesses to the memory system).
 *
 * @row: 12 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { NOWHERE = 0xd0000000, WINDOW = 0x50000000, TARGET = 0x600000 };

static void into_nobody(void)
{
    paging_map(WINDOW, TARGET, PTE_P | PTE_W);
    paging_map(WINDOW + 0x1000, NOWHERE, PTE_P | PTE_W);
    volatile u64 *inside = physical(TARGET + 4088);
    volatile u64 *across = physical(WINDOW + 4092);
    *inside = 0x8877665544332211;
    expect_equal(*across, 0xffffffff88776655, "a load across: RAM, then all ones");
    *across = 0x1111111122222222;
    expect_equal(*inside, 0x2222222244332211, "a store across writes the half that is RAM");
}

static void out_of_nobody(void)
{
    paging_map(WINDOW, NOWHERE, PTE_P | PTE_W);
    paging_map(WINDOW + 0x1000, TARGET, PTE_P | PTE_W);
    volatile u64 *inside = physical(TARGET);
    volatile u64 *across = physical(WINDOW + 4092);
    *inside = 0x8877665544332211;
    expect_equal(*across, 0x44332211ffffffff, "a load across: all ones, then RAM");
    *across = 0x1111111122222222;
    expect_equal(*inside, 0x8877665511111111, "a store across writes the half that is RAM");
}

static void into_absent(void)
{
    paging_map(WINDOW + 0x1000, 0, 0);
    int vector = ATTEMPT("movq (%0), %%rax", : : "r"(WINDOW + 4092ul) : "rax");
    expect(vector == PF && trap.error == 0 && trap.cr2 == WINDOW + 0x1000,
           "a load from nobody's page into an absent one raises #PF");
    vector = ATTEMPT("movq %%rax, (%0)", : : "r"(WINDOW + 4092ul), "a"(0));
    expect(vector == PF && trap.error == 2 && trap.cr2 == WINDOW + 0x1000, "a store too");
}

int main(void)
{
    paging_own();
    if (bare()) {
        note_skipped("straddling", "this machine has its own holes");
        return 0;
    }
    into_nobody();
    out_of_nobody();
    into_absent();
    return 0;
}
