/*
 * An interrupt that is pending while IF=0 is delivered at the first boundary with
 * IF=1: not inside the shadow of STI or MOV SS, at once after POPF and IRET (SDM
 * 7.8.1, 26.2; Hindvisor: interrupt-window exiting).
 *
 * @row: 5 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum { VECTOR = 0x41 };
static volatile u64 hit;

static void on_hit(struct frame *f)
{
    hit = f->rip;
    apic_eoi();
}

static void pend(void)
{
    hit = 0;
    apic_self_ipi(VECTOR);
    expect(apic_pending(VECTOR) && !hit, "the vector is pending, not delivered");
}

/* Runs the text with the vector pending; `label` in it is where the interrupt must hit. */
#define HIT_AT(code, text, ...)                              \
    do {                                                     \
        u64 want;                                            \
        pend();                                              \
        asm volatile("leaq 5f(%%rip), %0\n\t" code "\n\tcli" \
                     : "=&r"(want)                           \
                     : __VA_ARGS__                           \
                     : "memory", "cc");                      \
        expect_equal(hit, want, text);                       \
    } while (0)

/* SDM vol. 2B, POP: of several shadows in a row only the first is sure to hold. */
static void shadow_in_shadow(u64 data)
{
    u64 first;
    pend();
    asm volatile("leaq 5f(%%rip), %0; sti; mov %1, %%ss; 5: nop; nop; nop; cli"
                 : "=&r"(first)
                 : "r"(data)
                 : "memory");
    expect(hit == first || hit == first + 1, "STI; MOV SS: after one of the two shadows");
}

int main(void)
{
    handlers[VECTOR] = on_hit;
    apic_on();
    u64 on = (read_flags() | FLAG_IF), data = DATA;
    HIT_AT("sti; nop; 5: nop; nop", "STI: after the next instruction", "r"(0));
    HIT_AT("sti; mov %%ss, %%eax; 5: nop", "STI; MOV from SS: as after any instruction", "a"(0));
    shadow_in_shadow(data);
    HIT_AT("push %1; popfq; 5: nop; nop", "POPF: at the next boundary", "r"(on));
    HIT_AT("mov %%rsp, %%rcx; pushq %2; push %%rcx; push %1; pushq %3; push %0; iretq; 5: nop; nop",
           "IRET: at the next boundary", "r"(on), "r"(data), "r"((u64)CODE64), "c"(0));
    HIT_AT("sti; hlt; 5: nop", "STI; HLT: wakes the halt", "r"(0));

    pend();
    asm volatile("sti; cli; nop; nop" : : : "memory");
    expect_equal(hit, 0, "STI; CLI opens no window");
    asm volatile("sti; nop; cli" : : : "memory");
    expect(hit != 0, "and the vector is still pending after it");

    pend();
    asm volatile("push %0; popfq; nop; cli" : : "r"(read_flags()) : "memory", "cc");
    expect_equal(hit, 0, "POPF with IF=0 opens no window");
    asm volatile("sti; sti; nop; cli" : : : "memory");
    expect(hit != 0, "STI; STI: only the first one shadows");
    return 0;
}
