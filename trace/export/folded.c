/*
 * Folded stacks for flame graphs: `REASON;PLACE WEIGHT`, where the weight is the
 * host time between exit and entry, in TSC ticks, summed over all exits of that
 * reason at that place. A HLT's weight is the time the guest slept.
 *
 * Places are kept in a table of fixed size; should a trace have more, the rest
 * of each reason is summed up as `[elsewhere]`.
 */
#include "trace/export/export.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SLOTS_LOG = 18, SLOTS = 1 << SLOTS_LOG, SLOTS_USED_MAX = SLOTS / 4 * 3 };
enum { REASONS = 1 << 16 };

struct place {
    u64 rip, weight;
    u32 reason;
    bool used;
};

struct folded {
    struct place slots[SLOTS]; /* open addressing */
    u32 used;
    u64 elsewhere[REASONS];
};

static bool begin(struct export *x)
{
    (void)x;
    return true;
}

static struct place *find(struct folded *f, u32 reason, u64 rip)
{
    u64 hash = (rip ^ (u64)reason << 48) * 0x9e3779b97f4a7c15ull >> (64 - SLOTS_LOG);
    struct place *place = &f->slots[hash];
    while (place->used && (place->rip != rip || place->reason != reason))
        place = &f->slots[++hash % SLOTS];
    return place;
}

static bool put(struct export *x, const struct export_item *item)
{
    struct folded *f = x->state;
    if (item->what != ITEM_RECORD || item->record->kind != REC_EXIT)
        return true;
    const struct exit_record *exit = &item->record->exit;
    u64 weight = exit->tsc_entry > exit->tsc_exit ? exit->tsc_entry - exit->tsc_exit : 0;
    struct place *place = find(f, exit->reason, exit->rip);
    if (!place->used && f->used == SLOTS_USED_MAX) {
        f->elsewhere[exit->reason] += weight;
        return true;
    }
    f->used += !place->used;
    *place = (struct place){exit->rip, place->weight + weight, exit->reason, true};
    return true;
}

/* The slots that are used, to the front. */
static void gather(struct folded *f)
{
    u32 to = 0;
    for (u32 i = 0; i < SLOTS; i++) {
        if (f->slots[i].used)
            f->slots[to++] = f->slots[i];
    }
}

/* By reason, then by address, so that equal traces give equal files. */
static int compare(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->reason != right->reason)
        return left->reason < right->reason ? -1 : 1;
    return (left->rip > right->rip) - (left->rip < right->rip);
}

static void put_place(const struct export *x, const struct place *place)
{
    char reason[NAME_MAX_LENGTH], symbol[NAME_MAX_LENGTH];
    const char *name = x->job->symbol ? x->job->symbol(x->job->symbols, place->rip, symbol) : NULL;
    fprintf(x->out, "%s;", name_reason(place->reason, reason));
    if (name)
        fputs(name, x->out);
    else
        fprintf(x->out, "0x%" PRIx64, place->rip);
    fprintf(x->out, " %" PRIu64 "\n", place->weight);
}

static bool end(struct export *x)
{
    struct folded *f = x->state;
    char buffer[NAME_MAX_LENGTH];
    gather(f);
    qsort(f->slots, f->used, sizeof(f->slots[0]), compare);
    for (u32 i = 0; i < f->used; i++)
        put_place(x, &f->slots[i]);
    for (u32 reason = 0; reason < REASONS; reason++) {
        if (f->elsewhere[reason])
            fprintf(x->out, "%s;[elsewhere] %" PRIu64 "\n", name_reason(reason, buffer),
                    f->elsewhere[reason]);
    }
    return true;
}

const struct export_format format_folded = {
    .name = "folded",
    .what = "folded stacks, reason and place by handling time, for flame graphs",
    .shape = SHAPE_TEXT,
    .state_size = sizeof(struct folded),
    .begin = begin,
    .put = put,
    .end = end,
};
