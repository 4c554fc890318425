/*
 * Guest loading: files made here field by field (offsets as in boot.rst and the
 * ELF specification, not from the loader's own table), then broken one by one.
 */
#include "core/boot/boot.h"
#include "core/devices/ports.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { RAM = 32 << 20, FILE_MAX = 64 << 10 };

static struct memory memory;
static u8 file[FILE_MAX], initrd[3 * PAGE_SIZE + 5];
static struct boot_request request;
static struct boot_state state;

/* --- files ------------------------------------------------------------------------ */

enum { SETUP_BYTES = 5 * 512, KERNEL_BYTES = 0x3000, KERNEL_AT = 0x1000000, INIT_SIZE = 0x400000 };

static void put(u32 offset, u32 size, u64 value)
{
    memcpy(file + offset, &value, size);
}

static void make_bzimage(void)
{
    memset(file, 0, sizeof(file));
    put(0x1f1, 1, 4); /* setup sectors */
    put(0x1fe, 2, 0xaa55);
    put(0x201, 1, 0x6a); /* header ends at 0x26c */
    memcpy(file + 0x202, "HdrS", 4);
    put(0x206, 2, 0x20f);
    put(0x211, 1, 1);          /* loaded high */
    put(0x22c, 4, 0x7fffffff); /* initrd_addr_max */
    put(0x234, 1, 1);          /* relocatable */
    put(0x236, 2, 1);          /* 64-bit entry */
    put(0x238, 4, 100);        /* command line */
    put(0x248, 4, 0x300);      /* payload and its length */
    put(0x24c, 4, KERNEL_BYTES - 0x300);
    put(0x258, 8, KERNEL_AT);
    put(0x260, 4, INIT_SIZE);
    for (u32 i = 0; i < KERNEL_BYTES; i++)
        file[SETUP_BYTES + i] = (u8)(i * 7 + 3);
    request = (struct boot_request){
        .kernel = file, .kernel_length = SETUP_BYTES + KERNEL_BYTES, .command_line = "a=b"};
}

/* Two segments: code at 1 MiB, linked at a high virtual address, and data with a tail of zeros. */
static Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)file;
static Elf64_Phdr *segment = (Elf64_Phdr *)(void *)(file + 64);

static void make_elf(void)
{
    memset(file, 0, sizeof(file));
    memcpy(elf->e_ident,
           "\x7f"
           "ELF\2\1\1",
           7);
    elf->e_type = ET_EXEC;
    elf->e_machine = EM_X86_64;
    elf->e_phoff = 64;
    elf->e_phentsize = sizeof(Elf64_Phdr);
    elf->e_phnum = 3;
    elf->e_entry = 0x100010;
    segment[0] =
        (Elf64_Phdr){PT_LOAD, PF_X, 0x1000, 0xffffffff80100000, 0x100000, 0x800, 0x1000, 0x1000};
    segment[1] = (Elf64_Phdr){PT_NOTE, 0, 0xffffffffffff, 0, 0, 0xffffffffff, 0, 0};
    segment[2] =
        (Elf64_Phdr){PT_LOAD, PF_W, 0x2000, 0xffffffff80101000, 0x101000, 0x10, 0x5000, 0x1000};
    memset(file + 0x1000, 0xcc, 0x800);
    memset(file + 0x2000, 0xdd, 0x10);
    request = (struct boot_request){.kernel = file, .kernel_length = 0x2010, .command_line = "a=b"};
}

/* --- one run ------------------------------------------------------------------------ */

static void set_up(void)
{
    memory_init(&memory, aligned_alloc(PAGE_SIZE, RAM), RAM, malloc(memory_overhead(RAM)));
    memset(memory.base, 0, RAM);
    (void)memory_hash(&memory); /* clears the dirty bits */
    memset(initrd, 0xee, sizeof(initrd));
}

static void tear_down(void)
{
    free(memory.base);
    free(memory.dirty);
}

TestSuite(boot, .init = set_up, .fini = tear_down);

static u64 ram(u64 gpa, u32 size)
{
    u64 value = 0;

    cr_assert(memory_read(&memory, gpa, &value, size), "0x%lx", (unsigned long)gpa);
    return value;
}

static void expect_loaded(void)
{
    struct err e = boot_load(&memory, &request, &state);

    cr_assert_eq(e.code, OK, "%s (%lu, %lu)", e.what ? e.what : "", (unsigned long)e.a,
                 (unsigned long)e.b);
}

/* The words must be for people, and about the thing that is wrong. */
static struct err expect_refused(enum status code, const char *words)
{
    struct err e = boot_load(&memory, &request, &state);

    cr_assert_eq(e.code, code, "%s: %s", words, e.what ? e.what : "loaded");
    cr_assert(strstr(e.what, words), "'%s' is not in: %s", words, e.what);
    cr_assert_eq(e.what[strlen(e.what) - 1], '.', "%s", e.what);
    return e;
}

/* --- bzImage ------------------------------------------------------------------------- */

Test(boot, bzimage_is_entered_512_bytes_into_its_kernel)
{
    make_bzimage();
    expect_loaded();
    cr_assert_eq(state.rip, KERNEL_AT + 0x200u);
    cr_assert(!memcmp(memory.base + KERNEL_AT, file + SETUP_BYTES, KERNEL_BYTES));
    cr_assert_eq(ram(KERNEL_AT + KERNEL_BYTES, 8), 0u);
    cr_assert_eq(state.rsi, (u64)BOOT_PARAMETERS);
    cr_assert_eq(state.rsp, (u64)BOOT_STACK);
}

Test(boot, zero_page_carries_the_header_and_our_answers)
{
    make_bzimage();
    put(0x240, 8, 0x1122334455667788);
    expect_loaded();
    cr_assert_eq(ram(state.rsi + 0x202, 4), 0x53726448u);
    cr_assert_eq(ram(state.rsi + 0x240, 8), 0x1122334455667788u, "copied as is");
    cr_assert_eq(ram(state.rsi + 0x210, 1), 0xffu, "loader type");
    cr_assert_eq(ram(state.rsi + 0x228, 4), (u64)BOOT_COMMAND_LINE);
    cr_assert_eq(ram(state.rsi + 0x070, 8), (u64)BOOT_ACPI);
    cr_assert_eq(ram(state.rsi + 0x000, 8), 0u, "no screen");
    cr_assert_eq(ram(state.rsi + 0x21c, 4), 0u, "no initrd");
    cr_assert_str_eq((char *)memory.base + BOOT_COMMAND_LINE, "a=b");
}

Test(boot, header_copy_stays_inside_its_place)
{
    make_bzimage();
    put(0x201, 1, 0xff);
    memset(file + 0x26c, 0x99, 0x200);
    expect_loaded();
    cr_assert_eq(ram(state.rsi + 0x290, 1), 0u);
    cr_assert_eq(ram(state.rsi + 0x28f, 1), 0x99u);
}

Test(boot, bzimage_without_sector_count_has_four)
{
    make_bzimage();
    put(0x1f1, 1, 0);
    expect_loaded();
    cr_assert_eq(ram(KERNEL_AT, 1), 3u);
}

Test(boot, bzimages_that_cannot_run_are_refused)
{
    make_bzimage();
    put(0x206, 2, 0x20b);
    cr_assert_eq(expect_refused(BAD_INPUT, "boot protocol").a, 0x20bu);
    make_bzimage();
    put(0x236, 2, 0xfffe);
    expect_refused(BAD_INPUT, "32-bit kernel");
    make_bzimage();
    put(0x258, 8, 0xff000);
    expect_refused(BAD_INPUT, "below 1 MiB");
    make_bzimage();
    request.kernel_length--;
    cr_assert_eq(expect_refused(BAD_INPUT, "cut short").b, SETUP_BYTES + KERNEL_BYTES + 0u);
    make_bzimage();
    put(0x24c, 4, 0xffffffff);
    expect_refused(BAD_INPUT, "cut short");
    make_bzimage();
    request.kernel_length = 0x300;
    expect_refused(BAD_INPUT, "cut short");
}

Test(boot, kernel_must_fit_with_its_growth)
{
    make_bzimage();
    put(0x260, 4, RAM - KERNEL_AT);
    expect_loaded();
    put(0x260, 4, RAM - KERNEL_AT + 1);
    cr_assert_eq(expect_refused(NO_SPACE, "--memory").a, RAM + 1u);
    put(0x260, 4, 0xffffffff);
    expect_refused(NO_SPACE, "--memory");
    put(0x258, 8, UINT64_MAX - 5);
    cr_assert_eq(expect_refused(NO_SPACE, "--memory").a, UINT64_MAX, "no wrap");
}

/* --- ELF ------------------------------------------------------------------------------ */

Test(boot, elf_segments_go_to_their_physical_addresses)
{
    make_elf();
    expect_loaded();
    cr_assert_eq(state.rip, 0x100010u);
    cr_assert_eq(ram(0x1007f8, 8), 0xccccccccccccccccu);
    cr_assert_eq(ram(0x100800, 8), 0u);
    cr_assert_eq(ram(0x101008, 8), 0xddddddddddddddddu);
    cr_assert_eq(ram(0x101010, 8), 0u);
}

Test(boot, elf_gets_a_zero_page_too)
{
    make_elf();
    request.initrd = initrd;
    request.initrd_length = sizeof(initrd);
    expect_loaded();
    cr_assert_eq(ram(state.rsi + 0x1fe, 2), 0xaa55u);
    cr_assert_eq(ram(state.rsi + 0x202, 4), 0x53726448u);
    cr_assert_eq(ram(state.rsi + 0x210, 1), 0xffu);
    cr_assert_eq(ram(state.rsi + 0x228, 4), (u64)BOOT_COMMAND_LINE);
    cr_assert_eq(ram(state.rsi + 0x21c, 4), sizeof(initrd));
    cr_assert_geq(ram(state.rsi + 0x1e8, 1), 3u);
}

Test(boot, elf_entry_may_be_physical_or_virtual)
{
    make_elf();
    elf->e_type = ET_DYN;
    elf->e_entry = 0xffffffff80101123;
    expect_loaded();
    cr_assert_eq(state.rip, 0x101123u);
    elf->e_entry = 0x106000;
    cr_assert_eq(expect_refused(BAD_INPUT, "entry point").a, 0x106000u);
}

static void refuse_elf(enum status code, const char *words)
{
    expect_refused(code, words);
    make_elf();
}

Test(boot, elf_files_of_another_kind_are_refused)
{
    make_elf();
    elf->e_machine = EM_AARCH64, refuse_elf(BAD_INPUT, "another processor");
    elf->e_ident[EI_CLASS] = ELFCLASS32, refuse_elf(BAD_INPUT, "another processor");
    elf->e_type = ET_REL, refuse_elf(BAD_INPUT, "not an executable");
    elf->e_phnum = 0, refuse_elf(BAD_INPUT, "program headers");
    elf->e_phnum = 129, refuse_elf(BAD_INPUT, "program headers");
    elf->e_phentsize = 32, refuse_elf(BAD_INPUT, "program headers");
    elf->e_phoff = UINT64_MAX - 8, refuse_elf(BAD_INPUT, "program headers");
    elf->e_phoff = request.kernel_length - 100, refuse_elf(BAD_INPUT, "program headers");
    request.kernel_length = 63, refuse_elf(BAD_INPUT, "cut short");
    request.kernel_length = 3, refuse_elf(BAD_INPUT, "neither");
}

Test(boot, elf_segments_that_lie_are_refused)
{
    make_elf();
    request.kernel_length--, refuse_elf(BAD_INPUT, "damaged");
    segment[0].p_filesz = 0x1001, refuse_elf(BAD_INPUT, "damaged");
    segment[0].p_offset = UINT64_MAX, refuse_elf(BAD_INPUT, "damaged");
    segment[0].p_filesz = UINT64_MAX, refuse_elf(BAD_INPUT, "damaged");
    segment[0].p_paddr = 0xff000, refuse_elf(BAD_INPUT, "below 1 MiB");
    segment[2].p_paddr = RAM - 0x4fff, refuse_elf(NO_SPACE, "--memory");
    segment[2].p_paddr = UINT64_MAX - 1, refuse_elf(NO_SPACE, "--memory");
    segment[2].p_memsz = UINT64_MAX, refuse_elf(NO_SPACE, "--memory");
    segment[2].p_paddr = 0x100fff, refuse_elf(BAD_INPUT, "overlap");
    segment[0].p_memsz = 0, segment[0].p_filesz = 0, refuse_elf(BAD_INPUT, "entry point");
}

/* Segments come in any order, and touching is not overlapping. */
Test(boot, elf_segments_may_touch_in_any_order)
{
    make_elf();
    segment[0].p_paddr = 0x200000;
    segment[2].p_paddr = 0x200000 - segment[2].p_memsz;
    elf->e_entry = 0x200000;
    expect_loaded();
    segment[2].p_paddr++, refuse_elf(BAD_INPUT, "overlap");
    segment[0].p_paddr = 0x103000, refuse_elf(BAD_INPUT, "overlap");
}

Test(boot, refused_elf_leaves_ram_alone)
{
    make_elf();
    segment[2].p_paddr = 0x100fff;
    expect_refused(BAD_INPUT, "overlap");
    cr_assert_eq(ram(0x100000, 8), 0u);
}

/* --- initrd and command line ------------------------------------------------------------ */

Test(boot, initrd_lies_at_the_top)
{
    make_bzimage();
    request.initrd = initrd;
    request.initrd_length = sizeof(initrd);
    expect_loaded();
    u64 at = ram(state.rsi + 0x218, 4);
    cr_assert_eq(at, RAM - 4 * PAGE_SIZE);
    cr_assert_eq(ram(state.rsi + 0x21c, 4), sizeof(initrd));
    cr_assert(!memcmp(memory.base + at, initrd, sizeof(initrd)));
}

Test(boot, initrd_stays_below_the_kernels_limit)
{
    make_bzimage();
    put(0x22c, 4, KERNEL_AT + INIT_SIZE + 5 * PAGE_SIZE - 1);
    request.initrd = initrd;
    request.initrd_length = sizeof(initrd);
    expect_loaded();
    cr_assert_eq(ram(state.rsi + 0x218, 4), KERNEL_AT + INIT_SIZE + PAGE_SIZE);
}

Test(boot, initrd_that_does_not_fit_is_refused_with_both_sizes)
{
    struct err e;

    make_bzimage();
    put(0x22c, 4, KERNEL_AT + INIT_SIZE + 3 * PAGE_SIZE - 1);
    request.initrd = initrd;
    request.initrd_length = sizeof(initrd);
    e = expect_refused(NO_SPACE, "--memory");
    cr_assert_eq(e.a, sizeof(initrd));
    cr_assert_eq(e.b, 3 * PAGE_SIZE);
    put(0x22c, 4, 0);
    cr_assert_eq(expect_refused(NO_SPACE, "--memory").b, 0u);
    put(0x22c, 4, 0x7fffffff);
    request.initrd_length = UINT64_MAX;
    expect_refused(NO_SPACE, "--memory");
}

Test(boot, command_line_is_bounded_by_kernel_and_us)
{
    static char line[3000];

    make_bzimage();
    request.command_line = line;
    memset(line, 'x', 100);
    expect_loaded();
    line[100] = 'x';
    cr_assert_eq(expect_refused(BAD_INPUT, "--append").b, 100u);
    put(0x238, 4, 0xffffffff);
    memset(line, 'x', 2048);
    cr_assert_eq(expect_refused(BAD_INPUT, "--append").b, 2047u);
    line[2047] = 0;
    expect_loaded();
}

/* --- the processor's start ----------------------------------------------------------------- */

/* By a walk of our own, at both ends and across the tables' seams. */
Test(boot, page_tables_map_four_gigabytes_to_themselves)
{
    static const u64 places[] = {0,          0x1fffff,   0x200000,  0x3fffffff,
                                 0x40000000, 0xfee00000, 0xffffffff};

    make_elf();
    expect_loaded();
    for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
        u64 l4 = ram(state.cr3 + 8 * (places[i] >> 39), 8), l3, l2;
        cr_assert_eq(l4 & 0xfff, 3u);
        l3 = ram((l4 & ~0xfffull) + 8 * (places[i] >> 30 & 511), 8);
        cr_assert_eq(l3 & 0xfff, 3u);
        l2 = ram((l3 & ~0xfffull) + 8 * (places[i] >> 21 & 511), 8);
        cr_assert_eq(l2, (places[i] & ~0x1fffffull) | 0x83, "0x%lx", (unsigned long)places[i]);
    }
    cr_assert_eq(ram(state.cr3 + 8, 8), 0u);
    cr_assert_eq(ram(state.cr3 + 0x1000 + 4 * 8, 8), 0u);
}

Test(boot, gdt_has_flat_code_and_data)
{
    make_elf();
    expect_loaded();
    cr_assert_eq(state.gdt_limit, 0x1f);
    cr_assert_eq(ram(state.gdt_base, 8), 0u);
    cr_assert_eq(ram(state.gdt_base + 0x10, 8), 0x00af9b000000ffffu, "64-bit code");
    cr_assert_eq(ram(state.gdt_base + 0x18, 8), 0x00cf93000000ffffu, "data");
}

static u64 e820_type_of(u64 gpa)
{
    u64 rows = ram(state.rsi + 0x1e8, 1), type = 0;

    for (u64 i = 0; i < rows; i++) {
        u64 row = state.rsi + 0x2d0 + 20 * i;
        if (gpa < ram(row, 8) || gpa - ram(row, 8) >= ram(row + 8, 8))
            continue;
        cr_assert_eq(type, 0u, "0x%lx is in two rows", (unsigned long)gpa);
        type = ram(row + 16, 4);
    }
    return type;
}

Test(boot, e820_map_tells_ram_from_the_rest)
{
    make_elf();
    expect_loaded();
    cr_assert_eq(e820_type_of(0), 1u);
    cr_assert_eq(e820_type_of(0x9fbff), 1u);
    cr_assert_eq(e820_type_of(0x9fc00), 2u);
    cr_assert_eq(e820_type_of(0xa0000), 2u);
    cr_assert_eq(e820_type_of(BOOT_ACPI), 2u);
    cr_assert_eq(e820_type_of(0xfffff), 2u);
    cr_assert_eq(e820_type_of(0x100000), 1u);
    cr_assert_eq(e820_type_of(RAM - 1), 1u);
    cr_assert_eq(e820_type_of(RAM), 0u);
    cr_assert_eq(e820_type_of(IOAPIC_BASE), 2u);
    cr_assert_eq(e820_type_of(LAPIC_BASE), 2u);
}

/* --- the rest --------------------------------------------------------------------------------- */

Test(boot, all_that_is_written_is_marked_dirty)
{
    make_bzimage();
    request.initrd = initrd;
    request.initrd_length = sizeof(initrd);
    expect_loaded();
    for (u64 page = 0; page < RAM / PAGE_SIZE; page++) {
        bool dirty = memory.dirty[page / 64] >> page % 64 & 1, written = false;
        for (u64 i = 0; i < PAGE_SIZE && !written; i++)
            written = memory.base[page * PAGE_SIZE + i];
        cr_assert(dirty || !written, "page 0x%lx", (unsigned long)page);
    }
}

Test(boot, nonsense_is_refused)
{
    make_elf();
    request.kernel_length = 0;
    expect_refused(BAD_INPUT, "neither");
    request = (struct boot_request){0};
    expect_refused(BAD_INPUT, "neither");
    make_elf();
    memory.size = 1 << 20;
    expect_refused(BAD_INPUT, "--memory");
}

Test(boot, no_command_line_is_an_empty_one)
{
    make_elf();
    request.command_line = NULL;
    expect_loaded();
    cr_assert_eq(ram(BOOT_COMMAND_LINE, 1), 0u);
}
