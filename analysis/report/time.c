/*
 * The section on clocks: how far the guest's was ahead of the host's over guest time, beside the
 * straight line of the mean drift; the largest steps, with the commands that lead there; where
 * time went; readings that went back.
 */
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "analysis/report/plot.h"
#include "analysis/report/sections.h"
#include "core/machine.h"

#include <math.h>
#include <stdlib.h>

/* --- the offset over guest time --------------------------------------------------------------- */

struct curve {
    double *x, *offset, *drift;
    size_t points;
    double low, high;
};

static bool curve_new(struct curve *l, size_t points)
{
    double *numbers = calloc(3 * points, sizeof(*numbers));
    *l = (struct curve){
        .x = numbers, .offset = numbers + points, .drift = numbers + 2 * points, .points = points};
    return numbers;
}

/* An interval's offset is that at its end. */
static void curve_fill(struct curve *l, const struct kept_table *table)
{
    for (size_t i = 0; i < l->points; i++) {
        l->x[i] = (double)(kept_number(table, i, "time_ns") + kept_number(table, i, "interval_ns"));
        l->offset[i] = (double)kept_signed(table, i, "offset_ns");
        l->low = fmin(l->low, l->offset[i]);
        l->high = fmax(l->high, l->offset[i]);
    }
}

/* From 0 at the beginning to where the offset ends. */
static void curve_straight(struct curve *l, double begin)
{
    double end = l->x[l->points - 1], whole = l->offset[l->points - 1];
    for (size_t i = 0; i < l->points; i++)
        l->drift[i] = end > begin ? whole * (l->x[i] - begin) / (end - begin) : 0;
}

static void put_offset(FILE *out, const struct findings *f, const struct curve *l)
{
    const struct series series[] = {{"mean drift", PLOT_SERIES - 1, l->drift},
                                    {"ahead of the host", 0, l->offset}};
    struct plot p = {
        .out = out,
        .id = "time-offset",
        .title = "Guest's clock ahead of the host's",
        .note = "at the end of each interval, since the first exit",
        .x = run_span(f),
        .y = scale_rounded(scale_of(false, l->low, l->high), 5),
        .x_unit = UNIT_NS,
        .y_unit = UNIT_NS,
        .height = 220,
        .zooms = true,
    };
    plot(&p, PLOT_LINES,
         "How much more time has passed on the guest's clock than on the host's. A line that "
         "rises steadily is a guest that is too fast, one that falls one that is too slow; a jump "
         "is a step, and the table below has the largest ones.",
         l->x, l->points, 0, series, ARRAY_SIZE(series));
}

static void draw_offset(FILE *out, const struct findings *f, const struct kept_table *table)
{
    struct curve l;
    if (!kept_has(table, 0, "offset_ns") || !curve_new(&l, table->row_count))
        return;
    curve_fill(&l, table);
    curve_straight(&l, (double)kept_number(table, 0, "time_ns"));
    put_offset(out, f, &l);
    free(l.x);
}

/* --- facts ------------------------------------------------------------------------------------ */

static void put_signed(FILE *out, s128 value, const char *unit)
{
    char text[GROUPED];
    u128 length = value < 0 ? -(u128)value : (u128)value;
    html(out, "%s%s %s", value < 0 ? "−" : value ? "+" : "", grouped(length, text), unit);
}

static void fact(FILE *out, const struct kept_table *clock, const char *name, const char *key,
                 const char *unit, const char *exit)
{
    char text[GROUPED];
    if (!kept_has(clock, 0, key))
        return;
    html(out, "<tr><th scope=\"row\">%s</th><td>", name);
    put_signed(out, kept_signed(clock, 0, key), unit);
    if (exit)
        html(out, ", at exit %s", grouped(kept_number(clock, 0, exit), text));
    html(out, "</td></tr>\n");
}

static void draw_facts(FILE *out, const struct kept_table *clock)
{
    html(out, "<table class=\"facts\" id=\"time-clock\"><tbody>\n");
    fact(out, clock, "Ahead at the end", "offset_ns", "ns", NULL);
    fact(out, clock, "Drift", "drift_ppb", "parts per billion of the host's time", NULL);
    fact(out, clock, "Least ahead", "least_ns", "ns", "least_exit");
    fact(out, clock, "Most ahead", "most_ns", "ns", "most_exit");
    html(out, "</tbody></table>\n");
}

/* What an offset means. */
static void draw_policy(FILE *out, const struct findings *f)
{
    html(out, "<p class=\"note\">%s</p>\n",
         f->covered.subject.clock == CLOCK_HOST
             ? "The guest's clock followed the host's (<code>--clock host</code>): where it was "
               "read, it is true to within the time that the exit took, and steps of that size "
               "there and back again say nothing."
             : "The guest's clock was its count of instructions and what was skipped or stolen "
               "(<code>--clock count</code>): the offset is how much faster than the host's it "
               "went.");
}

/* --- the section ------------------------------------------------------------------------------ */

/* One more table of an answer, if it has any rows. */
static void draw_if(FILE *out, const struct findings *f, const struct answer *answer,
                    const char *table, const char *id, const char *caption)
{
    if (answer_table(answer, table))
        draw_table(out, f, answer_table(answer, table), id, caption);
}

void section_time(FILE *out, const struct findings *f)
{
    const struct answer *stats = findings_answer(f, "time", "stats", NULL);
    const struct answer *freq = findings_answer(f, "time", "freq", NULL);
    const struct answer *steps = findings_answer(f, "time", "steps", NULL);
    const struct kept_table *clock = answer_table(stats, "clocks");
    draw_policy(out, f);
    if (clock && kept_has(clock, 0, "offset_ns"))
        draw_facts(out, clock);
    else if (clock)
        write_lack(out, "The frequency of the host's TSC is not known: its clock cannot be "
                        "compared with the guest's.");
    if (answer_table(freq, NULL))
        draw_offset(out, f, answer_table(freq, NULL));
    draw_source(out, f, freq);
    write_answer(out, f, steps, "time-steps", "Largest steps");
    draw_if(out, f, stats, "steps", "time-sizes", "Steps from exit to exit");
    draw_if(out, f, stats, "readings", "time-readings", "Clocks that were read");
    write_answer(out, f, stats, "time-time", "Where the time went, on both clocks");
}
