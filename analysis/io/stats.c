/*
 * Accesses to devices: by device and register and direction, with what was read or
 * written. Of each register's values the smallest, the largest and, while there
 * are no more than VALUES_MAX different ones, how many and which comes most often.
 * String instructions move any number of values in one exit; of these only exits
 * are counted.
 */
#include "analysis/frame/tally.h"
#include "analysis/io/accesses.h"

#include <stdlib.h>

enum { REGISTERS_MAX = 1 << 14, VALUES_MAX = 256 };

struct value_row {
    struct tally_key key; /* value, 0 */
    u64 count;
};

struct io_row {
    struct tally_key key; /* address; the rest of struct io_access but the value */
    u64 accesses;
    u64 min, max;        /* of the values */
    struct tally values; /* struct value_row; .full: more than VALUES_MAX, and none is kept */
};

struct io_state {
    struct tally rows;
};

static u64 pack_kind(const struct io_access *a)
{
    return (u64)a->space << 24 | (u64)a->string << 16 | a->size << 8 | (u64)a->way;
}

static struct io_access unpack_kind(const struct tally_key *key)
{
    return (struct io_access){
        .space = key->b >> 24 & 0xff,
        .address = key->a,
        .way = key->b & 0xff,
        .size = key->b >> 8 & 0xff,
        .string = key->b >> 16 & 0xff,
    };
}

static void io_wish(const struct query *query, struct column_wishes *wishes)
{
    (void)query;
    access_wish(wishes);
}

static void *io_begin(const struct query *query)
{
    struct io_state *s = calloc(1, sizeof(*s));
    (void)query;
    if (s)
        s->rows = TALLY(struct io_row, REGISTERS_MAX);
    return s;
}

static void io_end(void *state)
{
    struct io_state *s = state;
    for (u32 i = 0; i < s->rows.count; i++)
        tally_free(&((struct io_row *)tally_at(&s->rows, i))->values);
    tally_free(&s->rows);
    free(s);
}

/* --- taking ------------------------------------------------------------------------------ */

static struct io_row *find_row(struct io_state *s, u64 a, u64 b)
{
    struct io_row *row = tally_row(&s->rows, a, b);
    if (row && !row->values.row_size)
        row->values = TALLY(struct value_row, VALUES_MAX);
    return row;
}

static void add_value(struct tally *values, u64 value, u64 times)
{
    struct value_row *row = values->full ? NULL : tally_row(values, value, 0);
    if (row)
        row->count += times;
    else if (values->count)
        tally_forget(values);
}

static void take_access(struct io_row *row, const struct io_access *access)
{
    row->accesses++;
    if (access->string)
        return;
    row->min = row->accesses > 1 ? min_u64(row->min, access->value) : access->value;
    row->max = max_u64(row->max, access->value);
    add_value(&row->values, access->value, 1);
}

static struct failure io_take(void *state, const struct slice *slice, struct output *out)
{
    struct io_state *s = state;
    struct io_access access;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        if (!access_of(&slice->batch->exit, i, &access))
            continue;
        struct io_row *row = find_row(s, access.address, pack_kind(&access));
        if (!row)
            return fail(NO_SPACE,
                        "more than %d different registers are accessed, or there is no memory for "
                        "them; look at a smaller range (--from, --to)",
                        REGISTERS_MAX);
        take_access(row, &access);
    }
    return NO_FAILURE;
}

/* --- merging ----------------------------------------------------------------------------- */

static bool merge_row(struct io_state *s, const struct io_row *from)
{
    struct io_row *to = find_row(s, from->key.a, from->key.b);
    if (!to)
        return false;
    to->min = to->accesses ? min_u64(to->min, from->min) : from->min;
    to->max = max_u64(to->max, from->max);
    to->accesses += from->accesses;
    if (from->values.full)
        tally_forget(&to->values);
    for (u32 i = 0; i < from->values.count; i++) {
        const struct value_row *value = tally_at(&from->values, i);
        add_value(&to->values, value->key.a, value->count);
    }
    return true;
}

static bool io_merge(void *state, const void *next, bool follows)
{
    const struct io_state *other = next;
    (void)follows;
    for (u32 i = 0; i < other->rows.count; i++) {
        if (!merge_row(state, tally_at(&other->rows, i)))
            return false;
    }
    return true;
}

static void save_row(const struct io_row *row, struct pack *pack)
{
    pack_number(pack, row->key.a);
    pack_number(pack, row->key.b);
    pack_number(pack, row->accesses);
    pack_number(pack, row->min);
    pack_number(pack, row->max);
    pack_number(pack, row->values.full);
    pack_number(pack, row->values.count);
    for (u32 i = 0; i < row->values.count; i++) {
        const struct value_row *value = tally_at(&row->values, i);
        pack_number(pack, value->key.a);
        pack_number(pack, value->count);
    }
}

static void io_save(const void *state, struct pack *pack)
{
    const struct io_state *s = state;
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++)
        save_row(tally_at(&s->rows, i), pack);
}

static void load_values(struct io_row *row, struct unpack *unpack)
{
    if (unpack_number(unpack))
        tally_forget(&row->values);
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 value = unpack_number(unpack);
        add_value(&row->values, value, unpack_number(unpack));
    }
}

static bool is_kind(u64 b)
{
    struct io_access access = unpack_kind(&(struct tally_key){.b = b});
    return pack_kind(&access) == b && access.space <= SPACE_MSR && access.way <= WAY_FETCH;
}

static void io_load(void *state, struct unpack *unpack)
{
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--) {
        u64 a = unpack_number(unpack), b = unpack_number(unpack);
        struct io_row *row = is_kind(b) ? find_row(state, a, b) : NULL;
        if (!row || row->accesses) {
            unpack_refuse(unpack, "it has an impossible register, too many, or one twice");
            return;
        }
        row->accesses = unpack_number(unpack);
        row->min = unpack_number(unpack);
        row->max = unpack_number(unpack);
        load_values(row, unpack);
        if (!row->accesses || row->min > row->max)
            unpack_refuse(unpack, "a register's numbers do not agree");
    }
}

/* --- telling ----------------------------------------------------------------------------- */

static int by_accesses(const void *left, const void *right)
{
    const struct io_row *l = left, *r = right;
    if (l->accesses != r->accesses)
        return l->accesses > r->accesses ? -1 : 1;
    return tally_by_key(left, right);
}

static int by_place(const void *left, const void *right)
{
    const struct io_row *l = left, *r = right;
    u64 space = l->key.b >> 24, other = r->key.b >> 24;
    return space != other ? (space < other ? -1 : 1) : tally_by_key(left, right);
}

/* The smallest of those that come most often; NULL: not known. */
static const struct value_row *most_common(const struct tally *values)
{
    const struct value_row *best = NULL;
    for (u32 i = 0; i < values->count; i++) {
        const struct value_row *value = tally_at(values, i);
        if (!best || value->count > best->count ||
            (value->count == best->count && value->key.a < best->key.a))
            best = value;
    }
    return best;
}

static const struct column io_columns[] = {
    {"device", "Device", CELL_TEXT},
    {"register", "Register", CELL_TEXT},
    {"space", "Space", CELL_TEXT},
    {"address", "Address", CELL_HEX},
    {"access", "Access", CELL_TEXT},
    {"size", "Bytes", CELL_COUNT},
    {"samples", "Samples", CELL_COUNT},
    {"samples_percent", "Samples%", CELL_SHARE},
    {"min", "Min", CELL_HEX},
    {"max", "Max", CELL_HEX},
    {"distinct", "Values", CELL_COUNT},
    {"common", "Most common", CELL_HEX},
    {"common_samples", "of it", CELL_COUNT},
};

static void tell_row(const struct io_row *row, struct output *out)
{
    struct io_access access = unpack_kind(&row->key);
    const struct value_row *common = access.string ? NULL : most_common(&row->values);
    access_tell(&access, out);
    output_number(out, row->accesses);
    output_number(out, row->accesses);
    output_number_if(out, !access.string, row->min);
    output_number_if(out, !access.string, row->max);
    output_number_if(out, common, row->values.count);
    output_number_if(out, common, common ? common->key.a : 0);
    output_number_if(out, common, common ? common->count : 0);
}

static void tell_others(void **rows, u32 count, struct output *out)
{
    enum { BEFORE_SAMPLES = 5, AFTER_SHARE = 5 };
    u64 accesses = 0;
    for (u32 i = 0; i < count; i++)
        accesses += ((const struct io_row *)rows[i])->accesses;
    output_text(out, "(others)");
    for (u32 i = 0; i < BEFORE_SAMPLES; i++)
        output_none(out);
    output_number(out, accesses);
    output_number(out, accesses);
    for (u32 i = 0; i < AFTER_SHARE; i++)
        output_none(out);
}

static void tell_rows(const struct io_state *s, u64 most, struct output *out,
                      int (*order)(const void *, const void *))
{
    void **rows = tally_sorted(&s->rows, order);
    u32 shown = (u32)min_u64(s->rows.count, most);
    output_table(out, "io", io_columns, ARRAY_SIZE(io_columns), 0);
    for (u32 i = 0; rows && i < shown; i++)
        tell_row(rows[i], out);
    if (rows && shown < s->rows.count)
        tell_others(rows + shown, s->rows.count - shown, out);
    free(rows);
}

static void stats_tell(const void *state, const struct query *query, struct output *out)
{
    tell_rows(state, query->rows, out, by_place);
}

static void top_tell(const void *state, const struct query *query, struct output *out)
{
    tell_rows(state, min_u64(query->rows, 10), out, by_accesses);
}

#define IO_VIEW(show_, summary_, tell_)                                                       \
    {                                                                                         \
        .name = "io", .show = show_, .summary = summary_, .wish = io_wish, .begin = io_begin, \
        .end = io_end, .take = io_take, .tell = tell_, .merge = io_merge, .save = io_save,    \
        .load = io_load,                                                                      \
    }

const struct view io_stats =
    IO_VIEW("stats", "accesses to each device register, and their values", stats_tell);
const struct view io_top = IO_VIEW("top", "the registers that are accessed most", top_tell);
