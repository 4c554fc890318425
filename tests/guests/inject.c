/*
 * Events of every type arrive with the right RIP, error code and order: software
 * interrupts, INT3, ICEBP, hardware exceptions, external interrupts, and faults met
 * while one of them is delivered (SDM 6.9, 6.13-6.15; Hindvisor: VM-entry event
 * injection, IDT-vectoring re-injection).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 1,3,6,8,11,13,14
 */
#include "tests/guests/lib/apic.h"

enum { SOFT = 0x55, EXTERNAL = 0x61, STACK_PAGE = 0x40000000 };
static volatile u64 seen[8][2], seen_count;
static i64 trap_before; /* what `trap` held when EXTERNAL came */

static void note(struct frame *f)
{
    if (seen_count < 8) {
        seen[seen_count][0] = f->vector;
        seen[seen_count][1] = f->rip;
    }
    seen_count++;
    if (f->vector == EXTERNAL) {
        trap_before = trap.vector;
        apic_eoi();
    }
    if (f->vector == DB) {
        f->rflags &= ~(u64)FLAG_TF;
        write_dr6(0xffff0ff0);
    }
}

static void software_events(void)
{
    u64 behind;
    handlers[SOFT] = handlers[DB] = note;
    asm volatile("int $0x55; 1: leaq 1b(%%rip), %0" : "=r"(behind));
    expect(seen_count == 1 && seen[0][1] == behind, "INT n: RIP is behind the instruction");
    asm volatile(".byte 0x2e, 0x2e, 0xcd, 0x55; 1: leaq 1b(%%rip), %0" : "=r"(behind));
    expect_equal(seen[1][1], behind, "INT n with prefixes: so too");
    seen_count = 0;
    asm volatile(".byte 0xf1; 1: leaq 1b(%%rip), %0" : "=r"(behind));
    expect(seen_count == 1 && seen[0][0] == DB && seen[0][1] == behind, "ICEBP: #DB behind it");
    expect_equal(ATTEMPT(".byte 0xce", :), UD, "INTO raises #UD in 64-bit mode");
    expect_equal(ATTEMPT("int3", :), BP, "INT3");
    expect_equal(trap.offset, 1, "INT3: RIP is behind it");
    handlers[DB] = NULL;
}

static void absent_gates(void)
{
    gate_absent(SOFT, true);
    expect_equal(ATTEMPT("int $0x55", :), NP, "INT n through an absent gate raises #NP");
    expect(trap.error == (SOFT << 3 | 2) && trap.offset == 0, "IDT flag, EXT=0, RIP at INT n");
    gate_absent(SOFT, false);
    gate_absent(UD, true);
    expect_equal(ATTEMPT("ud2", :), NP, "#UD through an absent gate raises #NP");
    expect(trap.error == (UD << 3 | 3) && trap.offset == 0, "IDT flag, EXT=1, RIP at UD2");
    gate_absent(UD, false);
    gate_absent(BP, true);
    expect_equal(ATTEMPT("int3", :), NP, "INT3 through an absent gate raises #NP");
    expect_equal(trap.error, BP << 3 | 2, "IDT flag, EXT=0");
    gate_absent(BP, false);
    gate_absent(EXTERNAL, true);
    apic_self_ipi(EXTERNAL);
    expect_equal(ATTEMPT("sti; nop; nop; nop", :), NP, "an interrupt through an absent gate: #NP");
    cli();
    expect_equal(trap.error, EXTERNAL << 3 | 3, "IDT flag, EXT=1");
    expect(apic_in_service(EXTERNAL), "and it is in service nevertheless");
    apic_eoi();
    gate_absent(EXTERNAL, false);
}

static volatile u64 page_faults, page_fault_rip, page_fault_error;

static void bring_page(struct frame *f)
{
    page_faults++;
    page_fault_rip = f->rip;
    page_fault_error = f->error;
    paging_map(STACK_PAGE, (u64)page_alloc(), PTE_P | PTE_W);
}

/* Delivery pushes on an IST stack whose page is absent: #PF at the INT, which is
 * repeated after the page has been brought. */
static void fault_in_delivery(void)
{
    u64 *ist2 = (u64 *)(tss + 36 + 8), keep;
    memcpy(&keep, ist2, 8);
    u64 top = (u64)STACK_PAGE + 4096, at;
    memcpy(ist2, &top, 8);
    gate_stack(SOFT, 2);
    paging_map(STACK_PAGE, 0, 0);
    handlers[PF] = bring_page;
    seen_count = 0;
    asm volatile("leaq 1f(%%rip), %0; 1: int $0x55" : "=r"(at));
    expect(page_faults == 1 && page_fault_rip == at, "#PF during INT n: RIP at the INT");
    expect_equal(page_fault_error & ~4ull, 2, "a write by the supervisor to an absent page");
    expect(seen_count == 1 && seen[0][1] == at + 2, "and then INT n is delivered, once");
    gate_stack(SOFT, 0);
    memcpy(ist2, &keep, 8);
    handlers[PF] = NULL;
}

/* A trap of the instruction before comes before an external interrupt (SDM table 6-2). */
static void order(void)
{
    handlers[DB] = handlers[EXTERNAL] = note;
    seen_count = 0;
    apic_self_ipi(EXTERNAL);
    asm volatile("pushfq; orq $0x300, (%%rsp); xor %%eax, %%eax; popfq\n nop; nop; nop; cli"
                 :
                 :
                 : "rax", "memory", "cc");
    expect(seen_count >= 1 && seen[0][0] == EXTERNAL, "POPF sets TF and IF: the interrupt first");
    seen_count = 0;
    apic_self_ipi(EXTERNAL);
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq; sti; nop; nop; cli; pushfq; "
                 "andq $~0x100, (%%rsp); popfq"
                 :
                 :
                 : "memory", "cc");
    expect(seen_count == 2 && seen[0][0] == DB && seen[1][0] == EXTERNAL,
           "a single-step trap comes before a pending interrupt");
    seen_count = 0;
    u64 before;
    apic_self_ipi(EXTERNAL);
    asm volatile("leaq 1f(%%rip), %0; sti; cpuid; 1: nop; cli"
                 : "=&r"(before)
                 : "a"(0), "c"(0)
                 : "rbx", "rdx", "memory");
    expect(seen_count == 1 && seen[0][1] == before, "STI; CPUID: the shadow ends with CPUID");
    seen_count = 0;
    apic_self_ipi(EXTERNAL);
    asm volatile("leaq 1f(%%rip), %0; sti; in $0x99, %%al; 1: nop; cli"
                 : "=&r"(before)
                 :
                 : "rax", "memory");
    expect(seen_count == 1 && seen[0][1] == before, "STI; IN: the shadow ends with IN");
    handlers[DB] = NULL;
}

/* An instruction that exits and then faults: the fault wins, the interrupt waits. */
static void fault_before_interrupt(void)
{
    seen_count = 0;
    apic_self_ipi(EXTERNAL);
    int vector = ATTEMPT("sti; rdmsr", : : "c"(0xfff) : "rax", "rdx");
    expect(vector == GP && trap.offset == 1, "STI; RDMSR of an unknown MSR: #GP in the shadow");
    cli();
    expect_equal(seen_count, 1, "then the interrupt, once");
    expect_equal((u64)trap_before, GP, "after the #GP");
}

static void many(void)
{
    u64 before = event_count[SOFT];
    for (u32 i = 0; i < 2000; i++)
        asm volatile("int $0x55" : : : "memory");
    expect_equal(event_count[SOFT] - before, 2000, "2000 software interrupts are 2000 deliveries");
    before = event_count[EXTERNAL];
    sti();
    for (u32 i = 0; i < 500; i++) {
        apic_self_ipi(EXTERNAL);
        asm volatile("nop" : : : "memory");
    }
    cli();
    expect_equal(event_count[EXTERNAL] - before, 500, "500 self-IPIs are 500 deliveries");
}

int main(void)
{
    paging_own();
    apic_on();
    software_events();
    absent_gates();
    fault_in_delivery();
    order();
    fault_before_interrupt();
    many();
    return 0;
}
