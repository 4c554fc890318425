/*
 * Linux bzImages by the 64-bit boot protocol (Documentation/arch/x86/boot.rst):
 * the setup header goes into the zero page, the protected-mode part to the
 * kernel's preferred address, entry is 0x200 bytes into it. The real-mode part
 * never runs. Older kernels than protocol 2.12 (Linux 3.8) have no 64-bit entry
 * that can be told from the file, so they are refused.
 *
 * The preferred address is used even for relocatable kernels: their decompressor
 * moves itself there when it is loaded lower.
 */
#include "core/boot/loader.h"

enum { SECTOR = 512, DEFAULT_SETUP_SECTORS = 4, ENTRY_OFFSET = 0x200 };
enum { XLF_KERNEL_64 = 1 << 0 };
#define PROTOCOL_MIN 0x20cu

bool boot_is_linux(struct file file)
{
    return file.length >= SETUP_READ_END &&
           get_le(file.bytes + SETUP_BOOT_FLAG, 2) == SETUP_BOOT_FLAG_VALUE &&
           get_le(file.bytes + SETUP_MAGIC, 4) == SETUP_MAGIC_VALUE;
}

static struct err check_protocol(const u8 *setup)
{
    u64 version = get_le(setup + SETUP_VERSION, 2);

    if (version < PROTOCOL_MIN)
        return ERR(BAD_INPUT,
                   "The bzImage speaks boot protocol %A (hexadecimal) but %B is the oldest with "
                   "a 64-bit entry. Use Linux 3.8 or newer.",
                   version, PROTOCOL_MIN);
    if (!(get_le(setup + SETUP_XLOADFLAGS, 2) & XLF_KERNEL_64))
        return ERR(BAD_INPUT,
                   "The bzImage is a 32-bit kernel (xloadflags %A has no 64-bit entry). Use an "
                   "x86-64 kernel.",
                   get_le(setup + SETUP_XLOADFLAGS, 2), 0);
    return NO_ERR;
}

/* The part of the file behind the real-mode code. */
static struct err protected_mode_part(struct file file, struct file *part)
{
    u64 sectors = file.bytes[SETUP_SECTORS] ? file.bytes[SETUP_SECTORS] : DEFAULT_SETUP_SECTORS;
    u64 skip = (sectors + 1) * SECTOR;
    u64 payload = get_le(file.bytes + SETUP_PAYLOAD, 4);
    u64 payload_size = get_le(file.bytes + SETUP_PAYLOAD_SIZE, 4);
    u64 need = max_u64(payload + payload_size, ENTRY_OFFSET + 1);

    if (!inside(skip, need, file.length))
        return ERR(BAD_INPUT,
                   "The bzImage is cut short: it has %a bytes but its header tells of %b. "
                   "Copy or download it again.",
                   file.length, skip + need);
    *part = (struct file){file.bytes + skip, file.length - skip};
    return NO_ERR;
}

static void copy_setup_header(struct memory *memory, const u8 *setup)
{
    u8 *zero = claim(memory, BOOT_PARAMETERS, ZERO_SIZE);
    /* Newer kernels may have a longer header than we know; older ones a shorter. */
    u64 end = min_u64(SETUP_MAGIC + setup[SETUP_JUMP_LENGTH], SETUP_END_MAX);

    end = min_u64(max_u64(end, SETUP_READ_END), SETUP_END_MAX);
    memcpy(zero + SETUP_SECTORS, setup + SETUP_SECTORS, end - SETUP_SECTORS);
}

struct err boot_load_linux(struct memory *memory, struct file file, struct loaded *to)
{
    struct file part;
    u64 at = get_le(file.bytes + SETUP_PREF_ADDRESS, 8);
    u64 space;

    TRY(check_protocol(file.bytes));
    TRY(protected_mode_part(file, &part));
    space = max_u64(get_le(file.bytes + SETUP_INIT_SIZE, 4), part.length);
    if (at < BOOT_LOW_END)
        return ERR(BAD_INPUT,
                   "The bzImage wants to be loaded at %A, below 1 MiB (%B), where the boot "
                   "tables are. Its header is damaged; copy or download it again.",
                   at, BOOT_LOW_END);
    if (!inside(at, space, memory->size))
        return ERR(NO_SPACE,
                   "The kernel needs RAM up to address %a to unpack itself but the guest has %b "
                   "bytes. Give it more --memory.",
                   at > UINT64_MAX - space ? UINT64_MAX : at + space, memory->size);
    memcpy(claim(memory, at, part.length), part.bytes, part.length);
    copy_setup_header(memory, file.bytes);
    to->entry = at + ENTRY_OFFSET;
    to->end = at + space;
    to->initrd_limit = get_le(file.bytes + SETUP_INITRD_MAX, 4) + 1;
    to->command_line_max = get_le(file.bytes + SETUP_COMMAND_LINE_MAX, 4);
    return NO_ERR;
}
