/* Spans of the report's lanes: exact while they fit, put together without losing time where not. */
#include "analysis/report/spans.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { BANDS = 3, LIMIT = 200 };

static u64 sum(const struct band *band)
{
    u64 amount = 0;
    for (size_t i = 0; i < band->count; i++)
        amount += band->spans[i].amount;
    return amount;
}

/* In order, apart, and of time no more than they are long. */
static void check(const struct spans *s)
{
    size_t total = 0;
    for (u32 b = 0; b < s->band_count; b++) {
        const struct band *band = &s->bands[b];
        total += band->count;
        for (size_t i = 0; i < band->count; i++) {
            const struct span *span = &band->spans[i];
            cr_assert_lt(span->start, span->end);
            cr_assert_leq(span->amount, span->end - span->start);
            cr_assert(!i || span[-1].end <= span->start);
        }
    }
    cr_assert_eq(total, s->total);
    cr_assert_leq(total, s->limit);
}

Test(spans, few_are_exact)
{
    struct spans s;
    cr_assert(spans_new(&s, 1, LIMIT));
    cr_assert(spans_add(&s, 0, (struct span){10, 20, 10}));
    cr_assert(spans_add(&s, 0, (struct span){20, 25, 5})); /* goes on */
    cr_assert(spans_add(&s, 0, (struct span){30, 31, 900}));
    cr_assert(spans_add(&s, 0, (struct span){30, 31, 100})); /* at the same time */
    cr_assert_eq(s.bands->count, 2);
    cr_expect_eq(s.grain, 1);
    cr_expect_eq(s.bands->spans[0].end, 25);
    cr_expect_eq(s.bands->spans[0].amount, 15);
    cr_expect_eq(s.bands->spans[1].amount, 1000);
    spans_free(&s);
}

Test(spans, many_keep_their_time_and_the_long_ones_their_ends)
{
    struct spans s;
    u64 time = 0, random = 7, added[BANDS] = {0};
    cr_assert(spans_new(&s, BANDS, LIMIT));
    for (u32 i = 0; i < 20000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        u64 length = 1 + (random >> 40) % 50;
        u32 band = (random >> 33) % BANDS;
        cr_assert(spans_add(&s, band, (struct span){time, time + length, length}));
        added[band] += length;
        time += length + (random >> 50) % 100;
        if (i % 500 == 0)
            check(&s);
    }
    check(&s);
    cr_expect_gt(s.grain, 1);
    for (u32 b = 0; b < BANDS; b++)
        cr_expect_eq(sum(&s.bands[b]), added[b]);
    cr_assert(spans_add(&s, 0, (struct span){time, 2 * time, time}));
    const struct span *last = &s.bands[0].spans[s.bands[0].count - 1];
    cr_expect_eq(last->start, time);
    cr_expect_eq(last->end, 2 * time);
    spans_free(&s);
}

Test(spans, time_covered_twice_counts_once)
{
    struct spans s;
    cr_assert(spans_new(&s, 1, LIMIT));
    cr_assert(spans_cover(&s, 0, 10, 20));
    cr_assert(spans_cover(&s, 0, 30, 40));
    cr_assert(spans_cover(&s, 0, 35, 50)); /* overlaps the last */
    cr_assert(spans_cover(&s, 0, 45, 50)); /* is within it */
    check(&s);
    cr_expect_eq(sum(s.bands), 30);
    cr_assert(spans_cover(&s, 0, 5, 60)); /* has all of them within */
    check(&s);
    cr_expect_eq(s.bands->count, 1);
    cr_expect_eq(sum(s.bands), 55);
    spans_free(&s);
}

Test(spans, times_up_to_the_last_one_end)
{
    struct spans s;
    cr_assert(spans_new(&s, 1, 4));
    for (u64 i = 0; i < 64; i++)
        cr_assert(spans_add(&s, 0, (struct span){BIT(i) - 1, BIT(i), 1}));
    cr_assert(spans_add(&s, 0, (struct span){UINT64_MAX - 1, UINT64_MAX, 1}));
    check(&s);
    spans_free(&s);
}

Test(spans, columns_share_out_amounts)
{
    struct span spans[] = {{0, 10, 10}, {15, 25, 5}, {95, 105, 10}};
    struct band band = {spans, ARRAY_SIZE(spans), ARRAY_SIZE(spans)};
    double columns[5], all = 0;
    band_columns(&band, 0, 100, columns, 5);
    cr_expect_float_eq(columns[0], 12.5, 1e-9);
    cr_expect_float_eq(columns[1], 2.5, 1e-9);
    cr_expect_float_eq(columns[4], 5, 1e-9, "what lies outside is left out");
    band_columns(&band, 8, 9, columns, 5);
    for (u32 i = 0; i < 5; i++)
        all += columns[i];
    cr_expect_float_eq(all, 1, 1e-9);
}

Test(spans, text_has_distances_lengths_and_amounts)
{
    struct span spans[] = {{3, 34, 31}, {40, 72, 5}};
    struct band band = {spans, ARRAY_SIZE(spans), ARRAY_SIZE(spans)};
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    band_write(out, &band);
    fclose(out);
    /* 3 * 2; 31; then 6 * 2 + 1; 32 in two digits; 5 */
    cr_expect_str_eq(text, "GfNgBF");
    free(text);
}
