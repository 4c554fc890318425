/*
 * Timers and other sources of interrupts, by source and vector: how often each went off, what
 * became of it, and how late its handler began, as cyclictest and `rtla timerlat` measure it.
 */
#include "analysis/timers/firings.h"
#include "trace/manifest.h"
#include "trace/names.h"

#include <stddef.h>
#include <stdlib.h>

enum { WORST_SHOWN = 20 };

#define SPREAD(prefix, min_, max_, avg_, p50_, p99_, type)              \
    {prefix "_min_ns", min_, type}, {prefix "_max_ns", max_, type},     \
        {prefix "_avg_ns", avg_, type}, {prefix "_p50_ns", p50_, type}, \
        {prefix "_p90_ns", NULL, type}, {prefix "_p99_ns", p99_, type}, \
    {                                                                   \
        prefix "_p99_9_ns", NULL, type                                  \
    }

/* An NMI has vector 2; whom nobody heard has none. */
static void tell_vector(u64 slot, struct output *out)
{
    enum { VECTOR_OF_NMI = 2 };
    output_number_if(out, slot != 0, slot == REQUEST_NMI ? VECTOR_OF_NMI : slot);
}

void firings_tell_place(u64 source, u64 slot, struct output *out)
{
    char text[NAME_MAX_LENGTH];
    output_text(out, name_source((u32)source, text));
    tell_vector(slot, out);
}

/* Older traces have timers that were programmed, and nothing of how they went off. */
void firings_tell_lack(const struct query *query, struct output *out)
{
    if (query->subject->format < TRACE_WITH_RAISES)
        output_fact(out, "note",
                    "the trace is of an older format, without requests of interrupts: record it "
                    "again with this version");
}

static void tell_row(const struct firings *s, const struct firing_row *row, struct output *out)
{
    firings_tell_place(row->key.a, row->key.b, out);
    output_number(out, row->fired);
    output_number(out, row->lost);
    output_number(out, row->merged);
    output_number(out, row->masked);
    output_number(out, row->injected);
    output_number(out, row->dropped);
    output_number(out, firings_open(s, row));
    output_number(out, row->service.count);
    output_spread(out, &row->requested);
    output_spread(out, &row->waited);
    output_spread(out, &row->lateness);
    output_spread(out, &row->jitter);
    output_spread(out, &row->service);
    output_spread(out, &row->ticks);
}

static void tell_rows(const struct firings *s, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"source", "Source", CELL_TEXT},
        {"vector", "Vector", CELL_HEX},
        {"fired", "Fired", CELL_COUNT},
        {"lost", "Lost", CELL_COUNT},
        {"merged", "Merged", CELL_COUNT},
        {"masked", "Masked", CELL_COUNT},
        {"injected", "Injected", CELL_COUNT},
        {"dropped", NULL, CELL_COUNT},
        {"open", "Open", CELL_COUNT},
        {"eois", "EOIs", CELL_COUNT},
        SPREAD("requested", NULL, "Requested: max", NULL, NULL, NULL, CELL_NS),
        SPREAD("waited", NULL, NULL, NULL, NULL, NULL, CELL_NS),
        SPREAD("lateness", "Handled: min", "max", "avg", "p50", "p99", CELL_NS),
        SPREAD("jitter", NULL, "Jitter: max", NULL, NULL, "p99", CELL_NS),
        SPREAD("service", NULL, NULL, "To EOI: avg", NULL, NULL, CELL_NS),
        {"waited_min", NULL, CELL_TICKS},
        {"waited_max", NULL, CELL_TICKS},
        {"waited_avg", NULL, CELL_TICKS},
        {"waited_p50", NULL, CELL_TICKS},
        {"waited_p90", NULL, CELL_TICKS},
        {"waited_p99", NULL, CELL_TICKS},
        {"waited_p99_9", NULL, CELL_TICKS},
    };
    void **rows = tally_sorted(&s->rows, tally_by_key);
    output_table(out, "timers", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; rows && i < min_u64(s->rows.count, query->rows); i++)
        tell_row(s, rows[i], out);
    free(rows);
}

static void tell_programming(const struct firings *s, struct output *out)
{
    static const struct column columns[] = {
        {"source", "Timer", CELL_TEXT},
        {"programmed", "Programmed", CELL_COUNT},
        {"disarmed", "Disarmed", CELL_COUNT},
    };
    output_table(out, "programming", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; i < RAISE_SOURCE_COUNT; i++) {
        char text[NAME_MAX_LENGTH];
        if (!s->programmed[i] && !s->disarmed[i])
            continue;
        output_text(out, i == RAISED_BY_LINE ? "unknown" : name_source(i, text));
        output_number(out, s->programmed[i]);
        output_number(out, s->disarmed[i]);
    }
}

static void tell_totals(const struct firings *s, struct output *out)
{
    static const struct column columns[] = {
        {"fired", "Fired", CELL_COUNT},
        {"lost", "Lost", CELL_COUNT},
        {"merged", "Merged", CELL_COUNT},
        {"masked", "Masked", CELL_COUNT},
        {"injected", "Injected", CELL_COUNT},
        {"dropped", "Dropped", CELL_COUNT},
        {"open", "Open at the end", CELL_COUNT},
        {"unasked", "Injected without a request", CELL_COUNT},
        {"disordered", "Times that go back", CELL_COUNT},
    };
    struct firing_row sum = {0};
    u64 open = 0;
    for (u32 i = 0; i < s->rows.count; i++) {
        const struct firing_row *row = tally_at(&s->rows, i);
        sum.fired += row->fired;
        sum.lost += row->lost;
        sum.merged += row->merged;
        sum.masked += row->masked;
        sum.injected += row->injected;
        sum.dropped += row->dropped;
        open += firings_open(s, row);
    }
    output_table(out, "totals", columns, ARRAY_SIZE(columns), OUTPUT_SINGLE);
    output_number(out, sum.fired);
    output_number(out, sum.lost);
    output_number(out, sum.merged);
    output_number(out, sum.masked);
    output_number(out, sum.injected);
    output_number(out, sum.dropped);
    output_number(out, open);
    output_number(out, firings_unasked(s));
    output_number(out, s->disordered);
}

static void stats_tell(const void *state, const struct query *query, struct output *out)
{
    firings_tell_lack(query, out);
    tell_rows(state, query, out);
    tell_programming(state, out);
    tell_totals(state, out);
}

/* `times`: where they are in a row. */
static void tell_buckets(const struct firing_row *row, size_t times, struct output *out)
{
    const struct histogram *of_row = (const void *)((const char *)row + times);
    struct bucket bucket;
    for (u32 cursor = 0; histogram_next(of_row, &cursor, &bucket);) {
        firings_tell_place(row->key.a, row->key.b, out);
        output_number(out, bucket.low);
        output_number(out, bucket.high);
        output_number(out, bucket.count);
    }
}

#define BUCKETS(low)                                                                               \
    {                                                                                              \
        {"source", "Source", CELL_TEXT}, {"vector", "Vector", CELL_HEX}, {"low_ns", low, CELL_NS}, \
            {"high_ns", "To ns", CELL_NS}, {"samples", "Samples", CELL_COUNT},                     \
    }

static const struct {
    const char *name;
    size_t times; /* where they are in a row */
    struct column columns[5];
} histogram_tables[] = {
    {"timers", offsetof(struct firing_row, lateness), BUCKETS("Handled: from ns")},
    {"requested", offsetof(struct firing_row, requested), BUCKETS("Requested: from ns")},
    {"jitter", offsetof(struct firing_row, jitter), BUCKETS("Jitter: from ns")},
};

static void histogram_tell(const void *state, const struct query *query, struct output *out)
{
    const struct firings *s = state;
    void **rows = tally_sorted(&s->rows, tally_by_key);
    u64 shown = rows ? min_u64(s->rows.count, query->rows) : 0;
    firings_tell_lack(query, out);
    for (u32 t = 0; t < ARRAY_SIZE(histogram_tables); t++) {
        output_table(out, histogram_tables[t].name, histogram_tables[t].columns,
                     ARRAY_SIZE(histogram_tables[t].columns), OUTPUT_STREAM);
        for (u64 i = 0; i < shown; i++)
            tell_buckets(rows[i], histogram_tables[t].times, out);
    }
    free(rows);
}

static void worst_tell(const void *state, const struct query *query, struct output *out)
{
    static const struct column columns[] = {
        {"lateness_ns", "Lateness ns", CELL_NS}, {"source", "Source", CELL_TEXT},
        {"vector", "Vector", CELL_HEX},          {"due_ns", "Due ns", CELL_NS},
        {"raised_ns", "Requested", CELL_NS},     {"exit", "Exit", CELL_COUNT},
        {"handled_ns", "Handled", CELL_NS},      {"injected_exit", "Exit", CELL_COUNT},
    };
    const struct firings *s = state;
    u64 shown = query->rows == NEVER ? WORST_SHOWN : query->rows;
    firings_tell_lack(query, out);
    output_table(out, "timers", columns, ARRAY_SIZE(columns), 0);
    for (u32 i = 0; i < min_u64(s->worst_count, shown); i++) {
        const struct late_firing *firing = &s->worst[i];
        output_number(out, firing->lateness);
        firings_tell_place(firing->source, firing->slot, out);
        output_number(out, firing->due);
        output_number(out, firing->raised);
        output_number(out, firing->exit);
        output_number(out, firing->handled);
        output_number(out, firing->injected_exit);
    }
}

#define TIMERS_VIEW(show_, summary_, tell_)                                                        \
    {                                                                                              \
        .name = "timers", .show = show_, .summary = summary_, .times = true, .wish = firings_wish, \
        .begin = firings_begin, .end = firings_end, .take = firings_take, .tell = tell_,           \
        .merge = firings_merge, .save = firings_save, .load = firings_load                         \
    }

const struct view timers_stats =
    TIMERS_VIEW("stats", "timers and other sources: fired, merged, lost, late, jitter", stats_tell);
const struct view timers_histogram = TIMERS_VIEW(
    "histogram", "lateness of handlers and of requests, and jitter, by source and vector",
    histogram_tell);
const struct view timers_worst =
    TIMERS_VIEW("worst", "the firings whose handlers began latest, one by one", worst_tell);
