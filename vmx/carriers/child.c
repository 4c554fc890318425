/*
 * Starts a carrier and ends it for certain: own session, killed with us, no
 * descriptors of ours but the three that it needs. Sources: prctl(2), pty(7),
 * network_namespaces(7).
 */
#define _GNU_SOURCE /* pipe2, unshare, posix_openpt */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vmx/carriers/child.h"

/* Every byte value must come through in both directions, and none be echoed. */
static bool make_raw(int descriptor)
{
    struct termios settings;
    if (tcgetattr(descriptor, &settings))
        return false;
    cfmakeraw(&settings);
    return !tcsetattr(descriptor, TCSANOW, &settings);
}

struct failure child_open_line(struct child *child, char name[CHILD_LINE_NAME])
{
    char device[CHILD_LINE_NAME];
    *child = (struct child){.output = -1, .line_end = -1};
    child->line = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (child->line < 0 || grantpt(child->line) || unlockpt(child->line) ||
        ptsname_r(child->line, device, sizeof(device)))
        return fail_errno("cannot open a pseudo-terminal for the guest's input");
    memcpy(name, device, sizeof(device));
    child->line_end = open(device, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (child->line_end < 0 || !make_raw(child->line_end))
        return fail_errno("cannot set up the pseudo-terminal %s", device);
    return NO_FAILURE;
}

/* Bochs's VNC display would listen on every interface of the host; without a network it
 * cannot be reached. Best effort: a system may forbid both ways. */
static void leave_network(void)
{
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return;
}

static bool redirect(const char *directory, int output)
{
    int input = open("/dev/null", O_RDONLY);
    if (chdir(directory) || input < 0)
        return false;
    int errors = open("stderr", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    return errors >= 0 && dup2(input, 0) == 0 && dup2(output, 1) == 1 && dup2(errors, 2) == 2;
}

/* In the new process. Reports errno through `trouble`, which a successful exec closes. */
static void __attribute__((noreturn))
become(const struct carrier_command *command, const char *directory, int output, int trouble,
       pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before prctl() */
        _exit(127);
    leave_network();
    setsid();
    if (redirect(directory, output))
        execvp(command->arguments[0], (char *const *)command->arguments);
    int reason = errno;
    while (write(trouble, &reason, sizeof(reason)) < 0 && errno == EINTR)
        ;
    _exit(127);
}

static struct failure wait_for_exec(struct child *child, const char *program, int trouble)
{
    int reason = 0;
    ssize_t n;
    while ((n = read(trouble, &reason, sizeof(reason))) < 0 && errno == EINTR)
        ;
    if (n != sizeof(reason))
        return NO_FAILURE;
    child_kill(child);
    errno = reason;
    return fail_errno("cannot start %s", program);
}

struct failure child_start(struct child *child, const struct carrier_command *command,
                           const char *directory)
{
    int output[2], trouble[2];
    pid_t parent = getpid();
    if (pipe2(output, O_CLOEXEC))
        return fail_errno("cannot make a pipe");
    if (pipe2(trouble, O_CLOEXEC)) {
        close(output[0]), close(output[1]);
        return fail_errno("cannot make a pipe");
    }
    child->pid = fork();
    if (!child->pid)
        become(command, directory, output[1], trouble[1], parent);
    struct failure failure = child->pid < 0 ? fail_errno("cannot start a process") : NO_FAILURE;
    child->pid = child->pid < 0 ? 0 : child->pid;
    close(output[1]), close(trouble[1]);
    child->output = output[0];
    fcntl(child->output, F_SETFL, O_NONBLOCK);
    if (!failure.code)
        failure = wait_for_exec(child, command->arguments[0], trouble[0]);
    close(trouble[0]);
    return failure;
}

bool child_reap(struct child *child)
{
    if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->pid = 0;
    return !child->pid;
}

void child_kill(struct child *child)
{
    if (!child->pid)
        return;
    kill(-child->pid, SIGKILL); /* its session's process group, if it got that far */
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
}

static void close_one(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void child_close(struct child *child)
{
    child_kill(child);
    close_one(&child->output);
    close_one(&child->line);
    close_one(&child->line_end);
}
