/*
 * Any bytes as kernel and initrd: boot_load either loads them or says why not,
 * touches guest RAM only, and marks all that it writes. The first byte of the
 * input chooses whether the magic numbers are put right, so that the checks
 * behind them are reached too.
 */
#include "core/boot/boot.h"

#include <stdlib.h>
#include <string.h>

enum { RAM = 4 << 20, FILE_MAX = 16 << 10, EXPENSIVE_CHECK_EVERY = 256 };
enum { MAKE_LINUX = 1, MAKE_ELF = 2 };

static struct memory memory;
static u8 file[FILE_MAX], zeros[RAM];

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Back to zeros, by the dirty bits alone. */
static void clear_ram(void)
{
    static u32 runs;

    for (u64 page = 0; page < RAM / PAGE_SIZE; page++)
        if (memory.dirty[page / 64] >> page % 64 & 1)
            memset(memory.base + page * PAGE_SIZE, 0, PAGE_SIZE);
    memset(memory.dirty, 0, RAM / PAGE_SIZE / 8);
    if (runs++ % EXPENSIVE_CHECK_EVERY == 0)
        require(!memcmp(memory.base, zeros, RAM)); /* or something was written and not marked */
}

static void set_up(void)
{
    memory_init(&memory, calloc(1, RAM), RAM, calloc(1, memory_overhead(RAM)));
    memset(memory.dirty, 0, RAM / PAGE_SIZE / 8);
}

/* Numbers that a random file has no chance to guess; everything else stays as it came. */
static void put_right(u8 kind, u64 length)
{
    if (kind == MAKE_LINUX && length >= 0x264) {
        memcpy(file + 0x1fe, "\x55\xaa", 2);
        memcpy(file + 0x202, "HdrS", 4);
        file[0x207] |= 0x10;
        file[0x236] |= 1;
        file[0x25b] = file[0x25c] = file[0x25d] = file[0x25e] = file[0x25f] = 0; /* below 16 MiB */
    }
    if (kind == MAKE_ELF && length >= 64) {
        memcpy(file,
               "\x7f"
               "ELF\2\1\1",
               7);
        memcpy(file + 16, "\2\0\76\0", 4);
        memcpy(file + 32, "\100\0\0\0\0\0\0\0", 8); /* program headers at 64 */
        memcpy(file + 54, "\70\0\3\0", 4);          /* three of 56 bytes */
    }
}

static void check_state(const struct boot_state *state)
{
    require(state->rip >= 0x100000 && state->rip < RAM);
    require(state->rsi == BOOT_PARAMETERS && state->cr3 == BOOT_PAGE_TABLES);
    require(memory_at(&memory, state->gdt_base, state->gdt_limit + 1ull));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct boot_state state;
    struct boot_request request = {.command_line = "console=ttyS0"};

    if (!memory.base)
        set_up();
    if (size < 2)
        return 0;
    u64 length = min_u64(size - 2, FILE_MAX),
        split = data[0] & 0x80 ? length * data[1] / 256 : length;
    memcpy(file, data + 2, length);
    put_right(data[0] & 3, split);
    /* Exact copies, so that the sanitizer sees a read beyond the end. */
    request.kernel = memcpy(malloc(split + !split), file, split);
    request.kernel_length = split;
    request.initrd =
        memcpy(malloc(length - split + (length == split)), file + split, length - split);
    request.initrd_length = length - split;

    struct err e = boot_load(&memory, &request, &state);
    if (e.code == OK)
        check_state(&state);
    else
        require((e.code == BAD_INPUT || e.code == NO_SPACE) && e.what);
    free((void *)(uintptr_t)request.kernel);
    free((void *)(uintptr_t)request.initrd);
    clear_ram();
    return 0;
}
