/*
 * Carrier Bochs: Debian's package, started with a configuration made for the
 * run. No BIOS: our ROM at the reset vector, image, mission and guest files put
 * straight into RAM, the trace disk as its only drive. What was measured of
 * Bochs 2.7, and why each line is as it is, is in docs/TRICKS.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmx/carriers/job.h"
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

/* Bochs 2.7 keeps RAM in blocks of 128 KiB and loads a longer file over its neighbours: the image
 * goes in pieces. */
enum { RAM_BLOCK = 128 << 10, IMAGE_PIECES = 3 };
_Static_assert(IMAGE_ADDRESS % RAM_BLOCK == 0, "each piece fills one block");

static void name_piece(char name[16], u32 number)
{
    snprintf(name, 16, "image.%u", number % 10u);
}

/* Loads a file into carrier RAM before the reset; `number` 1 to 4. */
static void ram_image(FILE *out, int number, const char *path, u64 address)
{
    fprintf(out, "optramimage%d: file=%s, address=0x%lx\n", number, path, address);
}

static void flat_disk(FILE *out, const char *place, const char *path, u64 sectors)
{
    fprintf(out, "ata0-%s: type=disk, path=%s, mode=flat, cylinders=%lu, heads=%d, spt=%d\n", place,
            path, sectors / DISK_CYLINDER, DISK_HEADS, DISK_TRACK);
}

static void write_lines(FILE *out, const struct carrier_job *job, const char *line, u64 sectors)
{
    u64 memory = job->mission.carrier_memory >> 20;
    fputs(fixed_lines, out);
    fprintf(out, "memory: host=%lu, guest=%lu\n", memory, memory);
    fprintf(out, "romimage: file=rom.bin, address=0x%x\n", ROM_ADDRESS);
    for (int i = 0; i < IMAGE_PIECES; i++) {
        char name[16];
        name_piece(name, i);
        ram_image(out, i + 1, name, IMAGE_ADDRESS + (u64)i * RAM_BLOCK);
    }
    ram_image(out, IMAGE_PIECES + 1, "mission", MISSION_ADDRESS);
    fprintf(out, "com1: enabled=1, mode=term, dev=%s\n", line);
    flat_disk(out, "master", "disk", sectors);
    flat_disk(out, "slave", "modules", job_module_sectors(job));
}

/* All pieces are written: what is left of the last ones is zeros. */
static struct failure save_image(const struct carrier_job *job)
{
    static u8 image[IMAGE_PIECES * RAM_BLOCK + 1];
    char path[CARRIER_PATH], name[16];
    ATTEMPT(find_image("hindvisor.bin", path));
    FILE *in = fopen(path, "re");
    if (!in)
        return fail_errno("cannot read %s", path);
    size_t length = fread(image, 1, sizeof(image), in);
    fclose(in);
    if (length == sizeof(image))
        return fail(NO_SPACE, "%.300s is too large for Bochs: it can load %d KiB", path,
                    IMAGE_PIECES * RAM_BLOCK >> 10);
    for (int i = 0; i < IMAGE_PIECES; i++) {
        name_piece(name, i);
        ATTEMPT(job_save(job, name, image + i * RAM_BLOCK, RAM_BLOCK));
    }
    return NO_FAILURE;
}

static struct failure link_files(const struct carrier_job *job)
{
    char path[CARRIER_PATH];
    ATTEMPT(find_image("rom.bin", path));
    ATTEMPT(job_link(job, "rom.bin", path));
    ATTEMPT(job_link(job, "disk", job->disk));
    return job_write_modules(job);
}

static struct failure write_configuration(const struct carrier_job *job, const char *line)
{
    char path[CARRIER_PATH];
    struct stat disk;
    ATTEMPT(job_path(path, job, "bochsrc"));
    if (stat(job->disk, &disk))
        return fail_errno("cannot read the trace disk %s", job->disk);
    FILE *out = fopen(path, "we");
    if (!out)
        return fail_errno("cannot write %s", path);
    write_lines(out, job, line, (u64)disk.st_size / SECTOR);
    return fclose(out) ? fail_errno("cannot write %s", path) : NO_FAILURE;
}

static struct failure bochs_prepare(const struct carrier_job *job, const char *line,
                                    struct carrier_command *command)
{
    static const struct carrier_command bochs = {
        {"bochs", "-q", "-unlock", "-f", "bochsrc", "-rc", "bochs.rc", NULL}};
    ATTEMPT(job_save(job, "mission", &job->mission, sizeof(job->mission)));
    ATTEMPT(job_save(job, "bochs.rc", debugger_lines, strlen(debugger_lines)));
    ATTEMPT(save_image(job));
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
