/*
 * Internal to core/boot/: what the loaders of the file formats share, the zero
 * page's layout (struct boot_params, Documentation/arch/x86/zero-page.rst and
 * boot.rst) and little-endian access to bytes at any alignment.
 */
#ifndef CORE_BOOT_LOADER_H
#define CORE_BOOT_LOADER_H

#include "core/boot/boot.h"
#include "core/mem.h"

/* What a file says once its bytes are in guest RAM. */
struct loaded {
    u64 entry;            /* guest-physical */
    u64 end;              /* first byte above all that the kernel needs; the initrd stays above */
    u64 initrd_limit;     /* first byte above what the kernel lets the initrd take */
    u64 command_line_max; /* bytes without the NUL */
};

/* A file in memory, not to be trusted. */
struct file {
    const u8 *bytes;
    u64 length;
};

bool boot_is_linux(struct file);
bool boot_is_elf(struct file);
/* Both place the kernel at or above 1 MiB and fill in the setup header of the zero page. */
struct err boot_load_linux(struct memory *, struct file, struct loaded *);
struct err boot_load_elf(struct memory *, struct file, struct loaded *);

/* Writes the ACPI tables into RAM from BOOT_ACPI on; RAM reaches at least to 1 MiB. */
void boot_acpi(struct memory *);

/* Offsets into the zero page. */
enum {
    ZERO_ACPI_RSDP = 0x070, /* u64 */
    ZERO_E820_ENTRIES = 0x1e8,
    ZERO_E820_TABLE = 0x2d0, /* rows of u64 base, u64 length, u32 type */
    ZERO_SIZE = 0x1000,
    /* The setup header: the same offsets hold in a bzImage. */
    SETUP_SECTORS = 0x1f1,          /* u8 */
    SETUP_SYSSIZE = 0x1f4,          /* u32, in 16 bytes */
    SETUP_BOOT_FLAG = 0x1fe,        /* u16, 0xaa55 */
    SETUP_JUMP_LENGTH = 0x201,      /* u8; the header ends at 0x202 + this */
    SETUP_MAGIC = 0x202,            /* u32, "HdrS" */
    SETUP_VERSION = 0x206,          /* u16 */
    SETUP_LOADER_TYPE = 0x210,      /* u8 */
    SETUP_LOAD_FLAGS = 0x211,       /* u8 */
    SETUP_INITRD = 0x218,           /* u32 */
    SETUP_INITRD_SIZE = 0x21c,      /* u32 */
    SETUP_COMMAND_LINE = 0x228,     /* u32 */
    SETUP_INITRD_MAX = 0x22c,       /* u32, last byte that an initrd may take */
    SETUP_ALIGNMENT = 0x230,        /* u32 */
    SETUP_XLOADFLAGS = 0x236,       /* u16 */
    SETUP_COMMAND_LINE_MAX = 0x238, /* u32 */
    SETUP_PAYLOAD = 0x248,          /* u32 */
    SETUP_PAYLOAD_SIZE = 0x24c,     /* u32 */
    SETUP_PREF_ADDRESS = 0x258,     /* u64 */
    SETUP_INIT_SIZE = 0x260,        /* u32 */
    SETUP_READ_END = 0x264,         /* first byte above all that we read */
    SETUP_END_MAX = 0x290,          /* room for the header in the zero page */
};

enum { SETUP_LOADED_HIGH = 1 << 0, SETUP_UNREGISTERED_LOADER = 0xff };
#define SETUP_BOOT_FLAG_VALUE 0xaa55u
#define SETUP_MAGIC_VALUE 0x53726448u

enum { BOOT_LOW_END = 0x100000 }; /* 1 MiB: below lie our own structures */

static inline u64 get_le(const u8 *at, u32 size)
{
    u64 value = 0;

    memcpy(&value, at, size);
    return value;
}

static inline void put_le(u8 *at, u32 size, u64 value)
{
    memcpy(at, &value, size);
}

/* A number at a fixed place in a table; what is not named is 0. */
struct field {
    u16 offset;
    u8 size;
    u64 value;
};

static inline void put_fields(u8 *at, const struct field *fields, u32 count)
{
    for (u32 i = 0; i < count; i++)
        put_le(at + fields[i].offset, fields[i].size, fields[i].value);
}

/* Is [at, at + length) inside [0, limit)? Never overflows. */
static inline bool inside(u64 at, u64 length, u64 limit)
{
    return at <= limit && length <= limit - at;
}

/* Guest RAM that the caller is going to write; the caller knows that it is there. */
static inline u8 *claim(struct memory *memory, u64 gpa, u64 length)
{
    memory_mark_dirty(memory, gpa, length);
    return memory_at(memory, gpa, length);
}

#endif
