/*
 * Where traces live: $XDG_DATA_HOME/hindvisor (XDG Base Directory
 * Specification), one directory a trace, `latest` a link to the newest.
 */
#include "trace/commands/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fits(int length)
{
    return length > 0 && length < CLI_PATH;
}

struct failure cli_trace_home(char path[CLI_PATH])
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length = 0;
    if (data && data[0] == '/')
        length = snprintf(path, CLI_PATH, "%s/hindvisor", data);
    else if (home && home[0])
        length = snprintf(path, CLI_PATH, "%s/.local/share/hindvisor", home);
    return fits(length) ? NO_FAILURE
                        : fail(BAD_INPUT, "no place for traces: set HOME or XDG_DATA_HOME");
}

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

struct failure cli_resolve_trace(const char *argument, char path[CLI_PATH])
{
    char home[CLI_PATH];
    if (argument && exists(argument)) {
        bool whole = fits(snprintf(path, CLI_PATH, "%s", argument));
        return whole ? NO_FAILURE : fail(BAD_INPUT, "the trace's name is too long");
    }
    ATTEMPT(cli_trace_home(home));
    if (!fits(snprintf(path, CLI_PATH, "%s/%s", home, argument ? argument : "latest")))
        return fail(BAD_INPUT, "the trace's name is too long");
    if (exists(path))
        return NO_FAILURE;
    if (!argument)
        return fail(BAD_INPUT,
                    "no trace named and %.200s does not exist; make a trace with "
                    "`hindvisor record`, or name one",
                    path);
    return fail(BAD_INPUT, "%.200s: there is no such trace, neither here nor in %.200s", argument,
                home);
}

static struct failure make_directories(const char *path)
{
    char part[CLI_PATH];
    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return fail_errno("%.300s: cannot make the directory", part);
        if (!slash)
            return NO_FAILURE;
        *slash = '/';
    }
}

struct failure cli_new_trace(const char *output, const char *kernel, char path[CLI_PATH])
{
    char home[CLI_PATH];
    if (output) {
        bool whole = fits(snprintf(path, CLI_PATH, "%s", output));
        return whole ? NO_FAILURE : fail(BAD_INPUT, "the trace's name is too long");
    }
    ATTEMPT(cli_trace_home(home));
    ATTEMPT(make_directories(home));
    const char *base = strrchr(kernel, '/');
    for (u32 number = 1; number < 1000000; number++) {
        struct stat status;
        if (!fits(snprintf(path, CLI_PATH, "%s/%s-%u", home, base ? base + 1 : kernel, number)))
            return fail(BAD_INPUT, "the trace's name is too long");
        if (lstat(path, &status) < 0)
            return NO_FAILURE;
    }
    return fail(BAD_INPUT, "%.300s is full of traces; remove some or name one with -o", home);
}

struct failure cli_point_latest(const char *path)
{
    char home[CLI_PATH], latest[CLI_PATH + 32], fresh[CLI_PATH + 48];
    ATTEMPT(cli_trace_home(home));
    ATTEMPT(make_directories(home));
    char *real = realpath(path, NULL);
    if (!real)
        return fail_errno("%.300s: cannot find it", path);
    snprintf(latest, sizeof(latest), "%s/latest", home);
    snprintf(fresh, sizeof(fresh), "%s/.latest-%d", home, (int)getpid());
    struct failure failure = NO_FAILURE;
    if (symlink(real, fresh) < 0 || rename(fresh, latest) < 0)
        failure = fail_errno("%.300s: cannot make the link", latest);
    if (failure.code)
        unlink(fresh);
    free(real);
    return failure;
}
