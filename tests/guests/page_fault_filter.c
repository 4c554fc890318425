/*
 * The hypervisor intercepts just those page faults that its mask and match choose; the
 * guest sees them all alike (SDM 26.2, "exceptions": bit 14 with PFEC_MASK and PFEC_MATCH).
 *
 * @row: 8 held
 * @row: 8 refused
 * @ends: debug-exit 0
 * @options: --trap 14 --page-fault 1,1
 * @exits: EXCEPTION_NMI 7
 */
#include "tests/guests/lib/guest.h"

enum { GONE = 0x40000000, READ_ONLY = 0x40001000, ABSENT_FAULTS = 10, RIGHTS_FAULTS = 7 };

int main(void)
{
    u32 absent = 0, rights = 0;
    paging_own();
    write_cr0(read_cr0() | CR0_WP);
    paging_map(GONE, 0, 0);
    paging_map(READ_ONLY, 0x600000, PTE_P);
    for (u32 i = 0; i < ABSENT_FAULTS; i++) {
        int vector = ATTEMPT("movb (%0), %%al", : : "r"((u64)GONE + i) : "rax");
        absent += vector == PF && trap.error == 0 && trap.cr2 == GONE + i && trap.offset == 0;
    }
    for (u32 i = 0; i < RIGHTS_FAULTS; i++) {
        int vector = ATTEMPT("movb $1, (%0)", : : "r"((u64)READ_ONLY + i) : "memory");
        rights += vector == PF && trap.error == 3 && trap.cr2 == READ_ONLY + i && trap.offset == 0;
    }
    expect_equal(absent, ABSENT_FAULTS, "page faults that are not intercepted");
    expect_equal(rights, RIGHTS_FAULTS, "page faults that are");
    return 0;
}
