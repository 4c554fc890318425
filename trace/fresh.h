/*
 * A file or directory that is made under a name of its own, PATH.PID.new, until it is whole: who
 * looks for PATH finds all of it or nothing. While its maker lives it is locked (flock(2)), so that
 * what a killed one left behind is known, and goes when the same PATH is made again.
 */
#ifndef TRACE_FRESH_H
#define TRACE_FRESH_H

#include "trace/files.h"

struct fresh {
    char path[FILE_PATH]; /* "": there is none */
    int lock;             /* a file's is open for writing */
    bool is_directory;
};

/* Makes it, empty, and removes leftovers of processes that are gone. */
struct failure fresh_make(struct fresh *, const char *path, bool directory);
/* Gives it its name, over a file that has it; if that fails it is dropped. */
struct failure fresh_finish(struct fresh *, const char *path);
/* Removes it. A directory holds files, and no deeper. */
void fresh_drop(struct fresh *);

#endif
