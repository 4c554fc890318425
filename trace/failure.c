/* Formats failures. Keeps no state. */
#include "trace/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct failure fail(enum status code, const char *format, ...)
{
    struct failure failure = {.code = code};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure.text, sizeof(failure.text), format, arguments);
    va_end(arguments);
    return failure;
}

static enum status code_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return NO_SPACE;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
        return BAD_INPUT;
    default:
        return HOST_IO;
    }
}

static const char *advice(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space or choose another directory with -o";
    case EFBIG:
        return "; raise the limit on file sizes (ulimit -f)";
    case EACCES:
    case EPERM:
        return "; check the permissions";
    default:
        return "";
    }
}

struct failure fail_errno(const char *format, ...)
{
    int error = errno;
    struct failure failure = {.code = code_of(error)};
    char what[sizeof(failure.text)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(failure.text, sizeof(failure.text), "%.300s: %.80s%s", what, strerror(error),
             advice(error));
    return failure;
}

/* One of %a %b %A %B at `text`: appends the number and says so. */
static bool expand(const char *text, const struct err *err, char *to, size_t size)
{
    if (text[0] != '%')
        return false;
    switch (text[1]) {
    case 'a':
        return snprintf(to, size, "%llu", (unsigned long long)err->a) > 0;
    case 'b':
        return snprintf(to, size, "%llu", (unsigned long long)err->b) > 0;
    case 'A':
        return snprintf(to, size, "0x%llx", (unsigned long long)err->a) > 0;
    case 'B':
        return snprintf(to, size, "0x%llx", (unsigned long long)err->b) > 0;
    default:
        return false;
    }
}

struct failure fail_err(struct err err)
{
    struct failure failure = {.code = err.code};
    size_t used = 0, room = sizeof(failure.text);
    for (const char *from = err.what ? err.what : ""; *from && used + 1 < room;) {
        if (expand(from, &err, failure.text + used, room - used)) {
            used += strlen(failure.text + used);
            from += 2;
        } else {
            failure.text[used++] = *from++;
        }
    }
    failure.text[used] = 0;
    return failure;
}
