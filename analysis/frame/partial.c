/* Partial files, written and read; see partial.h. */
#include "analysis/frame/partial.h"
#include "analysis/frame/intervals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { PARTIAL_VERSION = 4, HASH_SIZE = 8, MAGIC_SIZE = 8, PARTIAL_MAX = 1 << 30 };
static const char magic[MAGIC_SIZE + 1] = "HNDPart1";

/* --- fields, once for both directions ---------------------------------------------------- */

#define SUBJECT_TEXTS(T) T(name) T(processor) T(host_cpu)
#define SUBJECT_NUMBERS(N) \
    N(created) N(tsc_hz) N(format) N(clock) N(finished) N(exits) N(count) N(guest_ns) N(identity)
#define RESULT_NUMBERS(N) \
    N(traces)             \
    N(range.first)        \
    N(range.last)         \
    N(range_exits)        \
    N(range_first_chunk)  \
    N(range_chunks) N(first_chunk) N(chunks) N(tsc_written) N(by_tsc) N(damaged)

static void save_head(struct pack *pack, const struct pass *pass, const struct result *result)
{
    pack_number(pack, PARTIAL_VERSION);
    pack_text(pack, pass->view->name);
    pack_text(pack, pass->view->show);
    pack_number(pack, pass->query.by);
    pack_number(pack, pass->query.interval);
    pack_number(pack, pass->query.intervals);
#define T(field) pack_text(pack, result->subject.field);
#define N(field) pack_number(pack, result->subject.field);
    SUBJECT_TEXTS(T)
    SUBJECT_NUMBERS(N)
#undef N
#define N(field) pack_number(pack, result->field);
    RESULT_NUMBERS(N)
#undef N
#undef T
    pack_text(pack, result->damage);
}

static void load_subject(struct unpack *unpack, struct subject *subject)
{
#define T(field) unpack_text(unpack, subject->field, sizeof(subject->field));
#define N(field) subject->field = (__typeof__(subject->field))unpack_number(unpack);
    SUBJECT_TEXTS(T)
    SUBJECT_NUMBERS(N)
#undef N
#undef T
}

static void load_result(struct unpack *unpack, struct result *result)
{
    load_subject(unpack, &result->subject);
#define N(field) result->field = (__typeof__(result->field))unpack_number(unpack);
    RESULT_NUMBERS(N)
#undef N
    unpack_text(unpack, result->damage, sizeof(result->damage));
    u64 from = result->first_chunk - result->range_first_chunk;
    if (result->first_chunk < result->range_first_chunk || from > result->range_chunks ||
        result->chunks > result->range_chunks - from || result->damaged > result->chunks)
        unpack_refuse(unpack, "it covers more than its trace has");
}

static void load_head(struct unpack *unpack, struct pass *pass, struct result *result)
{
    char name[32], show[32];
    if (unpack_number(unpack) != PARTIAL_VERSION)
        unpack_refuse(unpack, "it is of another version of this program");
    unpack_text(unpack, name, sizeof(name));
    unpack_text(unpack, show, sizeof(show));
    if (unpack->wrong)
        return;
    pass->view = view_find(name, show);
    if (!pass->view || !pass->view->load)
        unpack_refuse(unpack, "it is of a view that this version does not know");
    u64 by = unpack_number(unpack);
    for (u64 i = 0; pass->view && pass->view->keys && i <= by; i++) {
        if (!pass->view->keys[i]) {
            unpack_refuse(unpack, "it is by a key that this version does not know");
            return;
        }
    }
    pass->query.by = (u32)by;
    pass->query.interval = unpack_number(unpack);
    pass->query.intervals = unpack_number(unpack);
    if (pass->query.intervals && !intervals_are_possible(pass->query.intervals))
        unpack_refuse(unpack, "it has too many intervals");
    load_result(unpack, result);
}

/* --- writing ----------------------------------------------------------------------------- */

static bool write_all(const char *path, const struct pack *pack)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    u64 hash = XXH64(pack->data, pack->length, 0);
    bool good = fwrite(pack->data, 1, pack->length, file) == pack->length &&
                fwrite(&hash, 1, sizeof(hash), file) == sizeof(hash);
    return (fclose(file) == 0) & good;
}

static struct failure write_file(const char *path, const struct pack *pack)
{
    char fresh[4096];
    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return fail(BAD_INPUT, "the partial file's name is too long");
    if (write_all(fresh, pack) && rename(fresh, path) == 0)
        return NO_FAILURE;
    struct failure failure = fail_errno("%.300s: cannot write it", path);
    unlink(fresh);
    return failure;
}

struct failure partial_write(const char *path, const struct pass *pass, const struct result *result)
{
    struct pack pack = {0};
    pack_bytes(&pack, magic, MAGIC_SIZE);
    save_head(&pack, pass, result);
    pass->view->save(result->state, &pack);
    struct failure failure = pack.failed ? fail(NO_SPACE, "%.300s: no memory to make it", path)
                                         : write_file(path, &pack);
    free(pack.data);
    return failure;
}

/* --- reading ----------------------------------------------------------------------------- */

static struct failure load_state(struct unpack *unpack, struct pass *pass, struct result *result)
{
    pass->query.view = pass->view;
    pass->query.subject = &result->subject;
    result->state = pass->view->begin(&pass->query);
    if (!result->state)
        return fail(NO_SPACE, "no memory for a partial result");
    pass->view->load(result->state, unpack);
    if (!unpack->wrong && unpack->at != unpack->length)
        unpack_refuse(unpack, "bytes follow its end");
    return NO_FAILURE;
}

struct failure partial_parse(const u8 *data, size_t length, const char *where, bool state,
                             struct pass *pass, struct result *result)
{
    u64 hash;
    memset(result, 0, sizeof(*result));
    if (length < MAGIC_SIZE + HASH_SIZE || memcmp(data, magic, MAGIC_SIZE))
        return fail(BAD_INPUT, "%.300s: it is not a partial result of `hindvisor analyze`", where);
    struct unpack unpack = {.data = data, .length = length - HASH_SIZE, .at = MAGIC_SIZE};
    memcpy(&hash, data + unpack.length, sizeof(hash));
    if (hash != XXH64(data, unpack.length, 0))
        return fail(BAD_INPUT, "%.300s: its checksum is wrong; make it again", where);
    load_head(&unpack, pass, result);
    if (!unpack.wrong && state)
        ATTEMPT(load_state(&unpack, pass, result));
    if (!unpack.wrong)
        return NO_FAILURE;
    if (result->state)
        pass->view->end(result->state);
    result->state = NULL;
    return fail(BAD_INPUT, "%.300s: %s", where, unpack.wrong);
}

/* The whole file, malloc'ed. */
static struct failure read_file(const char *path, u8 **data, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail_errno("%.300s: cannot open it", path);
    struct failure failure = NO_FAILURE;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    *data = NULL;
    if (size < 0)
        failure = fail_errno("%.300s: cannot read it", path);
    else if (size > PARTIAL_MAX || !(*data = malloc((size_t)size + 1)))
        failure = fail(NO_SPACE, "%.300s: it is too large", path);
    rewind(file);
    *length = (size_t)size;
    if (!failure.code && fread(*data, 1, *length, file) != *length)
        failure = fail_errno("%.300s: cannot read it", path);
    fclose(file);
    if (failure.code)
        free(*data);
    return failure;
}

struct failure partial_read(const char *path, bool state, struct pass *pass, struct result *result)
{
    u8 *data = NULL;
    size_t length = 0;
    memset(result, 0, sizeof(*result));
    ATTEMPT(read_file(path, &data, &length));
    struct failure failure = partial_parse(data, length, path, state, pass, result);
    free(data);
    return failure;
}
