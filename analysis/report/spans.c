/* Spans that are put together when they get too many; see spans.h. */
#include "analysis/report/spans.h"

#include <stdlib.h>
#include <string.h>

bool spans_new(struct spans *s, u32 bands, size_t limit)
{
    *s = (struct spans){.band_count = bands, .limit = limit, .grain = 1};
    s->bands = calloc(bands, sizeof(*s->bands));
    return s->bands;
}

void spans_free(struct spans *s)
{
    for (u32 i = 0; i < s->band_count; i++)
        free(s->bands[i].spans);
    free(s->bands);
    *s = (struct spans){0};
}

/* --- putting together ------------------------------------------------------------------------- */

static u64 sum(u64 a, u64 b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static bool is_solid(const struct span *span)
{
    return span->amount == span->end - span->start;
}

static bool can_join(const struct span *last, const struct span *next, u64 grain)
{
    if (last->end == next->start && is_solid(last) && is_solid(next))
        return true;
    return next->end - last->start <= grain;
}

static void join(struct span *last, const struct span *next)
{
    last->end = next->end;
    last->amount = sum(last->amount, next->amount);
}

static void compact(struct band *band, u64 grain)
{
    size_t kept = 0;
    for (size_t i = 1; i < band->count; i++) {
        if (can_join(&band->spans[kept], &band->spans[i], grain))
            join(&band->spans[kept], &band->spans[i]);
        else
            band->spans[++kept] = band->spans[i];
    }
    if (band->count)
        band->count = kept + 1;
}

/* By a quarter below the limit, so that the next ones find room. */
static void make_room(struct spans *s)
{
    while (s->total > s->limit - s->limit / 4 && s->grain < UINT64_MAX / 2) {
        s->grain *= 2;
        s->total = 0;
        for (u32 i = 0; i < s->band_count; i++) {
            compact(&s->bands[i], s->grain);
            s->total += s->bands[i].count;
        }
    }
}

/* --- adding ----------------------------------------------------------------------------------- */

static bool grow(struct band *band)
{
    size_t capacity = band->capacity ? 2 * band->capacity : 64;
    struct span *spans = realloc(band->spans, capacity * sizeof(*spans));
    if (!spans)
        return false;
    band->spans = spans;
    band->capacity = capacity;
    return true;
}

static bool append(struct spans *s, struct band *band, const struct span *span)
{
    if (band->count == band->capacity && !grow(band))
        return false;
    band->spans[band->count++] = *span;
    if (++s->total > s->limit)
        make_room(s);
    return true;
}

bool spans_add(struct spans *s, u32 number, struct span span)
{
    struct band *band = &s->bands[number];
    struct span *last = band->count ? &band->spans[band->count - 1] : NULL;
    if (last && span.end <= last->end) {
        last->amount = sum(last->amount, span.amount);
        return true;
    }
    if (last)
        span.start = max_u64(span.start, last->end);
    if (!last || !can_join(last, &span, s->grain))
        return append(s, band, &span);
    join(last, &span);
    return true;
}

bool spans_cover(struct spans *s, u32 number, u64 start, u64 end)
{
    struct band *band = &s->bands[number];
    while (band->count && band->spans[band->count - 1].start >= start) {
        band->count--;
        s->total--;
    }
    if (band->count)
        start = max_u64(start, band->spans[band->count - 1].end);
    return start >= end || spans_add(s, number, (struct span){start, end, end - start});
}

/* --- looking ---------------------------------------------------------------------------------- */

void band_columns(const struct band *band, double low, double high, double *columns, u32 count)
{
    double width = (high - low) / count;
    memset(columns, 0, count * sizeof(*columns));
    for (size_t i = 0; i < band->count; i++) {
        const struct span *span = &band->spans[i];
        double length = (double)(span->end - span->start) / width;
        double from = ((double)span->start - low) / width, to = from + length;
        double density = (double)span->amount / length;
        u32 first = from > 0 ? (u32)(from < count ? from : count) : 0;
        for (u32 c = first; c < count && c < to; c++) {
            double begin = from > c ? from : c, end = to < c + 1 ? to : c + 1;
            columns[c] += density * (end - begin);
        }
    }
}

static void put_number(FILE *out, u64 number)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (; number >> 5; number >>= 5)
        fputc(digits[(number & 31) | 32], out);
    fputc(digits[number], out);
}

void band_write(FILE *out, const struct band *band)
{
    u64 end = 0;
    for (size_t i = 0; i < band->count; i++) {
        const struct span *span = &band->spans[i];
        put_number(out, (span->start - end) << 1 | !is_solid(span));
        put_number(out, span->end - span->start);
        if (!is_solid(span))
            put_number(out, span->amount);
        end = span->end;
    }
}
