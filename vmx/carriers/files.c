/*
 * Files that a run needs, found and checked before anything is started: the
 * installed image, and what the user names as kernel and initrd. Only what can
 * be told from a header is checked here; the image checks all it uses again.
 * Sources: Documentation/arch/x86/boot.rst (header at 0x1f1), ELF-64 1.5.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmx/carriers/carrier.h"

static bool join(char path[CARRIER_PATH], const char *directory, const char *name)
{
    int length = snprintf(path, CARRIER_PATH, "%s/%s", directory, name);
    return length > 0 && length < CARRIER_PATH && !access(path, R_OK);
}

bool own_directory(char directory[CARRIER_PATH])
{
    ssize_t length = readlink("/proc/self/exe", directory, CARRIER_PATH - 1);
    if (length <= 0)
        return false;
    directory[length] = 0;
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = 0;
    return slash != NULL;
}

struct failure find_image(const char *name, char path[CARRIER_PATH])
{
    static const char *const places[] = {"image", "../lib/hindvisor"};
    const char *forced = getenv("HINDVISOR_IMAGE");
    char own[CARRIER_PATH - 300], directory[CARRIER_PATH];
    if (forced && *forced) {
        if (join(path, forced, name))
            return NO_FAILURE;
        return fail(BAD_INPUT, "no %s in %s, where HINDVISOR_IMAGE points", name, forced);
    }
    if (!own_directory(directory) || strlen(directory) >= sizeof(own))
        return fail(HOST_IO, "cannot tell where this program is (/proc/self/exe)");
    memcpy(own, directory, strlen(directory) + 1);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        snprintf(directory, sizeof(directory), "%s/%s", own, places[i]);
        if (join(path, directory, name))
            return NO_FAILURE;
    }
    return fail(
        BAD_INPUT,
        "the hypervisor image is missing: no image/%s and no ../lib/hindvisor/%s beside %s; "
        "run `make image` or `make install`",
        name, name, own);
}

struct failure view_file(const char *path, struct bytes *view)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *view = (struct bytes){0};
    if (descriptor < 0)
        return fail_errno("cannot read %s", path);
    void *at = fstat(descriptor, &status) ? MAP_FAILED
                                          : mmap(NULL, (size_t)status.st_size, PROT_READ,
                                                 MAP_PRIVATE, descriptor, 0);
    struct failure failure = at == MAP_FAILED ? fail_errno("cannot map %s", path) : NO_FAILURE;
    close(descriptor);
    if (!failure.code)
        *view = (struct bytes){at, (u64)status.st_size};
    return failure;
}

void release_file(struct bytes *view)
{
    if (view->at)
        munmap((void *)view->at, view->length);
    *view = (struct bytes){0};
}

bool find_program(const char *name, char path[CARRIER_PATH])
{
    const char *list = getenv("PATH");
    for (const char *at = list ? list : "/usr/bin:/bin"; *at;) {
        size_t length = strcspn(at, ":");
        int n = snprintf(path, CARRIER_PATH, "%.*s/%s", (int)length, at, name);
        if (length && n < CARRIER_PATH && !access(path, X_OK))
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

static struct failure open_file(const char *role, const char *path, int *descriptor, u64 *size)
{
    struct stat status;
    /* O_NONBLOCK: a FIFO must not make us wait before it is refused. */
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*descriptor < 0 || fstat(*descriptor, &status))
        return fail_errno("cannot read the %s %s", role, path);
    *size = (u64)status.st_size;
    if (S_ISREG(status.st_mode) && status.st_size > 0)
        return NO_FAILURE;
    if (!S_ISREG(status.st_mode))
        return fail(BAD_INPUT, "the %s %s is not a file", role, path);
    return fail(BAD_INPUT, "the %s %s is empty", role, path);
}

struct failure check_file(const char *role, const char *path, u64 *size)
{
    int descriptor;
    struct failure failure = open_file(role, path, &descriptor, size);
    if (descriptor >= 0)
        close(descriptor);
    return failure;
}

static u32 get(const u8 *bytes, size_t at, int size)
{
    u32 value = 0;
    memcpy(&value, bytes + at, (size_t)size);
    return value;
}

enum {
    SETUP_SECTORS = 0x1f1,
    BOOT_FLAG = 0x1fe,
    SETUP_MAGIC = 0x202,
    SETUP_VERSION = 0x206,
    SETUP_XLOADFLAGS = 0x236,
    HEADER_BYTES = 0x270,
    SETUP_HAS_ENTRY_64 = 1,
};

static struct failure check_linux(const char *path, const u8 *header, u64 size)
{
    u32 version = get(header, SETUP_VERSION, 2);
    u32 setup = header[SETUP_SECTORS] ? header[SETUP_SECTORS] : 4;
    if (version < 0x20c || !(get(header, SETUP_XLOADFLAGS, 2) & SETUP_HAS_ENTRY_64))
        return fail(BAD_INPUT,
                    "the kernel %s has no 64-bit entry (boot protocol %u.%02u); a 64-bit Linux 3.8 "
                    "or newer has one",
                    path, version >> 8, version & 0xff);
    if (size <= (u64)(setup + 1) * SECTOR)
        return fail(BAD_INPUT, "the kernel %s is truncated: %lu bytes, its setup alone has %u",
                    path, size, (setup + 1) * SECTOR);
    return NO_FAILURE;
}

static struct failure check_elf(const char *path, const u8 *header, u64 size)
{
    Elf64_Ehdr elf;
    memcpy(&elf, header, sizeof(elf));
    if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
        return fail(BAD_INPUT, "the kernel %s is an ELF file, but not for x86-64", path);
    if (elf.e_type != ET_EXEC && elf.e_type != ET_DYN)
        return fail(BAD_INPUT, "the kernel %s is an ELF file, but not an executable", path);
    if (!elf.e_phnum || elf.e_phoff > size ||
        (u64)elf.e_phnum * elf.e_phentsize > size - elf.e_phoff)
        return fail(BAD_INPUT, "the kernel %s is truncated: its program headers are missing", path);
    return NO_FAILURE;
}

/* What the user may have meant, by the first bytes. */
static const struct {
    const char *magic;
    size_t length;
    const char *is;
} other_files[] = {
    {"\x1f\x8b", 2, "a gzip file; unpack it first"},
    {"\xfd"
     "7zXZ",
     5, "an xz file; unpack it first"},
    {"\x28\xb5\x2f\xfd", 4, "a zstd file; unpack it first"},
    {"070701", 6, "a cpio archive: give it as --initrd"},
    {"!<arch>\n", 8, "an archive (a .deb?); the kernel is inside it"},
    {"#!", 2, "a script"},
};

static struct failure not_a_kernel(const char *path, const u8 *header)
{
    const char *is = "something else";
    for (size_t i = 0; i < ARRAY_SIZE(other_files); i++)
        if (!memcmp(header, other_files[i].magic, other_files[i].length))
            is = other_files[i].is;
    return fail(BAD_INPUT,
                "%s is not a kernel: neither a Linux bzImage (/boot/vmlinuz-...) nor an x86-64 ELF "
                "executable, but %s",
                path, is);
}

struct failure check_kernel(const char *path, enum kernel_format *format)
{
    u8 header[HEADER_BYTES] = {0};
    int descriptor;
    u64 size;
    struct failure failure = open_file("kernel", path, &descriptor, &size);
    ssize_t n = failure.code ? 0 : read(descriptor, header, sizeof(header));
    if (n < 0)
        failure = fail_errno("cannot read the kernel %s", path);
    if (descriptor >= 0)
        close(descriptor);
    if (failure.code)
        return failure;
    if (!memcmp(header, ELFMAG, SELFMAG)) {
        *format = KERNEL_ELF;
        return check_elf(path, header, size);
    }
    *format = KERNEL_LINUX;
    if (get(header, BOOT_FLAG, 2) != 0xaa55 || memcmp(header + SETUP_MAGIC, "HdrS", 4) != 0)
        return not_a_kernel(path, header);
    return check_linux(path, header, size);
}
