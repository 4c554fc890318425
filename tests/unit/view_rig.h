/*
 * Views asked in tests: of a trace in the scratch directory, of its shards, and of partial
 * files that somebody has changed.
 */
#ifndef TESTS_UNIT_VIEW_RIG_H
#define TESTS_UNIT_VIEW_RIG_H

#include "trace_sample.h"

#include "analysis/frame/partial.h"
#include "analysis/frame/pass.h"

#include <criterion/criterion.h>
#include <xxhash.h>

static inline struct pass ask(const char *view, const char *show, const char *by)
{
    struct pass pass = {.view = view_find(view, show), .shard = 1, .shards = 1};
    cr_assert(pass.view);
    pass.query.rows = NEVER;
    for (u32 i = 0; by && pass.view->keys[i]; i++)
        pass.query.by = !strcmp(pass.view->keys[i], by) ? i : pass.query.by;
    return pass;
}

/* malloc'ed. */
static inline char *print(const struct pass *pass, const struct result *result,
                          enum output_format format)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = output_new(file, format);
    pass_tell(pass, result, out);
    cr_assert_eq(output_end(out).code, OK);
    fclose(file);
    return text;
}

static inline char *analyze(struct pass pass, const char *path)
{
    struct result result;
    struct failure failure = pass_run(&pass, path, NULL, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    char *text = print(&pass, &result, OUTPUT_JSON);
    pass.view->end(result.state);
    return text;
}

/* The n-th number (from 0) that follows "key": in the text. */
static inline u64 number_after(const char *text, const char *key, u32 n)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    for (text = strstr(text, quoted); text && n; n--)
        text = strstr(text + 1, quoted);
    cr_assert(text, "no %s", key);
    return strtoull(text + strlen(quoted), NULL, 10);
}

static inline const char *write_shard(struct pass pass, const char *path, u32 shard, u32 shards)
{
    char name[32];
    struct result result;
    snprintf(name, sizeof(name), "part.%u", shard);
    pass.shard = shard;
    pass.shards = shards;
    cr_assert_eq(pass_run(&pass, path, NULL, &result).code, OK);
    struct failure failure = partial_write(scratch_path(name), &pass, &result);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    pass.view->end(result.state);
    return scratch_path(name);
}

static inline char *merge(char *const *paths, size_t count, struct failure *failure)
{
    struct pass pass = {.query.rows = NEVER};
    struct result result;
    *failure = partial_merge(paths, count, &pass, &result);
    if (failure->code)
        return NULL;
    char *text = print(&pass, &result, OUTPUT_JSON);
    pass.view->end(result.state);
    return text;
}

static inline void check_shards(struct pass pass, const char *path, u32 shards)
{
    char *paths[10];
    struct failure failure;
    char *whole = analyze(pass, path);
    for (u32 i = 1; i <= shards; i++)
        paths[shards - i] = strdup(write_shard(pass, path, i, shards)); /* last one first */
    char *merged = merge(paths, shards, &failure);
    cr_assert(merged, "%s", failure.text);
    cr_expect_str_eq(merged, whole, "%s %s in %u shards", pass.view->name, pass.view->show, shards);
    for (u32 i = 0; i < shards; i++)
        free(paths[i]);
    free(whole);
    free(merged);
}

/* A partial file that was changed, with its checksum made right. */
static inline bool parses(const u8 *data, size_t length)
{
    struct pass pass = {.query.rows = NEVER};
    struct result result;
    if (partial_parse(data, length, "test", true, &pass, &result).code)
        return false;
    free(print(&pass, &result, OUTPUT_JSON));
    pass.view->end(result.state);
    return true;
}

/* Cuts the file everywhere and changes each byte: it is refused, or read, and nothing crashes. */
static inline void try_hostile(const char *name)
{
    size_t length;
    u8 *data = scratch_read(name, &length);
    cr_assert(parses(data, length));
    for (size_t cut = 0; cut < length; cut++)
        cr_expect_not(parses(data, cut), "cut at %zu", cut);
    for (size_t i = 0; i < length - 8; i++) {
        data[i] ^= 0x81;
        cr_expect_not(parses(data, length), "byte %zu", i);
        u64 hash = XXH64(data, length - 8, 0);
        memcpy(data + length - 8, &hash, 8);
        parses(data, length); /* must not crash */
        data[i] ^= 0x81;
        hash = XXH64(data, length - 8, 0);
        memcpy(data + length - 8, &hash, 8);
    }
    free(data);
}

#endif
