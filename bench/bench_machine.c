/* Device registers as the guest's exits reach them, and timers going off. */
#include <stdlib.h>
#include <string.h>

#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "core/machine.h"

enum { RAM = 2 << 20, UART_DATA = 0x3f8, UART_LINE_STATUS = 0x3fd, VECTOR = 0x50 };
#define APIC 0xfee00000ull
#define APIC_EOI (APIC + 0xb0)
#define APIC_ICR (APIC + 0x300)
#define APIC_TPR (APIC + 0x80)

static void no_console(struct gate *gate, u8 byte)
{
    (void)gate, (void)byte;
}

static void no_timer(struct gate *gate, u64 exit, u64 deadline)
{
    (void)gate, (void)exit, (void)deadline;
}

static void no_raise(struct gate *gate, const struct raise *raise)
{
    (void)gate, (void)raise;
}

static const struct gate_ops silent_ops = {
    .console_out = no_console, .timer_set = no_timer, .raised = no_raise, .idled = no_timer};
static struct gate silent = {.ops = &silent_ops};

static struct machine *new_machine(void)
{
    struct machine *m = calloc(1, sizeof(*m));
    memory_init(&m->memory, calloc(1, RAM), RAM, calloc(1, memory_overhead(RAM)));
    m->gate = &silent;
    machine_init(m, 0);
    return m;
}

static void free_machine(struct machine *m)
{
    free(m->memory.base);
    free(m->memory.dirty);
    free(m);
}

static void write_apic(struct machine *m, u64 gpa, u64 value)
{
    struct access access = {.size = 4, .write = true, .value = value};
    machine_mmio(m, gpa, &access);
}

static void uart_out(struct bench *b)
{
    struct machine *m = new_machine();
    while (bench_next(b)) {
        struct access access = {.size = 1, .write = true, .value = 'x'};
        machine_port(m, UART_DATA, &access);
    }
    bench_items(b, bench_iterations(b));
    free_machine(m);
}

static void port_in(struct bench *b)
{
    struct machine *m = new_machine();
    while (bench_next(b)) {
        struct access access = {.size = 1};
        machine_port(m, (u16)bench_argument(b), &access);
        bench_keep(&access);
    }
    bench_items(b, bench_iterations(b));
    free_machine(m);
}

static void apic_read(struct bench *b)
{
    struct machine *m = new_machine();
    while (bench_next(b)) {
        struct access access = {.size = 4};
        machine_mmio(m, APIC_TPR, &access);
        bench_keep(&access);
    }
    bench_items(b, bench_iterations(b));
    free_machine(m);
}

/* An interrupt's life: sent to itself, taken, ended. */
static void apic_interrupt(struct bench *b)
{
    struct machine *m = new_machine();
    while (bench_next(b)) {
        write_apic(m, APIC_ICR, 1 << 18 | VECTOR);
        if (machine_acknowledge(m) != VECTOR)
            bench_skip(b, "the interrupt did not come");
        write_apic(m, APIC_EOI, 0);
    }
    bench_items(b, bench_iterations(b));
    free_machine(m);
}

/* Time moves on `argument` ns at a time, with the PIT at 1 kHz. */
static void advance(struct bench *b)
{
    static const u16 ports[] = {0x43, 0x40, 0x40};
    static const u8 bytes[] = {0x34, 0xa9, 0x04}; /* counter 0, mode 2, 1193 */
    struct machine *m = new_machine();
    u64 now = 0;
    for (u32 i = 0; i < ARRAY_SIZE(ports); i++) {
        struct access access = {.size = 1, .write = true, .value = bytes[i]};
        machine_port(m, ports[i], &access);
    }
    while (bench_next(b))
        machine_advance(m, now += (u64)bench_argument(b));
    bench_items(b, bench_iterations(b));
    free_machine(m);
}

void register_machine_benchmarks(void)
{
    bench_register("machine/uart_out", uart_out, 0);
    bench_register("machine/port_in", port_in, UART_LINE_STATUS);
    bench_register("machine/port_in_nobody", port_in, 0x1234);
    bench_register("machine/apic_read", apic_read, 0);
    bench_register("machine/apic_interrupt", apic_interrupt, 0);
    bench_register("machine/advance_ns", advance, 100);
    bench_register("machine/advance_ns", advance, 1000000);
}
