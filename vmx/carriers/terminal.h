/* The user's side: terminal settings, typed or piped input on its way to the guest, the bar. */
#ifndef VMX_CARRIERS_TERMINAL_H
#define VMX_CARRIERS_TERMINAL_H

#include "core/types.h"

/* --- settings: single bytes, no echo, Ctrl-C still a signal ------------------- */

/* Is stdin a terminal, and are we in its foreground? */
bool terminal_is_ours(void);
void terminal_enter(void); /* nothing happens when it is not ours */
void terminal_leave(void); /* safe at any time, also in a signal handler */

/* --- input: bytes for the guest, in the escaped form of trace/wire.h ----------- */

#define TERMINAL_KEYS                                                                \
    "Ctrl-C or Ctrl-A x ends the recording, Ctrl-A c sends Ctrl-C to the guest, "    \
    "Ctrl-A Ctrl-A sends Ctrl-A"
#define TERMINAL_GONE "stdout is closed or full: the guest's console is no longer shown"

enum { INPUT_ROOM = 4096 };

enum input_action { INPUT_NOTHING, INPUT_QUIT };

struct input {
    bool keys;            /* typed on a terminal: Ctrl-A is special */
    bool prefix;          /* Ctrl-A was typed */
    bool closed;          /* end of file */
    size_t first, length; /* of `bytes` not yet taken */
    u8 bytes[INPUT_ROOM];
    size_t encoded_first, encoded_length;
    u8 encoded[128]; /* on its way; commands go in between */
    u64 sent, taken; /* typed bytes encoded so far, and those that the guest has got of them */
};

/* Reads what is there from stdin. Only when length == 0. */
enum input_action input_read(struct input *);
/* Takes bytes as if they had been read: for tests. */
enum input_action input_take(struct input *, const u8 *bytes, size_t length);
/* The next byte that was read, or -1: for a guest in this process, which needs no escapes. */
int input_next(struct input *);
/* Puts a command before all input that is not on its way yet. */
void input_command(struct input *, char letter);
/* FRAME_TAKEN: the guest has got that many typed bytes, so that more may go (INPUT_WINDOW). */
void input_taken(struct input *, u64 total);
/* Drops input that nobody will read any more. */
void input_drop(struct input *);
/* Bytes waiting to be written to the line: *length 0: none. input_sent() says how many went. */
const u8 *input_pending(struct input *, size_t *length);
void input_sent(struct input *, size_t length);

/* --- output ---------------------------------------------------------------------- */

/* Writes all of it, waiting where it must; false: the other side is gone. */
bool write_fully(int descriptor, const void *bytes, size_t length);

/* A bar on stderr that shares the terminal with console output. */
struct progress {
    bool on;     /* stderr is a terminal */
    bool shown;  /* the bar is on the screen */
    bool column; /* console output stands in the middle of a line on the same terminal */
};
void progress_start(struct progress *);
void progress_show(struct progress *, u64 done, u64 total, u64 guest_ns);
/* Before anything else is written to the terminal. */
void progress_hide(struct progress *);

#endif
