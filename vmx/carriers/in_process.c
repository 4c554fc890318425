/*
 * A run on the software processor, in this process and on this thread. It has no
 * carrier: the world that its recorder asks is the user's terminal and the host's
 * clock, right here. Signals and the time limit only raise a flag, which the world
 * is asked for about every 100,000 guest instructions.
 */
#define _GNU_SOURCE /* sigaction, MAP flags */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/machine.h"
#include "vmx/carriers/carrier.h"
#include "vmx/carriers/terminal.h"
#include "vmx/software/host_run.h"

enum {
    OUTPUT_ROOM = 4096,
    GRACE = 30, /* seconds from the wish to end to the end by force */
    NAP = 100, /* ms that an idle guest sleeps at most: a signal just before the sleep waits as long
                */
    SPIN = 20000,       /* ns: a shorter rest is not worth a sleep */
    PROGRESS_EVERY = 32 /* heartbeats */
};

struct in_process {
    struct world world; /* first */
    struct carrier_job *job;
    struct carrier_outcome *outcome;
    struct input input;
    struct progress progress;
    struct failure failure; /* the sink's; the first one sticks */
    u64 start;              /* host ns */
    u64 heartbeats;
    bool no_console;
    struct {
        u64 count, at; /* when the guest was last heard of */
        u64 speed;     /* guest count a microsecond, about */
    } pace;
    size_t length;
    u8 output[OUTPUT_ROOM]; /* console bytes on their way to stdout */
};

static struct in_process *from_world(struct world *world)
{
    return (struct in_process *)world;
}

static u64 host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * NANOSECONDS + (u64)now.tv_nsec;
}

/* --- signals ----------------------------------------------------------------------- */

static volatile sig_atomic_t end_wish; /* enum end_reason */
static volatile sig_atomic_t takes_keys;

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void end_by_force(int number, const char *why)
{
    terminal_leave();
    say(why);
    signal(number, SIG_DFL);
    raise(number);
}

/* The first one asks; the run ends at the next look. After that, in earnest. */
static void on_end(int number)
{
    if (end_wish)
        end_by_force(number, "\nhindvisor: killed by a second signal: the block being filled is "
                             "lost\n");
    end_wish = END_STOPPED;
    alarm(GRACE);
}

static void on_alarm(int number)
{
    if (end_wish)
        end_by_force(number, "\nhindvisor: the run did not end within 30 s of being asked; its "
                             "last block is lost\n");
    end_wish = END_WALL_TIMEOUT;
    alarm(GRACE);
}

/* Ctrl-Z: the shell gets its terminal back. */
static void on_suspend(int number)
{
    int before = errno;
    (void)number;
    terminal_leave();
    raise(SIGSTOP);
    if (takes_keys)
        terminal_enter();
    errno = before;
}

static const struct {
    int number;
    void (*handler)(int);
} reactions[] = {
    {SIGINT, on_end},      {SIGTERM, on_end},  {SIGHUP, on_end},   {SIGALRM, on_alarm},
    {SIGTSTP, on_suspend}, {SIGPIPE, SIG_IGN}, {SIGTTOU, SIG_IGN},
};

static struct sigaction former[ARRAY_SIZE(reactions)];

static void watch_signals(void)
{
    end_wish = END_NONE;
    for (size_t i = 0; i < ARRAY_SIZE(reactions); i++) {
        struct sigaction action = {.sa_handler = reactions[i].handler};
        sigaction(reactions[i].number, &action, &former[i]);
    }
}

static void unwatch_signals(void)
{
    alarm(0);
    for (size_t i = 0; i < ARRAY_SIZE(reactions); i++)
        sigaction(reactions[i].number, &former[i], NULL);
}

static void set_limit(u64 ns)
{
    struct itimerval limit = {0};
    if (ns == NEVER)
        return;
    limit.it_value.tv_sec = (time_t)min_u64(ns / NANOSECONDS, INT32_MAX);
    limit.it_value.tv_usec = (suseconds_t)(ns % NANOSECONDS / 1000);
    if (!limit.it_value.tv_sec && !limit.it_value.tv_usec)
        limit.it_value.tv_usec = 1;
    setitimer(ITIMER_REAL, &limit, NULL);
}

/* --- the console -------------------------------------------------------------------- */

static void note(struct in_process *p, const char *text)
{
    progress_hide(&p->progress);
    fprintf(stderr, "%shindvisor: %s\n", p->progress.column ? "\n" : "", text);
    p->progress.column = false;
}

/* A stdout that takes nothing does not keep the run from ending. */
static bool write_output(const u8 *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);
        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, NAP);
        } else if (errno != EINTR) {
            return false;
        }
        if (end_wish && length)
            return true;
    }
    return true;
}

static void flush_console(struct in_process *p)
{
    if (!p->length)
        return;
    progress_hide(&p->progress);
    bool good = write_output(p->output, p->length);
    p->progress.column = isatty(STDOUT_FILENO) && p->output[p->length - 1] != '\n';
    p->length = 0;
    if (good)
        return;
    p->no_console = true;
    note(p, TERMINAL_GONE);
}

static void show_byte(struct world *world, u8 byte)
{
    struct in_process *p = from_world(world);
    if (p->job->quiet || p->no_console)
        return;
    p->output[p->length++] = byte;
    if (p->length == OUTPUT_ROOM)
        flush_console(p);
}

static bool takes_input(const struct in_process *p)
{
    return !p->input.closed && !p->input.length && (!isatty(STDIN_FILENO) || terminal_is_ours());
}

static bool typed(struct in_process *p, const struct timespec *patience)
{
    struct pollfd waiter = {.fd = takes_input(p) ? STDIN_FILENO : -1, .events = POLLIN};
    return ppoll(&waiter, 1, patience, NULL) > 0;
}

static int next_byte(struct world *world)
{
    static const struct timespec none;
    struct in_process *p = from_world(world);
    if (!p->input.length && typed(p, &none) && input_read(&p->input) == INPUT_QUIT)
        end_wish = END_STOPPED;
    return input_next(&p->input);
}

/* --- clock, rest and end --------------------------------------------------------------- */

static u64 run_clock(struct world *world)
{
    return host_now() - from_world(world)->start;
}

static u64 ticks_in(struct world *world, u64 ns)
{
    return ns / 1000 * from_world(world)->pace.speed +
           ns % 1000 * from_world(world)->pace.speed / 1000;
}

/* Asked before each entry that has a deadline: good for keeping the pace. */
static u64 no_interruption(struct world *world, u64 count)
{
    enum { FAIR = 100000 /* ns: long enough to measure */, SLOWEST = 20, FASTEST = 4000 };
    struct in_process *p = from_world(world);
    u64 now = host_now(), passed = now - p->pace.at;
    if (passed < FAIR)
        return NEVER;
    u64 speed = (count - p->pace.count) * 1000 / passed;
    if (speed >= SLOWEST) /* else it was resting */
        p->pace.speed = min_u64((3 * p->pace.speed + speed) / 4, FASTEST);
    p->pace.count = count;
    p->pace.at = now;
    return NEVER;
}

static u64 nothing_stolen(struct world *world)
{
    (void)world;
    return 0;
}

static void rest(struct world *world, u64 ns)
{
    struct in_process *p = from_world(world);
    u64 nap = min_u64(ns, NAP * 1000000ull);
    flush_console(p);
    if (nap < SPIN || end_wish)
        return;
    typed(p, &(struct timespec){.tv_nsec = (long)nap});
}

static u32 wish(struct world *world)
{
    struct in_process *p = from_world(world);
    flush_console(p);
    return (u32)end_wish;
}

static u32 on_progress(struct world *world, u64 exits, u64 guest_ns)
{
    struct in_process *p = from_world(world);
    flush_console(p);
    if (p->job->total_exits && p->heartbeats++ % PROGRESS_EVERY == 0)
        progress_show(&p->progress, exits, p->job->total_exits, guest_ns);
    return (u32)end_wish;
}

static const struct world_ops in_process_ops = {
    .clock = run_clock,
    .ticks = ticks_in,
    .console = next_byte,
    .idle = rest,
    .stop = wish,
    .output = show_byte,
    .progress = on_progress,
    .interruption = no_interruption,
    .stolen = nothing_stolen,
};

/* --- the run ------------------------------------------------------------------------------ */

static struct err take_chunk(void *context, const void *records, u32 length)
{
    struct in_process *p = context;
    p->outcome->bytes += length;
    if (!p->failure.code)
        p->failure = p->job->sink.chunk(p->job->sink.context, records, length);
    return p->failure.code ? ERR(p->failure.code, "no room was left for the trace", 0, 0) : NO_ERR;
}

u64 in_process_tsc_hz(void)
{
    enum { MEASURE = 3000000 /* ns */ };
    static u64 hz; /* it does not change */
    if (hz)
        return hz;
    u64 start = host_now(), tsc = __builtin_ia32_rdtsc(), now;
    do
        now = host_now();
    while (now - start < MEASURE);
    return hz = (__builtin_ia32_rdtsc() - tsc) * NANOSECONDS / (now - start);
}

static struct failure run(struct in_process *p)
{
    struct carrier_job *job = p->job;
    struct host_run request = {
        .mission = &job->mission,
        .world = &p->world,
        .chunk = take_chunk,
        .context = p,
        .source = job->source,
        .observer = job->observer,
    };
    struct failure failure = view_file(job->kernel, &request.kernel);
    if (!failure.code && job->initrd)
        failure = view_file(job->initrd, &request.initrd);
    if (!failure.code) {
        failure = fail_err(host_run(&request, &p->outcome->report));
        p->outcome->have_report = !failure.code;
    }
    release_file(&request.kernel);
    release_file(&request.initrd);
    return failure;
}

static void start(struct in_process *p)
{
    watch_signals();
    set_limit(p->job->wall_timeout);
    progress_start(&p->progress);
    p->input.closed = !p->job->input;
    p->input.keys = p->job->input && isatty(STDIN_FILENO);
    takes_keys = p->input.keys;
    if (p->input.keys) {
        note(p, TERMINAL_KEYS);
        terminal_enter();
    }
    p->start = p->pace.at = host_now();
}

static void end(struct in_process *p)
{
    flush_console(p);
    p->outcome->wall = host_now() - p->start;
    p->outcome->report.tsc_khz = (u32)(in_process_tsc_hz() / 1000);
    progress_hide(&p->progress);
    terminal_leave();
    if (p->progress.column)
        fputc('\n', stderr);
    unwatch_signals();
}

struct failure in_process_run(struct carrier_job *job, struct carrier_outcome *outcome)
{
    static struct in_process p; /* one run at a time, as the processor is one */
    p = (struct in_process){
        .world = {&in_process_ops}, .job = job, .outcome = outcome, .pace.speed = 300};
    *outcome = (struct carrier_outcome){0};
    start(&p);
    struct failure failure = run(&p);
    end(&p);
    outcome->finished = outcome->have_report;
    return p.failure.code ? p.failure : failure;
}

const struct carrier carrier_software = {
    .name = "software",
    .program = "the software processor",
    .memory_max = NEVER,
    .in_process = true,
};
