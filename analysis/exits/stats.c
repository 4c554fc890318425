/*
 * Views of VM exits: how many, and how long they took, by reason or by a finer
 * key, in the terms of `perf kvm stat`. An exit's time runs from the host's stamp
 * first thing at the exit to the stamp last thing at the entry after it. That of a
 * HLT is time the vCPU was halted: it has a row, but no part in the time shares.
 *
 * The whole is guest, hypervisor and halted time, exactly: each exit owns the
 * guest's run before it and its own handling (analysis/frame/view.h). In guest time (ns)
 * under --clock count the guest's run is its count, handling takes none but what
 * noise stole, and the rest was halted; under --clock host the guest's clock runs on
 * while exits are handled, so that handling is in the guest's part.
 */
#include "analysis/exits/keys.h"
#include "analysis/frame/tally.h"
#include "core/machine.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_KEYS_MAX = 1 << 16 }; /* a row takes some KiB */
enum { RECENT = 64 };             /* keys at hand; a power of two */

struct exit_row {
    struct tally_key key;
    struct histogram latency; /* ticks */
    u64 untimed;              /* exits without an entry after them */
    u128 halted;              /* of latency.sum: not handling, the vCPU was halted */
};

/* Parts of the whole, in ticks of the host's TSC and in guest ns. */
struct parts {
    u128 guest, hypervisor, halted;
};

struct exits_state {
    struct tally rows;
    u32 recent[RECENT]; /* numbers of rows used lately, by recent_of(); 0: none was, and row 0 */
    u32 by;
    u32 clock;   /* enum clock_policy */
    u64 samples; /* exits, those without a key included */
    u64 untimed;
    u64 disordered; /* stamps or counts that go back: their intervals count nothing */
    struct parts ticks, ns;
};

static void exits_wish(const struct query *query, struct column_wishes *wishes)
{
    exit_key_wish(query->by, wishes);
    wishes->fields[REC_EXIT] |=
        COLUMN(exit, count) | COLUMN(exit, tsc_exit) | COLUMN(exit, tsc_entry);
}

static void *exits_begin(const struct query *query)
{
    struct exits_state *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->by = query->by;
    s->clock = query->subject->clock;
    s->rows = TALLY(struct exit_row, EXIT_KEYS_MAX);
    return s;
}

static void exits_end(void *state)
{
    struct exits_state *s = state;
    for (u32 i = 0; i < s->rows.count; i++)
        histogram_free(&((struct exit_row *)tally_at(&s->rows, i))->latency);
    tally_free(&s->rows);
    free(s);
}

/* --- taking ------------------------------------------------------------------------------ */

/* The distance, or 0 if it goes back. */
static u64 forward(struct exits_state *s, u64 from, u64 to)
{
    s->disordered += to < from;
    return to < from ? 0 : to - from;
}

static void take_ticks(struct exits_state *s, const struct exit_columns *exits, size_t i,
                       const struct before *before)
{
    u64 left = exits->tsc_exit[i], entered = exits->tsc_entry[i];
    if (before->kind == BEFORE_EXIT && exit_is_timed(before->tsc_exit, before->tsc_entry))
        s->ticks.guest += forward(s, before->tsc_entry, left);
    if (!exit_is_timed(left, entered))
        s->untimed++;
    else if (exit_is_halt(exits->reason[i]))
        s->ticks.halted += entered - left;
    else
        s->ticks.hypervisor += entered - left;
}

static inline u32 recent_of(u64 a, u64 b)
{
    return (u32)(a ^ a >> 6 ^ b) % RECENT;
}

/* tally_row(), but fast for what comes again and again. */
static struct exit_row *find_row(struct exits_state *s, u64 a, u64 b)
{
    u32 *recent = &s->recent[recent_of(a, b)];
    struct exit_row *row = s->rows.count ? tally_at(&s->rows, *recent) : NULL;
    if (row && row->key.a == a && row->key.b == b)
        return row;
    row = tally_row(&s->rows, a, b);
    if (row)
        *recent = tally_number(&s->rows, row);
    return row;
}

static bool take_row(struct exits_state *s, const struct exit_columns *exits, size_t i)
{
    u64 a, b;
    if (!exit_key(s->by, exits, i, &a, &b))
        return true;
    struct exit_row *row = find_row(s, a, b);
    if (!row)
        return false;
    u64 left = exits->tsc_exit[i], entered = exits->tsc_entry[i];
    if (!exit_is_timed(left, entered)) {
        row->untimed++;
        return true;
    }
    row->halted += exit_is_halt(exits->reason[i]) ? entered - left : 0;
    return histogram_add(&row->latency, entered - left, 1);
}

static struct failure too_many(void)
{
    return fail(NO_SPACE,
                "there are more than %d different keys, or no memory for them; look at a smaller "
                "range (--from, --to), or by reason",
                EXIT_KEYS_MAX);
}

/* Where the slice begins in counts and times; false: not known. */
static bool begins_at(const struct slice *slice, u64 *count, u64 *time)
{
    *count = slice->before.count;
    *time = slice->before.time;
    if (slice->before.kind == BEFORE_GAP && slice->end > slice->begin) {
        *count = slice->batch->exit.count[slice->begin];
        *time = slice->times[slice->begin];
    }
    return slice->end > slice->begin;
}

/* Clock count: the ends of a slice tell it all. */
static void take_ns_by_count(struct exits_state *s, const struct slice *slice)
{
    u64 count, time;
    if (!begins_at(slice, &count, &time))
        return;
    u64 whole = forward(s, time, slice->times[slice->end - 1]);
    u64 ran = forward(s, count, slice->batch->exit.count[slice->end - 1]);
    s->ns.guest += ran;
    s->ns.hypervisor += slice->stolen;
    s->ns.halted += forward(s, ran + slice->stolen, whole);
}

/* Clock host: what passes after a HLT is halted. */
static void take_ns_by_clock(struct exits_state *s, const struct slice *slice)
{
    u64 count, time, reason = slice->before.reason;
    if (!begins_at(slice, &count, &time))
        return;
    for (size_t i = slice->begin; i < slice->end; i++) {
        u64 passed = forward(s, time, slice->times[i]);
        *(exit_is_halt(reason) ? &s->ns.halted : &s->ns.guest) += passed;
        time = slice->times[i];
        reason = slice->batch->exit.reason[i];
    }
}

static struct failure exits_take(void *state, const struct slice *slice, struct output *out)
{
    struct exits_state *s = state;
    const struct exit_columns *exits = &slice->batch->exit;
    struct before before = slice->before;
    (void)out;
    for (size_t i = slice->begin; i < slice->end; i++) {
        take_ticks(s, exits, i, &before);
        if (!take_row(s, exits, i))
            return too_many();
        before.kind = BEFORE_EXIT;
        before.tsc_exit = exits->tsc_exit[i];
        before.tsc_entry = exits->tsc_entry[i];
    }
    s->samples += slice->end - slice->begin;
    if (s->clock == CLOCK_HOST)
        take_ns_by_clock(s, slice);
    else
        take_ns_by_count(s, slice);
    return NO_FAILURE;
}

/* --- merging ----------------------------------------------------------------------------- */

static void add_parts(struct parts *to, const struct parts *from)
{
    to->guest += from->guest;
    to->hypervisor += from->hypervisor;
    to->halted += from->halted;
}

static bool merge_row(struct tally *rows, const struct exit_row *from)
{
    struct exit_row *to = tally_row(rows, from->key.a, from->key.b);
    if (!to || !histogram_merge(&to->latency, &from->latency))
        return false;
    to->untimed += from->untimed;
    to->halted += from->halted;
    return true;
}

static bool exits_merge(void *state, const void *next, bool follows)
{
    struct exits_state *s = state;
    const struct exits_state *other = next;
    (void)follows; /* nothing is open at the ends */
    for (u32 i = 0; i < other->rows.count; i++) {
        if (!merge_row(&s->rows, tally_at(&other->rows, i)))
            return false;
    }
    s->samples += other->samples;
    s->untimed += other->untimed;
    s->disordered += other->disordered;
    add_parts(&s->ticks, &other->ticks);
    add_parts(&s->ns, &other->ns);
    return true;
}

static void save_parts(const struct parts *parts, struct pack *pack)
{
    pack_wide(pack, parts->guest);
    pack_wide(pack, parts->hypervisor);
    pack_wide(pack, parts->halted);
}

static void load_parts(struct parts *parts, struct unpack *unpack)
{
    parts->guest = unpack_wide(unpack);
    parts->hypervisor = unpack_wide(unpack);
    parts->halted = unpack_wide(unpack);
}

static void exits_save(const void *state, struct pack *pack)
{
    const struct exits_state *s = state;
    pack_number(pack, s->samples);
    pack_number(pack, s->untimed);
    pack_number(pack, s->disordered);
    save_parts(&s->ticks, pack);
    save_parts(&s->ns, pack);
    pack_number(pack, s->rows.count);
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct exit_row *row = tally_at(&s->rows, i);
        pack_number(pack, row->key.a);
        pack_number(pack, row->key.b);
        pack_number(pack, row->untimed);
        pack_wide(pack, row->halted);
        histogram_save(&row->latency, pack);
    }
}

static void load_row(struct exits_state *s, struct unpack *unpack)
{
    u64 a = unpack_number(unpack), b = unpack_number(unpack);
    if (tally_find(&s->rows, a, b)) {
        unpack_refuse(unpack, "a key comes twice");
        return;
    }
    struct exit_row *row = tally_row(&s->rows, a, b);
    if (!row) {
        unpack_refuse(unpack, "it has too many keys");
        return;
    }
    row->untimed = unpack_number(unpack);
    row->halted = unpack_wide(unpack);
    histogram_load(&row->latency, unpack);
    if (row->halted > row->latency.sum)
        unpack_refuse(unpack, "more time was halted than passed");
}

static void exits_load(void *state, struct unpack *unpack)
{
    struct exits_state *s = state;
    s->samples = unpack_number(unpack);
    s->untimed = unpack_number(unpack);
    s->disordered = unpack_number(unpack);
    load_parts(&s->ticks, unpack);
    load_parts(&s->ns, unpack);
    for (size_t left = unpack_count(unpack); left && !unpack->wrong; left--)
        load_row(s, unpack);
}

/* --- telling ----------------------------------------------------------------------------- */

static u64 samples_of(const struct exit_row *row)
{
    return row->latency.count + row->untimed;
}

/* Halted time is not handling. */
static u128 handling_of(const struct exit_row *row)
{
    return row->latency.sum - row->halted;
}

static int by_samples(const void *left, const void *right)
{
    u64 l = samples_of(left), r = samples_of(right);
    return l != r ? (l > r ? -1 : 1) : tally_by_key(left, right);
}

static int by_time(const void *left, const void *right)
{
    u128 l = handling_of(left), r = handling_of(right);
    return l != r ? (l > r ? -1 : 1) : by_samples(left, right);
}

#define PERF_COLUMNS(key, note, ...)                                                              \
    {key, "VM-EXIT", CELL_TEXT}, {"name", note, CELL_TEXT},                                       \
        __VA_ARGS__{"samples", "Samples", CELL_COUNT},                                            \
        {"samples_percent", "Samples%", CELL_SHARE}, {"time_percent", "Time%", CELL_SHARE},       \
        {"min", "Min", CELL_TICKS}, {"max", "Max", CELL_TICKS}, {"avg", "Avg", CELL_TICKS},       \
        {"p50", "p50", CELL_TICKS}, {"p90", "p90", CELL_TICKS}, {"p99", "p99", CELL_TICKS},       \
        {"p99_9", "p99.9", CELL_TICKS}, {"time", NULL, CELL_TICKS}, {"halted", NULL, CELL_TICKS}, \
        {"untimed", NULL, CELL_COUNT},

enum { PERF_COLUMN_COUNT = 15, RIP_COLUMN_COUNT };
static const struct column exit_columns[][RIP_COLUMN_COUNT] = {
    [BY_REASON] = {PERF_COLUMNS("reason", NULL)},
    [BY_PORT] = {PERF_COLUMNS("port", "Device")},
    [BY_MSR] = {PERF_COLUMNS("msr", "Name")},
    [BY_GPA] = {PERF_COLUMNS("gpa", "Device")},
    [BY_RIP] = {PERF_COLUMNS("rip", "Symbol", {"instruction", "Instruction", CELL_TEXT}, )},
    [BY_QUALIFICATION] = {PERF_COLUMNS("qualification", NULL)},
};

static void tell_numbers(const struct exit_row *row, struct output *out)
{
    output_number(out, samples_of(row));
    output_number(out, samples_of(row));
    output_number(out, handling_of(row));
    output_spread(out, &row->latency);
    output_number(out, handling_of(row));
    output_number(out, row->halted);
    output_number(out, row->untimed);
}

static void tell_row(const struct exits_state *s, const struct exit_row *row,
                     const struct query *query, struct output *out)
{
    char text[EXIT_KEY_TEXT];
    exit_key_text(s->by, row->key.a, row->key.b, text);
    output_text(out, text);
    exit_key_note(s->by, row->key.a, row->key.b, query->symbols, text);
    output_name(out, text);
    if (s->by == BY_RIP)
        exit_tell_instruction(query->symbols, row->key.a, out);
    tell_numbers(row, out);
}

/* The rows that were not asked for, as one. */
static void tell_others(const struct exits_state *s, void **rows, u32 count, struct output *out)
{
    struct exit_row all = {0};
    char text[EXIT_KEY_TEXT];
    bool good = true;
    for (u32 i = 0; i < count; i++) {
        const struct exit_row *row = rows[i];
        good = good && histogram_merge(&all.latency, &row->latency);
        all.untimed += row->untimed;
        all.halted += row->halted;
    }
    snprintf(text, sizeof(text), "(%u others)", count);
    output_text(out, text);
    output_none(out);
    if (s->by == BY_RIP)
        output_none(out);
    tell_numbers(&all, out);
    histogram_free(&all.latency);
}

static void tell_rows(const struct exits_state *s, const struct query *query, struct output *out,
                      int (*order)(const void *, const void *))
{
    void **rows = tally_sorted(&s->rows, order);
    u32 shown = (u32)min_u64(s->rows.count, query->rows);
    output_table(out, "exits", exit_columns[s->by],
                 s->by == BY_RIP ? RIP_COLUMN_COUNT : PERF_COLUMN_COUNT, 0);
    for (u32 i = 0; rows && i < shown; i++)
        tell_row(s, rows[i], query, out);
    if (rows && shown < s->rows.count)
        tell_others(s, rows + shown, s->rows.count - shown, out);
    free(rows);
}

static void tell_part(const char *name, u128 ticks, u128 ns, bool has_ns, struct output *out)
{
    output_text(out, name);
    output_number(out, ticks);
    output_number(out, ticks);
    output_number_if(out, has_ns, ns);
    output_number_if(out, has_ns, ns);
}

static void tell_parts(const struct exits_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"state", "Time in", CELL_TEXT},           {"ticks", "Host TSC", CELL_TICKS},
        {"ticks_percent", "Share", CELL_SHARE},    {"guest_ns", "Guest ns", CELL_NS},
        {"guest_ns_percent", "Share", CELL_SHARE},
    };
    bool counted = s->clock != CLOCK_HOST;
    output_table(out, "time", columns, ARRAY_SIZE(columns), 0);
    tell_part("guest", s->ticks.guest, s->ns.guest, true, out);
    tell_part("hypervisor", s->ticks.hypervisor, s->ns.hypervisor, counted, out);
    tell_part("halted", s->ticks.halted, s->ns.halted, true, out);
}

static void tell_totals(const struct exits_state *s, struct output *out)
{
    static const struct column columns[] = {
        {"samples", "Exits", CELL_COUNT},
        {"ticks", "Host TSC ticks in all", CELL_TICKS},
        {"guest_ns", "Guest ns in all", CELL_NS},
        {"untimed", "Exits without an entry", CELL_COUNT},
        {"disordered", "Stamps that go back", CELL_COUNT},
    };
    output_table(out, "totals", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, s->samples);
    output_number(out, s->ticks.guest + s->ticks.hypervisor + s->ticks.halted);
    output_number(out, s->ns.guest + s->ns.hypervisor + s->ns.halted);
    output_number(out, s->untimed);
    output_number(out, s->disordered);
}

static void stats_tell(const void *state, const struct query *query, struct output *out)
{
    tell_rows(state, query, out, by_samples);
    tell_parts(state, out);
    tell_totals(state, out);
}

static void top_tell(const void *state, const struct query *query, struct output *out)
{
    struct query limited = *query;
    limited.rows = min_u64(query->rows, 10);
    tell_rows(state, &limited, out, by_time);
    tell_totals(state, out);
}

static void histogram_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"key", "VM-EXIT", CELL_TEXT},
        {"low", "From", CELL_TICKS},
        {"high", "To", CELL_TICKS},
        {"samples", "Samples", CELL_COUNT},
    };
    const struct exits_state *s = state;
    void **rows = tally_sorted(&s->rows, by_samples);
    char text[EXIT_KEY_TEXT];
    struct bucket bucket;
    output_table(out, "exits", columns, ARRAY_SIZE(columns), OUTPUT_STREAM);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, query->rows); i++) {
        const struct exit_row *row = rows[i];
        exit_key_text(s->by, row->key.a, row->key.b, text);
        for (u32 cursor = 0; histogram_next(&row->latency, &cursor, &bucket);) {
            output_text(out, text);
            output_number(out, bucket.low);
            output_number(out, bucket.high);
            output_number(out, bucket.count);
        }
    }
    free(rows);
}

#define EXITS_VIEW(show_, summary_, tell_)                                           \
    {                                                                                \
        .name = "exits", .show = show_, .summary = summary_, .keys = exit_key_names, \
        .times = true, .wish = exits_wish, .begin = exits_begin, .end = exits_end,   \
        .take = exits_take, .tell = tell_, .merge = exits_merge, .save = exits_save, \
        .load = exits_load,                                                          \
    }

const struct view exits_stats =
    EXITS_VIEW("stats", "VM exits as `perf kvm stat` counts them, with percentiles", stats_tell);
const struct view exits_top =
    EXITS_VIEW("top", "the keys that handling took the most time for", top_tell);
const struct view exits_histogram =
    EXITS_VIEW("histogram", "how long handling took, in buckets", histogram_tell);
