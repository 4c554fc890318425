/* Lanes; see lanes.h. Their heights are in px, as the box is as high as it is drawn. */
#include "analysis/report/lanes.h"
#include "analysis/report/html.h"

#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 500, TONES = 5, TRACK = 37, NAME = 19, HIGH = 10, LOW = 5 };

/* --- bands ------------------------------------------------------------------------------------ */

/* 0: nothing; TONES: all of the time, or in log bands as much as the time or more. */
static u32 tone(const struct lane_band *b, double share)
{
    if (!(share > 0))
        return 0;
    double steps = b->log ? TONES + floor(log10(share)) : ceil(share * TONES - 1e-6);
    return (u32)fmin(TONES, fmax(1, steps));
}

/* The middle of the band's strip. */
static double middle(const struct lane_band *b, u32 lane)
{
    return lane * TRACK + NAME + (b->low ? HIGH + 1 + LOW / 2. : HIGH / 2.);
}

/* Columns of one tone, neighbours in one piece. */
static void put_tone(FILE *out, const struct lane_band *b, u32 lane, const u32 tones[COLUMNS],
                     u32 which)
{
    const double width = (double)BOX / COLUMNS;
    bool any = false;
    for (u32 first = 0, end; first < COLUMNS; first = end) {
        end = first + 1;
        if (tones[first] != which)
            continue;
        while (end < COLUMNS && tones[end] == which)
            end++;
        if (!any)
            html(out, "<path class=\"strip t%u c%u\" stroke-width=\"%d\" d=\"", which, b->color,
                 b->low ? LOW : HIGH);
        any = true;
        html(out, "M%g %gh%g", first * width, middle(b, lane), (end - first) * width);
    }
    if (any)
        html(out, "\"/>");
}

static void put_band(const struct plot *p, const struct lane_band *b, u32 lane)
{
    double amounts[COLUMNS], column = (p->x.high - p->x.low) / COLUMNS;
    u32 tones[COLUMNS];
    band_columns(b->band, p->x.low, p->x.high, amounts, COLUMNS);
    for (u32 i = 0; i < COLUMNS; i++)
        tones[i] = tone(b, amounts[i] * b->ns / column);
    for (u32 which = 1; which <= TONES; which++)
        put_tone(p->out, b, lane, tones, which);
}

/* --- around them ------------------------------------------------------------------------------ */

static void put_names(FILE *out, const struct lane *lanes, u32 count)
{
    html(out, "<g class=\"axis names\">");
    for (u32 i = 0; i < count; i++) {
        html(out, "<text x=\"2\" y=\"%u\">", i * TRACK + NAME - 3);
        html_text(out, lanes[i].name);
        html(out, "</text><text class=\"x end\" x=\"100%%\" y=\"%u\">%s</text>",
             i * TRACK + NAME - 3, lanes[i].note);
    }
    html(out, "</g>");
}

/* The kinds of bands, each once: they are told apart by their names, which are literals. */
static void put_legend(FILE *out, const struct lane *lanes, u32 count)
{
    const char *told[PLOT_SERIES];
    u32 kinds = 0;
    html(out, "<ul class=\"legend\">");
    for (u32 i = 0; i < count * LANE_BANDS; i++) {
        const struct lane *lane = &lanes[i / LANE_BANDS];
        const struct lane_band *b = &lane->bands[i % LANE_BANDS];
        u32 k = 0;
        while (k < kinds && told[k] != b->name)
            k++;
        if (i % LANE_BANDS >= lane->count || k < kinds || kinds == PLOT_SERIES)
            continue;
        told[kinds++] = b->name;
        plot_key(out, false, b->color, b->name);
    }
    html(out, "</ul>");
}

static void put_spans(FILE *out, const struct lane_band *b, u32 lane)
{
    html(out,
         "{\"name\":\"%s\",\"color\":%u,\"y\":%g,\"height\":%d,\"log\":%s,\"ns\":%.12g,"
         "\"spans\":\"",
         b->name, b->color, middle(b, lane), b->low ? LOW : HIGH, b->log ? "true" : "false", b->ns);
    band_write(out, b->band);
    html(out, "\"}");
}

static void put_data(const struct plot *p, const struct lane *lanes, u32 count)
{
    html(p->out,
         "<script type=\"application/json\" class=\"spans\">{\"low\":%.17g,\"high\":%.17g,"
         "\"lanes\":[",
         p->x.low, p->x.high);
    for (u32 i = 0; i < count; i++) {
        html(p->out, "%s{\"name\":", i ? ",\n" : "");
        html_json_text(p->out, lanes[i].name);
        html(p->out, ",\"bands\":[");
        for (u32 b = 0; b < lanes[i].count; b++) {
            html(p->out, b ? "," : "");
            put_spans(p->out, &lanes[i].bands[b], i);
        }
        html(p->out, "]}");
    }
    html(p->out, "]}</script>");
}

static void put_figure(const struct plot *p, const char *words, const struct lane *lanes, u32 count)
{
    plot_begin(p, words);
    plot_x_axis(p);
    plot_box(p, p->height);
    for (u32 i = 0; i < count; i++)
        for (u32 b = 0; b < lanes[i].count; b++)
            put_band(p, &lanes[i].bands[b], i);
    html(p->out, "</svg>");
    put_names(p->out, lanes, count);
    html(p->out, "</svg></div>");
    put_legend(p->out, lanes, count);
    put_data(p, lanes, count);
    html(p->out, "</figure>\n");
}

/* Into memory first: its length is seen then. */
void lanes_draw(const struct plot *plot, const char *words, const struct lane *lanes, u32 count)
{
    struct plot p = *plot;
    char *text = NULL;
    size_t length = 0;
    p.out = open_memstream(&text, &length);
    if (!p.out)
        return;
    p.height = count * TRACK;
    p.zooms = true;
    put_figure(&p, words, lanes, count);
    bool good = fclose(p.out) == 0;
    if (good && html_has_room(plot->out, length))
        fwrite(text, 1, length, plot->out);
    else
        html(plot->out, "<p class=\"lacks\">There is no room for the lanes of tasks.</p>\n");
    free(text);
}
