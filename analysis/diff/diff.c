/* See diff.h. */
#include "analysis/diff/diff.h"
#include "trace/layout.h"

#include <stdlib.h>
#include <string.h>

/* So many records must agree after a gap before it is believed to be one. */
enum { CONFIRM = 3 };

struct side {
    struct moments moments;
    const struct manifest *other;      /* kinds that this one's format lacks are passed over */
    struct moment window[DIFF_WINDOW]; /* a ring */
    u32 at, count;
    bool ended;
    struct diff_totals *totals;
};

struct diff {
    struct side sides[DIFF_SIDES];
    i64 shift; /* numbers of A's exits - those of B's, since records were missing */
    struct moment before[DIFF_CONTEXT_MAX]; /* a ring of those that were the same */
    u64 same;
    const struct diff_options *options;
    struct diff_result *result;
};

const char *const difference_names[DIFFERENCE_KINDS] = {
#define D(name, text) [DIFF_##name] = text,
    DIFFERENCES(D)
#undef D
};

/* --- records --------------------------------------------------------------------------------- */

/* A field that says how long something took, not what it was. */
static bool is_timing(const struct field_layout *field)
{
    return field->coding == CODING_TSC || field->coding == CODING_LATENCY;
}

/* Without the number of the exit, which records that are missing shift. */
static enum difference_kind compare_records(const union record *a, const union record *b)
{
    const struct kind_layout *layout = kind_layout(a->kind);
    enum difference_kind kind = DIFF_SAME;
    if (a->kind != b->kind)
        return DIFF_VALUE;
    if (!memcmp(a, b, layout->size))
        return DIFF_SAME;
    for (u32 i = 0; i < layout->field_count; i++) {
        const struct field_layout *field = &layout->fields[i];
        if (field_get(field, a) == field_get(field, b) || !strcmp(field->name, "exit"))
            continue;
        if (!is_timing(field))
            return DIFF_VALUE;
        kind = DIFF_TIMING;
    }
    return kind;
}

static enum difference_kind compare(const struct moment *a, const struct moment *b, i64 shift)
{
    if ((i64)(a->exit - b->exit) != shift)
        return DIFF_VALUE;
    return compare_records(&a->record, &b->record);
}

/* --- the windows ------------------------------------------------------------------------------ */

static struct moment *ahead(struct side *side, u32 i)
{
    return &side->window[(side->at + i) % DIFF_WINDOW];
}

static bool add_latency(struct diff_totals *totals, const struct exit_record *exit)
{
    u64 latency = exit->tsc_entry > exit->tsc_exit ? exit->tsc_entry - exit->tsc_exit : 0;
    return histogram_add(&totals->latencies[min_u64(exit->reason, DIFF_REASONS - 1)], latency, 1);
}

static bool count(struct diff_totals *totals, const struct moment *moment)
{
    totals->records++;
    totals->kinds[moment->record.kind]++;
    totals->last_ns = moment->ns;
    return moment->record.kind != REC_EXIT || add_latency(totals, &moment->record.exit);
}

static struct failure fill(struct side *side)
{
    const struct moment *moment;
    while (!side->ended && side->count < DIFF_WINDOW) {
        enum trace_step step = moments_next(&side->moments, &moment);
        if (step == TRACE_ERROR)
            return moments_failure(&side->moments);
        side->ended = step == TRACE_END;
        if (side->ended)
            break;
        if (!manifest_tells(side->other, moment->record.kind))
            continue;
        *ahead(side, side->count++) = *moment;
        if (!count(side->totals, moment))
            return fail(NO_SPACE, "no memory to compare the traces");
    }
    return NO_FAILURE;
}

static void drop(struct side *side, u32 records)
{
    side->at = (side->at + records) % DIFF_WINDOW;
    side->count -= records;
}

/* --- what is found ----------------------------------------------------------------------- */

static void keep_first(struct diff *d, struct diff_first *first, enum difference_kind kind)
{
    u32 wanted = (u32)min_u64(d->options->context, DIFF_CONTEXT_MAX);
    if (first->kind != DIFF_SAME)
        return;
    first->kind = kind;
    first->before_count = (u32)min_u64(wanted, d->same);
    for (u32 i = 0; i < first->before_count; i++)
        first->before[i] = d->before[(d->same - first->before_count + i) % DIFF_CONTEXT_MAX];
    for (u32 s = 0; s < DIFF_SIDES; s++) {
        first->next_count[s] = (u32)min_u64(max_u64(wanted, 1), d->sides[s].count);
        for (u32 i = 0; i < first->next_count[s]; i++)
            first->next[s][i] = *ahead(&d->sides[s], i);
    }
}

static void note(struct diff *d, enum difference_kind kind, u64 records)
{
    if (!records)
        return;
    d->result->counts[kind] += records;
    if (kind == DIFF_TIMING)
        keep_first(d, &d->result->first_timing, kind);
    else if (kind != DIFF_SAME)
        keep_first(d, &d->result->first, kind);
}

static void pass_one(struct diff *d, enum difference_kind kind)
{
    note(d, kind, 1);
    d->before[d->same++ % DIFF_CONTEXT_MAX] = *ahead(&d->sides[DIFF_A], 0);
    drop(&d->sides[DIFF_A], 1);
    drop(&d->sides[DIFF_B], 1);
}

/* --- gaps -------------------------------------------------------------------------------- */

/* Do both sides agree from A's i-th and B's j-th record on? Where both end is agreement. */
static bool agree(struct diff *d, u32 i, u32 j)
{
    struct side *a = &d->sides[DIFF_A], *b = &d->sides[DIFF_B];
    if (i == a->count && j == b->count)
        return a->ended && b->ended;
    if (i >= a->count || j >= b->count)
        return false;
    i64 shift = (i64)(ahead(a, i)->exit - ahead(b, j)->exit);
    for (u32 k = 0; k < CONFIRM && i + k < a->count && j + k < b->count; k++) {
        if (compare(ahead(a, i + k), ahead(b, j + k), shift) > DIFF_TIMING)
            return false;
    }
    return true;
}

/* The nearest such place: fewest records passed over on both sides together. */
static bool find_agreement(struct diff *d, u32 *i, u32 *j)
{
    for (u32 sum = 1; sum <= d->sides[DIFF_A].count + d->sides[DIFF_B].count; sum++) {
        for (*i = 0; *i <= sum; ++*i) {
            *j = sum - *i;
            if (*i <= d->sides[DIFF_A].count && *j <= d->sides[DIFF_B].count && agree(d, *i, *j))
                return true;
        }
    }
    return false;
}

static bool same_kind(struct diff *d)
{
    return ahead(&d->sides[DIFF_A], 0)->record.kind == ahead(&d->sides[DIFF_B], 0)->record.kind;
}

/* Passes over i records of A and j of B: pairs of one kind differ in value, others are missing
 * on one side. */
static void pass_gap(struct diff *d, u32 i, u32 j)
{
    struct side *a = &d->sides[DIFF_A], *b = &d->sides[DIFF_B];
    while (i && j && same_kind(d)) {
        note(d, DIFF_VALUE, 1);
        drop(a, 1), drop(b, 1);
        i--, j--;
    }
    note(d, DIFF_MISSING, i);
    drop(a, i);
    note(d, DIFF_EXTRA, j);
    drop(b, j);
    if (a->count && b->count)
        d->shift = (i64)(ahead(a, 0)->exit - ahead(b, 0)->exit);
}

/* The heads differ. */
static void pass_difference(struct diff *d)
{
    u32 i, j;
    if (find_agreement(d, &i, &j)) {
        pass_gap(d, i, j);
    } else {
        note(d, DIFF_VALUE, 1);
        d->result->parted = true;
    }
}

/* --- the traces -------------------------------------------------------------------------- */

/* By A's next record: exits themselves may have been dropped with the observations. */
static void show_progress(struct diff *d)
{
    const struct diff_totals *a = &d->result->totals[DIFF_A];
    u64 done = d->sides[DIFF_A].count ? ahead(&d->sides[DIFF_A], 0)->exit : a->exits;
    if (d->options->progress && a->records % 8192 < DIFF_WINDOW)
        d->options->progress(d->options->progress_context, done, a->exits);
}

/* One step further on both sides; there is at least one record. */
static void step(struct diff *d)
{
    struct side *a = &d->sides[DIFF_A], *b = &d->sides[DIFF_B];
    bool both = a->count && b->count;
    enum difference_kind kind = both ? compare(ahead(a, 0), ahead(b, 0), d->shift) : DIFF_VALUE;
    if (d->result->parted) {
        drop(a, a->count);
        drop(b, b->count);
    } else if (!both) {
        pass_gap(d, a->count, b->count);
    } else if (kind <= DIFF_TIMING) {
        pass_one(d, kind);
    } else {
        pass_difference(d);
    }
}

static struct failure compare_all(struct diff *d)
{
    struct side *a = &d->sides[DIFF_A], *b = &d->sides[DIFF_B];
    for (;;) {
        ATTEMPT(fill(a));
        ATTEMPT(fill(b));
        if (!a->count && !b->count)
            return NO_FAILURE;
        step(d);
        show_progress(d);
    }
}

static struct failure compare_traces(struct diff *d, struct trace *a, struct trace *b)
{
    d->sides[DIFF_A].other = trace_manifest(b);
    d->sides[DIFF_B].other = trace_manifest(a);
    ATTEMPT(moments_begin(&d->sides[DIFF_A].moments, a, 0, NEVER));
    ATTEMPT(moments_begin(&d->sides[DIFF_B].moments, b, 0, NEVER));
    d->result->totals[DIFF_A].exits = trace_exits(a);
    d->result->totals[DIFF_B].exits = trace_exits(b);
    return compare_all(d);
}

struct failure diff_traces(struct trace *a, struct trace *b, const struct diff_options *options,
                           struct diff_result *result)
{
    memset(result, 0, sizeof(*result));
    struct diff *d = calloc(1, sizeof(*d));
    if (!d)
        return fail(NO_SPACE, "no memory to compare the traces");
    d->options = options;
    d->result = result;
    for (u32 s = 0; s < DIFF_SIDES; s++)
        d->sides[s].totals = &result->totals[s];
    struct failure failure = compare_traces(d, a, b);
    for (u32 s = 0; s < DIFF_SIDES; s++)
        moments_end(&d->sides[s].moments);
    free(d);
    return failure;
}

void diff_free(struct diff_result *result)
{
    for (u32 s = 0; s < DIFF_SIDES; s++) {
        for (u32 reason = 0; reason < DIFF_REASONS; reason++)
            histogram_free(&result->totals[s].latencies[reason]);
    }
}
