/*
 * Loads a guest into RAM and says how its first vCPU starts. Linux bzImage and
 * ELF vmlinux enter by the 64-bit boot protocol (Documentation/arch/x86/boot.rst),
 * our own ELF guests likewise: long mode, identity-mapped first 4 GiB, interrupts
 * off, RSI = boot parameters (Linux) or the e820-carrying zero page (ELF).
 */
#ifndef CORE_BOOT_BOOT_H
#define CORE_BOOT_BOOT_H

#include "core/err.h"
#include "core/memory.h"

struct boot_request {
    const void *kernel; /* the file's bytes; untrusted */
    u64 kernel_length;
    const void *initrd; /* may be NULL */
    u64 initrd_length;
    const char *command_line; /* NUL-terminated */
};

/* Register state of the vCPU at its first instruction; all else is as after reset. */
struct boot_state {
    u64 rip, rsp, rsi, cr3;
    u64 gdt_base;  /* a GDT in guest RAM: 0x10 64-bit code, 0x18 data (boot.rst, "64-bit boot protocol") */
    u16 gdt_limit;
};

/* Loads a bzImage (protocol 2.12 or newer with a 64-bit entry) or an x86-64 ELF
 * executable by its magic, the initrd, the command line, page tables, GDT, e820 map
 * and ACPI tables. All it writes is marked dirty. Errors are BAD_INPUT or NO_SPACE with
 * words for the user. RAM must be zeroed. */
struct err boot_load(struct memory *, const struct boot_request *, struct boot_state *);

/* Where things lie in guest RAM. */
enum {
    BOOT_GDT = 0x500,
    BOOT_PAGE_TABLES = 0x2000,   /* PML4, PDPT, 4 page directories */
    BOOT_PARAMETERS = 0x10000,   /* the zero page */
    BOOT_STACK = 0x1f000,
    BOOT_COMMAND_LINE = 0x20000, /* at most 2047 bytes */
    BOOT_ACPI = 0xe0000,         /* RSDP first, then the tables; below 0x100000 */
    BOOT_LOAD = 0x1000000,       /* Linux's preferred address */
};

#endif
