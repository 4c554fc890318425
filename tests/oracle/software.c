/*
 * Tests on the software processor, through the seam: ring 3 of a guest whose page tables map
 * oracle.h's addresses, every exception exits. The descriptor tables are where user mode cannot
 * see them, all gates of the IDT closed to it but #BP and #OF, as Linux has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/decode/insn.h"
#include "tests/oracle/oracle.h"
#include "vmx/controls.h"
#include "vmx/ept.h"
#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/processor.h"
#include "vmx/software/cpu.h"

enum { RAM = 512 << 10, TABLES = 1 << 20 };
/* Guest-physical. */
enum {
    PML4 = 0x1000,
    PDPT = 0x2000,
    PD = 0x3000,
    PT = 0x4000,
    SYSTEM_TABLES = 0x5000,
    CODE_GPA = 0x10000,
    DATA_GPA = 0x20000,
    STACK_GPA = 0x30000,
    SYSTEM_GPA = 0x40000, /* GDT, LDT, IDT, TSS: a page each */
    SYSTEM_PAGES = 4,
};
#define SYSTEM 0xffff800000000000ull /* linear: where Linux has its own, too */
enum { P = 1, W = 2, U = 4 };

static struct machine machine;
static struct vcpu vcpu;
static struct ept ept;
static u8 *tables;
static u64 tables_used;
static const struct memory_image *images;

static void *allocate(u64 bytes)
{
    void *at = tables + tables_used;
    tables_used += align_up(bytes, PAGE_SIZE);
    return tables_used <= TABLES ? at : NULL;
}

static void *zeroed(u64 bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

static void put64(u64 gpa, u64 value)
{
    memory_write(&machine.memory, gpa, &value, 8);
}

static void map(u64 linear, u64 gpa, u64 size, u64 rights)
{
    for (u64 i = 0; i < size; i += PAGE_SIZE)
        put64(PT + ((linear + i) >> 12 & 511) * 8, (gpa + i) | rights);
}

static void make_page_tables(void)
{
    put64(PML4, PDPT | P | W | U);
    put64(PDPT, PD | P | W | U);
    put64(PD + (CODE >> 21) * 8, PT | P | W | U);
    map(CODE, CODE_GPA, CODE_SIZE, P | U);
    map(DATA, DATA_GPA, DATA_SIZE, P | W | U | BIT(63));
    map(READ_ONLY, DATA_GPA + DATA_SIZE, READ_ONLY_SIZE, P | U | BIT(63));
    map(STACK, STACK_GPA, STACK_SIZE, P | W | U | BIT(63));
    put64(PML4 + 256 * 8, SYSTEM_TABLES | P | W);
    for (u64 table = SYSTEM_TABLES; table < SYSTEM_TABLES + 0x2000; table += PAGE_SIZE)
        put64(table, (table + PAGE_SIZE) | P | W);
    for (u64 i = 0; i < SYSTEM_PAGES; i++)
        put64(SYSTEM_TABLES + 0x2000 + i * 8, (SYSTEM_GPA + i * PAGE_SIZE) | P | W | BIT(63));
}

/* Present interrupt gates of ring 0. */
static void make_idt(void)
{
    enum { BP = 3, OF = 4 };
    for (u64 i = 0; i < 256; i++)
        put64(SYSTEM_GPA + 0x2000 + i * 16,
              0x00008e0000100000 | (i == BP || i == OF ? 0x600000000000 : 0));
}

static void make_segments(void)
{
    for (u16 selector = 0; selector < 128; selector += 8)
        put64(SYSTEM_GPA + selector, segment_descriptor(selector));
    for (u16 i = 0; i < LDT_ENTRIES; i++)
        put64(SYSTEM_GPA + PAGE_SIZE + 8 * i, segment_descriptor(LDT_SELECTOR(i)));
    vmcs_write(VMCS_GUEST_LDTR, 0x50);
    vmcs_write(VMCS_GUEST_LDTR_BASE, SYSTEM + PAGE_SIZE);
    vmcs_write(VMCS_GUEST_LDTR_LIMIT, 8 * LDT_ENTRIES - 1);
    vmcs_write(VMCS_GUEST_LDTR_ACCESS, 0x82);
}

static void write_control_state(void)
{
    vmcs_write(VMCS_EXCEPTION_BITMAP, 0xffffffff);
    vmcs_write(VMCS_GUEST_CR0, CR0_PE | CR0_MP | BIT(4) | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
    vmcs_write(VMCS_GUEST_CR4, CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | BIT(13));
    vmcs_write(VMCS_GUEST_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    vmcs_write(VMCS_GUEST_CR3, PML4);
    vmcs_write(VMCS_GUEST_GDTR_BASE, SYSTEM);
    vmcs_write(VMCS_GUEST_GDTR_LIMIT, 127);
    vmcs_write(VMCS_GUEST_IDTR_BASE, SYSTEM + 0x2000);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0xfff);
    vmcs_write(VMCS_GUEST_TR_BASE, SYSTEM + 0x3000);
    vmcs_write(VMCS_GUEST_TR_LIMIT, 103);
    put64(SYSTEM_GPA + 0x3000 + 96, 104ull << 48); /* no I/O bitmap */
}

static void ignore(void *context, const char *text)
{
    (void)context, (void)text;
}

static void start_vcpu(void)
{
    struct capabilities can = capabilities_read();
    struct controls have;
    const struct boot_state boot = {.rip = CODE, .cr3 = PML4};
    if (ept_init(&ept, allocate, can.ept_vpid).code || ept_map_memory(&ept, &machine.memory).code ||
        controls_resolve(&can, &have, ignore, NULL))
        abort();
    const struct vcpu_pages pages = {allocate(PAGE_SIZE), allocate(PAGE_SIZE), allocate(PAGE_SIZE),
                                     allocate(PAGE_SIZE)};
    const struct vcpu_setup setup = {
        .boot = &boot, .pages = &pages, .controls = &have, .ept_pointer = ept_pointer(&ept)};
    software_reset();
    vcpu_init(&vcpu, &machine, &setup);
    write_control_state();
}

void software_start(const struct memory_image all[IMAGES], const u8 *read_only)
{
    u8 code[CODE_SIZE];
    images = all;
    tables = zeroed(TABLES);
    memory_init(&machine.memory, zeroed(RAM), RAM, zeroed(memory_overhead(RAM)));
    start_vcpu();
    make_page_tables();
    make_idt();
    make_segments();
    memset(code, 0xcc, sizeof(code));
    memory_write(&machine.memory, CODE_GPA, code, sizeof(code));
    memory_write(&machine.memory, DATA_GPA + DATA_SIZE, read_only, READ_ONLY_SIZE);
}

/* --- a test ----------------------------------------------------------------------------------- */

static void write_segment(u32 segment, u16 selector, u64 base, u32 limit, u32 access)
{
    static const struct {
        enum vmcs_field selector, base, limit, access;
    } fields[] = {
#define S(name)                                                              \
    {VMCS_GUEST_##name, VMCS_GUEST_##name##_BASE, VMCS_GUEST_##name##_LIMIT, \
     VMCS_GUEST_##name##_ACCESS}
        S(ES), S(CS), S(SS), S(DS), S(FS), S(GS),
#undef S
    };
    vmcs_write(fields[segment].selector, selector);
    vmcs_write(fields[segment].base, base);
    vmcs_write(fields[segment].limit, limit);
    vmcs_write(fields[segment].access, access);
}

static void load_selector(u32 segment, u16 selector)
{
    u64 raw = segment_descriptor(selector);
    struct descriptor d = parse_descriptor(raw);
    if (raw)
        write_segment(segment, selector, d.base, d.limit, d.access);
    else
        write_segment(segment, selector, 0, 0, 0x10010);
}

static void load_segments(const struct test *t)
{
    for (u32 i = 0; i < SEG_COUNT; i++)
        load_selector(i, t->before.selector[i]);
    if (t->bits != 64)
        return;
    vmcs_write(VMCS_GUEST_FS_BASE, FS_AT);
    vmcs_write(VMCS_GUEST_GS_BASE, GS_AT);
}

static void load_fx(const u8 *fx)
{
    struct cpu *c = &software_cpu;
    memcpy(&c->x87.fcw, fx, 2);
    memcpy(&c->x87.fsw, fx + 2, 2);
    c->x87.tag = fx[4];
    for (u32 i = 0; i < 8; i++)
        memcpy(c->x87.st[((c->x87.fsw >> 11) + i) & 7], fx + 32 + 16 * i, 10);
    c->x87.fop = 0;
    c->x87.fip = c->x87.fdp = 0;
    memcpy(&c->mxcsr, fx + 24, 4);
    memcpy(c->xmm, fx + 160, 256);
    if (c->x87.fsw & ~c->x87.fcw & 0x3f)
        c->x87.fsw |= 0x8080;
}

static void begin(const struct test *t, enum variant variant)
{
    memory_write(&machine.memory, DATA_GPA, images[t->image].data, DATA_SIZE);
    memory_write(&machine.memory, STACK_GPA, images[t->image].stack, STACK_SIZE);
    memory_write(&machine.memory, CODE_GPA + t->offset, t->code, t->length);
    memcpy(vcpu.gpr, t->before.gpr, sizeof(vcpu.gpr));
    vcpu.rip = t->before.rip;
    vcpu.rflags = t->before.rflags;
    load_segments(t);
    load_fx(t->before.fx);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, 0);
    vmcs_write(VMCS_GUEST_PENDING_DEBUG, 0);
    /* A breakpoint that nothing meets: only the complete handlers run, one at a time. */
    software_cpu.dr[0] = 0x123456789000;
    vmcs_write(VMCS_GUEST_DR7, variant == VARIANT_GENERIC ? 0x401 : 0x400);
}

static void finish(const struct test *t, struct outcome *o)
{
    u32 info = (u32)vmcs_read(VMCS_EXIT_EVENT);
    memcpy(o->state.gpr, vcpu.gpr, sizeof(vcpu.gpr));
    o->state.rip = vcpu.rip;
    o->state.rflags = vcpu.rflags;
    for (u32 i = 0; i < SEG_COUNT; i++)
        o->state.selector[i] = (u16)vmcs_read(VMCS_GUEST_ES + 2 * i);
    fx_image(&software_cpu, o->state.fx);
    o->vector = EVENT_VECTOR(info);
    o->error = info & EVENT_HAS_ERROR ? (u32)vmcs_read(VMCS_EXIT_EVENT_ERROR) : 0;
    o->address = o->vector == VECTOR_PF ? vcpu.exit.qualification : 0;
    if (EVENT_TYPE(info) >= EVENT_PRIVILEGED_SOFTWARE) /* natively it is a trap */
        o->state.rip += vcpu.exit.length;
    memory_read(&machine.memory, DATA_GPA, o->memory.data, DATA_SIZE);
    memory_read(&machine.memory, STACK_GPA, o->memory.stack, STACK_SIZE);
    u8 blank[CODE_MAX];
    memset(blank, 0xcc, sizeof(blank));
    memory_write(&machine.memory, CODE_GPA + t->offset, blank, t->length);
}

u64 software_run(const struct test *t, struct outcome *o, enum variant variant)
{
    u64 start = vcpu.count;
    begin(t, variant);
    do {
        vcpu.stop_at = variant == VARIANT_STEPS ? vcpu.count + 1 : start + COUNT_LIMIT;
        if (!processor_run(&vcpu)) {
            printf("FAIL: the entry was refused, error %llu\n",
                   (unsigned long long)vmcs_read(VMCS_INSTRUCTION_ERROR));
            exit(2);
        }
    } while (vcpu.exit.reason == EXIT_PREEMPTION_TIMER && vcpu.count < start + COUNT_LIMIT);
    finish(t, o);
    if (vcpu.exit.reason == EXIT_PREEMPTION_TIMER) {
        o->vector = STOP_LIMIT;
    } else if (vcpu.exit.reason != EXIT_EXCEPTION_NMI) {
        o->vector = STOP_NONE;
        o->error = vcpu.exit.reason;
    }
    return vcpu.count - start;
}
