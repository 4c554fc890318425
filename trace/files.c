/* Whole-file operations. SHA-256 comes from libcrypto. */
#include "trace/files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void file_path(char path[FILE_PATH], const char *directory, const char *name)
{
    if (snprintf(path, FILE_PATH, "%s/%s", directory, name) >= FILE_PATH)
        path[0] = 0;
}

static ssize_t read_some(int descriptor, void *to, size_t length)
{
    ssize_t got;
    do
        got = read(descriptor, to, length);
    while (got < 0 && errno == EINTR);
    return got;
}

struct failure file_read(const char *path, void *to, size_t size, size_t *length)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_errno("%.300s: cannot open it", path);
    ssize_t got = 1;
    for (*length = 0; got > 0 && *length<size; *length += got> 0 ? (size_t)got : 0)
        got = read_some(descriptor, (u8 *)to + *length, size - *length);
    struct failure failure = got < 0 ? fail_errno("%.300s: cannot read it", path) : NO_FAILURE;
    close(descriptor);
    return failure;
}

bool file_write(int descriptor, const void *data, size_t length)
{
    const u8 *from = data;
    while (length) {
        ssize_t done = write(descriptor, from, length);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            from += done;
            length -= (size_t)done;
        }
    }
    return true;
}

bool file_read_at(int descriptor, void *to, size_t length, u64 offset)
{
    u8 *at = to;
    while (length) {
        ssize_t got = pread(descriptor, at, length, (off_t)offset);
        if (got == 0)
            errno = 0;
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        if (got > 0) {
            at += got;
            offset += (u64)got;
            length -= (size_t)got;
        }
    }
    return true;
}

struct failure file_replace(const char *directory, const char *name, const void *data,
                            size_t length)
{
    char path[FILE_PATH], fresh[FILE_PATH];
    file_path(path, directory, name);
    snprintf(fresh, sizeof(fresh), "%.4090s.new", path);
    int descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return fail_errno("%.300s: cannot create it", fresh);
    bool good = file_write(descriptor, data, length) && fsync(descriptor) == 0;
    struct failure failure = good ? NO_FAILURE : fail_errno("%.300s: cannot write it", fresh);
    close(descriptor);
    if (!failure.code && rename(fresh, path) < 0)
        failure = fail_errno("%.300s: cannot replace it", path);
    if (failure.code)
        unlink(fresh);
    return failure;
}

/* --- copying ------------------------------------------------------------------------ */

static void to_hexadecimal(const u8 *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* From one descriptor to another (-1: nowhere), hashing. */
static struct failure pump(int in, int out, const char *from, const char *to, u64 *size,
                           char sha256[65])
{
    static u8 buffer[1 << 18];
    u8 digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct failure failure = NO_FAILURE;
    ssize_t got = 0;
    if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        failure = fail(INTERNAL, "libcrypto offers no SHA-256");
    for (*size = 0; !failure.code && (got = read_some(in, buffer, sizeof(buffer))) > 0;) {
        *size += (u64)got;
        EVP_DigestUpdate(context, buffer, (size_t)got);
        if (out >= 0 && !file_write(out, buffer, (size_t)got))
            failure = fail_errno("%.300s: cannot write it", to);
    }
    if (got < 0)
        failure = fail_errno("%.300s: cannot read it", from);
    if (!failure.code && EVP_DigestFinal_ex(context, digest, NULL))
        to_hexadecimal(digest, 32, sha256);
    EVP_MD_CTX_free(context);
    return failure;
}

struct failure file_copy(const char *from, const char *to, u64 *size, char sha256[65])
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
    struct stat status;
    if (in < 0)
        return fail_errno("%.300s: cannot open it", from);
    struct failure failure = NO_FAILURE;
    if (fstat(in, &status) == 0 && !S_ISREG(status.st_mode))
        failure = fail(BAD_INPUT, "%.300s: not a regular file", from);
    if (!failure.code && to && (out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
        failure = fail_errno("%.300s: cannot create it", to);
    if (!failure.code)
        failure = pump(in, out, from, to, size, sha256);
    if (out >= 0)
        close(out);
    close(in);
    return failure;
}
