/* Drawing; see plot.h. */
#include "analysis/report/plot.h"
#include "analysis/report/html.h"

#include <math.h>

enum { Y_TICKS = 5, Y_DECADES = 7, X_TICKS = 8, AXIS = 22 /* px below the box */ };

/* --- shapes ----------------------------------------------------------------------------------- */

static double px(const struct plot *p, double x)
{
    return BOX * scale_at(&p->x, x);
}

static double py(const struct plot *p, double y)
{
    return BOX - BOX * scale_at(&p->y, y);
}

static void line(const struct plot *p, const double *x, size_t points, const struct series *s)
{
    bool down = false; /* the pen is */
    html(p->out, "<path class=\"line c%u\" d=\"", s->color);
    for (size_t i = 0; i < points; i++) {
        if (!isnan(s->y[i]))
            html(p->out, "%c%.1f %.1f", down ? 'L' : 'M', px(p, x[i]), py(p, s->y[i]));
        down = !isnan(s->y[i]);
    }
    html(p->out, "\"/>");
}

static double value(const struct series *s, size_t i)
{
    return isnan(s->y[i]) ? 0 : s->y[i];
}

/* The sum of the series below `above`. */
static double below(const struct series *series, u32 above, size_t i)
{
    double sum = 0;
    for (u32 s = 0; s < above; s++)
        sum += value(&series[s], i);
    return sum;
}

/* Does step i belong to the same block as the one before: are they neighbours? */
static bool joins(const double *x, size_t i, double step)
{
    return i && x[i] - x[i - 1] < step * 1.5;
}

/* One block of neighbouring steps: along the top, back along the bottom. */
static void block(const struct plot *p, const double *x, size_t first, size_t end, double step,
                  const struct series *series, u32 s)
{
    for (size_t i = first; i < end; i++) {
        double top = py(p, below(series, s + 1, i));
        html(p->out, i == first ? "M%.1f %.1f" : "H%.1fV%.1f", px(p, x[i]), top);
    }
    html(p->out, "H%.1f", px(p, x[end - 1] + step));
    for (size_t i = end; i-- > first;)
        html(p->out, "V%.1fH%.1f", py(p, below(series, s, i)), px(p, x[i]));
    html(p->out, "Z");
}

static void stack(const struct plot *p, const double *x, size_t points, double step,
                  const struct series *series, u32 s)
{
    html(p->out, "<path class=\"area c%u\" d=\"", series[s].color);
    for (size_t first = 0, end; first < points; first = end) {
        for (end = first + 1; end < points && joins(x, end, step);)
            end++;
        block(p, x, first, end, step, series, s);
    }
    html(p->out, "\"/>");
}

enum { TONES = 5, LANE_NAME = 18 /* px of a lane */ };

/* 0: nothing; TONES: within a tenth of the most. */
static u32 tone(const struct plot *p, double y)
{
    double least = p->y.high * pow(10, -TONES);
    return y <= 0 || isnan(y) ? 0 : 1 + (u32)fmin(TONES - 1, fmax(0, floor(log10(y / least))));
}

/* The steps of one tone, neighbours in one piece. */
static void lane_tone(const struct plot *p, const double *x, size_t points, double step,
                      const struct series *s, u32 which, double top, double bottom)
{
    bool any = false;
    for (size_t first = 0, end; first < points; first = end) {
        end = first + 1;
        if (tone(p, s->y[first]) != which)
            continue;
        while (end < points && joins(x, end, step) && tone(p, s->y[end]) == which)
            end++;
        if (!any)
            html(p->out, "<path class=\"lane t%u c%u\" d=\"", which, s->color);
        any = true;
        html(p->out, "M%.1f %.1fH%.1fV%.1fH%.1fZ", px(p, x[first]), top, px(p, x[end - 1] + step),
             bottom, px(p, x[first]));
    }
    if (any)
        html(p->out, "\"/>");
}

static void lane(const struct plot *p, const double *x, size_t points, double step,
                 const struct series *series, u32 s)
{
    double unit = (double)BOX / p->height;
    double top = (s * LANE + LANE_NAME) * unit, bottom = (s * LANE + LANE - 1) * unit;
    for (u32 which = 1; which <= TONES; which++)
        lane_tone(p, x, points, step, &series[s], which, top, bottom);
}

/* Above the shapes, where letters are not stretched. */
static void lane_names(const struct plot *p, const struct series *series, u32 count)
{
    html(p->out, "<g class=\"axis names\">");
    for (u32 s = 0; s < count; s++) {
        html(p->out, "<text x=\"2\" y=\"%u\">", s * LANE + LANE_NAME - 3);
        html_text(p->out, series[s].name);
        html(p->out, "</text>");
    }
    html(p->out, "</g>");
}

/* --- axes ------------------------------------------------------------------------------------- */

static void y_axis(const struct plot *p)
{
    double ticks[TICKS_MAX];
    u32 count = scale_ticks(&p->y, p->y.log ? Y_DECADES : Y_TICKS, ticks);
    char text[QUANTITY];
    html(p->out, "<g class=\"axis\">");
    for (u32 i = 0; i < count; i++) {
        double at = p->height * (1 - scale_at(&p->y, ticks[i]));
        html(p->out, "<line x1=\"0\" x2=\"100%%\" y1=\"%.1f\" y2=\"%.1f\"/>", at, at);
        html(p->out, "<text class=\"y\" x=\"-8\" y=\"%.1f\">%s</text>", at,
             quantity(p->y_unit, ticks[i], text));
    }
    html(p->out, "</g>");
}

/* Labels at the very ends lean inwards; every second one can go where room is scarce. */
static void x_tick(const struct plot *p, u32 number, double at, const char *label)
{
    double place = 100 * scale_at(&p->x, at);
    const char *anchor = place < 2 ? " start" : place > 98 ? " end" : "";
    html(p->out, "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" y2=\"%u\"/>", place, place, p->height);
    html(p->out, "<text class=\"x%s%s\" x=\"%.2f%%\" y=\"%u\">%s</text>", anchor,
         number % 2 ? " odd" : "", place, p->height + 16, label);
}

void plot_x_axis(const struct plot *p)
{
    double ticks[TICKS_MAX];
    char text[QUANTITY];
    html(p->out, "<g class=\"axis across\">");
    if (p->ticks) {
        for (u32 i = 0; p->ticks[i].label; i++)
            if (p->ticks[i].at >= p->x.low && p->ticks[i].at <= p->x.high)
                x_tick(p, i, p->ticks[i].at, p->ticks[i].label);
    } else {
        u32 count = scale_ticks(&p->x, X_TICKS, ticks);
        for (u32 i = 0; i < count; i++)
            x_tick(p, i, ticks[i], quantity(p->x_unit, ticks[i], text));
    }
    html(p->out, "</g>");
}

/* --- around it -------------------------------------------------------------------------------- */

void plot_key(FILE *out, bool is_line, u32 color, const char *name)
{
    html(out, "<li><svg class=\"key\" aria-hidden=\"true\" width=\"18\" height=\"10\">"
              "<title>key</title>");
    html(out,
         is_line ? "<path class=\"line c%u\" d=\"M0 5H18\"/>"
                 : "<path class=\"area c%u\" d=\"M3 0H15V10H3Z\"/>",
         color);
    html(out, "</svg>");
    html_text(out, name);
    html(out, "</li>");
}

static void legend(const struct plot *p, enum plot_shape shape, const struct series *series,
                   u32 count)
{
    if (count < 2)
        return;
    html(p->out, "<ul class=\"legend\">");
    for (u32 s = 0; s < count; s++)
        plot_key(p->out, shape == PLOT_LINES, series[s].color, series[s].name);
    html(p->out, "</ul>");
}

static void numbers(FILE *out, const double *values, size_t count, int digits)
{
    html(out, "[");
    for (size_t i = 0; i < count; i++) {
        html(out, i ? "," : "");
        if (isnan(values[i]))
            html(out, "null");
        else
            html(out, "%.*g", digits, values[i]);
    }
    html(out, "]");
}

static void data(const struct plot *p, enum plot_shape shape, const double *x, size_t points,
                 double step, const struct series *series, u32 count)
{
    html(p->out,
         "<script type=\"application/json\" class=\"points\">{\"log\":%s,\"low\":%.10g,"
         "\"high\":%.10g,\"top\":%.10g,\"stack\":%s,\"xunit\":\"%s\",\"yunit\":\"%s\",\"step\":%."
         "10g,\"x\":",
         p->x.log ? "true" : "false", p->x.low, p->x.high, p->y.high,
         shape == PLOT_STACK ? "true" : "false", p->ticks ? "nines" : unit_names[p->x_unit],
         unit_names[p->y_unit], step);
    numbers(p->out, x, points, 10);
    html(p->out, ",\"series\":[");
    for (u32 s = 0; s < count; s++) {
        html(p->out, "%s{\"name\":", s ? "," : "");
        html_json_text(p->out, series[s].name);
        html(p->out, ",\"y\":");
        numbers(p->out, series[s].y, points, 5);
        html(p->out, "}");
    }
    html(p->out, "]}</script>");
}

void plot_begin(const struct plot *p, const char *words)
{
    html(p->out,
         "<figure class=\"plot%s\" id=\"%s\"><figcaption><b>%s</b> <span>%s</span>"
         "</figcaption><div class=\"frame\">",
         p->zooms ? " zooms" : "", p->id, p->title, p->note);
    html(p->out,
         "<svg role=\"img\" aria-labelledby=\"%s-t %s-d\" width=\"100%%\" height=\"%u\">"
         "<title id=\"%s-t\">%s</title><desc id=\"%s-d\">",
         p->id, p->id, p->height + AXIS, p->id, p->title, p->id);
    html_text(p->out, words);
    html(p->out, "</desc>");
}

void plot_box(const struct plot *p, u32 high)
{
    html(p->out,
         "<svg class=\"box\" aria-hidden=\"true\" width=\"100%%\" height=\"%u\" "
         "viewBox=\"0 0 %d %u\" preserveAspectRatio=\"none\"><title>%s</title>",
         p->height, BOX, high, p->title);
}

static void shapes(const struct plot *p, enum plot_shape shape, const double *x, size_t points,
                   double step, const struct series *series, u32 count)
{
    plot_box(p, BOX);
    for (u32 s = 0; s < count; s++) {
        if (shape == PLOT_LINES)
            line(p, x, points, &series[s]);
        else if (shape == PLOT_LANES)
            lane(p, x, points, step, series, s);
        else
            stack(p, x, points, step, series, s);
    }
    html(p->out, "</svg>");
}

void plot(const struct plot *p, enum plot_shape shape, const char *words, const double *x,
          size_t points, double step, const struct series *series, u32 count)
{
    enum { FIGURE_MAX = 300000 }; /* bytes of PLOT_POINTS points, drawn and in numbers */
    if (!html_has_room(p->out, FIGURE_MAX))
        return;
    plot_begin(p, words);
    if (shape != PLOT_LANES)
        y_axis(p);
    plot_x_axis(p);
    shapes(p, shape, x, points, step, series, count);
    if (shape == PLOT_LANES)
        lane_names(p, series, count);
    html(p->out, "</svg></div>");
    if (shape != PLOT_LANES)
        legend(p, shape, series, count);
    data(p, shape, x, points, step, series, count);
    html(p->out, "</figure>\n");
}
