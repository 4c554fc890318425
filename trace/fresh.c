/* See fresh.h. */
#define _GNU_SOURCE /* flock, O_NOFOLLOW, fdopendir */
#include "trace/fresh.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- leftovers -------------------------------------------------------------------------------- */

static void remove_files(int directory)
{
    DIR *stream = fdopendir(directory);
    for (struct dirent *entry; stream && (entry = readdir(stream));)
        unlinkat(directory, entry->d_name, 0); /* fails for . and .. */
    if (stream)
        closedir(stream);
    else
        close(directory);
}

/* Is `name` BASE.PID.new, of a process that is gone? This one has just begun to make it. */
static bool is_leftover(const char *name, const char *base)
{
    size_t length = strlen(base);
    char *end;
    if (strncmp(name, base, length) || name[length] != '.' || !isdigit((u8)name[length + 1]))
        return false;
    long pid = strtol(name + length + 1, &end, 10);
    if (strcmp(end, ".new") || pid <= 0 || pid != (pid_t)pid)
        return false;
    return pid == getpid() || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
}

/* Nobody holds it: a process in a container of its own is not seen, its lock is. */
static void remove_leftover(int directory, const char *name)
{
    struct stat status;
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return;
    if (fstat(file, &status) < 0 || flock(file, LOCK_EX | LOCK_NB) < 0 ||
        !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
        close(file);
        return;
    }
    if (S_ISDIR(status.st_mode))
        remove_files(dup(file));
    unlinkat(directory, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
    close(file);
}

static void remove_leftovers(const char *path)
{
    char folder[FILE_PATH], base[FILE_PATH];
    snprintf(folder, sizeof(folder), "%s", path); /* dirname() and basename() write in them */
    snprintf(base, sizeof(base), "%s", path);
    const char *name = basename(base);
    DIR *stream = opendir(dirname(folder));
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        if (is_leftover(entry->d_name, name))
            remove_leftover(dirfd(stream), entry->d_name);
    }
    if (stream)
        closedir(stream);
}

/* --- one that is being made ------------------------------------------------------------------- */

struct failure fresh_make(struct fresh *f, const char *path, bool directory)
{
    *f = (struct fresh){.lock = -1, .is_directory = directory};
    char name[FILE_PATH];
    if (snprintf(name, sizeof(name), "%s.%d.new", path, (int)getpid()) >= FILE_PATH)
        return fail(BAD_INPUT, "the output's name is too long");
    remove_leftovers(path);
    if (directory && mkdir(name, 0777) < 0)
        return fail_errno("%.300s: cannot make the directory", name);
    int flags = directory ? O_RDONLY | O_DIRECTORY : O_WRONLY | O_CREAT | O_EXCL;
    f->lock = open(name, flags | O_CLOEXEC, 0666);
    if (f->lock < 0 && !directory)
        return fail_errno("%.300s: cannot make it", name);
    memcpy(f->path, name, sizeof(name));
    if (f->lock >= 0)
        flock(f->lock, LOCK_EX | LOCK_NB); /* a file system without locks does without */
    return NO_FAILURE;
}

static void let_go(struct fresh *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
    *f->path = 0;
}

struct failure fresh_finish(struct fresh *f, const char *path)
{
    if (rename(f->path, path) < 0) {
        struct failure failure = fail_errno("%.300s: cannot give it its name", path);
        fresh_drop(f);
        return failure;
    }
    let_go(f);
    return NO_FAILURE;
}

void fresh_drop(struct fresh *f)
{
    if (!*f->path)
        return;
    if (f->is_directory && f->lock >= 0)
        remove_files(dup(f->lock));
    if (f->is_directory)
        rmdir(f->path);
    else
        unlink(f->path);
    let_go(f);
}
