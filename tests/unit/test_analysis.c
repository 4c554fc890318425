/* The parts that views are made of: histograms, shares, rows by key, bytes, positions, output. */
#include "analysis/frame/histogram.h"
#include "analysis/frame/output.h"
#include "analysis/frame/pack.h"
#include "analysis/frame/position.h"
#include "analysis/frame/shares.h"
#include "analysis/frame/tally.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static u64 next_random(u64 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Of any magnitude. */
static u64 any_value(u64 *state)
{
    u64 value = next_random(state);
    return value >> (next_random(state) & 63);
}

/* --- histograms -------------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    u64 l = *(const u64 *)left, r = *(const u64 *)right;
    return l < r ? -1 : l > r;
}

Test(analysis, a_percentile_is_at_most_one_128th_above_its_sample)
{
    enum { SAMPLES = 5000 };
    static u64 values[SAMPLES];
    struct histogram h = {0};
    u64 seed = 1;
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = any_value(&seed);
        cr_assert(histogram_add(&h, values[i], 1));
    }
    qsort(values, SAMPLES, sizeof(values[0]), by_value);
    for (u32 permille = 1; permille <= 1000; permille++) {
        u64 exact = values[(SAMPLES * permille + 999) / 1000 - 1];
        u64 told = histogram_quantile(&h, permille, 1000);
        cr_expect(told >= exact && told - exact <= exact / 128, "p%u: %lu for %lu", permille, told,
                  exact);
    }
    cr_expect_eq(h.min, values[0]);
    cr_expect_eq(h.max, values[SAMPLES - 1]);
    histogram_free(&h);
}

Test(analysis, buckets_follow_each_other_and_hold_what_was_added)
{
    static const u64 edges[] = {0,   1,   127,         128,     255,     256,
                                257, 258, BIT(32) - 1, BIT(32), BIT(63), UINT64_MAX};
    struct histogram h = {0};
    struct bucket bucket;
    u32 cursor = 0;
    u64 last = 0, count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
        cr_assert(histogram_add(&h, edges[i], i + 1));
    while (histogram_next(&h, &cursor, &bucket)) {
        cr_expect(bucket.low <= bucket.high && (!count || bucket.low > last));
        for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
            bucket.count -= edges[i] >= bucket.low && edges[i] <= bucket.high ? i + 1 : 0;
        cr_expect_eq(bucket.count, 0);
        last = bucket.high;
        count++;
    }
    cr_expect_eq(last, UINT64_MAX);
    cr_expect_eq(h.count, 12 * 13 / 2);
    histogram_free(&h);
}

static bool same_histograms(const struct histogram *a, const struct histogram *b)
{
    struct pack left = {0}, right = {0};
    histogram_save(a, &left);
    histogram_save(b, &right);
    bool same = left.length == right.length && !memcmp(left.data, right.data, left.length);
    free(left.data);
    free(right.data);
    return same;
}

Test(analysis, merged_histograms_equal_the_whole_and_survive_a_file)
{
    struct histogram whole = {0}, parts[3] = {{0}}, merged = {0}, loaded;
    u64 seed = 2;
    for (u32 i = 0; i < 3000; i++) {
        u64 value = any_value(&seed);
        histogram_add(&whole, value, 1);
        histogram_add(&parts[next_random(&seed) % 3], value, 1);
    }
    for (u32 i = 3; i-- > 0;)
        cr_assert(histogram_merge(&merged, &parts[i]));
    cr_expect(same_histograms(&whole, &merged));
    struct pack pack = {0};
    histogram_save(&whole, &pack);
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    histogram_load(&loaded, &unpack);
    cr_expect_null(unpack.wrong, "%s", unpack.wrong);
    cr_expect_eq(unpack.at, unpack.length);
    cr_expect(same_histograms(&whole, &loaded));
    free(pack.data);
    histogram_free(&whole);
    histogram_free(&merged);
    histogram_free(&loaded);
    for (u32 i = 0; i < 3; i++)
        histogram_free(&parts[i]);
}

Test(analysis, an_empty_histogram_is_zeros)
{
    struct histogram h = {0};
    cr_expect_eq(histogram_quantile(&h, 1, 2), 0);
    cr_expect_eq(histogram_mean(&h), 0);
    cr_expect(same_histograms(&h, &(struct histogram){0}));
}

/* sum, min, max, buckets, then skip and count of each. */
static const char *load_numbers(const u64 *numbers, size_t count)
{
    struct pack pack = {0};
    struct histogram h;
    for (size_t i = 0; i < count; i++)
        pack_number(&pack, numbers[i]);
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    histogram_load(&h, &unpack);
    histogram_free(&h);
    free(pack.data);
    return unpack.wrong;
}

Test(analysis, impossible_histograms_are_refused)
{
    static const u64 good[] = {30, 10, 20, 2, 10, 1, 9, 1}, sum[] = {50, 10, 20, 2, 10, 1, 9, 1};
    static const u64 min[] = {30, 11, 20, 2, 10, 1, 9, 1}, empty[] = {1, 0, 0, 0};
    static const u64 far[] = {30, 10, 20, 2, 10, 1, 1 << 20, 1},
                     none[] = {30, 10, 20, 2, 10, 0, 9, 1};
    static const u64 many[] = {30, 10, 20, 1 << 20, 10, 1};
    static const u64 wraps[] = {30, 10, 20, 2, 10, UINT64_MAX, 9, 2};
    cr_expect_null(load_numbers(good, ARRAY_SIZE(good)));
    cr_expect(load_numbers(sum, ARRAY_SIZE(sum)));
    cr_expect(load_numbers(min, ARRAY_SIZE(min)));
    cr_expect(load_numbers(empty, ARRAY_SIZE(empty)));
    cr_expect(load_numbers(far, ARRAY_SIZE(far)));
    cr_expect(load_numbers(none, ARRAY_SIZE(none)));
    cr_expect(load_numbers(many, ARRAY_SIZE(many)));
    cr_expect(load_numbers(wraps, ARRAY_SIZE(wraps)));
}

/* --- shares ------------------------------------------------------------------------------ */

Test(analysis, shares_add_up_and_are_nowhere_off_by_a_unit)
{
    u64 seed = 3;
    for (u32 round = 0; round < 200; round++) {
        u128 parts[50], before[50], sum = 0, units = 0;
        size_t count = next_random(&seed) % 50 + 1;
        for (size_t i = 0; i < count; i++)
            sum += before[i] = parts[i] = any_value(&seed) >> 8;
        cr_assert(shares_apportion(parts, count, 10000));
        for (size_t i = 0; i < count; i++) {
            u128 scaled = before[i] * 10000;
            cr_expect(!sum || (parts[i] >= scaled / sum && parts[i] <= scaled / sum + 1));
            units += parts[i];
        }
        cr_expect(units == (sum ? 10000 : 0));
    }
}

Test(analysis, shares_of_enormous_parts_add_up_too)
{
    u128 parts[3] = {~(u128)0, ~(u128)0, 1};
    cr_assert(shares_apportion(parts, 3, 10000));
    cr_expect(parts[0] == 5000 && parts[1] == 5000 && parts[2] == 0);
}

/* --- rows by key ------------------------------------------------------------------------- */

struct counted {
    struct tally_key key;
    u64 count;
};

Test(analysis, a_tally_finds_its_rows_again)
{
    struct tally t = TALLY(struct counted, 3000);
    cr_expect_null(tally_find(&t, 1, 2));
    for (u64 i = 0; i < 3000; i++) {
        struct counted *row = tally_row(&t, i % 1000, i % 7);
        cr_assert_not_null(row);
        row->count++;
    }
    cr_expect_eq(t.count, 3000);
    struct counted *row = tally_find(&t, 999, 2999 % 7);
    cr_expect(row && row->count == 1);
    void **sorted = tally_sorted(&t, tally_by_key);
    for (u32 i = 1; i < t.count; i++)
        cr_expect(tally_by_key(sorted[i - 1], sorted[i]) < 0);
    free(sorted);
    tally_free(&t);
}

Test(analysis, a_tally_is_full_at_its_limit_and_keeps_what_it_has)
{
    enum { LIMIT = 1000 };
    struct tally t = TALLY(struct counted, LIMIT);
    for (u64 i = 0; i < LIMIT; i++)
        cr_assert_not_null(tally_row(&t, i << 32, 0));
    cr_expect_not(t.full);
    cr_expect_null(tally_row(&t, 1, 1));
    cr_expect(t.full);
    cr_expect_not_null(tally_row(&t, 7ull << 32, 0));
    tally_free(&t);
}

/* --- bytes ------------------------------------------------------------------------------- */

Test(analysis, numbers_and_texts_survive)
{
    static const u64 numbers[] = {0, 1, 127, 128, 16383, 16384, BIT(63), UINT64_MAX};
    struct pack pack = {0};
    char text[8];
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        pack_number(&pack, numbers[i]);
    pack_wide(&pack, ~(u128)0);
    pack_text(&pack, "seven..");
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        cr_expect_eq(unpack_number(&unpack), numbers[i]);
    cr_expect(unpack_wide(&unpack) == ~(u128)0);
    unpack_text(&unpack, text, sizeof(text));
    cr_expect_str_eq(text, "seven..");
    cr_expect(!unpack.wrong && unpack.at == unpack.length);
    cr_expect_eq(unpack_number(&unpack), 0);
    cr_expect(unpack.wrong);
    free(pack.data);
}

static bool refuses(const u8 *bytes, size_t length, bool text)
{
    struct unpack unpack = {.data = bytes, .length = length};
    char buffer[4];
    if (text)
        unpack_text(&unpack, buffer, sizeof(buffer));
    else
        unpack_number(&unpack);
    return unpack.wrong;
}

Test(analysis, bad_numbers_are_refused)
{
    static const u8 cut[] = {0x80, 0x80};
    static const u8 bits_70[] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 0x7f};
    u8 bits_129[19];
    memset(bits_129, 255, sizeof(bits_129));
    bits_129[18] = 4;
    cr_expect(refuses(cut, 0, false));
    cr_expect(refuses(cut, sizeof(cut), false));
    cr_expect(refuses(bits_70, sizeof(bits_70), false));
    cr_expect(refuses(bits_129, sizeof(bits_129), false));
}

Test(analysis, bad_texts_are_refused)
{
    static const u8 good[] = {3, 'a', 'b', 'c'}, no_room[] = {4, 'a', 'b', 'c', 'd'};
    static const u8 cut[] = {2, 'a'}, nul[] = {2, 'a', 0};
    cr_expect_not(refuses(good, sizeof(good), true));
    cr_expect(refuses(no_room, sizeof(no_room), true));
    cr_expect(refuses(cut, sizeof(cut), true));
    cr_expect(refuses(nul, sizeof(nul), true));
}

/* --- positions --------------------------------------------------------------------------- */

Test(analysis, positions_are_exits_counts_or_times)
{
    static const struct {
        const char *text;
        enum position_kind kind;
        u64 value;
    } good[] = {
        {"0", POSITION_EXIT, 0},
        {"18446744073709551615", POSITION_EXIT, UINT64_MAX},
        {"count:123", POSITION_COUNT, 123},
        {"1s", POSITION_TIME, NANOSECONDS},
        {"1.25s", POSITION_TIME, 1250000000},
        {"0.000000001s", POSITION_TIME, 1},
        {"1.0000000019s", POSITION_TIME, NANOSECONDS + 1},
        {"300ms", POSITION_TIME, 300000000},
        {"2.5us", POSITION_TIME, 2500},
        {"7ns", POSITION_TIME, 7},
        {"7.9ns", POSITION_TIME, 7},
    };
    static const char *const bad[] = {"",
                                      "s",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "1.s5",
                                      "1x",
                                      "1 s",
                                      " 1",
                                      "count:",
                                      "count:1s",
                                      ".5s",
                                      "0x10",
                                      "1..2s",
                                      "1s ",
                                      "18446744073709551616",
                                      "18446744073709551615s"};
    struct bound bound;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        cr_expect(position_parse(good[i].text, &bound), "%s", good[i].text);
        cr_expect(bound.kind == good[i].kind && bound.value == good[i].value, "%s: %lu",
                  good[i].text, bound.value);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_not(position_parse(bad[i], &bound), "\"%s\"", bad[i]);
}

/* --- output ------------------------------------------------------------------------------ */

static const struct column columns[] = {
    {"name", "Name", CELL_TEXT}, {"count", "Count", CELL_COUNT}, {"percent", "%", CELL_SHARE},
    {"port", "Port", CELL_HEX},  {"hidden", NULL, CELL_NS},
};

static const char *print(enum output_format format, u32 flags, u32 rows)
{
    static char text[1 << 16];
    FILE *file = tmpfile();
    struct output *out = output_new(file, format);
    output_fact(out, "fact", "a \"b\"");
    output_table(out, "things", columns, ARRAY_SIZE(columns), flags);
    for (u32 i = 0; i < rows; i++) {
        output_text(out, i ? "x,\"y\"" : "first");
        output_number(out, i * 10 + 1);
        output_number(out, 1);
        output_number(out, 0x3f8);
        output_none(out);
    }
    cr_assert_eq(output_end(out).code, OK);
    rewind(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    return text;
}

Test(analysis, tables_are_aligned_and_their_percents_add_up)
{
    cr_expect_str_eq(print(OUTPUT_TABLE, 0, 3), "fact            a \"b\"\n"
                                                "\n"
                                                "Name   Count       %   Port\n"
                                                "first      1  33.34%  0x3f8\n"
                                                "x,\"y\"     11  33.33%  0x3f8\n"
                                                "x,\"y\"     21  33.33%  0x3f8\n");
}

Test(analysis, json_is_escaped_and_keeps_all_columns)
{
    cr_expect_str_eq(print(OUTPUT_JSON, 0, 2),
                     "{\"fact\":\"a \\\"b\\\"\",\n\"things\":[\n"
                     "{\"name\":\"first\",\"count\":1,\"percent\":50.000000,\"port\":\"0x3f8\","
                     "\"hidden\":null},\n"
                     "{\"name\":\"x,\\\"y\\\"\",\"count\":11,\"percent\":50.000000,"
                     "\"port\":\"0x3f8\",\"hidden\":null}\n]}\n");
    cr_expect_str_eq(print(OUTPUT_JSON, 0, 0), "{\"fact\":\"a \\\"b\\\"\",\n\"things\":[\n\n]}\n");
}

Test(analysis, csv_is_quoted_and_holds_the_main_table_only)
{
    cr_expect_str_eq(print(OUTPUT_CSV, 0, 2), "name,count,percent,port,hidden\n"
                                              "first,1,50.000000,0x3f8,\n"
                                              "\"x,\"\"y\"\"\",11,50.000000,0x3f8,\n");
    cr_expect_str_eq(print(OUTPUT_CSV, OUTPUT_SINGLE, 1), "");
}

Test(analysis, streamed_rows_all_arrive)
{
    const char *text = print(OUTPUT_CSV, OUTPUT_STREAM, 2000);
    u32 lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    cr_expect_eq(lines, 2001);
}
