/*
 * The guest's own page tables under EPT: 4 KiB, 2 MiB and 1 GiB pages, NX, WP, U/S,
 * SMEP, SMAP, reserved bits, accessed and dirty bits, INVLPG and the flush by CR4.PGE
 * (SDM 4.5-4.10).
 *
 * @row: 12 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/guest.h"

enum { AT = 0x40000000, TARGET = 0x600000, OTHER = 0x601000 };

static int read_at(u64 address)
{
    return ATTEMPT("movl (%0), %%eax", : : "r"(address) : "rax", "memory");
}

static int write_at(u64 address)
{
    return ATTEMPT("movl $0xc3, (%0)", : : "r"(address) : "memory");
}

static int call_at(u64 address)
{
    return ATTEMPT("call *%0", : : "r"(address) : "memory");
}

static void faults(int got, u64 error, const char *text)
{
    if (got != PF || trap.error != error)
        say("vector %d error 0x%lx\n", got, trap.error);
    expect(got == PF && trap.error == error, text);
}

/* By JMP, which leaves nothing on the stack. */
static int fetch_at(u64 address)
{
    return ATTEMPT("jmp *%0", : : "r"(address) : "memory");
}

static void sizes(void)
{
    *(volatile u32 *)physical(TARGET) = 0x11111111;
    *(volatile u32 *)physical(OTHER) = 0x22222222;
    paging_map(AT, TARGET, PTE_P | PTE_W);
    expect_equal(*(volatile u32 *)physical(AT), 0x11111111, "a 4 KiB page");
    *paging_entry(AT + 0x200000, 2) = TARGET | PTE_P | PTE_W | PTE_PS;
    invlpg(physical(AT + 0x200000));
    expect_equal(*(volatile u32 *)physical(AT + 0x201000), 0x22222222, "a 2 MiB page");
    if (cpuid(0x80000001, 0).edx & BIT(26)) {
        u64 far = 5ull << 30;
        *paging_entry(far, 3) = PTE_P | PTE_W | PTE_PS;
        expect_equal(*(volatile u32 *)physical(far + OTHER), 0x22222222, "a 1 GiB page");
        expect_equal(*(volatile u64 *)paging_entry(far, 3) & (PTE_A | PTE_D), PTE_A,
                     "A set, D not");
        *(volatile u32 *)physical(far + OTHER) = 1;
        expect_equal(*(volatile u64 *)paging_entry(far, 3) & (PTE_A | PTE_D), PTE_A | PTE_D,
                     "D set by the write");
    }
}

static void accessed_and_dirty(void)
{
    volatile u64 *entry = paging_entry(AT, 1);
    paging_map(AT, TARGET, PTE_P | PTE_W);
    expect_equal(*entry & (PTE_A | PTE_D), 0, "a fresh entry has neither A nor D");
    (void)*(volatile u32 *)physical(AT);
    expect_equal(*entry & (PTE_A | PTE_D), PTE_A, "a read sets A");
    *(volatile u32 *)physical(AT) = 1;
    expect_equal(*entry & (PTE_A | PTE_D), PTE_A | PTE_D, "a write sets D");
    paging_map(AT, TARGET, PTE_P);
    write_cr0(read_cr0() | CR0_WP);
    (void)write_at(AT);
    expect_equal(*entry & PTE_D, 0, "a refused write does not set D");
    volatile u64 *directory = paging_entry(AT, 2);
    expect(*directory & PTE_A, "tables on the way have A");
    expect(!(*directory & PTE_D), "and not D");
}

static void rights(void)
{
    paging_map(AT, TARGET, PTE_P);
    faults(write_at(AT), 3, "write to a read-only page, WP=1");
    write_cr0(read_cr0() & ~CR0_WP);
    expect_equal(write_at(AT), NONE, "WP=0: no fault");
    write_cr0(read_cr0() | CR0_WP);
    faults(write_at(AT), 3, "WP=1 again: the fault is back");
    *paging_entry(AT, 1) = TARGET | PTE_P | PTE_W | BIT(51);
    invlpg(physical(AT));
    faults(read_at(AT), 9, "a reserved bit in a page-table entry");
    *paging_entry(AT + 0x200000, 2) = TARGET | PTE_P | PTE_PS | BIT(13);
    invlpg(physical(AT + 0x200000));
    faults(read_at(AT + 0x200000), 9, "a reserved bit in a 2 MiB entry");
}

static void no_execute(void)
{
    *(volatile u8 *)physical(TARGET) = 0xc3; /* RET */
    paging_map(AT, TARGET, PTE_P | PTE_W);
    expect_equal(call_at(AT), NONE, "code runs from a mapped page");
    paging_map(AT, TARGET, PTE_P | PTE_W | PTE_NX);
    faults(read_at(AT), 9, "NX without EFER.NXE is a reserved bit");
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | BIT(11));
    expect_equal(read_at(AT), NONE, "with NXE it reads");
    faults(fetch_at(AT), 0x11, "and fetching raises #PF, error 0x11");
}

static void supervisor_mode(void)
{
    paging_map(AT, TARGET, PTE_P | PTE_W | PTE_U);
    *(volatile u8 *)physical(TARGET) = 0xc3;
    expect_equal(call_at(AT), NONE, "SMEP=0: the supervisor runs user pages");
    if (cpuid(7, 0).ebx & BIT(7)) {
        /* The guest itself lies in user pages by paging_own(): close its 2 MiB pages. */
        for (u64 a = 0x400000; a < 0xa00000; a += 0x200000)
            if (*paging_entry(a, 2) & PTE_PS)
                *paging_entry(a, 2) &= ~(u64)PTE_U;
        write_cr3(read_cr3());
        write_cr4(read_cr4() | CR4_SMEP);
        faults(fetch_at(AT), 0x11, "SMEP: fetching from a user page raises #PF, error 0x11");
        write_cr4(read_cr4() & ~CR4_SMEP);
        expect_equal(call_at(AT), NONE, "SMEP off again");
    } else {
        note_skipped("SMEP", "not in this CPU");
    }
    if (cpuid(7, 0).ebx & BIT(20)) {
        write_cr4(read_cr4() | CR4_SMAP);
        faults(read_at(AT), 1, "SMAP: reading a user page raises #PF, error 1");
        faults(write_at(AT), 3, "SMAP: writing one raises #PF, error 3");
        asm volatile("stac");
        int vector = read_at(AT);
        asm volatile("clac");
        expect_equal(vector, NONE, "STAC allows it");
        faults(read_at(AT), 1, "CLAC ends it");
        write_cr4(read_cr4() & ~CR4_SMAP);
    } else {
        note_skipped("SMAP", "not in this CPU");
    }
}

static void translations_end(void)
{
    *(volatile u32 *)physical(TARGET) = 0x11111111;
    *(volatile u32 *)physical(OTHER) = 0x22222222;
    paging_map(AT, TARGET, PTE_P | PTE_W | PTE_G);
    (void)*(volatile u32 *)physical(AT);
    *paging_entry(AT, 1) = OTHER | PTE_P | PTE_W | PTE_G;
    invlpg(physical(AT));
    expect_equal(*(volatile u32 *)physical(AT), 0x22222222, "INVLPG ends a translation");
    write_cr4(read_cr4() | CR4_PGE);
    (void)*(volatile u32 *)physical(AT);
    *paging_entry(AT, 1) = TARGET | PTE_P | PTE_W | PTE_G;
    write_cr4(read_cr4() & ~CR4_PGE);
    expect_equal(*(volatile u32 *)physical(AT), 0x11111111, "clearing CR4.PGE ends a global one");
    *paging_entry(AT, 1) = OTHER | PTE_P | PTE_W;
    write_cr3(read_cr3());
    expect_equal(*(volatile u32 *)physical(AT), 0x22222222, "MOV CR3 ends one");
    *paging_entry(AT, 1) = 0;
    invlpg(physical(AT));
    faults(read_at(AT), 0, "an unmapped page faults after INVLPG");
}

int main(void)
{
    paging_own();
    sizes();
    accessed_and_dirty();
    rights();
    no_execute();
    supervisor_mode();
    translations_end();
    return 0;
}
