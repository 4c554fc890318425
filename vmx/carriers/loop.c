/*
 * One run of a carrier, from its start to its end, in one poll loop: what the
 * image sends goes to the terminal and to the sink, what is typed goes to the
 * image, and every way to end (bye, Ctrl-C, time limits, a full disk, a carrier
 * that dies) ends the same: all whole chunks are taken and the process is gone.
 * Host time is read here for limits only; none of it reaches the guest.
 */
#define _GNU_SOURCE /* strsignal */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmx/carriers/child.h"
#include "vmx/carriers/frames.h"
#include "vmx/carriers/terminal.h"

#define MILLISECONDS 1000000ull
/* After asking the image to end: ask again, say so, and at last stop the carrier. */
#define ASK_AGAIN (1000 * MILLISECONDS)
#define GRACE (30 * NANOSECONDS)
#define STALLED (2 * NANOSECONDS) /* stdout takes nothing: drop console output when ending */

enum { OUTPUT_ROOM = 1 << 16, WRITE_MAX = 4096 /* PIPE_BUF: a pipe that polls ready takes it */ };

struct run {
    struct carrier_job *job;
    struct carrier_outcome *outcome;
    const struct carrier *carrier;
    struct child child;
    struct frames frames;
    struct trace_disk disk;
    struct input input;
    struct progress progress;
    struct failure failure; /* the first one sticks */
    int signals;            /* signalfd */
    sigset_t old_mask;
    u64 start, ending; /* host ns; ending: when the image was first asked to end, 0: not yet */
    u64 asked;         /* when it was last asked */
    char command;      /* what it is asked */
    bool kill;         /* stop now */
    bool no_console;   /* stdout is gone */
    bool hung_up;      /* the carrier's stdout has ended */
    size_t output_first, output_length;
    u8 output[OUTPUT_ROOM]; /* console bytes on their way to stdout */
};

static u64 host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * NANOSECONDS + (u64)now.tv_nsec;
}

static void flush_console(struct run *);

static void note(struct run *run, const char *text)
{
    flush_console(run);
    progress_hide(&run->progress);
    fprintf(stderr, "%shindvisor: %s\n", run->progress.column ? "\n" : "", text);
    run->progress.column = false;
}

/* --- ending -------------------------------------------------------------------- */

static void ask(struct run *run, u64 now)
{
    /* What is typed but not read yet would stand in the command's way. */
    tcflush(run->child.line_end, TCIFLUSH);
    input_drop(&run->input);
    input_command(&run->input, run->command);
    run->asked = now;
}

static void end_run(struct run *run, char command)
{
    if (run->ending)
        return;
    run->command = command;
    run->ending = host_now();
    run->input.closed = true;
    ask(run, run->ending);
}

static void set_failure(struct run *run, struct failure failure)
{
    if (failure.code && !run->failure.code)
        run->failure = failure;
}

static void kill_run(struct run *run, const char *why)
{
    run->kill = true;
    set_failure(run, fail(INTERNAL, "%s", why));
}

static void check_limits(struct run *run)
{
    u64 now = host_now();
    if (!run->ending && run->job->wall_timeout != NEVER &&
        now - run->start >= run->job->wall_timeout)
        return end_run(run, COMMAND_TIMEOUT);
    if (!run->ending)
        return;
    if (now - run->ending >= GRACE)
        kill_run(run, "the image did not end within 30 s of being asked; it was killed, its last "
                      "block is lost");
    else if (now - run->asked >= ASK_AGAIN)
        ask(run, now);
    if (run->output_length && now - run->ending >= STALLED)
        run->output_length = run->output_first = 0;
}

static int until_next_limit(const struct run *run)
{
    u64 now = host_now(), next = NEVER;
    if (run->ending)
        next = run->asked + ASK_AGAIN;
    else if (run->job->wall_timeout != NEVER)
        next = run->start + run->job->wall_timeout;
    if (next == NEVER)
        return -1;
    return next <= now ? 0 : (int)min_u64((next - now) / MILLISECONDS + 1, 60000);
}

/* --- chunks -------------------------------------------------------------------- */

static struct failure take_report(struct run *run, u32 length)
{
    if (length != sizeof(struct report))
        return fail(INTERNAL,
                    "the image's report has %u bytes instead of %zu: image and command are "
                    "not from the same build; run `make`",
                    length, sizeof(struct report));
    memcpy(&run->outcome->report, run->disk.payload, length);
    run->outcome->have_report = true;
    return NO_FAILURE;
}

/* Takes every chunk that is whole on the disk. */
static struct failure take_chunks(struct run *run)
{
    for (;;) {
        u32 kind, length;
        ATTEMPT(disk_next_chunk(&run->disk, &kind, &length));
        if (!kind)
            return NO_FAILURE;
        if (kind == CHUNK_REPORT) {
            ATTEMPT(take_report(run, length));
        } else if (kind == CHUNK_RECORDS && run->job->sink.chunk) {
            run->outcome->bytes += length;
            ATTEMPT(run->job->sink.chunk(run->job->sink.context, run->disk.payload, length));
        }
        disk_forget_chunk(&run->disk, length);
    }
}

static void chunk_arrived(struct run *run)
{
    if (run->failure.code)
        return;
    set_failure(run, take_chunks(run));
    if (run->failure.code)
        end_run(run, COMMAND_QUIT);
}

/* --- what the image sends ---------------------------------------------------------- */

static void on_console(void *context, const u8 *bytes, size_t length)
{
    struct run *run = context;
    if (run->job->quiet || run->no_console)
        return;
    if (run->output_length + length > OUTPUT_ROOM) { /* cannot be: we read no more than fits */
        run->output_length = run->output_first = 0;
        length = min_u64(length, OUTPUT_ROOM);
    }
    memcpy(run->output + run->output_length, bytes, length);
    run->output_length += length;
}

static void on_progress(struct run *run, const char *text)
{
    unsigned long exits, guest_ns;
    if (sscanf(text, "%lu %lu", &exits, &guest_ns) == 2 && run->job->total_exits)
        progress_show(&run->progress, exits, run->job->total_exits, guest_ns);
}

static void on_hello(struct run *run, const char *text)
{
    char ours[16];
    snprintf(ours, sizeof(ours), "%u", WIRE_VERSION);
    if (!strcmp(text, ours))
        return;
    kill_run(run, "the image speaks another version than this command; run `make`");
}

static void on_bye(struct run *run, const char *text)
{
    run->outcome->finished = true;
    run->outcome->status = (enum status)strtoul(text, NULL, 10);
}

static void print_message(struct run *run, const char *text)
{
    char clean[FRAME_TEXT];
    size_t i = 0;
    for (; text[i]; i++) /* it may quote the guest: no control bytes to the terminal */
        clean[i] = (u8)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    clean[i] = 0;
    note(run, clean);
}

static void on_frame(void *context, char letter, const char *text)
{
    struct run *run = context;
    switch (letter) {
    case FRAME_HELLO:
        return on_hello(run, text);
    case FRAME_MESSAGE:
        return print_message(run, text);
    case FRAME_CHUNK:
        return chunk_arrived(run);
    case FRAME_TAKEN:
        return input_taken(&run->input, strtoul(text, NULL, 10));
    case FRAME_PROGRESS:
        return on_progress(run, text);
    case FRAME_BYE:
        return on_bye(run, text);
    default:
        kill_run(run, "the image sent a frame that this command does not know; run `make`");
    }
}

static void read_carrier(struct run *run)
{
    static const struct frame_handler names = {.console = on_console, .frame = on_frame};
    struct frame_handler handler = names;
    u8 bytes[4096];
    ssize_t n = read(run->child.output, bytes, sizeof(bytes));
    handler.context = run;
    if (n > 0)
        frames_feed(&run->frames, bytes, (size_t)n, &handler);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        run->hung_up = true;
}

static void write_console(struct run *run)
{
    size_t length = min_u64(run->output_length - run->output_first, WRITE_MAX);
    progress_hide(&run->progress);
    ssize_t n = write(STDOUT_FILENO, run->output + run->output_first, length);
    if (n > 0) {
        run->output_first += (size_t)n;
        run->progress.column = isatty(STDOUT_FILENO) && run->output[run->output_first - 1] != '\n';
    } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
        run->no_console = true;
        run->output_first = run->output_length = 0;
        note(run, TERMINAL_GONE);
    }
    if (run->output_first == run->output_length)
        run->output_first = run->output_length = 0;
}

/* As much as stdout takes without waiting. */
static void flush_console(struct run *run)
{
    struct pollfd waiter = {.fd = STDOUT_FILENO, .events = POLLOUT};
    while (run->output_length && poll(&waiter, 1, 0) > 0)
        write_console(run);
}

/* --- what the user sends ------------------------------------------------------------ */

static void write_line(struct run *run)
{
    size_t length;
    const u8 *bytes = input_pending(&run->input, &length);
    ssize_t n = length ? write(run->child.line, bytes, length) : 0;
    if (n > 0)
        input_sent(&run->input, (size_t)n);
}

/* The line carries input only; whatever comes back is nobody's. */
static void drain_line(struct run *run)
{
    u8 bytes[512];
    while (read(run->child.line, bytes, sizeof(bytes)) > 0)
        ;
}

/* Ctrl-Z: the shell gets its terminal back, and the carrier stops as well. */
static void suspend(struct run *run)
{
    progress_hide(&run->progress);
    terminal_leave();
    if (run->child.pid)
        kill(-run->child.pid, SIGSTOP);
    raise(SIGSTOP);
    if (run->child.pid)
        kill(-run->child.pid, SIGCONT);
    if (run->job->input)
        terminal_enter();
}

static void on_signal(struct run *run, u32 number)
{
    switch (number) {
    case SIGTSTP:
        return suspend(run);
    case SIGCHLD:
        child_reap(&run->child);
        return;
    case SIGCONT:
        if (run->job->input)
            terminal_enter();
        return;
    case SIGINT:
    case SIGTERM:
    case SIGHUP:
        if (!run->ending)
            return end_run(run, COMMAND_QUIT);
        __attribute__((fallthrough)); /* the second time in earnest */
    default:
        kill_run(run, "killed by a second signal: the block being filled is lost");
    }
}

static void read_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof(info)) == sizeof(info))
        on_signal(run, info.ssi_signo);
}

static void read_input(struct run *run)
{
    if (input_read(&run->input) == INPUT_QUIT)
        end_run(run, COMMAND_QUIT);
}

/* --- the loop -------------------------------------------------------------------------- */

/* Not before the image is there: Bochs drops what came in before it set up the line. */
static bool takes_input(const struct run *run)
{
    return run->frames.greeted && !run->input.closed && !run->input.length &&
           (!isatty(STDIN_FILENO) || terminal_is_ours());
}

enum { ON_CARRIER, ON_SIGNAL, ON_LINE, ON_INPUT, ON_CONSOLE, WAITERS };

static void choose(struct run *run, struct pollfd *waiters)
{
    size_t pending;
    bool room = !run->output_length;
    input_pending(&run->input, &pending);
    waiters[ON_CARRIER] = (struct pollfd){.fd = room ? run->child.output : -1, .events = POLLIN};
    waiters[ON_SIGNAL] = (struct pollfd){.fd = run->signals, .events = POLLIN};
    waiters[ON_LINE] =
        (struct pollfd){.fd = run->child.line, .events = pending ? POLLIN | POLLOUT : POLLIN};
    waiters[ON_INPUT] =
        (struct pollfd){.fd = takes_input(run) ? STDIN_FILENO : -1, .events = POLLIN};
    waiters[ON_CONSOLE] = (struct pollfd){.fd = room ? -1 : STDOUT_FILENO, .events = POLLOUT};
}

static void step(struct run *run)
{
    struct pollfd waiters[WAITERS];
    choose(run, waiters);
    int ready = poll(waiters, WAITERS, until_next_limit(run));
    if (ready < 0 && errno != EINTR)
        kill_run(run, "poll() failed");
    if (ready > 0) {
        if (waiters[ON_SIGNAL].revents)
            read_signals(run);
        if (waiters[ON_CONSOLE].revents)
            write_console(run);
        if (waiters[ON_CARRIER].revents)
            read_carrier(run);
        if (waiters[ON_LINE].revents & POLLIN)
            drain_line(run);
        if (waiters[ON_LINE].revents & POLLOUT)
            write_line(run);
        if (waiters[ON_INPUT].revents)
            read_input(run);
    }
    check_limits(run);
}

static bool is_over(const struct run *run)
{
    return run->kill || ((run->outcome->finished || run->hung_up) && !run->output_length);
}

/* --- start and end ------------------------------------------------------------------------ */

static struct failure watch_signals(struct run *run)
{
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        sigaddset(&set, watched[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTTOU, SIG_IGN); /* terminal_leave() must work in the background too */
    sigprocmask(SIG_BLOCK, &set, &run->old_mask);
    run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return run->signals >= 0 ? NO_FAILURE : fail_errno("signalfd");
}

static struct failure start_run(struct run *run)
{
    struct carrier_command command = {0};
    char line[CHILD_LINE_NAME];
    ATTEMPT(run->carrier->check());
    ATTEMPT(watch_signals(run));
    ATTEMPT(child_open_line(&run->child, line));
    ATTEMPT(run->carrier->prepare(run->job, line, &command));
    ATTEMPT(disk_open_output(&run->disk, run->job->disk));
    ATTEMPT(child_start(&run->child, &command, run->job->directory));
    progress_start(&run->progress);
    run->input.closed = !run->job->input;
    run->input.keys = run->job->input && isatty(STDIN_FILENO);
    if (run->input.keys) {
        note(run, TERMINAL_KEYS);
        terminal_enter();
    }
    return NO_FAILURE;
}

static void how_it_died(const struct child *child, char *text, size_t size)
{
    if (WIFSIGNALED(child->status))
        snprintf(text, size, "killed by signal %d, %s", WTERMSIG(child->status),
                 strsignal(WTERMSIG(child->status)));
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(child->status));
}

static bool disk_is_full(const char *path)
{
    struct statvfs fs;
    return !statvfs(path, &fs) && (u64)fs.f_bavail * fs.f_frsize < (64 << 10);
}

/* The carrier ended and the image had not said bye. */
static struct failure died(struct run *run)
{
    char how[64], words[256] = "";
    for (int i = 0; i < 200 && !child_reap(&run->child);
         i++) /* its stdout is closed: it is about to */
        usleep(10000);
    child_kill(&run->child);
    how_it_died(&run->child, how, sizeof(how));
    run->carrier->explain(run->job->directory, words, sizeof(words));
    if (disk_is_full(run->job->disk))
        return fail(
            NO_SPACE,
            "%s ended (%s): no space is left for %s; make room, or choose another place with -o",
            run->carrier->program, how, run->job->disk);
    if (!run->frames.greeted)
        return fail(HOST_IO, "%s ended before the image started (%s): %s", run->carrier->program,
                    how, words);
    return fail(HOST_IO, "%s ended in the middle of the run (%s): %s", run->carrier->program, how,
                words);
}

static void end(struct run *run)
{
    bool bye = run->outcome->finished;
    if (!bye && run->hung_up && !run->kill)
        set_failure(run, died(run));
    child_kill(&run->child);
    if (run->disk.payload && (!run->failure.code || !bye))
        set_failure(run, take_chunks(run)); /* whole ones whose frame did not come */
    run->outcome->wall = host_now() - run->start;
    progress_hide(&run->progress);
    terminal_leave();
    if (run->progress.column)
        fputc('\n', stderr);
    disk_close(&run->disk);
    child_close(&run->child);
    close(run->signals);
    sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
}

struct failure carrier_run(struct carrier_job *job, struct carrier_outcome *outcome)
{
    if (carrier_find(job->processor)->in_process)
        return in_process_run(job, outcome);
    struct run *run = calloc(1, sizeof(*run));
    if (!run)
        return fail(NO_SPACE, "out of memory");
    *run = (struct run){.job = job, .outcome = outcome, .carrier = carrier_find(job->processor)};
    run->disk.descriptor = run->signals = -1;
    run->child = (struct child){.output = -1, .line = -1, .line_end = -1};
    *outcome = (struct carrier_outcome){0};
    run->start = host_now();
    sigprocmask(SIG_BLOCK, NULL, &run->old_mask);
    set_failure(run, start_run(run));
    bool started = !run->failure.code; /* a later failure asks the image to end, and waits for it */
    while (started && !is_over(run))
        step(run);
    end(run);
    struct failure failure = run->failure;
    free(run);
    return failure;
}
