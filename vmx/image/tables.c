/*
 * The host's GDT, TSS, IDT and interrupt controllers. An exception in the
 * hypervisor is our bug: it prints what it knows and stops at once. The hypervisor
 * runs with interrupts off; the PICs are moved to vectors 0x20-0x2f, away from the
 * exceptions, and masked, and the local APIC keeps its reset state. Those sixteen
 * vectors are still counted and acknowledged, for an IRQ that a VM exit took
 * (SDM 24.4) and for the tests. SDM 3.4.5, 6.14, 8.7; 8259A data sheet.
 */
#include "core/mem.h"
#include "vmx/image/ports.h"
#include "vmx/image/start.h"

enum { STACK_BYTES = 16384, IST_FAULT = 1 };
enum { VECTOR_NMI = 2, VECTOR_DOUBLE_FAULT = 8, VECTOR_MACHINE_CHECK = 18 };
enum { IRQ_BASE = 0x20, IRQ_COUNT = 16 };
enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0, PIC_EOI = 0x20, PIC_READ_ISR = 0x0b };

struct gate {
    u16 offset_low, selector;
    u8 stack, type;
    u16 offset_middle;
    u32 offset_high, reserved;
};

struct tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7]; /* IST1 first */
    u64 reserved2;
    u16 reserved3, io_map;
} __attribute__((packed));

static struct tss tss;
static struct gate idt[VECTORS] __attribute__((aligned(16)));
static u8 fault_stack[STACK_BYTES] __attribute__((aligned(16)));
/* By selector / 8; the TSS descriptor takes two. */
static u64 gdt[] __attribute__((aligned(16))) = {
    [SELECTOR_CODE / 8] = 0x00af9b000000ffff,
    [SELECTOR_DATA / 8] = 0x00cf93000000ffff,
    [SELECTOR_TSS / 8 + 1] = 0,
    [SELECTOR_CODE32 / 8] = 0x00cf9b000000ffff,
};

volatile u64 host_interrupt_count[IRQ_COUNT];
void (*host_exception_hook)(const struct host_frame *);

struct table_pointer host_gdt(void)
{
    return (struct table_pointer){sizeof(gdt) - 1, (u64)gdt};
}

struct table_pointer host_idt(void)
{
    return (struct table_pointer){sizeof(idt) - 1, (u64)idt};
}

u64 host_tss(void)
{
    return (u64)&tss;
}

static void set_tss_descriptor(void)
{
    u64 base = host_tss(), limit = sizeof(tss) - 1;

    gdt[SELECTOR_TSS / 8] =
        limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

static void set_gate(u32 vector)
{
    u64 stub = (u64)vector_stubs + (u64)vector * VECTOR_STUB_SIZE;
    bool own_stack =
        vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK;

    idt[vector] = (struct gate){
        .offset_low = (u16)stub,
        .selector = SELECTOR_CODE,
        .stack = own_stack ? IST_FAULT : 0,
        .type = 0x8e, /* interrupt gate, present */
        .offset_middle = (u16)(stub >> 16),
        .offset_high = (u32)(stub >> 32),
    };
}

static void pics_init(void)
{
    static const struct {
        u8 port, value;
    } words[] = {
        {PIC_MASTER, 0x11},         {PIC_SLAVE, 0x11},             /* begin */
        {PIC_MASTER + 1, IRQ_BASE}, {PIC_SLAVE + 1, IRQ_BASE + 8}, /* vectors */
        {PIC_MASTER + 1, 0x04},     {PIC_SLAVE + 1, 0x02},         /* cascade on IRQ 2 */
        {PIC_MASTER + 1, 0x01},     {PIC_SLAVE + 1, 0x01},         /* 8086 mode */
        {PIC_MASTER + 1, 0xff},     {PIC_SLAVE + 1, 0xff},         /* all masked */
    };

    for (u32 i = 0; i < ARRAY_SIZE(words); i++)
        port_write(words[i].port, words[i].value);
}

void host_tables_init(void)
{
    struct table_pointer pointer;

    tss.ist[IST_FAULT - 1] = (u64)(fault_stack + sizeof(fault_stack));
    tss.io_map = sizeof(tss);
    set_tss_descriptor();
    for (u32 vector = 0; vector < VECTORS; vector++)
        set_gate(vector);
    pics_init();
    pointer = host_gdt();
    __asm__ volatile("lgdt %0" : : "m"(pointer));
    pointer = host_idt();
    __asm__ volatile("lidt %0" : : "m"(pointer));
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

static bool in_service(u32 irq)
{
    u16 port = irq < 8 ? PIC_MASTER : PIC_SLAVE;

    port_write(port, PIC_READ_ISR);
    return port_read(port) & BIT(irq % 8);
}

void host_interrupt(u8 vector)
{
    u32 irq = (u32)vector - IRQ_BASE;
    bool spurious;

    if (irq >= IRQ_COUNT)
        return;
    host_interrupt_count[irq]++;
    spurious = irq % 8 == 7 && !in_service(irq);
    if (irq >= 8 && !spurious)
        port_write(PIC_SLAVE, PIC_EOI);
    if (irq >= 8 || !spurious)
        port_write(PIC_MASTER, PIC_EOI);
}

static const char *exception_name(u64 vector)
{
    static const char *const names[] = {
        "#DE divide error",
        "#DB debug",
        "NMI",
        "#BP breakpoint",
        "#OF overflow",
        "#BR bound range",
        "#UD invalid opcode",
        "#NM no FPU",
        "#DF double fault",
        "coprocessor overrun",
        "#TS invalid TSS",
        "#NP segment not present",
        "#SS stack fault",
        "#GP general protection",
        "#PF page fault",
        "reserved",
        "#MF x87 error",
        "#AC alignment check",
        "#MC machine check",
        "#XM SIMD error",
        "#VE virtualization",
        "#CP control protection",
    };

    return vector < ARRAY_SIZE(names) ? names[vector] : "unexpected interrupt";
}

static void print_frame(const struct host_frame *f)
{
    u64 cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    console_message("bug in the hypervisor: vector %lu (%s), error code %lx, at %016lx", f->vector,
                    exception_name(f->vector), f->error, f->rip);
    console_message("rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
    console_message("rsi %016lx rdi %016lx rbp %016lx rsp %016lx", f->rsi, f->rdi, f->rbp, f->rsp);
    console_message("r8  %016lx r9  %016lx r10 %016lx r11 %016lx", f->r8, f->r9, f->r10, f->r11);
    console_message("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", f->r12, f->r13, f->r14, f->r15);
    console_message("cs %04lx ss %04lx rflags %08lx cr2 %016lx", f->cs, f->ss, f->rflags, cr2);
}

void host_vector(const struct host_frame *frame)
{
    static u32 depth;

    if (frame->vector >= IRQ_BASE && frame->vector < IRQ_BASE + IRQ_COUNT) {
        host_interrupt((u8)frame->vector);
        return;
    }
    if (depth++ == 0) {
        print_frame(frame);
        if (host_exception_hook)
            host_exception_hook(frame);
    } else {
        console_message("and vector %lu while reporting that, at %016lx", frame->vector,
                        frame->rip);
    }
    image_stop(INTERNAL);
}
