/*
 * Each exception is delivered once, with the right error code, RIP and flags,
 * whether or not the hypervisor intercepts it (SDM 6.15; exception bitmap with #PF
 * mask and match, SDM 26.2).
 *
 * @row: 8 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 0,1,3,4,6,7,10,11,12,13,14,16,17
 * @options: --trap 14
 */
#include "tests/guests/lib/guest.h"

#define ANYWHERE NEVER

static void check(int got, int vector, u64 offset, const char *text)
{
    bool right = got == vector && (offset == ANYWHERE || trap.offset == offset);
    expect(right, text);
    if (!right)
        say("vector %d offset %lu error 0x%lx\n", got, ANYWHERE, trap.error);
}

static void simple_faults(void)
{
    u64 before = event_count[DE];
    check(ATTEMPT("div %0", : : "r"(0ul), "a"(1ul), "d"(0ul)), DE, 0, "#DE: DIV by 0");
    expect_equal(event_count[DE], before + 1, "#DE: once");
    check(ATTEMPT("idivl %0", : : "r"(-1), "a"(0x80000000), "d"(-1)), DE, 0, "#DE: IDIV overflow");
    check(ATTEMPT("ud2", :), UD, 0, "#UD: UD2");
    check(ATTEMPT(".byte 0x06", :), UD, 0, "#UD: PUSH ES in 64-bit mode");
    check(ATTEMPT("lock; nop", :), UD, 0, "#UD: LOCK NOP");
    check(ATTEMPT("int3", :), BP, 1, "#BP: INT3 points behind itself");
    check(ATTEMPT(".byte 0xcd, 3", :), BP, 2, "#BP: INT 3 in two bytes");
    check(ATTEMPT(".byte 0xcd, 4", :), OF, 2, "#OF: INT 4");
}

static void selector_faults(void)
{
    check(ATTEMPT("mov %0, %%ds", : : "r"(0x1000)), GP, 0, "#GP: selector outside the GDT");
    expect_equal(trap.error, 0x1000, "#GP: error code is the selector");
    check(ATTEMPT("mov %0, %%ds", : : "r"(DATA_ABSENT)), NP, 0, "#NP: absent data segment");
    expect_equal(trap.error, DATA_ABSENT, "#NP: error code is the selector");
    check(ATTEMPT("mov %0, %%ss", : : "r"(DATA_ABSENT)), SS, 0, "#SS: absent stack segment");
    expect_equal(trap.error, DATA_ABSENT, "#SS: error code is the selector");
    check(ATTEMPT("ltr %w0", : : "r"(DATA)), GP, 0, "#GP: LTR of a data segment");
    expect_equal(trap.error, DATA, "#GP: error code of LTR");
}

static volatile u64 stack_error = NEVER;

static void on_stack_fault(struct frame *f) /* of PUSH RAX, with the good RSP in RCX */
{
    stack_error = f->error;
    f->rsp = f->rcx;
    f->rip++;
}

static void address_faults(void)
{
    u64 wild = 0x8000000000000000;
    check(ATTEMPT("mov (%0), %%rax", : : "r"(wild) : "rax"), GP, 0, "#GP: non-canonical address");
    expect_equal(trap.error, 0, "#GP: error code 0");
    gate_stack(SS, 1);
    handlers[SS] = on_stack_fault;
    asm volatile("mov %%rsp, %%rcx; mov %0, %%rsp; push %%rax; nop"
                 :
                 : "r"(wild)
                 : "rcx", "memory");
    handlers[SS] = NULL;
    gate_stack(SS, 0);
    expect_equal(stack_error, 0, "#SS: non-canonical stack, on an IST stack, error code 0");
}

static void page_faults(void)
{
    u64 gone = 0x40000000, rodata = 0x40001000;
    paging_map(gone, gone, 0);
    paging_map(rodata, 0x600000, PTE_P | PTE_U);
    check(ATTEMPT("mov (%0), %%rax", : : "r"(gone + 8) : "rax"), PF, 0, "#PF: read, not present");
    expect(trap.error == 0 && trap.cr2 == gone + 8, "#PF: error 0 and CR2");
    check(ATTEMPT("movb $1, (%0)", : : "r"(gone + 0xfff)), PF, 0, "#PF: write, not present");
    expect(trap.error == 2 && trap.cr2 == gone + 0xfff, "#PF: error 2 and CR2");
    write_cr0(read_cr0() | CR0_WP);
    check(ATTEMPT("movb $1, (%0)", : : "r"(rodata)), PF, 0, "#PF: write to a read-only page");
    expect(trap.error == 3 && trap.cr2 == rodata, "#PF: error 3 and CR2");
    write_cr0(read_cr0() & ~CR0_WP);
    check(ATTEMPT("movb $1, (%0)", : : "r"(rodata)), NONE, ANYWHERE, "WP=0: no fault");
    paging_map(gone - 4096, 0x600000, PTE_P | PTE_W);
    check(ATTEMPT("movq (%0), %%rax", : : "r"(gone - 4) : "rax"), PF, 0, "#PF: across a page");
    expect_equal(trap.cr2, gone, "#PF: CR2 is in the second page");
}

static volatile u64 steps;
static volatile u64 step_rips[8], step_dr6;

static void on_step(struct frame *f)
{
    f->rflags |= FLAG_RF; /* else an instruction breakpoint hits again */
    if (steps < 8)
        step_rips[steps] = f->rip;
    steps++;
    step_dr6 = read_dr6();
    write_dr6(0xffff0ff0);
}

static void single_step(void)
{
    u64 first, second, third;
    handlers[DB] = on_step;
    steps = 0;
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n"
                 "nop\n1: cpuid\n2: pushfq; andq $~0x100, (%%rsp); popfq\n3:\n"
                 "leaq 1b(%%rip), %0; leaq 2b(%%rip), %1; leaq 3b(%%rip), %2"
                 : "=r"(first), "=r"(second), "=r"(third)
                 :
                 : "rax", "rbx", "rcx", "rdx", "memory");
    expect_equal(steps, 5, "#DB: one after each instruction under TF");
    expect(step_rips[0] == first, "#DB: after NOP");
    expect(step_rips[1] == second, "#DB: after CPUID, which exits");
    expect(step_rips[4] == third, "#DB: after the POPF that clears TF");
    expect_equal(step_dr6 & 0x4000, 0x4000, "#DB: DR6.BS");
    steps = 0;
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n mov %0, %%dx; in %%dx, %%al\n"
                 "pushfq; andq $~0x100, (%%rsp); popfq"
                 :
                 : "r"((u16)0x1234)
                 : "rax", "rdx", "memory");
    expect_equal(steps, 5, "#DB: after IN, which exits");
    handlers[DB] = NULL;
}

static void breakpoints(void)
{
    static u64 watched;
    handlers[DB] = on_step;
    steps = 0;
    write_dr0((u64)&watched);
    write_dr7(0x400 | 2 | 0xd0000); /* G0, write, 4 bytes */
    u64 behind;
    asm volatile("movl $1, %1; 1: nop; leaq 1b(%%rip), %0" : "=r"(behind), "=m"(watched));
    expect(steps == 1 && step_rips[0] == behind, "#DB: data breakpoint after the write");
    expect_equal(step_dr6 & 0xf, 1, "#DB: DR6.B0");
    write_dr7(0x400);
    steps = 0;
    u64 target;
    asm volatile("leaq 1f(%%rip), %0; mov %0, %%dr1; mov %1, %%dr7; nop; 1: nop; mov %2, %%dr7"
                 : "=&r"(target)
                 : "r"(0x400ul | 8), "r"(0x400ul)
                 : "memory");
    expect(steps == 1 && step_rips[0] == target, "#DB: instruction breakpoint before it");
    expect_equal(step_dr6 & 0xf, 2, "#DB: DR6.B1");
    write_dr7(0x400);
    check(ATTEMPT("mov %0, %%dr7", : : "r"(BIT(32) | 0x400)), GP, 0, "#GP: DR7 bit 32");
    handlers[DB] = NULL;
    write_dr7(0x2400); /* GD */
    check(ATTEMPT("mov %%dr0, %%rax", : : : "rax"), DB, 0, "#DB: general detect");
    expect_equal(trap.dr6 & 0x2000, 0x2000, "#DB: DR6.BD");
    write_dr7(0x400);
    write_dr6(0xffff0ff0);
}

static void floating_point(void)
{
    u16 control = 0x37b; /* zero divide unmasked */
    static u32 mxcsr = 0x1d80, bad_mxcsr = 0x80000000;
    fpu_on();
    check(ATTEMPT("fldcw %0; fldz; fld1; fdivp; wait",
                  :
                  : "m"(control)),
          MF, ANYWHERE, "#MF: unmasked zero divide at the next waiting instruction");
    asm volatile("fnclex; fninit");
    check(ATTEMPT("ldmxcsr %0; xorps %%xmm0, %%xmm0; xorps %%xmm1, %%xmm1; cmpeqps %%xmm1, %%xmm1; "
                  "psrld $25, %%xmm1; pslld $23, %%xmm1; divps %%xmm0, %%xmm1",
                  :
                  : "m"(mxcsr)),
          XM, ANYWHERE, "#XM: unmasked SSE zero divide");
    check(ATTEMPT("ldmxcsr %0", : : "m"(bad_mxcsr)), GP, 0, "#GP: reserved MXCSR bit");
    check(ATTEMPT("movaps (%0), %%xmm0", : : "r"(0x400001ul)), GP, 0, "#GP: unaligned MOVAPS");
    mxcsr = 0x1f80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void user_divide(void)
{
    asm volatile("xor %eax, %eax; div %eax");
}

static void user_hlt(void)
{
    asm volatile("hlt");
}

static void user_unaligned(void)
{
    asm volatile("mov 0x600001, %eax; int $0x80");
}

static void user_breakpoint(void)
{
    asm volatile("int3; int $0x80");
}

static void user_gate(void)
{
    asm volatile("int $0x30");
}

static void user_mode(void)
{
    expect_equal(user_run(user_divide, USER_CODE64), DE, "CPL 3: #DE");
    expect_equal(user_run(user_hlt, USER_CODE64), GP, "CPL 3: HLT raises #GP");
    expect_equal(user_run(user_breakpoint, USER_CODE64), BP, "CPL 3: INT3");
    expect_equal(user_run(user_gate, USER_CODE64), GP, "CPL 3: INT through a CPL 0 gate");
    expect_equal(trap.error, 0x30 << 3 | 2, "CPL 3: error code names the gate");
    write_cr0(read_cr0() | CR0_AM);
    user_flags = 2 | FLAG_AC;
    expect_equal(user_run(user_unaligned, USER_CODE64), AC, "CPL 3: #AC");
    expect_equal(trap.error, 0, "CPL 3: #AC has error code 0");
    write_cr0(read_cr0() & ~CR0_AM);
    *paging_entry(0x600000, 1) &= ~(u64)PTE_U;
    invlpg(physical(0x600000));
    expect_equal(user_run(user_unaligned, USER_CODE64), PF, "CPL 3: #PF on a supervisor page");
    expect_equal(trap.error, 5, "CPL 3: #PF error 5");
}

int main(void)
{
    paging_own();
    simple_faults();
    selector_faults();
    address_faults();
    page_faults();
    single_step();
    breakpoints();
    floating_point();
    user_mode();
    return 0;
}
