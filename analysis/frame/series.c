/* Rows over guest time; see series.h. */
#include "analysis/frame/series.h"

enum { ROWS_MAX = 1 << 20, INTERVAL_DEFAULT = 1000000 };

static struct tally no_rows(const struct series_kind *kind)
{
    return (struct tally){.row_size = kind->size, .limit = ROWS_MAX};
}

void series_begin(struct series *s, const struct series_kind *kind, const void *view,
                  const struct query *query)
{
    *s = (struct series){
        .kind = kind, .view = view, .rows = no_rows(kind), .intervals = query->intervals};
    s->interval = query->interval ? query->interval : INTERVAL_DEFAULT;
    if (s->intervals)
        s->interval = INTERVAL_FINEST;
}

void series_end(struct series *s)
{
    tally_free(&s->rows);
}

/* Adds rows whose intervals are shorter by `factor`. */
static bool gather(const struct series_kind *kind, struct tally *to, const struct tally *from,
                   u64 factor)
{
    for (u32 i = 0; i < from->count; i++) {
        const struct tally_key *row = tally_at(from, i);
        void *sum = tally_row(to, row->a / factor, row->b);
        if (!sum)
            return false;
        kind->add(sum, row);
    }
    return true;
}

/* Makes intervals longer. */
static bool lengthen(struct series *s, u64 interval)
{
    struct tally longer = no_rows(s->kind);
    bool done = gather(s->kind, &longer, &s->rows, interval / s->interval);
    tally_free(&s->rows);
    s->rows = longer;
    s->interval = interval;
    return done;
}

/* Room for this time among the intervals. */
static bool fit(struct series *s, u64 time)
{
    u64 interval = s->intervals ? interval_for(s->interval, s->intervals, time) : s->interval;
    return interval == s->interval || lengthen(s, interval);
}

void *series_row(struct series *s, u64 time, u64 key)
{
    return fit(s, time) ? tally_row(&s->rows, time / s->interval, key) : NULL;
}

struct failure series_full(void)
{
    return fail(NO_SPACE, "there are too many intervals; make them longer (--interval)");
}

bool series_merge(struct series *s, const struct series *next)
{
    if (next->interval > s->interval && !lengthen(s, next->interval))
        return false;
    return gather(s->kind, &s->rows, &next->rows, s->interval / next->interval);
}

void series_save(const struct series *s, struct pack *pack)
{
    pack_number(pack, s->interval);
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct tally_key *row = tally_at(&s->rows, i);
        pack_number(pack, row->a);
        pack_number(pack, row->b);
        s->kind->save(s->view, row, pack);
    }
}

void series_load(struct series *s, struct unpack *unpack)
{
    interval_load(&s->interval, s->intervals, unpack);
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 a = unpack_number(unpack), b = unpack_number(unpack);
        void *row = tally_find(&s->rows, a, b) ? NULL : tally_row(&s->rows, a, b);
        if (row)
            s->kind->load(s->view, row, unpack);
        else
            unpack_refuse(unpack, "it has too many intervals, or one twice");
    }
}
