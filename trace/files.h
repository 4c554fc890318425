/* Whole-file operations that the trace needs, with failures in words. */
#ifndef TRACE_FILES_H
#define TRACE_FILES_H

#include "core/types.h"
#include "trace/failure.h"

enum { FILE_PATH = 4096 };

/* DIRECTORY/NAME; cut if it does not fit, so opening it fails. */
void file_path(char path[FILE_PATH], const char *directory, const char *name);
/* All of a small file; longer than `size`: only the first `size` bytes. */
struct failure file_read(const char *path, void *to, size_t size, size_t *length);
/* Writes NAME.new, syncs it and renames it over NAME. */
struct failure file_replace(const char *directory, const char *name, const void *data,
                            size_t length);
/* All of it, at the descriptor's position (file_write) or at an offset. EINTR and short writes
 * are dealt with. false: errno says why. */
bool file_write(int descriptor, const void *data, size_t length);
/* false: errno says why, or is 0 when the file ends too early. */
bool file_read_at(int descriptor, void *to, size_t length, u64 offset);
/* Copies the file and takes its size and SHA-256 (65 bytes of text). `to` NULL: only reads. */
struct failure file_copy(const char *from, const char *to, u64 *size, char sha256[65]);

#endif
