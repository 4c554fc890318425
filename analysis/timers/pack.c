/* The state of firings.h as bytes. */
#include "analysis/timers/firings.h"

#define ROW_NUMBERS(N) \
    N(fired) N(lost) N(merged) N(masked) N(injected) N(dropped) N(left_open) N(first) N(last)
#define ROW_HISTOGRAMS(H) H(requested) H(waited) H(ticks) H(lateness) H(jitter) H(service)
#define LATE_NUMBERS(N) \
    N(lateness) N(source) N(slot) N(due) N(raised) N(exit) N(handled) N(injected_exit)

enum { HAS_FIRST = 1, HAS_LAST = 2 };

static void save_row(const struct firing_row *row, struct pack *pack)
{
    pack_number(pack, row->key.a);
    pack_number(pack, row->key.b);
    pack_number(pack, (row->has_first ? HAS_FIRST : 0) | (row->has_last ? HAS_LAST : 0));
#define N(field) pack_number(pack, row->field);
#define H(field) histogram_save(&row->field, pack);
    ROW_NUMBERS(N)
    ROW_HISTOGRAMS(H)
#undef H
#undef N
}

static void save_service(const struct firings *s, struct pack *pack)
{
    requests_save(&s->requests, pack);
    service_save(&s->service, pack);
    for (u32 v = 0; v < VECTORS; v++) {
        pack_number(pack, s->serving[v]);
        pack_number(pack, s->orphans[v].operations);
        pack_number(pack, s->orphans[v].ended);
        pack_number(pack, s->orphans[v].ns);
    }
}

void firings_save(const void *state, struct pack *pack)
{
    const struct firings *s = state;
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++)
        save_row(tally_at(&s->rows, i), pack);
    save_service(s, pack);
    pack_number(pack, s->gap);
    pack_number(pack, s->unasked);
    pack_number(pack, s->disordered);
    for (u32 i = 0; i < RAISE_SOURCE_COUNT; i++) {
        pack_number(pack, s->programmed[i]);
        pack_number(pack, s->disarmed[i]);
    }
    pack_number(pack, s->worst_count);
    for (u32 i = 0; i < s->worst_count; i++) {
#define N(field) pack_number(pack, s->worst[i].field);
        LATE_NUMBERS(N)
#undef N
    }
}

static void load_row(struct firings *s, struct unpack *unpack)
{
    u64 source = unpack_number(unpack), slot = unpack_number(unpack);
    u64 ends = unpack_number(unpack);
    if (ends > (HAS_FIRST | HAS_LAST)) {
        unpack_refuse(unpack, "a source's ends are impossible");
        return;
    }
    if (source > UINT8_MAX || slot >= REQUEST_SLOTS || tally_find(&s->rows, source, slot)) {
        unpack_refuse(unpack, "a source and vector are impossible, or there twice");
        return;
    }
    struct firing_row *row = tally_row(&s->rows, source, slot);
    if (!row) {
        unpack_refuse(unpack, "there is no memory for it");
        return;
    }
    row->has_first = ends & HAS_FIRST;
    row->has_last = ends & HAS_LAST;
#define N(field) row->field = unpack_number(unpack);
#define H(field) histogram_load(&row->field, unpack);
    ROW_NUMBERS(N)
    ROW_HISTOGRAMS(H)
#undef H
#undef N
}

static bool holds(const struct histogram *h, u64 value)
{
    return value >= h->min && value <= h->max;
}

/* Each that was handled has a jitter, but for the first, and the first behind a gap. */
static bool is_plausible(const struct firing_row *row, bool gap)
{
    const struct histogram *lateness = &row->lateness, *jitter = &row->jitter;
    if (!lateness->count)
        return !row->has_first && !row->has_last && !jitter->count;
    return lateness->count <= row->injected && jitter->count < lateness->count &&
           jitter->max <= lateness->max - lateness->min &&
           (!row->has_first || holds(lateness, row->first)) &&
           (!row->has_last || holds(lateness, row->last)) &&
           (gap || (row->has_first && row->has_last && jitter->count + 1 == lateness->count));
}

static void check_rows(const struct firings *s, struct unpack *unpack)
{
    for (u32 i = 0; i < s->rows.count && !unpack->wrong; i++) {
        if (!is_plausible(tally_at(&s->rows, i), s->gap))
            unpack_refuse(unpack, "lateness and jitter of a source do not agree");
    }
}

static void load_service(struct firings *s, struct unpack *unpack)
{
    requests_load(&s->requests, unpack);
    service_load(&s->service, unpack);
    for (u32 v = 0; v < VECTORS && !unpack->wrong; v++) {
        u64 serving = unpack_number(unpack);
        u64 operations = unpack_number(unpack);
        if (serving > FOR_UNTOUCHED || operations > s->service.count)
            unpack_refuse(unpack, "an interrupt is in service for a source that cannot be");
        s->serving[v] = (u16)serving;
        s->orphans[v].operations = (u32)operations;
        s->orphans[v].ended = unpack_number(unpack);
        s->orphans[v].ns = unpack_number(unpack);
    }
}

static void load_worst(struct firings *s, struct unpack *unpack)
{
    size_t count = unpack_count(unpack);
    if (count > WORST_KEPT)
        unpack_refuse(unpack, "it has too many rows");
    for (size_t i = 0; i < count && !unpack->wrong; i++) {
        struct late_firing firing;
#define N(field) firing.field = unpack_number(unpack);
        LATE_NUMBERS(N)
#undef N
        firings_note_late(s, &firing);
    }
}

void firings_load(void *state, struct unpack *unpack)
{
    struct firings *s = state;
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--)
        load_row(s, unpack);
    load_service(s, unpack);
    s->gap = unpack_number(unpack);
    check_rows(s, unpack);
    s->unasked = unpack_number(unpack);
    s->disordered = unpack_number(unpack);
    for (u32 i = 0; i < RAISE_SOURCE_COUNT; i++) {
        s->programmed[i] = unpack_number(unpack);
        s->disarmed[i] = unpack_number(unpack);
    }
    load_worst(s, unpack);
}
