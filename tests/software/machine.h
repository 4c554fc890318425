/*
 * A bare machine on the software processor: RAM with nothing around it, EPT, a vCPU in one of the
 * modes, tables that make the modes work, and no hypervisor above: the test enters the guest by
 * processor_run() and sees every exit. Used by the fuzz target and the unit tests of vmx/software/.
 */
#ifndef TESTS_SOFTWARE_MACHINE_H
#define TESTS_SOFTWARE_MACHINE_H

#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/hypervisor.h"
#include "vmx/processor.h"

enum bare_mode {
    BARE_64,
    BARE_64_USER,
    BARE_COMPATIBILITY,
    BARE_PAE,      /* 32-bit code, PAE paging */
    BARE_32_PAGED, /* 32-bit code, 32-bit paging */
    BARE_32,       /* no paging */
    BARE_16,
    BARE_REAL,
    BARE_COMPATIBILITY_16,
    BARE_VIRTUAL, /* virtual-8086 mode */
    BARE_MODES
};

/* Where things are in RAM, and at the same linear addresses. */
enum {
    BARE_RAM = 1 << 20,
    BARE_PML4 = 0x1000,
    BARE_PDPT = 0x2000,
    BARE_PD = 0x3000,
    BARE_PT = 0x4000,       /* the first 2 MiB, page by page */
    BARE_ALIASES = 0x5000,  /* the next 2 MiB: page i is page (5 * i + 1) % 256 of RAM */
    BARE_PDPT_PAE = 0x6000, /* four entries, for PAE paging */
    BARE_PD_32 = 0x7000,
    BARE_PT_32 = 0x8000,
    BARE_GDT = 0x9000,
    BARE_IDT = 0xa000,
    BARE_HANDLERS = 0xb000, /* 16 bytes a vector */
    BARE_TSS = 0xc000,      /* with an I/O bitmap */
    BARE_LDT = 0xcc00,
    BARE_STACK = 0x18000, /* grows down to 0x10000; the interrupt stacks are at 0x1a000.. */
    BARE_CODE = 0x20000,
    BARE_DATA = 0x30000,
};
/* Linear addresses, in 64-bit mode, that lead to RAM a second time. */
#define BARE_ALIAS (2ull << 20)      /* by BARE_ALIASES */
#define BARE_LARGE (4ull << 20)      /* a 2 MiB page at 0 */
#define BARE_DEVICE (6ull << 20)     /* a 2 MiB page of device registers */
#define BARE_NOT_USER (8ull << 20)   /* a 2 MiB page at 0, supervisor, global */
#define BARE_HUGE (1ull << 30)       /* a 1 GiB page at 0 */
#define BARE_SELF (1ull << 39)       /* the PML4 as a page table of itself */
#define BARE_HIGH 0xffffff8000000000 /* the same as 0.. */

/* Selectors of the GDT. */
enum {
    SEL_CODE64 = 0x08,
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18,
    SEL_CODE16 = 0x20,
    SEL_DATA16 = 0x28,
    SEL_CODE64_USER = 0x33,
    SEL_DATA_USER = 0x3b,
    SEL_CODE32_USER = 0x43,
    SEL_TSS = 0x48, /* 64-bit: two slots */
    SEL_LDT = 0x58, /* two slots */
    SEL_CONFORMING = 0x68,
    SEL_DOWN = 0x70, /* expand-down data */
    SEL_GATE = 0x78,
    SEL_TSS32 = 0x80,
    SEL_LAST = 0x88
};

struct bare {
    struct hypervisor h; /* vCPU, machine and EPT; run by itself only where a test wants to */
    struct controls *controls;
    u8 *tables, *tables_end, *tables_used;
    struct vcpu_pages pages;
};

/* There is one processor, and so one machine. */
extern struct bare bare;

/* RAM of zeros, then the tables above, and the vCPU at BARE_CODE. Everything as after power on. */
void bare_start(enum bare_mode);
/* One entry: stops at the latest at `stop_at`. Ends the test when the entry itself failed. */
void bare_enter(u64 stop_at);
static inline u8 *bare_ram(u64 gpa)
{
    return bare.h.machine.memory.base + gpa;
}
/* Reads and writes RAM behind the processor's back: before the first entry only. */
u64 bare_peek(u64 gpa);
void bare_poke(u64 gpa, u64 value);
/* The event that the next entry delivers. */
void bare_inject(u32 info, u32 error, u32 length);
/* All of the vCPU's state that a guest can tell. RAM is apart. */
u64 bare_hash(void);

#endif
