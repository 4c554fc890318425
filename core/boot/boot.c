/*
 * Guest loading: the part that all formats share. Finds out the format, places
 * the initrd and the command line, and writes what a 64-bit entry needs: page
 * tables that map the first 4 GiB to themselves, a GDT, the zero page with its
 * e820 map, and the ACPI tables. Never trusts a number from a file, and writes
 * nothing above 1 MiB but the kernel and the initrd.
 *
 * Sources: Documentation/arch/x86/boot.rst ("64-bit boot protocol"), SDM vol. 3A
 * 3.4.5 (segment descriptors) and 4.5 (4-level paging).
 */
#include "core/boot/loader.h"
#include "core/devices/ports.h"

enum { BOOT_RAM_MIN = 2 << 20, COMMAND_LINE_MAX = 2047 };

/* --- page tables and GDT ------------------------------------------------------ */

enum { PAGE_PRESENT = 1 << 0, PAGE_WRITE = 1 << 1, PAGE_LARGE = 1 << 7 };
enum { TABLE_BYTES = 4096, TABLE_ENTRIES = 512, DIRECTORIES = 4 };

static void write_page_tables(struct memory *memory)
{
    const u64 table = PAGE_PRESENT | PAGE_WRITE;
    u64 *pml4 = (u64 *)claim(memory, BOOT_PAGE_TABLES, (2 + DIRECTORIES) * TABLE_BYTES);
    u64 *pdpt = pml4 + TABLE_ENTRIES, *directory = pdpt + TABLE_ENTRIES;

    pml4[0] = (BOOT_PAGE_TABLES + TABLE_BYTES) | table;
    for (u64 i = 0; i < DIRECTORIES; i++)
        pdpt[i] = (BOOT_PAGE_TABLES + (2 + i) * TABLE_BYTES) | table;
    for (u64 i = 0; i < DIRECTORIES * TABLE_ENTRIES; i++)
        directory[i] = i << 21 | table | PAGE_LARGE;
}

/* Flat segments: present, ring 0, accessed; code is 64-bit execute/read, data read/write. */
static const u64 gdt[] = {0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull};

static void write_gdt(struct memory *memory)
{
    memcpy(claim(memory, BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* --- the zero page ------------------------------------------------------------ */

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

/* Ranges that are the same at every RAM size; RAM from 1 MiB on comes after them. */
static const struct e820_row {
    u64 base, end;
    enum e820_type type;
} e820_rows[] = {
    {0, 0x9fc00, E820_RAM},
    {0x9fc00, VGA_HOLE, E820_RESERVED}, /* where a BIOS keeps its data */
    {VGA_HOLE, BOOT_ACPI, E820_RESERVED},
    {BOOT_ACPI, BOOT_LOW_END, E820_RESERVED},
    {IOAPIC_BASE, IOAPIC_BASE + PAGE_SIZE, E820_RESERVED},
    {LAPIC_BASE, LAPIC_BASE + PAGE_SIZE, E820_RESERVED},
};

static void add_e820(u8 *zero, u64 base, u64 end, enum e820_type type)
{
    u8 *row = zero + ZERO_E820_TABLE + 20u * zero[ZERO_E820_ENTRIES]++;

    put_le(row, 8, base);
    put_le(row + 8, 8, end - base);
    put_le(row + 16, 4, type);
}

static void write_e820(u8 *zero, u64 ram)
{
    for (u32 i = 0; i < ARRAY_SIZE(e820_rows); i++) {
        if (e820_rows[i].base == IOAPIC_BASE) /* keep the map in order */
            add_e820(zero, BOOT_LOW_END, ram, E820_RAM);
        add_e820(zero, e820_rows[i].base, e820_rows[i].end, e820_rows[i].type);
    }
}

/* The setup header's part that a boot loader answers. */
static void write_zero_page(struct memory *memory)
{
    u8 *zero = claim(memory, BOOT_PARAMETERS, ZERO_SIZE);

    put_le(zero + ZERO_ACPI_RSDP, 8, BOOT_ACPI);
    zero[SETUP_LOADER_TYPE] = SETUP_UNREGISTERED_LOADER;
    put_le(zero + SETUP_COMMAND_LINE, 4, BOOT_COMMAND_LINE);
    write_e820(zero, memory->size);
}

/* --- command line and initrd ---------------------------------------------------- */

static u64 length_of(const char *text)
{
    u64 length = 0;

    while (text[length])
        length++;
    return length;
}

static struct err place_command_line(struct memory *memory, const char *text, u64 kernel_max)
{
    u64 max = min_u64(kernel_max, COMMAND_LINE_MAX), length = length_of(text);

    if (length > max)
        return ERR(BAD_INPUT,
                   "The kernel command line has %a bytes but this kernel takes at most %b. "
                   "Shorten what --append gives.",
                   length, max);
    memcpy(claim(memory, BOOT_COMMAND_LINE, length + 1), text, length + 1);
    return NO_ERR;
}

/* As high as RAM and the kernel allow, so that it stays clear of the kernel's growth. */
static struct err place_initrd(struct memory *memory, struct file initrd, const struct loaded *to)
{
    u64 top = min_u64(memory->size, to->initrd_limit), room = 0, at;

    if (!initrd.length)
        return NO_ERR;
    if (top > align_up(to->end, PAGE_SIZE))
        room = top - align_up(to->end, PAGE_SIZE);
    if (initrd.length > room)
        return ERR(NO_SPACE,
                   "The initrd of %a bytes does not fit: above the kernel there is room for %b "
                   "bytes. Give the guest more --memory or a smaller initrd.",
                   initrd.length, room);
    at = (top - initrd.length) & ~(PAGE_SIZE - 1);
    memcpy(claim(memory, at, initrd.length), initrd.bytes, initrd.length);

    u8 *zero = claim(memory, BOOT_PARAMETERS, ZERO_SIZE);
    put_le(zero + SETUP_INITRD, 4, at);
    put_le(zero + SETUP_INITRD_SIZE, 4, initrd.length);
    return NO_ERR;
}

/* --- the whole ------------------------------------------------------------------ */

static struct err load_kernel(struct memory *memory, struct file kernel, struct loaded *to)
{
    if (boot_is_linux(kernel))
        return boot_load_linux(memory, kernel, to);
    if (boot_is_elf(kernel))
        return boot_load_elf(memory, kernel, to);
    return ERR(BAD_INPUT,
               "The kernel file (%a bytes) is neither a Linux bzImage nor an ELF executable. "
               "Give an uncompressed vmlinux, or the vmlinuz that the distribution installs.",
               kernel.length, 0);
}

struct err boot_load(struct memory *memory, const struct boot_request *request,
                     struct boot_state *state)
{
    struct file kernel = {request->kernel, request->kernel ? request->kernel_length : 0};
    struct file initrd = {request->initrd, request->initrd ? request->initrd_length : 0};
    const char *command_line = request->command_line ? request->command_line : "";
    struct loaded loaded = {0};

    if (memory->size < BOOT_RAM_MIN)
        return ERR(BAD_INPUT,
                   "The guest has %a bytes of RAM but needs at least %b to boot anything. "
                   "Give it more --memory.",
                   memory->size, BOOT_RAM_MIN);
    TRY(load_kernel(memory, kernel, &loaded));
    TRY(place_command_line(memory, command_line, loaded.command_line_max));
    TRY(place_initrd(memory, initrd, &loaded));
    write_zero_page(memory);
    write_page_tables(memory);
    write_gdt(memory);
    boot_acpi(memory);
    *state = (struct boot_state){
        .rip = loaded.entry,
        .rsp = BOOT_STACK,
        .rsi = BOOT_PARAMETERS,
        .cr3 = BOOT_PAGE_TABLES,
        .gdt_base = BOOT_GDT,
        .gdt_limit = sizeof(gdt) - 1,
    };
    return NO_ERR;
}
