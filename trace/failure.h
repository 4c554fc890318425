/*
 * An error of hosted code: a code and a sentence that says what failed, why and
 * what to try. The hosted sibling of struct err (core/err.h), which must not
 * format; this one is formatted where it arises, because paths and the
 * operating system's reason are known only there.
 */
#ifndef TRACE_FAILURE_H
#define TRACE_FAILURE_H

#include "core/err.h"

struct failure {
    enum status code; /* OK: nothing failed, `text` is empty */
    char text[512];   /* one line, NUL-terminated, no final newline */
};

/* Builds a failure, printf style. Text that does not fit is cut. */
struct failure fail(enum status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": <strerror(errno)>" and, for a full disk, the advice that goes with it.
 * The code is NO_SPACE for ENOSPC, EDQUOT and EFBIG, BAD_INPUT for ENOENT and ENOTDIR,
 * else HOST_IO. */
struct failure fail_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Formats a freestanding error: %a %b %A %B in its words become its numbers. */
struct failure fail_err(struct err);

#define NO_FAILURE ((struct failure){.code = OK})
#define ATTEMPT(expression)                     \
    do {                                        \
        struct failure failure_ = (expression); \
        if (failure_.code)                      \
            return failure_;                    \
    } while (0)

#endif
