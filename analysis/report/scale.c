/* Scales and ticks; see scale.h. */
#include "analysis/report/scale.h"

#include <math.h>
#include <stdio.h>

struct scale scale_of(bool log, double low, double high)
{
    if (log)
        low = fmax(low, 1e-12);
    if (!(high > low))
        high = log ? low * 10 : low + (low != 0 ? fabs(low) : 1);
    return (struct scale){.log = log, .low = low, .high = high};
}

static double step_for(double span, u32 wanted)
{
    double rough = span / fmax(wanted, 1), power = pow(10, floor(log10(rough)));
    double times = rough / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* Decades from one tick to the next. */
static double decades_for(const struct scale *s, u32 wanted)
{
    return fmax(1, ceil(log10(s->high / s->low) / fmax(wanted, 1) - 1e-9));
}

/* Few decades have ticks at 1, 2 and 5. */
static bool is_narrow(const struct scale *s)
{
    return s->log && s->high <= s->low * 100;
}

/* 1, 2, 5, 10, 20 ... from 10^0 on, or 0.5, 0.2 ... before it. */
static double one_two_five(double number)
{
    static const double digits[] = {1, 2, 5};
    double decade = floor(number / 3);
    return digits[(u32)(number - 3 * decade)] * pow(10, decade);
}

/* Number of the last of those that is at most the value. */
static double step_below(double value)
{
    double number = 3 * floor(log10(value)) - 1;
    while (one_two_five(number + 1) <= value * (1 + 1e-9))
        number++;
    return number;
}

static u32 narrow_ticks(const struct scale *s, double ticks[TICKS_MAX])
{
    u32 count = 0;
    for (double number = step_below(s->low); count < TICKS_MAX; number++) {
        double tick = one_two_five(number);
        if (tick > s->high * (1 + 1e-9))
            break;
        if (tick >= s->low * (1 - 1e-9))
            ticks[count++] = fmin(fmax(tick, s->low), s->high);
    }
    return count;
}

struct scale scale_rounded(struct scale s, u32 ticks)
{
    if (is_narrow(&s)) {
        double below = step_below(s.low), above = step_below(s.high);
        s.low = one_two_five(below);
        s.high = one_two_five(above + (one_two_five(above) < s.high * (1 - 1e-9)));
    } else if (s.log) {
        s.low = pow(10, floor(log10(s.low) + 1e-9));
        s.high = pow(10, ceil(log10(s.high) - 1e-9));
    } else {
        double step = step_for(s.high - s.low, ticks);
        s.low = floor(s.low / step + 1e-9) * step;
        s.high = ceil(s.high / step - 1e-9) * step;
    }
    return scale_of(s.log, s.low, s.high);
}

double scale_at(const struct scale *s, double value)
{
    double place = s->log ? log10(fmax(value, s->low) / s->low) / log10(s->high / s->low)
                          : (value - s->low) / (s->high - s->low);
    return place > 0 ? fmin(place, 1) : 0;
}

u32 scale_ticks(const struct scale *s, u32 wanted, double ticks[TICKS_MAX])
{
    if (is_narrow(s))
        return narrow_ticks(s, ticks);
    double step = s->log ? decades_for(s, wanted) : step_for(s->high - s->low, wanted);
    double from = s->log ? log10(s->low) : s->low, to = s->log ? log10(s->high) : s->high;
    double first = ceil(from / step - 1e-9);
    u32 count = 0;
    for (; count < TICKS_MAX && (first + count) * step <= to + step * 1e-9; count++)
        ticks[count] = s->log ? pow(10, (first + count) * step) : (first + count) * step;
    return count;
}

/* --- numbers with units ----------------------------------------------------------------------- */

const char *const unit_names[] = {"ns", "ticks", "rate", "percent", "count"};

struct prefix {
    double size;
    const char *text;
};

static const struct prefix of_time[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {0, "ns"}};
static const struct prefix of_count[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {0, ""}};

static const char *after(enum unit unit)
{
    return unit == UNIT_RATE ? "/s" : unit == UNIT_PERCENT ? "%" : "";
}

/* Three significant digits, more before the point if there are more. */
const char *quantity(enum unit unit, double value, char text[QUANTITY])
{
    const struct prefix *prefix = unit == UNIT_NS ? of_time : of_count;
    char number[24];
    while (prefix->size > fabs(value) * 1.0005)
        prefix++;
    if (prefix->size > 0)
        value /= prefix->size;
    snprintf(number, sizeof(number), fabs(value) < 1000 ? "%.3g" : "%.0f", value);
    bool bare = !*prefix->text && !*after(unit);
    snprintf(text, QUANTITY, "%s%s%s%s", number, bare ? "" : "\xe2\x80\xaf", prefix->text,
             after(unit));
    return text;
}
