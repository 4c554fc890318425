/*
 * x86-64 ELF executables: Linux's vmlinux and our own test guests. PT_LOAD
 * segments go to their physical addresses; nothing is relocated and no other
 * program header is looked at. They are entered like a bzImage, with a zero
 * page that we fill in as a boot loader would find it in the setup header.
 *
 * Source: System V ABI, chapters 4 and 5, and its AMD64 supplement.
 */
#include "core/boot/loader.h"

struct elf_header {
    u8 magic[4];
    u8 class, data, ident_version, abi, padding[8];
    u16 type, machine;
    u32 version;
    u64 entry, phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56, "ELF64");

enum { CLASS_64 = 2, DATA_LITTLE = 1, TYPE_EXEC = 2, TYPE_DYN = 3, MACHINE_X86_64 = 62 };
enum { SEGMENT_LOAD = 1, SEGMENTS_MAX = 128 };

/* What vmlinux itself would say in a bzImage's setup header. */
enum { ELF_COMMAND_LINE_MAX = 2047 };
#define ELF_INITRD_MAX 0x7fffffffull
#define ELF_PROTOCOL 0x20fu

bool boot_is_elf(struct file file)
{
    return file.length >= 4 && !memcmp(file.bytes,
                                       "\x7f"
                                       "ELF",
                                       4);
}

static struct err check_header(const struct elf_header *header)
{
    if (header->class != CLASS_64 || header->data != DATA_LITTLE ||
        header->machine != MACHINE_X86_64)
        return ERR(BAD_INPUT,
                   "The kernel is an ELF file for another processor (class %a, machine %b). "
                   "Build it for x86-64.",
                   header->class, header->machine);
    if (header->type != TYPE_EXEC && header->type != TYPE_DYN)
        return ERR(BAD_INPUT,
                   "The kernel is an ELF file of type %a, not an executable. Link it first.",
                   header->type, 0);
    if (header->phentsize != sizeof(struct elf_segment) || !header->phnum ||
        header->phnum > SEGMENTS_MAX)
        return ERR(BAD_INPUT,
                   "The ELF kernel has %a program headers of %b bytes; 1 to 128 of 56 bytes are "
                   "understood. Link it as a plain executable.",
                   header->phnum, header->phentsize);
    return NO_ERR;
}

static struct err read_header(struct file file, struct elf_header *header)
{
    if (file.length < sizeof(*header))
        return ERR(BAD_INPUT,
                   "The ELF kernel is cut short: %a bytes are less than the file header's %b. "
                   "Copy or build it again.",
                   file.length, sizeof(*header));
    memcpy(header, file.bytes, sizeof(*header));
    TRY(check_header(header));
    if (!inside(header->phoff, (u64)header->phnum * sizeof(struct elf_segment), file.length))
        return ERR(BAD_INPUT,
                   "The ELF kernel is cut short: its program headers at %a lie beyond its %b "
                   "bytes. Copy or build it again.",
                   header->phoff, file.length);
    return NO_ERR;
}

/* The n-th program header; the bounds are checked. */
static struct elf_segment segment_at(struct file file, const struct elf_header *header, u32 n)
{
    struct elf_segment segment;

    memcpy(&segment, file.bytes + header->phoff + n * sizeof(segment), sizeof(segment));
    return segment;
}

static bool occupies_ram(const struct elf_segment *segment)
{
    return segment->type == SEGMENT_LOAD && segment->memsz;
}

static struct err check_segment(const struct elf_segment *segment, u64 file_length, u64 ram)
{
    if (segment->filesz > segment->memsz || !inside(segment->offset, segment->filesz, file_length))
        return ERR(BAD_INPUT,
                   "The ELF kernel is damaged: a segment takes %b bytes from offset %a, more "
                   "than the file or the segment has. Copy or build it again.",
                   segment->offset, segment->filesz);
    if (segment->paddr < BOOT_LOW_END)
        return ERR(BAD_INPUT,
                   "The ELF kernel has a segment at physical address %A, below 1 MiB (%B), where "
                   "the boot tables are. Link it at 1 MiB or higher; a program for an operating "
                   "system cannot be booted.",
                   segment->paddr, BOOT_LOW_END);
    if (!inside(segment->paddr, segment->memsz, ram))
        return ERR(NO_SPACE,
                   "The ELF kernel has a segment of %b bytes at physical address %A, which does "
                   "not fit into the guest's RAM. Give it more --memory, or link it lower.",
                   segment->paddr, segment->memsz);
    return NO_ERR;
}

/* Does an earlier segment share a byte of RAM with the n-th? All are checked by now. */
static struct err check_overlap(struct file file, const struct elf_header *header, u32 n)
{
    struct elf_segment late = segment_at(file, header, n);

    for (u32 i = 0; i < n; i++) {
        struct elf_segment early = segment_at(file, header, i);
        if (occupies_ram(&early) && early.paddr < late.paddr + late.memsz &&
            late.paddr < early.paddr + early.memsz)
            return ERR(BAD_INPUT,
                       "Two segments of the ELF kernel, at physical addresses %A and %B, overlap. "
                       "Check the physical addresses (AT) in its linker script.",
                       early.paddr, late.paddr);
    }
    return NO_ERR;
}

/* First all checks, then all copies: a file that is refused leaves RAM alone. */
static struct err check_segments(struct memory *memory, struct file file,
                                 const struct elf_header *header)
{
    for (u32 i = 0; i < header->phnum; i++) {
        struct elf_segment segment = segment_at(file, header, i);
        if (!occupies_ram(&segment))
            continue;
        TRY(check_segment(&segment, file.length, memory->size));
        TRY(check_overlap(file, header, i));
    }
    return NO_ERR;
}

/* Physical where some segment holds it as such (vmlinux), else translated from virtual. */
static struct err find_entry(struct file file, const struct elf_header *header, u64 *entry)
{
    for (int by_vaddr = 0; by_vaddr < 2; by_vaddr++) {
        for (u32 i = 0; i < header->phnum; i++) {
            struct elf_segment segment = segment_at(file, header, i);
            u64 offset = header->entry - (by_vaddr ? segment.vaddr : segment.paddr);
            if (!occupies_ram(&segment) || offset >= segment.memsz)
                continue;
            *entry = segment.paddr + offset;
            return NO_ERR;
        }
    }
    return ERR(BAD_INPUT,
               "The ELF kernel's entry point %A lies in none of its %b program headers' "
               "segments. Link it with an entry symbol.",
               header->entry, header->phnum);
}

static u64 copy_segments(struct memory *memory, struct file file, const struct elf_header *header)
{
    u64 end = 0;

    for (u32 i = 0; i < header->phnum; i++) {
        struct elf_segment segment = segment_at(file, header, i);
        if (!occupies_ram(&segment))
            continue;
        memcpy(claim(memory, segment.paddr, segment.memsz), file.bytes + segment.offset,
               segment.filesz);
        end = max_u64(end, segment.paddr + segment.memsz);
    }
    return end;
}

static const struct field elf_setup[] = {
    {SETUP_BOOT_FLAG, 2, SETUP_BOOT_FLAG_VALUE},
    {SETUP_MAGIC, 4, SETUP_MAGIC_VALUE},
    {SETUP_VERSION, 2, ELF_PROTOCOL},
    {SETUP_LOAD_FLAGS, 1, SETUP_LOADED_HIGH},
    {SETUP_INITRD_MAX, 4, ELF_INITRD_MAX},
    {SETUP_ALIGNMENT, 4, 0x200000},
    {SETUP_COMMAND_LINE_MAX, 4, ELF_COMMAND_LINE_MAX},
};

struct err boot_load_elf(struct memory *memory, struct file file, struct loaded *to)
{
    struct elf_header header;

    TRY(read_header(file, &header));
    TRY(check_segments(memory, file, &header));
    TRY(find_entry(file, &header, &to->entry));
    to->end = copy_segments(memory, file, &header);
    put_fields(claim(memory, BOOT_PARAMETERS, ZERO_SIZE), elf_setup, ARRAY_SIZE(elf_setup));
    to->initrd_limit = ELF_INITRD_MAX + 1;
    to->command_line_max = ELF_COMMAND_LINE_MAX;
    return NO_ERR;
}
