/*
 * #DF: a contributory exception while a page fault or another contributory exception
 * is delivered; error code 0, on its IST stack (SDM 6.15, table 6-5).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 8,11,13,14
 */
#include "tests/guests/lib/guest.h"

static volatile u64 doubles, error = NEVER;
extern u64 trap_resume;

static void on_double(struct frame *f) /* an abort: RIP may be anything, so go on where told */
{
    doubles++;
    error = f->error;
    f->rip = trap_resume;
    f->cs = CODE64;
    f->ss = DATA;
    f->rflags = 2;
    f->rsp = f->rbp; /* the faulting code has put its stack pointer there */
}

#define DOUBLE(code, text, ...)                                                    \
    do {                                                                           \
        doubles = 0;                                                               \
        error = NEVER;                                                             \
        asm volatile("push %%rbp; movq $77f, trap_resume; mov %%rsp, %%rbp; " code \
                     "; 77: movq $0, trap_resume; pop %%rbp"                       \
                     :                                                             \
                     : __VA_ARGS__                                                 \
                     : "memory", "cc");                                            \
        expect(doubles == 1 && error == 0, text);                                  \
    } while (0)

int main(void)
{
    u64 wild = 0x8000000000000000;
    paging_own();
    paging_map(0x40000000, 0, 0);
    gate_stack(DF, 1);
    handlers[DF] = on_double;

    gate_absent(PF, true);
    DOUBLE("mov (%0), %%al", "#NP while #PF is delivered", "r"(0x40000000ul), "a"(0));
    gate_absent(PF, false);
    gate_absent(GP, true);
    DOUBLE("mov (%0), %%al", "#NP while #GP is delivered", "r"(wild), "a"(0));
    gate_absent(GP, false);
    gate_absent(NP, true);
    DOUBLE("mov %0, %%ds", "#NP while #NP is delivered", "r"(DATA_ABSENT));
    gate_absent(NP, false);
    DOUBLE("mov %0, %%rsp; push %%rax", "#SS while #SS is delivered", "r"(wild));
    DOUBLE("mov %0, %%rsp; push %%rax", "#PF while #PF is delivered", "r"(0x40000800ul));
    gate_absent(UD, true);
    expect_equal(ATTEMPT("ud2", :), NP, "#NP while #UD is delivered is #NP alone");
    gate_absent(UD, false);
    expect_equal(event_count[DF], 5, "five #DF in all");
    return 0;
}
