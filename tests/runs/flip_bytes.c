/*
 * Changes each byte of each file of a trace in turn, one bit of it, and has the
 * trace library read everything: it must refuse, and name the file. Also with a
 * byte less and a byte more. The trace is as it was afterwards.
 *
 * usage: flip_bytes TRACE       prints `ok FILE ...` or `FAIL FILE ...` for each file
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace/trace.h"

struct victim {
    const char *trace, *name;
    int descriptor;
    off_t size;
    u64 missed;
    char notes[2048]; /* on the first that were missed */
};

static struct failure read_everything(const char *path)
{
    struct trace *trace = NULL;
    struct failure failure = trace_open(path, &trace);
    if (!failure.code)
        failure = trace_verify(trace);
    trace_close(trace);
    return failure;
}

static void judge(struct victim *victim, const char *change, off_t offset)
{
    struct failure failure = read_everything(victim->trace);
    size_t used = strlen(victim->notes);
    if (failure.code && strstr(failure.text, victim->name))
        return;
    if (victim->missed++ < 5)
        snprintf(victim->notes + used, sizeof(victim->notes) - used, "    %s at byte %ld: %s\n",
                 change, (long)offset, failure.code ? failure.text : "not detected");
}

static void put(struct victim *victim, off_t offset, u8 byte)
{
    if (pwrite(victim->descriptor, &byte, 1, offset) != 1) {
        perror(victim->name);
        exit(2);
    }
}

static u8 get(struct victim *victim, off_t offset)
{
    u8 byte = 0;
    if (pread(victim->descriptor, &byte, 1, offset) != 1)
        perror(victim->name);
    return byte;
}

static void resize(struct victim *victim, off_t size)
{
    if (ftruncate(victim->descriptor, size))
        perror(victim->name);
}

static void change_each_byte(struct victim *victim)
{
    for (off_t at = 0; at < victim->size; at++) {
        u8 byte = get(victim, at);
        put(victim, at, byte ^ (u8)(1u << at % 8));
        judge(victim, "a changed bit", at);
        put(victim, at, byte);
    }
}

static void change_size(struct victim *victim)
{
    u8 last = get(victim, victim->size - 1);
    resize(victim, victim->size - 1);
    judge(victim, "cut", victim->size - 1);
    put(victim, victim->size - 1, last);
    put(victim, victim->size, 0);
    judge(victim, "one more", victim->size);
    resize(victim, victim->size);
}

static bool try_file(const char *trace, const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", trace, name);
    struct victim victim = {.trace = trace, .name = name, .descriptor = open(path, O_RDWR)};
    if (victim.descriptor < 0 || fstat(victim.descriptor, &status)) {
        perror(path);
        exit(2);
    }
    victim.size = status.st_size;
    change_each_byte(&victim);
    change_size(&victim);
    close(victim.descriptor);
    printf("%s every-byte-of-%s-counts\n%s    %ld bytes, %lu changes missed\n",
           victim.missed ? "FAIL" : "ok", name, victim.notes, (long)victim.size, victim.missed);
    return !victim.missed;
}

int main(int argc, char **argv)
{
    bool good = true;
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (!directory || read_everything(argv[1]).code) {
        fputs("usage: flip_bytes TRACE (a whole one)\n", stderr);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            good &= try_file(argv[1], entry->d_name);
    closedir(directory);
    struct failure failure = read_everything(argv[1]);
    if (failure.code)
        printf("FAIL the-trace-is-as-it-was: %s\n", failure.text);
    return good && !failure.code ? 0 : 1;
}
