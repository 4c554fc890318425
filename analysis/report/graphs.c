/* Plots of the page; see draw.h. */
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "analysis/report/plot.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OTHERS = PLOT_SERIES - 1, NAMES = 64 };

/* Host ticks as ns, if the TSC's frequency is known. */
static double host_time(const struct findings *f, u128 ticks)
{
    u64 hz = f->covered.subject.tsc_hz;
    return hz ? (double)ticks * 1e9 / (double)hz : (double)ticks;
}

static enum unit host_unit(const struct findings *f)
{
    return f->covered.subject.tsc_hz ? UNIT_NS : UNIT_TICKS;
}

/* --- latency by percentile -------------------------------------------------------------------- */

/* Steps along the percentiles; times PLOT_SERIES is below PLOT_POINTS. */
enum { GRID = 120, KEY_TEXT = 64 };
#define ONE 0.999 /* sample, of those above a point */

/* Rows of one key in a histogram's table. */
struct bunch {
    size_t first, end;
    u64 samples;
};

/* The columns that tell rows apart are those before the buckets; in words. */
static void key_text(const struct kept_table *table, size_t row, char text[KEY_TEXT])
{
    size_t used = 0;
    text[0] = 0;
    for (size_t c = 0; c < table->column_count && strncmp(table->columns[c].key, "low", 3); c++) {
        const struct cell *cell = &table->cells[row * table->column_count + c];
        const char *gap = c ? " " : "";
        if (cell->kind == CELL_WORDS)
            snprintf(text + used, KEY_TEXT - used, "%s%s", gap, cell->text);
        else if (cell->kind == CELL_NUMBER)
            snprintf(text + used, KEY_TEXT - used,
                     table->columns[c].type == CELL_HEX ? "%s0x%" PRIx64 : "%s%" PRIu64, gap,
                     (u64)cell->number);
        used = strlen(text);
    }
}

static bool same_key(const struct kept_table *table, size_t a, size_t b)
{
    char left[KEY_TEXT], right[KEY_TEXT];
    key_text(table, a, left);
    key_text(table, b, right);
    return !strcmp(left, right);
}

/* The bound of the row's bucket; ns or ticks, as `unit` says. */
static double bound_of(const struct kept_table *table, size_t row)
{
    return (double)kept_number(table, row, kept_column(table, "high") >= 0 ? "high" : "high_ns");
}

static bool is_in_ticks(const struct kept_table *table)
{
    return kept_column(table, "high") >= 0;
}

static struct bunch next_bunch(const struct kept_table *table, size_t first)
{
    struct bunch bunch = {first, first, 0};
    while (bunch.end < table->row_count && same_key(table, bunch.end, first))
        bunch.samples += (u64)kept_number(table, bunch.end++, "samples");
    return bunch;
}

/* What all but `above` of the samples do not exceed. */
static double quantile(const struct kept_table *table, const struct bunch *bunch, double above)
{
    u64 seen = 0;
    size_t row = bunch->first;
    for (; row < bunch->end - 1; row++) {
        seen += (u64)kept_number(table, row, "samples");
        if ((double)(bunch->samples - seen) <= above)
            break;
    }
    return bound_of(table, row);
}

struct curves {
    double x[GRID + 1], y[PLOT_SERIES][GRID + 1];
    char names[PLOT_SERIES][KEY_TEXT];
    struct series series[PLOT_SERIES];
    u32 count;
    double low, high;
};

static u32 pick(const struct kept_table *table, struct bunch bunches[PLOT_SERIES])
{
    u32 count = 0;
    for (size_t row = 0; row < table->row_count && count < PLOT_SERIES - 1;) {
        char key[KEY_TEXT];
        key_text(table, row, key);
        bunches[count] = next_bunch(table, row);
        row = bunches[count].end;
        count += strncmp(key, "HLT", 3) != 0;
    }
    return count;
}

/* The point after the last that a sample is above of is the slowest; from there on there is none.
 */
static void fill(struct curves *c, const struct findings *f, const struct kept_table *table,
                 const struct bunch *bunch, double nines)
{
    double *y = c->y[c->count], above = INFINITY;
    char *name = c->names[c->count];
    for (u32 i = 0; i <= GRID; i++) {
        bool ended = above < ONE;
        c->x[i] = nines * i / GRID;
        above = (double)bunch->samples * pow(10, -c->x[i]);
        double value = quantile(table, bunch, above < ONE ? 0 : above);
        y[i] = ended ? NAN : fmax(1, is_in_ticks(table) ? host_time(f, (u128)value) : value);
        if (ended)
            continue;
        c->low = fmin(c->low, y[i]);
        c->high = fmax(c->high, y[i]);
    }
    key_text(table, bunch->first, name);
    c->series[c->count] = (struct series){name, c->count, y};
    c->count++;
}

static void put_curves(FILE *out, const struct curves *c, enum unit unit, const char *id,
                       const char *title)
{
    static const struct tick percentiles[] = {
        {0, "min"},     {1, "90 %"},     {2, "99 %"},      {3, "99.9 %"},
        {4, "99.99 %"}, {5, "99.999 %"}, {6, "99.9999 %"}, {0, NULL},
    };
    struct plot p = {
        .out = out,
        .id = id,
        .title = title,
        .note = "time of the sample that this share does not exceed; both axes logarithmic",
        .x = scale_of(false, 0, c->x[GRID]),
        .y = scale_rounded(scale_of(true, c->low, c->high), 5),
        .x_unit = UNIT_COUNT,
        .y_unit = unit,
        .height = 300,
        .ticks = percentiles,
    };
    plot(&p, PLOT_LINES,
         "A line for each key, from its smallest sample at the left to its largest at the right. "
         "The table has the percentiles in numbers.",
         c->x, GRID + 1, 0, c->series, c->count);
}

void draw_percentiles(FILE *out, const struct findings *f, const struct kept_table *table,
                      const char *id, const char *title)
{
    struct bunch bunches[PLOT_SERIES];
    struct curves *c = calloc(1, sizeof(*c));
    u32 count = pick(table, bunches);
    u64 most = 0;
    if (c && count) {
        c->low = INFINITY;
        for (u32 i = 0; i < count; i++)
            most = max_u64(most, bunches[i].samples);
        /* One step more than it takes: for the slowest. */
        double nines = fmax(1, fmin(6, log10((double)most) * GRID / (GRID - 1)));
        for (u32 i = 0; i < count; i++)
            fill(c, f, table, &bunches[i], nines);
        if (c->high > 0)
            put_curves(out, c, is_in_ticks(table) ? host_unit(f) : UNIT_NS, id, title);
    }
    free(c);
}

/* --- over guest time -------------------------------------------------------------------------- */

/* Values of up to PLOT_SERIES series at the intervals that have any. */
struct stacks {
    double *x, *y[PLOT_SERIES];
    size_t points;
    double step, high;
};

static bool stacks_new(struct stacks *s, size_t points)
{
    double *numbers = calloc((points + 1) * (PLOT_SERIES + 1), sizeof(*numbers));
    *s = (struct stacks){.x = numbers};
    for (u32 i = 0; i < PLOT_SERIES; i++)
        s->y[i] = numbers + (points + 1) * (i + 1);
    return numbers;
}

/* The point of an interval, which may be the last one again. */
static size_t stacks_point(struct stacks *s, double time)
{
    if (!s->points || s->x[s->points - 1] != time)
        s->x[s->points++] = time;
    return s->points - 1;
}

static void stacks_measure(struct stacks *s)
{
    for (size_t i = 0; i < s->points; i++) {
        double sum = 0;
        for (u32 k = 0; k < PLOT_SERIES; k++)
            sum += s->y[k][i];
        s->high = fmax(s->high, sum);
    }
}

struct scale run_span(const struct findings *f)
{
    const struct kept_table *table =
        answer_table(findings_answer(f, "exits", "activity", NULL), NULL);
    if (!table)
        return scale_of(false, 0, (double)f->manifest.guest_ns);
    double from = (double)kept_number(table, 0, "time_ns");
    double to = (double)kept_number(table, table->row_count - 1, "time_ns");
    return scale_of(false, from, to + (double)kept_number(table, 0, "interval_ns"));
}

static struct plot plot_over_time(FILE *out, const struct findings *f)
{
    return (struct plot){
        .out = out, .x = run_span(f), .x_unit = UNIT_NS, .height = 220, .zooms = true};
}

/* Reasons by their samples, most first. */
struct rank {
    const char *name;
    u64 samples;
};

static int by_samples(const void *left, const void *right)
{
    const struct rank *l = left, *r = right;
    return l->samples != r->samples ? (l->samples < r->samples ? 1 : -1) : strcmp(l->name, r->name);
}

static u32 rank_reasons(const struct kept_table *table, struct rank ranks[NAMES])
{
    u32 count = 0;
    for (size_t row = 0; row < table->row_count; row++) {
        const char *name = kept_text(table, row, "reason");
        u32 i = 0;
        while (i < count && strcmp(ranks[i].name, name))
            i++;
        if (i == NAMES)
            continue;
        if (i == count)
            ranks[count++] = (struct rank){.name = name};
        ranks[i].samples += (u64)kept_number(table, row, "samples");
    }
    qsort(ranks, count, sizeof(ranks[0]), by_samples);
    return count;
}

/* The reason's series; what has none of its own is among the others. */
static u32 series_of(const struct rank *ranks, u32 count, const char *name)
{
    for (u32 i = 0; i < count && i < OTHERS; i++) {
        if (!strcmp(ranks[i].name, name))
            return i;
    }
    return OTHERS;
}

static u32 name_series(const struct stacks *s, const struct rank *ranks, u32 count,
                       struct series series[PLOT_SERIES])
{
    u32 own = (u32)min_u64(count, OTHERS);
    for (u32 i = 0; i < own; i++)
        series[i] = (struct series){ranks[i].name, i, s->y[i]};
    if (count > OTHERS)
        series[own] = (struct series){"others", OTHERS, s->y[OTHERS]};
    return own + (count > OTHERS);
}

static void put_reasons(const struct plot *over_time, const struct stacks *s,
                        const struct series *series, u32 count)
{
    struct plot p = *over_time;
    p.id = "exits-by-reason";
    p.title = "Exits by reason";
    p.note = "the stronger the tone the more, each a tenth of the next";
    p.height = count * LANE;
    plot(&p, PLOT_LANES,
         "A lane for each reason, strong where its exits were frequent: what is rare can also be "
         "seen here.",
         s->x, s->points, s->step, series, count);
}

static void put_exits(FILE *out, const struct findings *f, const struct stacks *s,
                      const struct rank *ranks, u32 count)
{
    char span[QUANTITY], note[96];
    struct series series[PLOT_SERIES];
    u32 all = name_series(s, ranks, count, series);
    struct plot p = plot_over_time(out, f);
    snprintf(note, sizeof(note), "per second of guest time, intervals of %s",
             quantity(UNIT_NS, s->step, span));
    p.id = "exits-over-time";
    p.title = "Exits over guest time";
    p.note = note;
    p.y = scale_rounded(scale_of(false, 0, s->high), 5);
    p.y_unit = UNIT_RATE;
    plot(&p, PLOT_STACK,
         "Exits of each reason stacked, the most frequent at the bottom. The table of exits has "
         "their numbers over the whole run.",
         s->x, s->points, s->step, series, all);
    put_reasons(&p, s, series, all);
}

void draw_exits_over_time(FILE *out, const struct findings *f, const struct kept_table *table)
{
    struct rank ranks[NAMES];
    struct stacks s;
    u32 count = rank_reasons(table, ranks);
    if (!stacks_new(&s, table->row_count))
        return;
    s.step = (double)kept_number(table, 0, "interval_ns");
    for (size_t row = 0; row < table->row_count; row++) {
        size_t point = stacks_point(&s, (double)kept_number(table, row, "time_ns"));
        u32 k = series_of(ranks, count, kept_text(table, row, "reason"));
        s.y[k][point] += (double)kept_number(table, row, "samples") * 1e9 / s.step;
    }
    stacks_measure(&s);
    put_exits(out, f, &s, ranks, count);
    free(s.x);
}

/* --- the vCPU --------------------------------------------------------------------------------- */

static void put_handling(FILE *out, const struct findings *f, const struct stacks *s)
{
    struct plot p = plot_over_time(out, f);
    const struct series series[] = {{"handling", 5, s->y[0]}};
    char span[QUANTITY], note[96];
    double high = 0;
    for (size_t i = 0; i < s->points; i++)
        high = fmax(high, s->y[0][i]);
    snprintf(note, sizeof(note), "host %s that exits took, in each interval of %s",
             f->covered.subject.tsc_hz ? "time" : "ticks", quantity(UNIT_NS, s->step, span));
    p.id = "vcpu-handling";
    p.title = "Handling";
    p.note = note;
    p.y = scale_rounded(scale_of(false, 0, high), 5);
    p.y_unit = host_unit(f);
    p.height = 110;
    plot(&p, PLOT_STACK, "Host time that the handling of exits took in each interval.", s->x,
         s->points, s->step, series, ARRAY_SIZE(series));
}

void draw_handling(FILE *out, const struct findings *f, const struct kept_table *table)
{
    struct stacks s;
    if (!stacks_new(&s, table->row_count))
        return;
    s.step = (double)kept_number(table, 0, "interval_ns");
    for (size_t row = 0; row < table->row_count; row++) {
        size_t point = stacks_point(&s, (double)kept_number(table, row, "time_ns"));
        s.y[0][point] = host_time(f, kept_number(table, row, "time"));
    }
    put_handling(out, f, &s);
    free(s.x);
}
