/*
 * Partial results into one. The parts of a trace are joined in its order, so that
 * what is open at a part's end can be closed by the next; traces are added up. Files
 * are read twice, first for their place, so that only two states are in memory.
 */
#include "analysis/frame/partial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a file belongs. */
struct part {
    const char *path;
    u64 identity; /* of its trace */
    u64 first_chunk, chunks;
};

static int by_place(const void *left, const void *right)
{
    const struct part *l = left, *r = right;
    if (l->identity != r->identity)
        return l->identity < r->identity ? -1 : 1;
    if (l->first_chunk != r->first_chunk)
        return l->first_chunk < r->first_chunk ? -1 : 1;
    return l->chunks < r->chunks ? -1 : l->chunks > r->chunks;
}

static struct failure same_question(const char *path, const struct pass *a, const struct pass *b)
{
    if (a->view == b->view && a->query.by == b->query.by &&
        a->query.interval == b->query.interval && a->query.intervals == b->query.intervals)
        return NO_FAILURE;
    return fail(BAD_INPUT,
                "%.300s: it answers another question (view, --show, --by, --interval) than the "
                "other files",
                path);
}

static struct failure find_places(char *const *paths, size_t count, struct part *parts,
                                  struct pass *pass)
{
    static struct result result;
    struct pass first = *pass;
    for (size_t i = 0; i < count; i++) {
        ATTEMPT(partial_read(paths[i], false, pass, &result));
        first = i ? first : *pass;
        ATTEMPT(same_question(paths[i], &first, pass));
        parts[i] =
            (struct part){paths[i], result.subject.identity, result.first_chunk, result.chunks};
    }
    qsort(parts, count, sizeof(*parts), by_place);
    return NO_FAILURE;
}

/* --- one trace after the other, part by part --------------------------------------------- */

/* The trace being joined, and how far it has been. */
struct seam {
    u64 identity;
    struct exit_range range;
    u64 range_chunks, end_chunk;
    bool tsc_written; /* in what came before */
};

static void seam_begin(struct seam *seam, const struct result *part)
{
    *seam = (struct seam){
        .identity = part->subject.identity,
        .range = part->range,
        .range_chunks = part->range_chunks,
        .end_chunk = part->first_chunk + part->chunks,
        .tsc_written = part->tsc_written,
    };
}

/* May this part of the same trace come next? */
static struct failure seam_check(const struct seam *seam, const char *path,
                                 const struct result *next)
{
    if (next->range.first != seam->range.first || next->range.last != seam->range.last ||
        next->range_chunks != seam->range_chunks)
        return fail(BAD_INPUT, "%.300s: it is of another range (--from, --to) than the others",
                    path);
    if (next->first_chunk < seam->end_chunk)
        return fail(BAD_INPUT, "%.300s: its part of the trace is in another file already", path);
    if (seam->tsc_written && next->by_tsc && next->chunks)
        return fail(UNSUPPORTED,
                    "%.300s: the guest has set its TSC before this part begins and was never idle "
                    "since, so that a shard cannot know guest time; analyse the trace without "
                    "--shard",
                    path);
    return NO_FAILURE;
}

static void add_coverage(struct result *into, const struct result *next)
{
    if (!into->damaged)
        memcpy(into->damage, next->damage, sizeof(into->damage));
    into->damaged += next->damaged;
    into->chunks += next->chunks;
    into->tsc_written |= next->tsc_written;
}

static void keep_if_same(char *text, const char *other)
{
    if (strcmp(text, other) != 0)
        text[0] = 0;
}

/* Several traces have sums, and what is the same in all. */
static void add_subject(struct result *into, const struct result *next)
{
    struct subject *a = &into->subject;
    const struct subject *b = &next->subject;
    into->traces += next->traces;
    snprintf(a->name, sizeof(a->name), "%u traces", into->traces);
    keep_if_same(a->processor, b->processor);
    keep_if_same(a->host_cpu, b->host_cpu);
    a->format = (u32)min_u64(a->format, b->format);
    a->created = min_u64(a->created, b->created);
    a->tsc_hz = a->tsc_hz == b->tsc_hz ? a->tsc_hz : 0;
    a->finished = a->finished == b->finished ? a->finished : TRACE_CUT;
    a->exits += b->exits;
    a->count += b->count;
    a->guest_ns += b->guest_ns;
    a->identity ^= b->identity;
    into->range_exits += next->range_exits;
    into->range_chunks += next->range_chunks;
    into->range = (struct exit_range){0, into->range_exits - 1};
    into->first_chunk = into->range_first_chunk = 0;
}

static struct failure add_part(struct seam *seam, const struct pass *pass, struct result *into,
                               const struct result *next, const char *path)
{
    bool same = next->subject.identity == seam->identity, follows = false;
    if (next->subject.clock != into->subject.clock)
        return fail(BAD_INPUT, "%.300s: its guest kept time in another way (--clock)", path);
    if (same) {
        ATTEMPT(seam_check(seam, path, next));
        follows = next->first_chunk == seam->end_chunk;
        into->gaps |= !follows;
    } else {
        add_subject(into, next);
    }
    add_coverage(into, next);
    bool tsc_written = same && seam->tsc_written;
    seam_begin(seam, next);
    seam->tsc_written |= tsc_written;
    if (!pass->view->merge(into->state, next->state, follows))
        return fail(NO_SPACE, "%.300s: with it there are too many different keys, or no memory",
                    path);
    return NO_FAILURE;
}

static struct failure add_file(struct seam *seam, struct pass *pass, struct result *into,
                               const char *path)
{
    static struct result next;
    struct failure failure = partial_read(path, true, pass, &next);
    if (!failure.code)
        failure = add_part(seam, pass, into, &next, path);
    if (next.state)
        pass->view->end(next.state);
    pass->query.subject = &into->subject;
    return failure;
}

static struct failure merge_parts(const struct part *parts, size_t count, struct pass *pass,
                                  struct result *result)
{
    struct seam seam;
    ATTEMPT(partial_read(parts[0].path, true, pass, result));
    seam_begin(&seam, result);
    for (size_t i = 1; i < count; i++) {
        struct failure failure = add_file(&seam, pass, result, parts[i].path);
        if (failure.code) {
            pass->view->end(result->state);
            result->state = NULL;
            return failure;
        }
    }
    return NO_FAILURE;
}

struct failure partial_merge(char *const *paths, size_t count, struct pass *pass,
                             struct result *result)
{
    struct part *parts = calloc(count, sizeof(*parts));
    memset(result, 0, sizeof(*result));
    if (!parts)
        return fail(NO_SPACE, "no memory to merge %zu files", count);
    struct failure failure = find_places(paths, count, parts, pass);
    if (!failure.code)
        failure = merge_parts(parts, count, pass, result);
    free(parts);
    return failure;
}
