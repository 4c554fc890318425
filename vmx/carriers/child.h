/* The carrier's process: its stdout is a pipe to us, its COM1 a serial line (pty) that we hold. */
#ifndef VMX_CARRIERS_CHILD_H
#define VMX_CARRIERS_CHILD_H

#include <sys/types.h>

#include "vmx/carriers/carrier.h"

enum { CHILD_LINE_NAME = 64 };

struct child {
    pid_t pid;    /* 0: none, or reaped */
    int output;   /* its stdout, non-blocking; -1: none */
    int line;     /* our end of its COM1, non-blocking; -1: none */
    int line_end; /* its end, kept open so that ours never hangs up, and to flush it */
    int status;   /* of waitpid(), once reaped */
};

/* Opens the serial line; `name` becomes its device. Undone by child_close(). */
struct failure child_open_line(struct child *, char name[CHILD_LINE_NAME]);
/* Starts the command in `directory`, in a session of its own, without a network where the
 * system allows that; stderr goes to the file `stderr` there. It dies with this process. */
struct failure child_start(struct child *, const struct carrier_command *, const char *directory);
/* Has it ended? Does not wait. */
bool child_reap(struct child *);
/* Ends it and all that it started, and waits for it. Harmless when it has ended. */
void child_kill(struct child *);
void child_close(struct child *);

#endif
