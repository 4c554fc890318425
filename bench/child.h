/*
 * Runs a program and watches what it prints, line by line, with times: its own and those of the
 * clock on the wall. For benchmarks that compare whole programs. One at a time; failures of this
 * program itself (no process, no pipe) go to stderr and end it.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "core/types.h"

struct times {
    u64 wall;      /* ns since the program was started */
    u64 processor; /* ns, user and system, all its threads; at the end also its children */
};

struct child {
    const char *const *arguments; /* NULL-terminated; [0] is looked up in PATH */
    const char *log;              /* stderr goes to this file */
    u64 limit;                    /* ns; SIGTERM then */
    bool first_byte_only;         /* SIGTERM at the first byte */
    void (*line)(void *context, const char *line, struct times); /* without its newline */
    void *context;
};

struct child_end {
    struct times times;
    u64 first_byte; /* ns to the first byte; 0: there was none */
    u64 peak;       /* bytes resident at most, it or a child of it */
    int status;     /* exit status; -1: a signal ended it */
};

struct child_end child_run(const struct child *);

#endif
