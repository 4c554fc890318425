/*
 * What record and replay share: a private directory, the mission that a manifest
 * describes, and a dry run of the guest's loading. Runs before and after the
 * guest, never while it runs.
 */
#define _GNU_SOURCE /* DT_DIR */
#include "replay/commands/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/boot/boot.h"

/* /var/tmp, not /tmp: a replay's disk can be large, and /tmp is often in RAM. */
struct failure session_directory(char path[CARRIER_PATH])
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base)
        base = access("/var/tmp", W_OK) ? "/tmp" : "/var/tmp";
    if (snprintf(path, CARRIER_PATH, "%s/hindvisor-XXXXXX", base) >= CARRIER_PATH)
        return fail(BAD_INPUT, "TMPDIR is too long");
    if (!mkdtemp(path))
        return fail_errno("cannot make a directory in %s", base);
    return NO_FAILURE;
}

void session_remove(const char *path)
{
    DIR *directory = *path ? opendir(path) : NULL;
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    if (*path)
        rmdir(path);
}

bool session_join(char path[CARRIER_PATH], const char *directory, const char *name)
{
    return snprintf(path, CARRIER_PATH, "%s/%s", directory, name) < CARRIER_PATH;
}

const char *session_processor(void)
{
    const char *name = getenv("HINDVISOR_PROCESSOR");
    return name && *name ? name : carrier_software.name;
}

u32 session_sabotage(u32 otherwise)
{
    const char *text = getenv("HINDVISOR_SABOTAGE");
    u64 value;
    return text && cli_parse_u64(text, &value) ? (u32)value : otherwise;
}

struct mission session_mission(const struct manifest *manifest, enum mission_mode mode)
{
    struct mission mission = {
        .magic = MISSION_MAGIC,
        .version = WIRE_VERSION,
        .size = sizeof(mission),
        .mode = mode,
        .flags = MISSION_FRAMED | MISSION_RAM_ZERO | MISSION_DISK,
        .kernel_format = strcmp(manifest->kernel_format, "elf") ? KERNEL_LINUX : KERNEL_ELF,
        .clock = manifest->clock,
        .memory_size = manifest->memory_size,
        .epoch = manifest->epoch,
        .timeout_ns = manifest->timeout_ns,
        .tsc_hz = manifest->tsc_hz,
        .exception_bitmap = manifest->exception_bitmap,
        .page_fault_mask = manifest->page_fault_mask,
        .page_fault_match = manifest->page_fault_match,
        .sabotage = session_sabotage(manifest->sabotage),
    };
    if (!strcmp(manifest->count_kind, "exits"))
        mission.flags |= MISSION_COUNT_EXITS;
    if (manifest_tells(manifest, REC_RAISE))
        mission.flags |= MISSION_NOTES;
    if (manifest->noise && mode != MODE_REPLAY) { /* replays never use it */
        mission.flags |= MISSION_NOISE;
        mission.noise_seed = manifest->noise_seed;
    }
    snprintf(mission.command_line, sizeof(mission.command_line), "%s", manifest->command_line);
    return mission;
}

/* --- the dry run ------------------------------------------------------------------- */

static void *zeroed(u64 bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static struct failure load(const struct manifest *manifest, const struct boot_request *request)
{
    struct memory memory;
    struct boot_state state;
    u64 overhead = memory_overhead(manifest->memory_size);
    void *ram = zeroed(manifest->memory_size), *books = zeroed(overhead);
    struct failure failure = NO_FAILURE;
    if (ram && books) { /* without: the image will tell */
        madvise(ram, manifest->memory_size, MADV_HUGEPAGE); /* fewer faults */
        memory_init(&memory, ram, manifest->memory_size, books);
        failure = fail_err(boot_load(&memory, request, &state));
    }
    if (ram)
        munmap(ram, manifest->memory_size);
    if (books)
        munmap(books, overhead);
    return failure;
}

struct failure session_try_loading(const struct manifest *manifest, const char *kernel,
                                   const char *initrd)
{
    struct bytes kernel_view, initrd_view = {0};
    ATTEMPT(view_file(kernel, &kernel_view));
    struct failure failure = initrd ? view_file(initrd, &initrd_view) : NO_FAILURE;
    if (!failure.code) {
        const struct boot_request request = {kernel_view.at, kernel_view.length, initrd_view.at,
                                             initrd_view.length, manifest->command_line};
        failure = load(manifest, &request);
    }
    release_file(&kernel_view);
    release_file(&initrd_view);
    return failure;
}

/* --- a run without a trace ------------------------------------------------------------ */

#define SCRATCH_DISK (8ull << 30) /* sparse */

static struct failure run_image(struct carrier_job *job, const char *directory,
                                struct carrier_outcome *outcome)
{
    char disk[CARRIER_PATH];
    if (!session_join(disk, directory, "trace.disk"))
        return fail(BAD_INPUT, "TMPDIR is too long");
    ATTEMPT(disk_create(disk, SCRATCH_DISK, NULL, NULL));
    job->disk = disk;
    job->directory = directory;
    ATTEMPT(carrier_place(job));
    return carrier_run(job, outcome);
}

struct failure session_run(struct carrier_job *job, struct carrier_outcome *outcome)
{
    const struct carrier *carrier = carrier_find(job->processor);
    char directory[CARRIER_PATH];
    memset(outcome, 0, sizeof(*outcome));
    ATTEMPT(carrier_check(carrier));
    struct failure failure = NO_FAILURE;
    if (carrier->in_process) {
        failure = carrier_run(job, outcome);
    } else {
        ATTEMPT(session_directory(directory));
        failure = run_image(job, directory, outcome);
        session_remove(directory);
    }
    if (!failure.code && !outcome->have_report)
        failure = fail(INTERNAL, "the image left no report");
    return failure;
}

/* --- words --------------------------------------------------------------------------- */

void session_time(u64 ns, char text[32])
{
    u64 us = ns / 1000;
    if (us < 1000000)
        snprintf(text, 32, "%lu.%03lu ms", us / 1000, us % 1000);
    else
        snprintf(text, 32, "%lu.%03lu s", us / 1000000, us / 1000 % 1000);
}

void session_size(u64 bytes, char text[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
        value /= 1024;
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
