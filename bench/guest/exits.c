/*
 * Takes one kind of VM exit, over and over, and ends: what bench/exits.c measures
 * the cost of. The command line is the kind's name (bench/guest/kinds.h), or "all":
 * then it takes all of them and times each, for `hindvisor bench exits`. Prints
 * nothing, so that the last exits of a run are of the kind measured.
 */
#include "bench/guest/kinds.h"
#include "tests/guests/lib/apic.h"

enum { VECTOR = 0x50 };
enum { UART_DATA = 0x3f8, UART_LINE_STATUS = 0x3fd, DEBUG_EXIT = 0xf4, NO_DEVICE = 0x1234 };
enum { ZERO_PAGE_COMMAND_LINE = 0x228 };

static void on_interrupt(struct frame *f)
{
    (void)f;
    apic_eoi();
}

static void start_apic(void)
{
    apic_on();
    handlers[VECTOR] = on_interrupt;
    sti();
}

static void start_x2apic(void)
{
    x2apic_on();
    start_apic();
}

static void start_deadline(void)
{
    start_x2apic();
    cli();
    apic_write(APIC_LVT_TIMER, TIMER_TSC_DEADLINE | VECTOR);
}

static void do_nothing(void)
{
}

static void do_cpuid(void)
{
    cpuid(1, 0);
}

static void do_rdtsc(void)
{
    rdtsc();
}

static void do_out(void)
{
    outb(UART_DATA, '.');
}

static void do_in(void)
{
    inb(UART_LINE_STATUS);
}

static void do_in_nobody(void)
{
    inb(NO_DEVICE);
}

static void do_apic_read(void)
{
    apic_read(APIC_TPR);
}

static void do_apic_write(void)
{
    apic_write(APIC_TPR, 0);
}

static void do_self_ipi(void) /* an exit to send it, one for the end of the interrupt */
{
    apic_self_ipi(VECTOR);
}

static void do_rdmsr(void)
{
    rdmsr(MSR_APIC_BASE);
}

static void do_deadline(void)
{
    static u64 deadline = 1ull << 40;
    wrmsr(MSR_TSC_DEADLINE, deadline++);
}

static void do_cr0(void)
{
    write_cr0(read_cr0() ^ CR0_CD); /* without effect, but the hypervisor's to answer */
}

static void do_hlt(void)
{
    wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20000);
    sti_hlt();
}

static const struct kind {
    const char *name;
    void (*start)(void);
    void (*once)(void);
} kinds[] = {
#define X(name, title, start, once) {#name, start, once},
    EXIT_KINDS(X)
#undef X
};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static const char *command_line(void)
{
    const u32 *at = physical(entry_state.rsi + ZERO_PAGE_COMMAND_LINE);
    return physical(*at);
}

static void run(const struct kind *kind)
{
    if (kind->start)
        kind->start();
    for (u32 i = 0; i < KIND_WARM_UP + KIND_ROUNDS; i++)
        kind->once();
}

static void stamp(void)
{
    u32 aux;
    __builtin_ia32_rdtscp(&aux);
}

static void time_all(void)
{
    for (u32 number = 0; number < ARRAY_SIZE(kinds); number++) {
        const struct kind *kind = &kinds[number];
        if (kind->start)
            kind->start();
        outb(KIND_PORT, (u8)number);
        for (u32 i = 0; i < KIND_WARM_UP + KIND_ROUNDS; i++) {
            stamp();
            kind->once();
            stamp();
        }
    }
}

int main(void)
{
    for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
        if (same(command_line(), kinds[i].name)) {
            run(&kinds[i]);
            outl(DEBUG_EXIT, 0);
        }
    if (same(command_line(), "all")) {
        time_all();
        outl(DEBUG_EXIT, 0);
    }
    outl(DEBUG_EXIT, 1);
    return 1;
}
