/*
 * A program for a Linux guest that says what the kernel itself counts, for tests/runs/scheduler.sh:
 *
 *   witness TRACEFS MICROSECONDS
 *
 * turns tracing on, reads the counters of all tasks and of the machine, sleeps, reads them again,
 * turns tracing off, and then prints what it read. Before and after each reading it writes the
 * reading's number to port 0x80, where nothing is: these are VM exits, so the trace shows between
 * which of its events a reading was taken. It runs at the highest priority, so that nothing comes
 * between.
 *
 *   stat N CTXT                                                     /proc/stat
 *   task N TID VOLUNTARY INVOLUNTARY RUN_NS WAIT_NS TIMES_RUN       status, schedstat
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

enum { MARK_PORT = 0x80, READINGS = 1024 };

static struct reading {
    int tid; /* 0: of the machine */
    unsigned long ctxt, voluntary, involuntary, run, wait, times;
} readings[READINGS];
static unsigned count;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *slurp(const char *path)
{
    static char text[16384];
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    if (file >= 0)
        close(file);
    text[length < 0 ? 0 : length] = 0;
    return length < 0 ? NULL : text;
}

static unsigned long number_after(const char *text, const char *label)
{
    const char *at = strstr(text, label);
    return at ? strtoul(at + strlen(label), NULL, 10) : 0;
}

static int read_machine(struct reading *r)
{
    const char *text = slurp("/proc/stat");
    r->ctxt = text ? number_after(text, "\nctxt ") : 0;
    return text != NULL;
}

static int read_task(struct reading *r)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/status", r->tid);
    const char *text = slurp(path);
    if (!text)
        return 0;
    r->voluntary = number_after(text, "\nvoluntary_ctxt_switches:");
    r->involuntary = number_after(text, "\nnonvoluntary_ctxt_switches:");
    snprintf(path, sizeof(path), "/proc/%d/schedstat", r->tid);
    text = slurp(path);
    return text && sscanf(text, "%lu %lu %lu", &r->run, &r->wait, &r->times) == 3;
}

/* Between two marks. A task that is gone leaves no reading. */
static void take(int tid)
{
    struct reading *r = &readings[count];
    if (count == READINGS)
        return;
    r->tid = tid;
    outl(count, MARK_PORT);
    int whole = tid ? read_task(r) : read_machine(r);
    outl(count, MARK_PORT);
    count += whole != 0;
}

/* Threads have a folder in /proc as well, but no entry: they are below their process. */
static void take_threads(const char *process)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/%s/task", process);
    DIR *threads = opendir(path);
    for (struct dirent *entry; threads && (entry = readdir(threads));)
        if (atoi(entry->d_name))
            take(atoi(entry->d_name));
    if (threads)
        closedir(threads);
}

static void take_all(void)
{
    DIR *proc = opendir("/proc");
    take(0);
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        if (atoi(entry->d_name))
            take_threads(entry->d_name);
    if (proc)
        closedir(proc);
    take(0);
}

static void tracing(const char *tracefs, const char *on)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/tracing_on", tracefs);
    int file = open(path, O_WRONLY);
    if (file < 0 || write(file, on, 1) != 1)
        die(path);
    close(file);
}

static void print(void)
{
    for (unsigned i = 0; i < count; i++) {
        const struct reading *r = &readings[i];
        if (r->tid)
            printf("task %u %d %lu %lu %lu %lu %lu\n", i, r->tid, r->voluntary, r->involuntary,
                   r->run, r->wait, r->times);
        else
            printf("stat %u %lu\n", i, r->ctxt);
    }
}

int main(int argc, char **argv)
{
    struct sched_param highest = {sched_get_priority_max(SCHED_FIFO)};
    if (argc != 3)
        return 2;
    if (iopl(3) || sched_setscheduler(0, SCHED_FIFO, &highest))
        die("witness");
    tracing(argv[1], "1");
    take_all();
    usleep((useconds_t)atoi(argv[2]));
    take_all();
    tracing(argv[1], "0");
    print();
    return 0;
}
