/* A program, run and watched; see child.h. */
#define _GNU_SOURCE /* pipe2 */
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1024, TROUBLE = 2 };
extern char **environ;

struct watching {
    const struct child *child;
    struct child_end *end;
    pid_t pid;
    clockid_t clock; /* the program's processor time */
    u64 started;
    bool told; /* to end */
    char line[LINE];
    size_t length;
};

static void check(const char *what, int error)
{
    if (!error)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
    exit(TROUBLE);
}

static u64 read_clock(clockid_t clock)
{
    struct timespec time = {0};
    clock_gettime(clock, &time);
    return (u64)time.tv_sec * NANOSECONDS + (u64)time.tv_nsec;
}

static struct times times_now(const struct watching *w)
{
    return (struct times){read_clock(CLOCK_MONOTONIC) - w->started, read_clock(w->clock)};
}

/* Its stdout is the pipe, stdin is empty. */
static void start(struct watching *w, int pipe_end)
{
    const struct child *child = w->child;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipe_end, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, child->log,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    w->started = read_clock(CLOCK_MONOTONIC);
    check(child->arguments[0], posix_spawnp(&w->pid, child->arguments[0], &actions, NULL,
                                            (char *const *)child->arguments, environ));
    posix_spawn_file_actions_destroy(&actions);
    check("its processor clock", clock_getcpuclockid(w->pid, &w->clock));
}

static void tell_to_end(struct watching *w)
{
    if (!w->told)
        kill(w->pid, SIGTERM);
    w->told = true;
}

static void take(struct watching *w, const char *bytes, size_t count)
{
    struct times times = times_now(w);
    if (!w->end->first_byte)
        w->end->first_byte = times.wall;
    if (w->child->first_byte_only)
        tell_to_end(w);
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\n' && w->length + 1 < LINE) {
            w->line[w->length++] = bytes[i];
            continue;
        }
        w->line[w->length] = 0;
        w->length = 0;
        if (w->child->line)
            w->child->line(w->child->context, w->line, times);
    }
}

static void watch(struct watching *w, int descriptor)
{
    char bytes[4096];
    struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
    for (;;) {
        if (poll(&poll_for, 1, 100) > 0) {
            ssize_t got = read(descriptor, bytes, sizeof(bytes));
            if (got <= 0)
                return;
            take(w, bytes, (size_t)got);
        }
        if (times_now(w).wall > w->child->limit)
            tell_to_end(w);
    }
}

static u64 time_of(struct timeval t)
{
    return (u64)t.tv_sec * NANOSECONDS + (u64)t.tv_usec * 1000;
}

static void collect(struct watching *w)
{
    struct child_end *end = w->end;
    struct rusage usage;
    int status;
    if (wait4(w->pid, &status, 0, &usage) < 0)
        check("wait4", ECHILD);
    end->times.wall = read_clock(CLOCK_MONOTONIC) - w->started;
    end->times.processor = time_of(usage.ru_utime) + time_of(usage.ru_stime);
    end->peak = (u64)usage.ru_maxrss << 10;
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct child_end child_run(const struct child *child)
{
    struct child_end end = {0};
    struct watching w = {.child = child, .end = &end};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        check("pipe", errno);
    start(&w, ends[1]);
    close(ends[1]);
    watch(&w, ends[0]);
    close(ends[0]);
    collect(&w);
    return end;
}
