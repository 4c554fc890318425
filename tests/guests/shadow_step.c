/*
 * Single stepping and breakpoints meet shadows and exits: no step is lost or doubled when
 * the instruction after STI or MOV SS exits or faults, and RF ends with the
 * instruction that it let pass, also when that one exits (SDM 7.8.3, 19.3, 27.3.1.5).
 *
 * @row: 8 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 1,3,6,13
 */
#include "tests/guests/lib/apic.h"

static volatile u64 steps, rips[16];

static void on_debug(struct frame *f)
{
    if (steps < 16)
        rips[steps] = f->rip;
    steps++;
    f->rflags |= FLAG_RF;
    write_dr6(0xffff0ff0);
}

static void skip_two(struct frame *f)
{
    f->rip += 2;
}

#define TF_ON "pushfq; orq $0x100, (%%rsp); popfq; "
#define TF_OFF "; pushfq; andq $~0x100, (%%rsp); popfq; cli"

/* Steps between TF_ON and TF_OFF: one for each instruction but those that end in a
 * shadow of MOV SS, and three for TF_OFF's first part. */
#define STEPS(code, count, text)                                           \
    do {                                                                   \
        steps = 0;                                                         \
        asm volatile(TF_ON code TF_OFF                                     \
                     :                                                     \
                     : "b"((u64)DATA), "r"(APIC_MMIO)                      \
                     : "rax", "rcx", "rdx", "rsi", "rdi", "memory", "cc"); \
        if (steps != (count) + 3)                                          \
            say("%lu steps, expected %u\n", steps, (count) + 3);           \
        expect(steps == (count) + 3, text);                                \
    } while (0)

static void stepping(void)
{
    STEPS("nop; nop", 2, "NOP; NOP");
    STEPS("sti; nop", 2, "STI; NOP");
    STEPS("sti; in $0x99, %%al", 2, "STI; IN");
    STEPS("mov %%ebx, %%ss; nop", 1, "MOV SS; NOP: one step for both");
    STEPS("mov %%ebx, %%ss; in $0x99, %%al", 1, "MOV SS; IN");
    STEPS("mov %%ebx, %%ss; movl 0x80(%1), %%eax", 1, "MOV SS; a load from the APIC");
    STEPS("mov %%ebx, %%ss; movl %%eax, 0xb0(%1)", 1, "MOV SS; a store to the APIC");
    STEPS("mov $0x99, %%edx; mov %%ebx, %%ss; out %%al, %%dx", 2, "MOV SS; OUT");
    STEPS("mov $0xfff, %%ecx; mov %%ebx, %%ss; rdmsr; nop", 2, "MOV SS; RDMSR that raises #GP");
    STEPS("mov %%ebx, %%ss; ud2; nop", 1, "MOV SS; UD2");
    STEPS("sti; ud2; nop", 2, "STI; UD2");
    STEPS("ud2; nop", 1, "UD2: the fault comes instead of the step");
    STEPS("xor %%eax, %%eax; mov $3, %%ecx; mov $0x99, %%edx; mov %%rsp, %%rsi; rep outsb", 7,
          "REP OUTSB: a step for each iteration");
}

/* Two code breakpoints in a row: RF set for the first one must not cover the second. */
static void resume_flag(void)
{
    u64 first, second;
    steps = 0;
    asm volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %1; mov %0, %%dr0; mov %1, %%dr1\n"
                 "mov $0x40a, %%eax; mov %%rax, %%dr7; xor %%eax, %%eax; xor %%ecx, %%ecx; nop\n"
                 "1: cpuid\n2: nop; mov $0x400, %%eax; mov %%rax, %%dr7"
                 : "=&r"(first), "=&r"(second)
                 :
                 : "rax", "rbx", "rcx", "rdx", "memory");
    expect(steps == 2 && rips[0] == first && rips[1] == second,
           "breakpoints on CPUID and behind it: both hit, once");
    steps = 0;
    asm volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %1; mov %0, %%dr0; mov %1, %%dr1\n"
                 "mov $0x40a, %%eax; mov %%rax, %%dr7; nop\n"
                 "1: in $0x99, %%al\n2: nop; mov $0x400, %%eax; mov %%rax, %%dr7"
                 : "=&r"(first), "=&r"(second)
                 :
                 : "rax", "memory");
    expect(steps == 2 && rips[0] == first && rips[1] == second,
           "breakpoints on IN and behind it: both hit, once");
    steps = 0;
    asm volatile("leaq 1f(%%rip), %0; leaq 2f(%%rip), %1; mov %0, %%dr0; mov %1, %%dr1\n"
                 "mov $0x40a, %%eax; mov %%rax, %%dr7; nop\n"
                 "1: movl 0x80(%2), %%eax\n2: nop; mov $0x400, %%eax; mov %%rax, %%dr7"
                 : "=&r"(first), "=&r"(second)
                 : "r"(APIC_MMIO)
                 : "rax", "memory");
    expect(steps == 2 && rips[0] == first && rips[1] == second,
           "breakpoints on an APIC load and behind it: both hit, once");
}

int main(void)
{
    handlers[DB] = on_debug;
    handlers[UD] = handlers[GP] = skip_two;
    apic_on();
    stepping();
    resume_flag();
    return 0;
}
