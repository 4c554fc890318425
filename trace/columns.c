/*
 * Predicts columns. A row has up to four guesses for its value, from the most
 * to the least specific; each is `base` plus what a small table remembers under
 * `key`. The symbol says which guess was right, or how many literal bytes hold
 * the difference from one of the last two. All tables learn from every row, so
 * the decoder, doing the same, makes the same guesses.
 *
 * The guesses are arithmetic modulo 2^64; no value is special, nothing here can
 * fail for any input except pieces that are too short. Tables start at zero
 * for each column, so a block stands alone.
 */
#include "trace/columns.h"

#include <string.h>

/* Symbols: 0..3 guess, then literals against the last guess, then against the one before it. */
enum { SYMBOL_LAST = GUESSES, SYMBOL_OTHER = SYMBOL_LAST + 9, SYMBOL_LIMIT = SYMBOL_OTHER + 9 };

struct guess {
    u64 base;
    u64 key;
};

/* The part of mix() that its second argument decides alone. */
static inline u64 spread(u64 b)
{
    return b * 0x9e3779b97f4a7c15ull;
}

static inline u64 mix_spread(u64 a, u64 spread_b)
{
    u64 x = (a ^ spread_b) * 0xbf58476d1ce4e5b9ull;
    return x ^ x >> 32;
}

static inline u64 mix(u64 a, u64 b)
{
    return mix_spread(a, spread(b));
}

static inline u64 back(const u64 *column, size_t i, size_t n)
{
    return i >= n ? column[i - n] : 0;
}

/* --- the guesses of each coding -------------------------------------------- */

/* Changes little, or by the same step again. */
static inline void guess_delta(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    (void)rows;
    g[0] = (struct guess){back(v, i, 1), 0};
    g[1] = (struct guess){0, 0};
}

/* Where an exit happens follows from where the last ones happened. */
static inline void guess_path(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    u64 one = back(v, i, 1), two = mix(one, back(v, i, 2));
    (void)rows;
    g[0] = (struct guess){0, mix(mix(two, back(v, i, 3)), back(v, i, 4))};
    g[1] = (struct guess){0, two};
    g[2] = (struct guess){0, one};
    g[3] = (struct guess){0, 0};
}

/* What an exit is follows from where it is and where the last one was. */
static inline void guess_place(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    u64 here = rows->place[i], pair = mix(here, back(rows->place, i, 1));
    g[0] = (struct guess){0, mix(pair, back(v, i, 1))};
    g[1] = (struct guess){0, pair};
    g[2] = (struct guess){0, here};
}

/* The way from one place to the next takes the same number of instructions. */
static inline void guess_count(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    u64 last = back(v, i, 1), pair = mix(rows->place[i], back(rows->place, i, 1));
    u64 three = mix(pair, back(rows->place, i, 2));
    g[0] = (struct guess){last, mix(three, last - back(v, i, 2))};
    g[1] = (struct guess){last, three};
    g[2] = (struct guess){last, pair};
    g[3] = (struct guess){last, rows->place[i]};
}

/* The same as last time, or (clocks, deadlines) moving with the count. */
static inline void guess_value(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    u64 pair = mix(rows->place[i], back(rows->place, i, 1));
    g[0] = (struct guess){0, mix(pair, back(v, i, 1))};
    g[1] = (struct guess){0, pair};
    g[2] = (struct guess){rows->by_coding[CODING_COUNT][i], rows->what[i]};
    g[3] = (struct guess){0, rows->what[i]};
}

/* Handling takes as long as the last time for the same thing. */
static inline void guess_latency(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    u64 here = rows->place[i];
    (void)v;
    g[0] = (struct guess){0, mix(mix(here, rows->by_coding[CODING_VALUE][i]), back(v, i, 1))};
    g[1] = (struct guess){0, mix(here, back(rows->place, i, 1))};
    g[2] = (struct guess){0, here};
    g[3] = (struct guess){0, rows->what[i]};
}

/* An exit comes as long after the last entry as the guest ran. */
static inline void guess_tsc(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    const u64 *count = rows->by_coding[CODING_COUNT];
    u64 base =
        back(v, i, 1) + back(rows->by_coding[CODING_LATENCY], i, 1) + count[i] - back(count, i, 1);
    g[0] = (struct guess){base, mix(rows->place[i], back(rows->place, i, 1))};
    g[1] = (struct guess){base, rows->what[i]};
    g[2] = (struct guess){base, 0};
}

/* The same column of the exit that this record belongs to. */
static inline void guess_at(const struct rows *rows, const u64 *v, size_t i, struct guess *g,
                            enum coding coding)
{
    u64 row = rows->exit ? rows->exit[i] - rows->first_exit : NEVER;
    const struct rows *exits = rows->exits;
    bool known = exits && row < exits->count && exits->by_coding[coding];
    u64 what = known ? exits->what[row] : 0;
    u64 base = known ? exits->by_coding[coding][row] : 0;
    g[0] = (struct guess){base, what};
    g[1] = (struct guess){known ? exits->by_coding[CODING_COUNT][row] : 0, what};
    g[2] = (struct guess){base, 0};
    g[3] = (struct guess){back(v, i, 1), 0};
}

static inline void guess_at_rip(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    guess_at(rows, v, i, g, CODING_PATH);
}

static inline void guess_at_count(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    guess_at(rows, v, i, g, CODING_COUNT);
}

static inline void guess_at_value(const struct rows *rows, const u64 *v, size_t i, struct guess *g)
{
    guess_at(rows, v, i, g, CODING_VALUE);
}

/* --- one value -------------------------------------------------------------- */

static inline u64 zigzag(u64 difference)
{
    return difference << 1 ^ (u64)((i64)difference >> 63);
}

static inline u64 unzigzag(u64 value)
{
    return value >> 1 ^ -(value & 1);
}

static inline u32 bytes_of(u64 value)
{
    return value ? (71 - (u32)__builtin_clzll(value)) / 8 : 0;
}

static inline u64 *slot_of(struct guess_tables *tables, u32 table, u64 key, u32 shift)
{
    return &tables->slot[table][key * 0x9e3779b97f4a7c15ull >> shift];
}

/* Small columns use (and clear) small tables. */
static u32 table_bits(size_t rows)
{
    return rows < 256 ? 6 : TABLE_BITS;
}

static u32 tables_clear(struct guess_tables *tables, u32 guesses, size_t rows)
{
    for (u32 i = 0; i < guesses; i++)
        memset(tables->slot[i], 0, sizeof(u64) << table_bits(rows));
    return 64 - table_bits(rows);
}

static inline u8 put_literal(struct piece *literals, u64 last, u64 other)
{
    bool use_other = bytes_of(other) < bytes_of(last);
    u64 value = use_other ? other : last;
    memcpy(literals->data + literals->length, &value, 8);
    literals->length += bytes_of(value);
    return (u8)((use_other ? SYMBOL_OTHER : SYMBOL_LAST) + bytes_of(value));
}

static inline u64 get_literal(const u8 *from, u32 bytes)
{
    u64 value;
    memcpy(&value, from, 8);
    return bytes < 8 ? value & (BIT(8 * bytes) - 1) : value;
}

/* The value of a symbol that is no guess: literal bytes away from one of the last two guesses. */
static bool take_literal(u8 symbol, struct piece literals, size_t *used, u64 last, u64 other,
                         u64 *value)
{
    bool use_other = symbol >= SYMBOL_OTHER;
    u32 bytes = symbol - (use_other ? SYMBOL_OTHER : SYMBOL_LAST);
    if (symbol < SYMBOL_LAST || symbol >= SYMBOL_LIMIT || literals.length - *used < bytes)
        return false;
    *value = (use_other ? other : last) + unzigzag(get_literal(literals.data + *used, bytes));
    *used += bytes;
    return true;
}

/* --- columns ---------------------------------------------------------------- */

#define CODER(name, guesses)                                                                      \
    static void encode_##name(struct guess_tables *tables, const struct rows *rows, const u64 *v, \
                              struct piece *symbols, struct piece *literals)                      \
    {                                                                                             \
        u32 shift = tables_clear(tables, guesses, rows->count);                                   \
        for (size_t i = 0; i < rows->count; i++) {                                                \
            struct guess g[GUESSES];                                                              \
            u64 guessed[guesses];                                                                 \
            u32 hit = guesses;                                                                    \
            guess_##name(rows, v, i, g);                                                          \
            for (u32 j = guesses; j-- > 0;) {                                                     \
                u64 *slot = slot_of(tables, j, g[j].key, shift);                                  \
                guessed[j] = g[j].base + *slot;                                                   \
                hit = guessed[j] == v[i] ? j : hit;                                               \
                *slot = v[i] - g[j].base;                                                         \
            }                                                                                     \
            symbols->data[i] = (u8)hit;                                                           \
            if (hit == guesses)                                                                   \
                symbols->data[i] = put_literal(literals, zigzag(v[i] - guessed[guesses - 1]),     \
                                               zigzag(v[i] - guessed[guesses - 2]));              \
        }                                                                                         \
        symbols->length = rows->count;                                                            \
    }                                                                                             \
    static bool decode_##name(struct guess_tables *tables, const struct rows *rows, u64 *v,       \
                              struct piece symbols, struct piece literals)                        \
    {                                                                                             \
        u32 shift = tables_clear(tables, guesses, rows->count);                                   \
        size_t used = 0;                                                                          \
        for (size_t i = 0; i < rows->count; i++) {                                                \
            struct guess g[GUESSES];                                                              \
            u8 symbol = symbols.data[i];                                                          \
            guess_##name(rows, v, i, g);                                                          \
            u64 *slot[GUESSES] = {SLOT(0, guesses), SLOT(1, guesses), SLOT(2, guesses),           \
                                  SLOT(3, guesses)};                                              \
            if (symbol == 0)                                                                      \
                v[i] = g[0].base + *slot[0];                                                      \
            else if (symbol == 1)                                                                 \
                v[i] = g[1].base + *slot[1];                                                      \
            else if (symbol == 2 && guesses > 2)                                                  \
                v[i] = g[2].base + *slot[2];                                                      \
            else if (symbol == 3 && guesses > 3)                                                  \
                v[i] = g[3].base + *slot[3];                                                      \
            else if (!take_literal(symbol, literals, &used,                                       \
                                   g[guesses - 1].base + *slot[guesses - 1],                      \
                                   g[guesses - 2].base + *slot[guesses - 2], &v[i]))              \
                return false;                                                                     \
            LEARN(0, guesses);                                                                    \
            LEARN(1, guesses);                                                                    \
            LEARN(2, guesses);                                                                    \
            LEARN(3, guesses);                                                                    \
        }                                                                                         \
        return used == literals.length;                                                           \
    }

/* Guesses are spelled out one by one, so that the compiler keeps them in registers: two thirds more
 * records a second than with loops over them. */
#define SLOT(j, guesses) ((j) < (guesses) ? slot_of(tables, j, g[j].key, shift) : NULL)
#define LEARN(j, guesses) \
    if ((j) < (guesses))  \
    *slot[j] = v[i] - g[j].base

CODER(delta, 2)
CODER(path, 4)
CODER(place, 3)
CODER(count, 4)
CODER(value, 4)
CODER(latency, 4)
CODER(tsc, 3)
CODER(at_rip, 4)
CODER(at_count, 4)
CODER(at_value, 4)

/* PLAIN has no symbols here; the block codec stores the field's own bytes. */
static const struct {
    void (*encode)(struct guess_tables *, const struct rows *, const u64 *, struct piece *,
                   struct piece *);
    bool (*decode)(struct guess_tables *, const struct rows *, u64 *, struct piece, struct piece);
} coders[CODING_LIMIT] = {
    [CODING_DELTA] = {encode_delta, decode_delta},
    [CODING_PATH] = {encode_path, decode_path},
    [CODING_PLACE] = {encode_place, decode_place},
    [CODING_COUNT] = {encode_count, decode_count},
    [CODING_VALUE] = {encode_value, decode_value},
    [CODING_LATENCY] = {encode_latency, decode_latency},
    [CODING_TSC] = {encode_tsc, decode_tsc},
    [CODING_AT_RIP] = {encode_at_rip, decode_at_rip},
    [CODING_AT_COUNT] = {encode_at_count, decode_at_count},
    [CODING_AT_VALUE] = {encode_at_value, decode_at_value},
};

void column_encode(enum coding coding, struct guess_tables *tables, const struct rows *rows,
                   const u64 *column, struct piece *symbols, struct piece *literals)
{
    coders[coding].encode(tables, rows, column, symbols, literals);
}

bool column_decode(enum coding coding, struct guess_tables *tables, const struct rows *rows,
                   u64 *column, struct piece symbols, struct piece literals)
{
    return coders[coding].decode(tables, rows, column, symbols, literals);
}

void column_known(enum coding coding, struct rows *rows, u64 *column)
{
    u64 *restrict place = rows->place, *restrict what = rows->what;
    rows->by_coding[coding] = column;
    for (size_t i = 0; coding == CODING_PATH && i < rows->count; i++)
        place[i] = mix(place[i], column[i]);
    for (size_t i = 0; coding == CODING_PLACE && i < rows->count; i++) {
        u64 value = spread(column[i]);
        place[i] = mix_spread(place[i], value);
        what[i] = mix_spread(what[i], value);
    }
}
