/*
 * A run's private directory, which is the carrier's working directory: plain file
 * names in it, and the module disk with the guest's files.
 */
#define _GNU_SOURCE /* copy_file_range */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmx/carriers/job.h"

struct failure job_path(char path[CARRIER_PATH], const struct carrier_job *job,
                                   const char *name)
{
    if (snprintf(path, CARRIER_PATH, "%s/%s", job->directory, name) >= CARRIER_PATH)
        return fail(BAD_INPUT, "the path %s is too long", job->directory);
    return NO_FAILURE;
}

/* Bochs gives spaces, commas, quotes and $ in file names a meaning of their own, so it is only
 * shown plain names in its working directory. */
struct failure job_link(const struct carrier_job *job, const char *name, const char *target)
{
    char path[CARRIER_PATH], full[PATH_MAX];
    ATTEMPT(job_path(path, job, name));
    if (!realpath(target, full) || symlink(full, path))
        return fail_errno("cannot link %s to %s", path, target);
    return NO_FAILURE;
}

struct failure job_save(const struct carrier_job *job, const char *name, const void *data,
                           size_t length)
{
    char path[CARRIER_PATH];
    ATTEMPT(job_path(path, job, name));
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(data, 1, length, file) == length;
    if (file && fclose(file))
        good = false;
    return good ? NO_FAILURE : fail_errno("cannot write %s", path);
}

u64 job_module_sectors(const struct carrier_job *job)
{
    u64 end = 0;
    for (u32 kind = 0; kind < MODULE_COUNT; kind++)
        end = max_u64(end, job->mission.modules[kind].address + job->mission.modules[kind].length);
    return align_up(end, SECTOR) / SECTOR / DISK_CYLINDER * DISK_CYLINDER + DISK_CYLINDER;
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

struct failure job_copy(const struct carrier_job *job, const char *name, const char *from)
{
    char path[CARRIER_PATH];
    struct module whole = {0};
    ATTEMPT(job_path(path, job, name));
    ATTEMPT(check_file(name, from, &whole.length));
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return fail_errno("cannot write %s", path);
    struct failure failure = copy_module(file, from, &whole);
    close(file);
    return failure;
}

/* The guest's files, on a disk for the image to read. */
struct failure job_write_modules(const struct carrier_job *job)
{
    const struct module *modules = job->mission.modules;
    char path[CARRIER_PATH];
    ATTEMPT(job_path(path, job, "modules"));
    int disk = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (disk < 0 || ftruncate(disk, (off_t)(job_module_sectors(job) * SECTOR)))
        return fail_errno("cannot make %s", path);
    struct failure failure = copy_module(disk, job->kernel, &modules[MODULE_KERNEL]);
    if (!failure.code && job->initrd)
        failure = copy_module(disk, job->initrd, &modules[MODULE_INITRD]);
    close(disk);
    return failure;
}
