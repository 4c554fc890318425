/* The bare machine; see machine.h. RAM lies between guard zones: a stray access of the processor,
 * also of code that it generated, is a fault that ends the test. */
#define _GNU_SOURCE /* MAP_NORESERVE */
#include "tests/software/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmx/controls.h"
#include "vmx/software/cpu.h"

struct bare bare;

enum { P = 1, W = 2, U = 4, PS = 0x80, G = 0x100 };
enum { TABLES_BYTES = 64 << 12 };
#define GUARD (1ull << 30)

/* --- what the host gives ------------------------------------------------------------------ */

static u8 *guarded(u64 bytes)
{
    u8 *at = mmap(NULL, bytes + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (at == MAP_FAILED || mprotect(at + GUARD, bytes, PROT_READ | PROT_WRITE))
        abort();
    return at + GUARD;
}

static void *allocate(u64 bytes)
{
    u8 *at = bare.tables_used;
    if ((u64)(bare.tables_end - at) < bytes)
        return NULL;
    bare.tables_used += align_up(bytes, PAGE_SIZE);
    return memset(at, 0, bytes);
}

static void build_memory(void)
{
    static u8 *ram, *books;
    if (!ram) {
        ram = guarded(BARE_RAM);
        books = guarded(align_up(memory_overhead(BARE_RAM), PAGE_SIZE));
        bare.tables = guarded(TABLES_BYTES);
        bare.tables_end = bare.tables + TABLES_BYTES;
    }
    bare.tables_used = bare.tables;
    memset(ram, 0, BARE_RAM);
    memset(books, 0, memory_overhead(BARE_RAM));
    memory_init(&bare.h.machine.memory, ram, BARE_RAM, books);
    if (ept_init(&bare.h.ept, allocate, capabilities_read().ept_vpid).code ||
        ept_map_memory(&bare.h.ept, &bare.h.machine.memory).code)
        abort();
}

u64 bare_peek(u64 gpa)
{
    u64 value;
    memcpy(&value, bare_ram(gpa), 8);
    return value;
}

void bare_poke(u64 gpa, u64 value)
{
    memcpy(bare_ram(gpa), &value, 8);
}

/* --- page tables ---------------------------------------------------------------------------- */

static void put_long_tables(void)
{
    bare_poke(BARE_PML4, BARE_PDPT | P | W | U);
    bare_poke(BARE_PML4 + 8, BARE_PML4 | P | W | U); /* BARE_SELF */
    bare_poke(BARE_PML4 + 511 * 8, BARE_PDPT | P | W | U);
    bare_poke(BARE_PDPT, BARE_PD | P | W | U);
    bare_poke(BARE_PDPT + 8, P | W | U | PS); /* BARE_HUGE */
    bare_poke(BARE_PD, BARE_PT | P | W | U);
    bare_poke(BARE_PD + 8, BARE_ALIASES | P | W | U);
    bare_poke(BARE_PD + 16, P | W | U | PS);              /* BARE_LARGE */
    bare_poke(BARE_PD + 24, 0xfee00000 | P | W | U | PS); /* BARE_DEVICE */
    bare_poke(BARE_PD + 32, P | W | PS | G);              /* BARE_NOT_USER */
    for (u64 i = 0; i < 512; i++) {
        bare_poke(BARE_PT + 8 * i, i << 12 | P | W | U);
        bare_poke(BARE_ALIASES + 8 * i, (5 * i + 1) % 256 << 12 | P | W | U);
    }
}

static void put_short_tables(void)
{
    for (u64 i = 0; i < 4; i++)
        bare_poke(BARE_PDPT_PAE + 8 * i, BARE_PD | P);
    for (u32 i = 0; i < 1024; i++) {
        u32 directory = i << 22 | PS | P | W | U, page = i << 12 | P | W | U;
        if (i == 0)
            directory = BARE_PT_32 | P | W | U;
        memcpy(bare_ram(BARE_PD_32 + 4 * i), &directory, 4);
        memcpy(bare_ram(BARE_PT_32 + 4 * i), &page, 4);
    }
}

/* --- descriptors ---------------------------------------------------------------------------- */

static u64 descriptor(u64 base, u64 limit, u64 access)
{
    return (limit & 0xffff) | (base & 0xffffff) << 16 | (access & 0xf0ff) << 40 |
           (limit >> 16 & 15) << 48 | (base >> 24 & 0xff) << 56;
}

static u64 gate(u64 selector, u64 offset, u64 type)
{
    return (offset & 0xffff) | selector << 16 | type << 40 | (offset >> 16 & 0xffff) << 48;
}

enum { FLAT_CODE64 = 0xa09b, FLAT_DATA = 0xc093, FLAT_CODE32 = 0xc09b, DPL3 = 0x60 };

static void put_gdt(void)
{
    static const struct {
        u16 selector;
        u32 limit;
        u16 access;
    } flat[] = {
        {SEL_CODE64, 0xfffff, FLAT_CODE64},
        {SEL_DATA, 0xfffff, FLAT_DATA},
        {SEL_CODE32, 0xfffff, FLAT_CODE32},
        {SEL_CODE16, 0xffff, 0x9b},
        {SEL_DATA16, 0xffff, 0x93},
        {SEL_CODE64_USER, 0xfffff, FLAT_CODE64 | DPL3},
        {SEL_DATA_USER, 0xfffff, FLAT_DATA | DPL3},
        {SEL_CODE32_USER, 0xfffff, FLAT_CODE32 | DPL3},
        {SEL_CONFORMING, 0xfffff, 0xc09f},
        {SEL_DOWN, 0x0, 0xc097},
    };
    for (u32 i = 0; i < ARRAY_SIZE(flat); i++)
        bare_poke(BARE_GDT + (flat[i].selector & ~7u),
                  descriptor(0, flat[i].limit, flat[i].access));
    bare_poke(BARE_GDT + SEL_TSS, descriptor(BARE_TSS, 0xbff, 0x89));
    bare_poke(BARE_GDT + SEL_LDT, descriptor(BARE_LDT, 0x3f, 0x82));
    bare_poke(BARE_GDT + SEL_TSS32, descriptor(BARE_TSS, 0xbff, 0x89));
    bare_poke(BARE_GDT + SEL_GATE, gate(SEL_CODE32, BARE_CODE, 0x8c | DPL3));
    for (u32 i = 0; i < 8; i++)
        bare_poke(BARE_LDT + 8 * i, bare_peek(BARE_GDT + 8 * i));
}

/* Stacks at all offsets that either form of TSS has them at. */
static void put_tss(bool wide)
{
    if (wide) {
        for (u32 i = 0; i < 10; i++)
            bare_poke(BARE_TSS + 4 + 8 * i, 0x1a000 + 0x400 * i);
    } else {
        bare_poke(BARE_TSS + 4, 0x1a000 | (u64)SEL_DATA << 32);
    }
    u16 map = 104;
    memcpy(bare_ram(BARE_TSS + 102), &map, 2);
}

/* A handler moves RIP on by three and returns; those of exceptions with error codes drop it. */
static void put_handler(u32 vector, u32 bits)
{
    static const char wide[] = "\x48\x83\x44\x24\x08\x03\x48\x83\xc4\x08\x48\xcf",
                      plain_wide[] = "\x48\x83\x04\x24\x03\x48\xcf",
                      narrow[] = "\x83\x44\x24\x04\x03\x83\xc4\x04\xcf",
                      plain_narrow[] = "\x83\x04\x24\x03\xcf",
                      real[] = "\x55\x89\xe5\x83\x46\x02\x03\x5d\xcf";
    bool has_error = vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF);
    u8 *at = bare_ram(BARE_HANDLERS + 16 * vector);
    if (bits == 16)
        memcpy(at, real, sizeof(real));
    else if (bits == 32)
        memcpy(at, has_error ? narrow : plain_narrow, has_error ? sizeof(narrow) : 6);
    else
        memcpy(at, has_error ? wide : plain_wide, has_error ? sizeof(wide) : 8);
}

static void put_idt(u32 bits)
{
    for (u32 i = 0; i < 256; i++) {
        u64 offset = BARE_HANDLERS + 16 * i, type = (i & 1 ? 0x8f : 0x8e) | (i >= 3 ? DPL3 : 0);
        put_handler(i, bits);
        if (bits == 64) {
            bare_poke(BARE_IDT + 16 * i, gate(SEL_CODE64, offset, type));
            if (i == VECTOR_DF || i == VECTOR_NMI || i == 0x22)
                *bare_ram(BARE_IDT + 16 * i + 4) = (u8)(i & 7 ? i & 7 : 1); /* IST */
        } else if (bits == 32) {
            bare_poke(BARE_IDT + 8 * i, gate(SEL_CODE32, offset, type));
        } else {
            u32 vector = (BARE_HANDLERS >> 4) << 16 | 16 * i;
            memcpy(bare_ram(4 * i), &vector, 4);
        }
    }
}

/* --- the vCPU --------------------------------------------------------------------------------- */

static void ignore_missing(void *context, const char *text)
{
    (void)context, (void)text;
}

static void build_vcpu(void)
{
    static struct controls controls;
    struct capabilities can = capabilities_read();
    const struct boot_state boot = {.rip = BARE_CODE,
                                    .rsp = BARE_STACK,
                                    .cr3 = BARE_PML4,
                                    .gdt_base = BARE_GDT,
                                    .gdt_limit = SEL_LAST - 1};
    bare.pages = (struct vcpu_pages){allocate(PAGE_SIZE), allocate(PAGE_SIZE), allocate(PAGE_SIZE),
                                     allocate(PAGE_SIZE)};
    bare.controls = &controls;
    controls_resolve(&can, &controls, ignore_missing, NULL);
    const struct vcpu_setup setup = {.boot = &boot,
                                     .pages = &bare.pages,
                                     .controls = &controls,
                                     .ept_pointer = ept_pointer(&bare.h.ept)};
    software_reset();
    vcpu_init(&bare.h.vcpu, &bare.h.machine, &setup);
}

static void set_segments(u32 code, u32 code_selector, u32 data, u32 data_selector, u32 limit)
{
    static const enum vmcs_field datas[][3] = {
        {VMCS_GUEST_DS, VMCS_GUEST_DS_ACCESS, VMCS_GUEST_DS_LIMIT},
        {VMCS_GUEST_ES, VMCS_GUEST_ES_ACCESS, VMCS_GUEST_ES_LIMIT},
        {VMCS_GUEST_SS, VMCS_GUEST_SS_ACCESS, VMCS_GUEST_SS_LIMIT},
        {VMCS_GUEST_FS, VMCS_GUEST_FS_ACCESS, VMCS_GUEST_FS_LIMIT},
        {VMCS_GUEST_GS, VMCS_GUEST_GS_ACCESS, VMCS_GUEST_GS_LIMIT}};
    vmcs_write(VMCS_GUEST_CS, code_selector);
    vmcs_write(VMCS_GUEST_CS_ACCESS, code);
    vmcs_write(VMCS_GUEST_CS_LIMIT, limit);
    for (u32 i = 0; i < ARRAY_SIZE(datas); i++) {
        vmcs_write(datas[i][0], data_selector);
        vmcs_write(datas[i][1], data);
        vmcs_write(datas[i][2], limit);
    }
}

static void set_control(u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
    u64 entry = vmcs_read(VMCS_ENTRY_CONTROLS) & ~(u64)CONTROL_ENTRY_IA32E_GUEST;
    vmcs_write(VMCS_GUEST_CR0, cr0 | CR0_NE);
    vmcs_write(VMCS_CR0_SHADOW, cr0 | CR0_NE);
    vmcs_write(VMCS_GUEST_CR3, cr3);
    vmcs_write(VMCS_GUEST_CR4, cr4 | BIT(13));
    vmcs_write(VMCS_CR4_SHADOW, cr4);
    vmcs_write(VMCS_GUEST_EFER, efer);
    vmcs_write(VMCS_ENTRY_CONTROLS, entry | (efer & EFER_LMA ? CONTROL_ENTRY_IA32E_GUEST : 0));
    bare.h.vcpu.entry_controls = (u32)vmcs_read(VMCS_ENTRY_CONTROLS);
}

#define LONG_CR0 (CR0_PG | CR0_WP | CR0_PE)
#define LONG_CR4 (CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define LONG_EFER (EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE)

static void set_mode(enum bare_mode mode)
{
    switch (mode) {
    case BARE_64:
    case BARE_64_USER:
        set_control(LONG_CR0, BARE_PML4, LONG_CR4, LONG_EFER);
        if (mode == BARE_64)
            set_segments(FLAT_CODE64, SEL_CODE64, FLAT_DATA, SEL_DATA, ~0u);
        else
            set_segments(FLAT_CODE64 | DPL3, SEL_CODE64_USER, FLAT_DATA | DPL3, SEL_DATA_USER, ~0u);
        break;
    case BARE_COMPATIBILITY:
    case BARE_COMPATIBILITY_16:
        set_control(LONG_CR0, BARE_PML4, LONG_CR4, LONG_EFER);
        set_segments(mode == BARE_COMPATIBILITY ? FLAT_CODE32 : 0x809b, SEL_CODE32, FLAT_DATA,
                     SEL_DATA, ~0u);
        break;
    case BARE_PAE:
        set_control(LONG_CR0, BARE_PDPT_PAE, LONG_CR4, EFER_NXE);
        set_segments(FLAT_CODE32, SEL_CODE32, FLAT_DATA, SEL_DATA, ~0u);
        for (u32 i = 0; i < 4; i++)
            vmcs_write(VMCS_GUEST_PDPTE0 + 2 * i, BARE_PD | P);
        break;
    case BARE_32_PAGED:
        set_control(LONG_CR0, BARE_PD_32, CR4_PSE | CR4_PGE | CR4_OSFXSR, 0);
        set_segments(FLAT_CODE32, SEL_CODE32, FLAT_DATA, SEL_DATA, ~0u);
        break;
    case BARE_32:
        /* Ready to switch to IA-32e mode by CR0.PG. */
        set_control(CR0_PE, BARE_PML4, CR4_PAE | CR4_OSFXSR, LONG_EFER & ~EFER_LMA);
        set_segments(FLAT_CODE32, SEL_CODE32, FLAT_DATA, SEL_DATA, ~0u);
        break;
    case BARE_16:
        set_control(CR0_PE, 0, 0, 0);
        set_segments(0x9b, SEL_CODE16, 0x93, SEL_DATA16, 0xffff);
        break;
    case BARE_VIRTUAL:
        set_control(CR0_PE, 0, CR4_OSFXSR, 0);
        set_segments(0xf3, 0, 0xf3, 0, 0xffff);
        bare.h.vcpu.rflags |= RF_VM;
        vmcs_write(VMCS_GUEST_RFLAGS, bare.h.vcpu.rflags);
        break;
    default:
        set_control(0, 0, 0, 0);
        set_segments(0x9b, 0, 0x93, 0, 0xffff);
    }
}

/* 16-bit code cannot reach BARE_CODE without a base. */
static void set_bases(enum bare_mode mode)
{
    bool real = mode == BARE_REAL || mode == BARE_VIRTUAL;
    if (mode != BARE_16 && !real)
        return;
    if (real)
        vmcs_write(VMCS_GUEST_CS, BARE_CODE >> 4);
    vmcs_write(VMCS_GUEST_CS_BASE, BARE_CODE);
    bare.h.vcpu.rip = 0;
    vmcs_write(VMCS_GUEST_RIP, 0);
    bare.h.vcpu.gpr[RSP] = 0x8000;
    vmcs_write(VMCS_GUEST_SS_BASE, BARE_STACK - 0x8000);
    if (real)
        vmcs_write(VMCS_GUEST_SS, (BARE_STACK - 0x8000) >> 4);
}

void bare_start(enum bare_mode mode)
{
    bool wide = mode <= BARE_COMPATIBILITY || mode == BARE_COMPATIBILITY_16;
    memset(&bare.h, 0, sizeof(bare.h));
    build_memory();
    build_vcpu();
    put_long_tables();
    put_short_tables();
    put_gdt();
    put_tss(wide);
    put_idt(wide ? 64 : mode == BARE_REAL ? 16 : 32);
    set_mode(mode);
    set_bases(mode);
    vmcs_write(VMCS_GUEST_TR, wide ? SEL_TSS : SEL_TSS32);
    vmcs_write(VMCS_GUEST_TR_BASE, BARE_TSS);
    vmcs_write(VMCS_GUEST_TR_LIMIT, 0xbff);
    vmcs_write(VMCS_GUEST_IDTR_BASE, mode == BARE_REAL ? 0 : BARE_IDT);
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, mode == BARE_REAL ? 0x3ff : 0xfff);
}

/* --- running ----------------------------------------------------------------------------- */

void bare_enter(u64 stop_at)
{
    bare.h.vcpu.stop_at = stop_at;
    if (!processor_run(&bare.h.vcpu)) {
        fprintf(stderr, "the entry failed with instruction error %llu\n",
                (unsigned long long)vmcs_read(VMCS_INSTRUCTION_ERROR));
        abort();
    }
}

void bare_inject(u32 info, u32 error, u32 length)
{
    vmcs_write(VMCS_ENTRY_EVENT, info);
    vmcs_write(VMCS_ENTRY_EVENT_ERROR, error);
    vmcs_write(VMCS_ENTRY_EVENT_LENGTH, length);
}

u64 bare_hash(void)
{
    return vcpu_hash(&bare.h.vcpu);
}
