/*
 * The section on timers: by source and vector how late handlers began and how much that varied, as
 * curves and in numbers, what became of the firings, and the latest of them with the commands that
 * lead there. Traces without records of requests (TRACE_WITH_RAISES) only tell what was programmed.
 */
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "analysis/report/sections.h"
#include "trace/manifest.h"

/* --- curves ----------------------------------------------------------------------------------- */

static bool has_times(const struct kept_table *buckets)
{
    for (size_t row = 0; row < buckets->row_count; row++) {
        if (kept_number(buckets, row, "high_ns"))
            return true;
    }
    return false;
}

/* A curve where all is 0 is none. */
static void draw_curves(FILE *out, const struct findings *f, const struct kept_table *buckets,
                        const char *id, const char *title, const char *all_zero)
{
    if (buckets && has_times(buckets))
        draw_percentiles(out, f, buckets, id, title);
    else if (buckets)
        html(out, "<p class=\"note\">%s</p>\n", all_zero);
}

static void draw_lateness(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "timers", "histogram", NULL);
    if (answer->failure.code)
        write_why_not(out, answer);
    draw_curves(out, f, answer_table(answer, NULL), "timers-lateness",
                "From due to handled by percentile",
                "All that were handled were handled at the moment at which they were due.");
    draw_curves(out, f, answer_table(answer, "requested"), "timers-requested",
                "From due to requested by percentile",
                "All were requested at the moment at which they were due: no time was lost waiting "
                "for an exit.");
    draw_curves(out, f, answer_table(answer, "jitter"), "timers-jitter",
                "Jitter by percentile: how much lateness differed from one to the next",
                "No two in a row differed in how late they were handled: there is no jitter.");
    draw_source(out, f, answer);
}

/* --- tables ----------------------------------------------------------------------------------- */

enum { COLUMNS_MAX = 64 };

/* The sources with their columns of one type alone: all of them are wider than a page. */
static void draw_part(FILE *out, const struct findings *f, const struct kept_table *table,
                      enum cell_type type, const char *id, const char *caption)
{
    struct column columns[COLUMNS_MAX];
    struct kept_table part = *table;
    if (table->column_count > COLUMNS_MAX)
        return;
    for (size_t c = 0; c < table->column_count; c++) {
        bool key = table->columns[c].type == CELL_TEXT || table->columns[c].type == CELL_HEX;
        columns[c] = table->columns[c];
        if (!key && columns[c].type != type)
            columns[c].title = NULL;
    }
    part.columns = columns;
    draw_table(out, f, &part, id, caption);
}

static void draw_sources(FILE *out, const struct findings *f, const struct kept_table *table)
{
    draw_part(out, f, table, CELL_COUNT, "timers-fates", "What became of firings");
    draw_part(out, f, table, CELL_NS, "timers-times", "From due to requested, handled and EOI");
}

/* --- the section ------------------------------------------------------------------------------ */

static void write_old_format(FILE *out, u32 version)
{
    html(out,
         "<p class=\"lacks\">The trace has format version %u, which has no records of requests of "
         "interrupts: when timers went off, and how late their handlers began, is not known. A "
         "recording with this version tells.</p>\n",
         version);
}

static void write_nothing_fired(FILE *out, const struct findings *f)
{
    write_lack(out, result_missing(&f->covered)
                        ? "No request of an interrupt could be read."
                        : "No timer went off, and nothing else requested an interrupt.");
}

static void draw_programming(FILE *out, const struct findings *f, const struct answer *stats)
{
    const struct kept_table *table = answer_table(stats, "programming");
    if (table)
        draw_table(out, f, table, "timers-programming", "What the guest programmed");
    else if (!result_missing(&f->covered))
        write_lack(out, "The guest programmed no timer.");
    draw_source(out, f, stats);
}

void section_timers(FILE *out, const struct findings *f)
{
    const struct answer *stats = findings_answer(f, "timers", "stats", NULL);
    bool told = f->covered.subject.format >= TRACE_WITH_RAISES;
    const struct kept_table *sources = told ? answer_table(stats, NULL) : NULL;
    if (stats->failure.code) {
        write_why_not(out, stats);
        return;
    }
    if (!told)
        write_old_format(out, f->covered.subject.format);
    else if (sources)
        draw_sources(out, f, sources);
    else
        write_nothing_fired(out, f);
    draw_programming(out, f, stats);
    if (!sources)
        return;
    draw_lateness(out, f);
    write_answer(out, f, findings_answer(f, "timers", "worst", NULL), "timers-worst",
                 "Handlers that began latest");
}
