/*
 * The user's terminal while a guest has it: every key goes to the guest but the
 * signal keys and Ctrl-A. What was changed is put back however the process ends,
 * short of SIGKILL. Source: termios(3).
 */
#include "vmx/carriers/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "trace/wire.h"

static struct termios before;
static volatile sig_atomic_t changed;

bool terminal_is_ours(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void terminal_leave(void)
{
    if (changed)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    changed = 0;
}

static void on_crash(int number)
{
    terminal_leave();
    signal(number, SIG_DFL);
    raise(number);
}

/* Once a process: leave the terminal as it was at exit() and at a crash. */
static void arrange_leaving(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static bool arranged;
    if (arranged)
        return;
    arranged = true;
    atexit(terminal_leave);
    for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
        signal(crashes[i], on_crash);
}

void terminal_enter(void)
{
    struct termios settings;
    if (changed || !terminal_is_ours() || tcgetattr(STDIN_FILENO, &before))
        return;
    arrange_leaving();
    settings = before;
    settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHONL | IEXTEN);
    settings.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    changed = 1;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
}

/* --- input ------------------------------------------------------------------ */

enum { CTRL_A = 1, CTRL_C = 3 };

static void put(struct input *in, u8 byte)
{
    if (in->length < INPUT_ROOM)
        in->bytes[in->length++] = byte;
}

static enum input_action after_prefix(struct input *in, u8 byte)
{
    in->prefix = false;
    if (byte == 'x' || byte == 'X')
        return INPUT_QUIT;
    if (byte == 'c' || byte == 'C')
        put(in, CTRL_C);
    else if (byte == CTRL_A || byte == 'a')
        put(in, CTRL_A);
    return INPUT_NOTHING; /* any other key after Ctrl-A is a slip: ignored */
}

enum input_action input_take(struct input *in, const u8 *bytes, size_t length)
{
    enum input_action action = INPUT_NOTHING;
    if (!in->length)
        in->first = 0;
    for (size_t i = 0; i < length && action == INPUT_NOTHING; i++) {
        if (in->prefix)
            action = after_prefix(in, bytes[i]);
        else if (in->keys && bytes[i] == CTRL_A)
            in->prefix = true;
        else
            put(in, bytes[i]);
    }
    return action;
}

enum input_action input_read(struct input *in)
{
    u8 bytes[INPUT_ROOM];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (n > 0)
        return input_take(in, bytes, (size_t)n);
    /* The end of piped input is only that; a terminal that fails (EIO) is gone. */
    if (n == 0 || (errno != EINTR && errno != EAGAIN))
        in->closed = true;
    return INPUT_NOTHING;
}

int input_next(struct input *in)
{
    if (!in->length)
        return -1;
    u8 byte = in->bytes[in->first++];
    if (in->first == in->length)
        in->first = in->length = 0;
    return byte;
}

/* Moves input into `encoded`, FRAME_MARK twice, while a whole escape fits and the window is open.
 */
static void encode(struct input *in)
{
    in->encoded_first = in->encoded_length = 0;
    while (in->first < in->length && in->encoded_length + 2 <= sizeof(in->encoded) &&
           in->sent - in->taken < INPUT_WINDOW) {
        u8 byte = in->bytes[in->first++];
        in->sent++;
        in->encoded[in->encoded_length++] = byte;
        if (byte == FRAME_MARK)
            in->encoded[in->encoded_length++] = byte;
    }
    if (in->first == in->length)
        in->first = in->length = 0;
}

void input_taken(struct input *in, u64 total)
{
    if (total > in->taken && total <= in->sent)
        in->taken = total;
}

void input_drop(struct input *in)
{
    in->first = in->length = in->encoded_first = in->encoded_length = 0;
}

/* Twice: if the line's other end has read one half of an escape and the rest was dropped, the
 * first copy completes that. A command that comes twice means the same. */
void input_command(struct input *in, char letter)
{
    const u8 words[] = {FRAME_MARK, (u8)letter, FRAME_MARK, (u8)letter};
    size_t left = in->encoded_length - in->encoded_first;
    if (left + sizeof(words) > sizeof(in->encoded))
        left = 0;
    memmove(in->encoded, in->encoded + in->encoded_first, left);
    memcpy(in->encoded + left, words, sizeof(words));
    in->encoded_first = 0;
    in->encoded_length = left + sizeof(words);
}

const u8 *input_pending(struct input *in, size_t *length)
{
    if (in->encoded_first == in->encoded_length)
        encode(in);
    *length = in->encoded_length - in->encoded_first;
    return in->encoded + in->encoded_first;
}

void input_sent(struct input *in, size_t length)
{
    in->encoded_first += length;
}

/* --- output ------------------------------------------------------------------- */

bool write_fully(int descriptor, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t n = write(descriptor, (const u8 *)bytes + done, length - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

void progress_start(struct progress *bar)
{
    const char *term = getenv("TERM");
    *bar = (struct progress){.on = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0};
}

void progress_show(struct progress *bar, u64 done, u64 total, u64 guest_ns)
{
    enum { WIDTH = 30 };
    char text[160], cells[WIDTH + 1];
    if (!bar->on || bar->column || !total)
        return;
    done = min_u64(done, total);
    u64 full = (u64)((unsigned __int128)done * WIDTH / total);
    memset(cells, '-', WIDTH);
    memset(cells, '#', full);
    cells[WIDTH] = 0;
    int n =
        snprintf(text, sizeof(text), "\r[%s] %3lu %%  %lu of %lu exits, %lu.%lu s guest time\x1b[K",
                 cells, (u64)((unsigned __int128)done * 100 / total), done, total,
                 (u64)(guest_ns / NANOSECONDS), (u64)(guest_ns / (NANOSECONDS / 10) % 10));
    bar->shown = true;
    if (!write_fully(STDERR_FILENO, text, (size_t)n))
        bar->on = false;
}

void progress_hide(struct progress *bar)
{
    static const char erase[] = "\r\x1b[K";
    if (bar->shown && !write_fully(STDERR_FILENO, erase, sizeof(erase) - 1))
        bar->on = false;
    bar->shown = false;
}
