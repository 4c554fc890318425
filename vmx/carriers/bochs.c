/*
 * Carrier Bochs: Debian's package, started with a configuration made for the
 * run. No BIOS: our ROM at the reset vector, image, mission and guest files put
 * straight into RAM, the trace disk as its only drive. What was measured of
 * Bochs 2.7, and why each line is as it is, is in docs/TRICKS.md.
 */
#define _GNU_SOURCE /* copy_file_range */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmx/carriers/carrier.h"
#include "vmx/image/layout.h"

/* ips: Bochs's TSC counts instructions, and this many of them make a second of its time. */
enum { BOCHS_IPS = 100000000 };
#define VGA_BIOS "/usr/share/vgabios/vgabios.bin"

static const char fixed_lines[] =
    "plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, iodebug=1\n"
    "config_interface: textconfig\n"
    "display_library: rfb, options=\"timeout=0\"\n"
    "vgaromimage: file=" VGA_BIOS "\n"
    "cpu: model=tigerlake, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1\n"
    "clock: sync=none, time0=946681200, rtc_sync=0\n" /* fixed: two runs must not differ by it */
    "port_e9_hack: enabled=1\n"
    "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
    "log: bochs.log\n"
    "panic: action=fatal\n"
    "error: action=ignore\n"
    "info: action=ignore\n"
    "debug: action=ignore\n";

/* Its debugger's program: run; when the image breaks into the debugger, quit (exit status 0). */
static const char debugger_lines[] = "c\nq\n";

static struct failure bochs_check(void)
{
    char path[CARRIER_PATH];
    if (!find_program("bochs", path))
        return fail(UNSUPPORTED,
                    "Bochs is not in PATH; install it with `apt-get install bochs vgabios`");
    if (access(VGA_BIOS, R_OK))
        return fail(UNSUPPORTED,
                    "Bochs needs " VGA_BIOS "; install it with `apt-get install vgabios`");
    return NO_FAILURE;
}

/* Loads a file into carrier RAM before the reset; `number` 1 to 4. Bochs 2.7 keeps RAM in
 * blocks of 128 KiB and loads a longer file over its neighbours: small files only. */
static void ram_image(FILE *out, int number, const char *path, u64 address)
{
    fprintf(out, "optramimage%d: file=%s, address=0x%lx\n", number, path, address);
}

static void flat_disk(FILE *out, const char *place, const char *path, u64 sectors)
{
    fprintf(out, "ata0-%s: type=disk, path=%s, mode=flat, cylinders=%lu, heads=%d, spt=%d\n", place,
            path, sectors / DISK_CYLINDER, DISK_HEADS, DISK_TRACK);
}

static u64 module_sectors(const struct carrier_job *job)
{
    u64 end = 0;
    for (u32 kind = 0; kind < MODULE_COUNT; kind++)
        end = max_u64(end, job->mission.modules[kind].address + job->mission.modules[kind].length);
    return align_up(end, SECTOR) / SECTOR / DISK_CYLINDER * DISK_CYLINDER + DISK_CYLINDER;
}

static void write_lines(FILE *out, const struct carrier_job *job, const char *line, u64 sectors)
{
    u64 memory = job->mission.carrier_memory >> 20;
    fputs(fixed_lines, out);
    fprintf(out, "memory: host=%lu, guest=%lu\n", memory, memory);
    fprintf(out, "romimage: file=rom.bin, address=0x%x\n", ROM_ADDRESS);
    ram_image(out, 1, "hindvisor.bin", IMAGE_ADDRESS);
    ram_image(out, 2, "mission", MISSION_ADDRESS);
    fprintf(out, "com1: enabled=1, mode=term, dev=%s\n", line);
    flat_disk(out, "master", "disk", sectors);
    flat_disk(out, "slave", "modules", module_sectors(job));
}

static struct failure in_directory(char path[CARRIER_PATH], const struct carrier_job *job,
                                   const char *name)
{
    if (snprintf(path, CARRIER_PATH, "%s/%s", job->directory, name) >= CARRIER_PATH)
        return fail(BAD_INPUT, "the path %s is too long", job->directory);
    return NO_FAILURE;
}

/* Bochs gives spaces, commas, quotes and $ in file names a meaning of their own, so it is only
 * shown plain names in its working directory. */
static struct failure link_as(const struct carrier_job *job, const char *name, const char *target)
{
    char path[CARRIER_PATH], full[PATH_MAX];
    ATTEMPT(in_directory(path, job, name));
    if (!realpath(target, full) || symlink(full, path))
        return fail_errno("cannot link %s to %s", path, target);
    return NO_FAILURE;
}

static struct failure copy_module(int disk, const char *path, const struct module *module)
{
    off_t to = (off_t)module->address;
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return fail_errno("cannot read %s", path);
    for (u64 left = module->length; left;) {
        ssize_t n = copy_file_range(from, NULL, disk, &to, left, 0);
        if (n <= 0) {
            close(from);
            return fail_errno("cannot copy %s for the carrier", path);
        }
        left -= (u64)n;
    }
    close(from);
    return NO_FAILURE;
}

/* The guest's files, on a disk for the image to read. */
static struct failure write_modules(const struct carrier_job *job)
{
    const struct module *modules = job->mission.modules;
    char path[CARRIER_PATH];
    ATTEMPT(in_directory(path, job, "modules"));
    int disk = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (disk < 0 || ftruncate(disk, (off_t)(module_sectors(job) * SECTOR)))
        return fail_errno("cannot make %s", path);
    struct failure failure = copy_module(disk, job->kernel, &modules[MODULE_KERNEL]);
    if (!failure.code && job->initrd)
        failure = copy_module(disk, job->initrd, &modules[MODULE_INITRD]);
    close(disk);
    return failure;
}

static struct failure link_files(const struct carrier_job *job)
{
    static const char *const parts[] = {"hindvisor.bin", "rom.bin"};
    char path[CARRIER_PATH];
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        ATTEMPT(find_image(parts[i], path));
        ATTEMPT(link_as(job, parts[i], path));
    }
    ATTEMPT(link_as(job, "disk", job->disk));
    return write_modules(job);
}

static struct failure write_configuration(const struct carrier_job *job, const char *line)
{
    char path[CARRIER_PATH];
    struct stat disk;
    ATTEMPT(in_directory(path, job, "bochsrc"));
    if (stat(job->disk, &disk))
        return fail_errno("cannot read the trace disk %s", job->disk);
    FILE *out = fopen(path, "we");
    if (!out)
        return fail_errno("cannot write %s", path);
    write_lines(out, job, line, (u64)disk.st_size / SECTOR);
    return fclose(out) ? fail_errno("cannot write %s", path) : NO_FAILURE;
}

static struct failure save(const struct carrier_job *job, const char *name, const void *data,
                           size_t length)
{
    char path[CARRIER_PATH];
    ATTEMPT(in_directory(path, job, name));
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(data, 1, length, file) == length;
    if (file && fclose(file))
        good = false;
    return good ? NO_FAILURE : fail_errno("cannot write %s", path);
}

static struct failure bochs_prepare(const struct carrier_job *job, const char *line,
                                    struct carrier_command *command)
{
    static const struct carrier_command bochs = {
        {"bochs", "-q", "-unlock", "-f", "bochsrc", "-rc", "bochs.rc", NULL}};
    ATTEMPT(save(job, "mission", &job->mission, sizeof(job->mission)));
    ATTEMPT(save(job, "bochs.rc", debugger_lines, strlen(debugger_lines)));
    ATTEMPT(link_files(job));
    ATTEMPT(write_configuration(job, line));
    *command = bochs;
    return NO_FAILURE;
}

/* The last panic of a log line by line, else its last line that is no register dump. */
static bool last_words(const char *directory, const char *name, char *text, size_t size)
{
    char path[CARRIER_PATH], line[512];
    bool found = false, panic = false;
    snprintf(path, sizeof(path), "%.4000s/%s", directory, name);
    FILE *log = fopen(path, "re");
    while (log && fgets(line, sizeof(line), log)) {
        const char *words = strstr(line, ">>PANIC<<");
        if (!words &&
            (panic || strstr(line, "[CPU0") || strstr(line, "quit_sim") || line[0] == '\n'))
            continue;
        panic = words != NULL;
        found = true;
        line[strcspn(line, "\n")] = 0;
        snprintf(text, size, "%s", words ? words + 10 : line);
    }
    if (log)
        fclose(log);
    return found;
}

static void bochs_explain(const char *directory, char *text, size_t size)
{
    if (!last_words(directory, "bochs.log", text, size) &&
        !last_words(directory, "stderr", text, size))
        snprintf(text, size, "it left no log");
}

const struct carrier carrier_bochs = {
    .name = "bochs",
    .program = "Bochs",
    .tsc_hz = BOCHS_IPS,
    .memory_max = 2048ull << 20,
    .check = bochs_check,
    .prepare = bochs_prepare,
    .explain = bochs_explain,
};
