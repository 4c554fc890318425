/*
 * Each kind of exit a thousand times, for `make bench`: what one costs is read off
 * the recorded host stamps by its reason and RIP. Prints the RIP of each kind.
 *
 * @row: 2 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum { ROUNDS = 1000, TIMER = 0x50 };

static void on_timer(struct frame *f)
{
    (void)f;
    apic_eoi();
}

#define BENCH(name, code, ...)                                                                    \
    do {                                                                                          \
        u64 at, start = rdtsc();                                                                  \
        for (u32 i = 0; i < ROUNDS; i++)                                                          \
            asm volatile("leaq 1f(%%rip), %0\n1: " code : "=&r"(at) : __VA_ARGS__);               \
        say("bench %s rip 0x%lx rounds %u guest-ticks %lu\n", name, at, ROUNDS, rdtsc() - start); \
    } while (0)

int main(void)
{
    u64 cr0 = read_cr0(), task_switched = cr0 | CR0_TS;
    apic_on();
    handlers[TIMER] = on_timer;
    BENCH("empty", "nop", "r"(0ul) : "memory");
    BENCH("CPUID", "cpuid", "a"(0), "c"(0) : "rbx", "rdx", "memory");
    BENCH("RDTSC", "rdtsc", "r"(0ul) : "rax", "rdx", "memory");
    BENCH("RDTSCP", "rdtscp", "r"(0ul) : "rax", "rdx", "rcx", "memory");
    BENCH("OUT-UART", "outb %%al, %%dx", "a"(0), "d"(0x3ff) : "memory");
    BENCH("OUT-CONSOLE", "outb %%al, %%dx", "a"('.'), "d"(0x3f8) : "memory");
    print("\n");
    BENCH("IN-UART", "inb %%dx, %%al", "d"(0x3fd) : "rax", "memory");
    BENCH("IN-NOBODY", "inb %%dx, %%al", "d"(0x1234) : "rax", "memory");
    BENCH("APIC-MMIO-READ", "movl 0x80(%1), %%eax", "r"(APIC_MMIO) : "rax", "memory");
    BENCH("APIC-MMIO-WRITE", "movl %%eax, 0x80(%1)", "r"(APIC_MMIO), "a"(0) : "memory");
    BENCH("APIC-EOI", "movl %%eax, 0xb0(%1)", "r"(APIC_MMIO), "a"(0) : "memory");
    BENCH("MMIO-NOBODY", "movl (%1), %%eax", "r"(0xd0000000ul) : "rax", "memory");
    BENCH("RDMSR", "rdmsr", "c"(0xfe) : "rax", "rdx", "memory");
    BENCH("WRMSR-DEADLINE", "wrmsr", "c"(MSR_TSC_DEADLINE), "a"(0), "d"(0) : "memory");
    BENCH("CR0-TS", "mov %2, %%cr0; mov %1, %%cr0", "r"(cr0), "r"(task_switched) : "memory");
    BENCH("CR4-PGE", "mov %2, %%cr4; mov %1, %%cr4", "r"(read_cr4()), "r"(read_cr4() ^ CR4_PGE)
          : "memory");
    BENCH("CR8", "mov %1, %%cr8", "r"(0ul) : "memory");
    apic_timer(TIMER_PERIODIC, TIMER, 5000);
    BENCH("HLT", "sti; hlt; cli", "r"(0ul) : "memory");
    apic_timer_off();
    asm volatile("sti; nop; cli");
    x2apic_on();
    BENCH("X2APIC-READ", "rdmsr", "c"(0x80f) : "rax", "rdx", "memory");
    BENCH("X2APIC-TPR", "wrmsr", "c"(0x808), "a"(0), "d"(0) : "memory");
    return 0;
}
