/* The kernel: system calls, processes, timers. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/workloads/workload.h"

/* getppid does next to nothing; a byte through a pipe does a little. */
static uint64_t run_calling(uint64_t rounds)
{
    int ends[2];
    char byte = 0;
    uint64_t sum = 0;
    must("pipe", pipe(ends));
    for (uint64_t n = 0; n < rounds; n++) {
        byte = (char)n;
        must("getppid", syscall(SYS_getppid));
        must("write", write(ends[1], &byte, 1));
        must("read", read(ends[0], &byte, 1));
        sum = sum * 31 + (uint8_t)byte;
    }
    close(ends[0]);
    close(ends[1]);
    return sum;
}

const struct workload calling = {"calling", "rounds of 3 system calls", 200000, run_calling};

static void child(uint64_t n)
{
    char status[16];
    if (n % 2)
        _exit((int)(n % 100));
    snprintf(status, sizeof(status), "%d", (int)(n % 100));
    execl("/proc/self/exe", "workload", "child", status, NULL);
    _exit(255);
}

/* Every other child executes a program. */
static uint64_t run_forking(uint64_t children)
{
    uint64_t sum = 0;
    for (uint64_t n = 0; n < children; n++) {
        int status;
        pid_t pid = fork();
        must("fork", pid);
        if (!pid)
            child(n);
        must("waitpid", waitpid(pid, &status, 0));
        sum = sum * 31 + (uint64_t)WEXITSTATUS(status);
    }
    return sum;
}

const struct workload forking = {"forking", "children", 1500, run_forking};

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* A sleep of 1 ms for each unit, then as many alarms of an interval timer. */
static uint64_t run_timing(uint64_t units)
{
    const struct timespec brief = {.tv_nsec = 1000000};
    const struct itimerval every = {{.tv_usec = 1000}, {.tv_usec = 1000}}, never = {0};
    for (uint64_t n = 0; n < units; n++)
        must("nanosleep", nanosleep(&brief, NULL));
    signal(SIGALRM, on_alarm);
    must("setitimer", setitimer(ITIMER_REAL, &every, NULL));
    while ((uint64_t)alarms < units)
        pause();
    must("setitimer", setitimer(ITIMER_REAL, &never, NULL));
    return units;
}

const struct workload timing = {"timing", "sleeps and alarms of 1 ms", 300, run_timing};
