/* Tables of the page; see draw.h. Times of the host are in µs where its TSC's frequency is known.
 */
#include "analysis/frame/shares.h"
#include "analysis/report/draw.h"
#include "analysis/report/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct table {
    FILE *out;
    const struct findings *findings;
    const struct kept_table *kept;
    u64 hz;       /* of the host's TSC; 0: not known */
    u128 *shares; /* by cell: those of SHARE columns in 0.01 % */
};

/* --- cells ------------------------------------------------------------------------------------ */

/* A place in guest time, not a length of it. */
static bool is_moment(const struct column *column)
{
    static const char *const moments[] = {"time_ns", "due_ns", "raised_ns", "handled_ns"};
    if (column->type != CELL_NS)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(moments); i++) {
        if (!strcmp(column->key, moments[i]))
            return true;
    }
    return strstr(column->key, "_at_ns");
}

/* The columns of an event's end in guest time, and of how long it took up to there. */
struct place {
    const char *at, *length;
};

static struct place place_of(const struct kept_table *kept)
{
    if (kept_column(kept, "handled_ns") != KEPT_NONE)
        return (struct place){"handled_ns", "lateness_ns"};
    return (struct place){"time_ns", "delay_ns"};
}

static const char *unit_of(const struct table *t, const struct column *column)
{
    if (column->type == CELL_TICKS)
        return t->hz ? "µs" : "ticks";
    if (column->type == CELL_AHEAD)
        return "µs";
    if (column->type == CELL_NS)
        return is_moment(column) ? "s" : "µs";
    return column->type == CELL_SHARE ? "%" : "";
}

/* "12 345.678" from thousandths. */
static void put_thousandths(FILE *out, u128 number)
{
    char text[GROUPED];
    html(out, "%s.%03u", grouped(number / 1000, text), (u32)(number % 1000));
}

/* Ticks in thousandths of a microsecond, rounded down. */
static u128 nanoseconds(u128 ticks, u64 hz)
{
    return ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
}

static void put_number(const struct table *t, const struct column *column, u128 number)
{
    char text[GROUPED];
    if (column->type == CELL_TICKS && t->hz)
        put_thousandths(t->out, nanoseconds(number, t->hz));
    else if (is_moment(column))
        html(t->out, "%s.%09u", grouped(number / 1000000000, text), (u32)(number % 1000000000));
    else if (column->type == CELL_NS || column->type == CELL_AHEAD)
        put_thousandths(t->out, number);
    else if (column->type == CELL_SHARE)
        html(t->out, "%u.%02u", (u32)(number / 100), (u32)(number % 100));
    else if (column->type == CELL_HEX)
        html(t->out, "0x%" PRIx64, (u64)number);
    else
        html(t->out, "%s", grouped(number, text));
}

/* What the cell shows: a share as one of parts that add up to 100.00. */
static u128 shown(const struct table *t, size_t cell)
{
    size_t column = cell % t->kept->column_count;
    bool share = t->kept->columns[column].type == CELL_SHARE;
    return share ? t->shares[cell] : t->kept->cells[cell].number;
}

/* Does it say where in guest time the row's event was? */
static bool is_place(const struct table *t, const struct column *column)
{
    return !strcmp(column->key, place_of(t->kept).at);
}

/* The number itself goes along, for sorting and for programs. */
static void put_number_cell(const struct table *t, const struct column *column, size_t cell)
{
    u128 number = t->kept->cells[cell].number;
    bool below = t->kept->cells[cell].kind == CELL_NEGATIVE;
    html(t->out, "<td data-v=\"%s%.0Lf\"", below ? "-" : "", (long double)number);
    if (column->type == CELL_SHARE)
        html(t->out, " class=\"share\" style=\"--share:%.2f%%\"", (double)number / 1e6);
    if (is_place(t, column))
        html(t->out, " class=\"place\"");
    html(t->out, below ? ">−" : ">");
    put_number(t, column, shown(t, cell));
}

static void put_cell(const struct table *t, const struct column *column, size_t at)
{
    const struct cell *cell = &t->kept->cells[at];
    if (cell->kind == CELL_NUMBER || cell->kind == CELL_NEGATIVE) {
        put_number_cell(t, column, at);
    } else if (cell->kind == CELL_WORDS) {
        html(t->out, "<td class=\"text\">");
        html_text(t->out, cell->text);
    } else {
        html(t->out, "<td class=\"none%s\">–", column->type == CELL_TEXT ? " text" : "");
    }
    html(t->out, "</td>");
}

/* Percent of each SHARE column, so that what is printed adds up; NULL: no memory. */
static u128 *apportion(const struct kept_table *kept)
{
    size_t rows = kept->row_count, columns = kept->column_count;
    u128 *shares = calloc(rows * columns + 1, sizeof(*shares));
    u128 *parts = calloc(rows + 1, sizeof(*parts));
    bool done = shares && parts;
    for (size_t c = 0; done && c < columns; c++) {
        if (kept->columns[c].type != CELL_SHARE)
            continue;
        for (size_t i = 0; i < rows; i++)
            parts[i] = kept->cells[i * columns + c].number;
        done = shares_apportion(parts, rows, 100 * 100);
        for (size_t i = 0; i < rows; i++)
            shares[i * columns + c] = parts[i];
    }
    free(parts);
    if (done)
        return shares;
    free(shares);
    return NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* The exit at which the row's event was over. */
static u64 exit_of(const struct table *t, size_t row)
{
    return max_u64((u64)kept_number(t->kept, row, "exit"),
                   (u64)kept_number(t->kept, row, "injected_exit"));
}

/* The records around an exit, or from that of a request to that of its injection; or who had the
 * CPU during a wait, up to the switch that ends it. */
static void put_command(const struct table *t, const char *name, size_t row)
{
    enum { AROUND = 5 };
    u64 exit = (u64)kept_number(t->kept, row, "exit"), last = exit_of(t, row);
    u64 end = (u64)kept_number(t->kept, row, "time_ns");
    bool waited = kept_column(t->kept, "delay_ns") != KEPT_NONE;
    html(t->out, waited ? "hindvisor analyze scheduler " : "hindvisor dump ");
    html_text(t->out, name);
    if (waited)
        html(t->out, " --show timehist --from %" PRIu64 "ns --to %" PRIu64,
             end - min_u64(end, (u64)kept_number(t->kept, row, "delay_ns")), exit);
    else
        html(t->out, " --from %" PRIu64 " --to %" PRIu64, exit - min_u64(exit, AROUND),
             last + AROUND);
}

static void put_what_led_there(const struct table *t, size_t row)
{
    char *word = malloc(SHELL_WORD);
    const char *name = word ? shell_word(t->findings->name, word) : "";
    html(t->out, "<td class=\"commands\"><code>");
    put_command(t, name, row);
    html(t->out, "</code><code>hindvisor replay ");
    html_text(t->out, name);
    html(t->out, " --quiet --to %" PRIu64 "</code></td>", exit_of(t, row));
    free(word);
}

/* Columns without a title are for programs; one without a value says nothing. */
static bool is_shown(const struct kept_table *kept, size_t column)
{
    for (size_t row = 0; row < kept->row_count && kept->columns[column].title; row++) {
        if (kept->cells[row * kept->column_count + column].kind != CELL_EMPTY)
            return true;
    }
    return false;
}

static bool has_exits(const struct table *t)
{
    return kept_column(t->kept, "exit") != KEPT_NONE;
}

/* An event's place in guest time goes along, and how long it took of that. */
static void begin_row(const struct table *t, size_t row)
{
    struct place place = place_of(t->kept);
    html(t->out, "<tr");
    if (has_exits(t))
        html(t->out, " data-at=\"%" PRIu64 "\" data-length=\"%" PRIu64 "\"",
             (u64)kept_number(t->kept, row, place.at),
             (u64)kept_number(t->kept, row, place.length));
    html(t->out, ">");
}

static void put_row(const struct table *t, size_t row)
{
    const struct kept_table *kept = t->kept;
    begin_row(t, row);
    for (size_t c = 0; c < kept->column_count; c++) {
        if (is_shown(kept, c))
            put_cell(t, &kept->columns[c], row * kept->column_count + c);
    }
    if (has_exits(t))
        put_what_led_there(t, row);
    html(t->out, "</tr>\n");
}

/* The column's title without its unit, which has a place of its own. */
static void put_title(const struct table *t, const struct column *column)
{
    const char *title = strcmp(column->key, "time_ns") ? column->title : "Guest time";
    size_t length = strlen(title);
    if (column->type == CELL_SHARE && title[length - 1] == '%')
        length--;
    if (column->type == CELL_NS && length > 3 && !strcmp(title + length - 3, " ns"))
        length -= 3;
    html(t->out, "<th scope=\"col\"%s>%.*s", column->type == CELL_TEXT ? " class=\"text\"" : "",
         (int)length, title);
    if (*unit_of(t, column))
        html(t->out, " <small>%s</small>", unit_of(t, column));
    html(t->out, "</th>");
}

static void put_head(const struct table *t)
{
    html(t->out, "<thead><tr>");
    for (size_t c = 0; c < t->kept->column_count; c++) {
        if (is_shown(t->kept, c))
            put_title(t, &t->kept->columns[c]);
    }
    if (has_exits(t))
        html(t->out, "<th scope=\"col\" class=\"text\">What led there</th>");
    html(t->out, "</tr></thead>\n");
}

enum { ROW_MAX = 1 << 18 }; /* bytes, with the longest name of a trace, all of it escaped */

void draw_table(FILE *out, const struct findings *findings, const struct kept_table *kept,
                const char *id, const char *caption)
{
    struct table t = {out, findings, kept, findings->covered.subject.tsc_hz, apportion(kept)};
    char text[GROUPED];
    size_t rows = t.shares ? min_u64(kept->row_count, TABLE_ROWS) : 0, row = 0;
    html(out, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">", caption);
    html(out, "<table id=\"%s\"><caption>%s</caption>", id, caption);
    put_head(&t);
    html(out, "<tbody>");
    for (; row < rows && html_has_room(out, ROW_MAX); row++)
        put_row(&t, row);
    html(out, "</tbody></table></div>\n");
    if (row < kept->row_count)
        html(out, "<p class=\"note\">%s more rows are not shown; the command has them all.</p>\n",
             grouped(kept->row_count - row, text));
    free(t.shares);
}

/* --- where the numbers come from -------------------------------------------------------------- */

static void put_json(FILE *out, const struct answer *answer, const char *command)
{
    const struct question *q = &answer->question;
    html(out,
         "<script type=\"application/json\" class=\"answer\" id=\"json-%s-%s%s%s\" data-command=\"",
         q->view, q->show, q->by ? "-" : "", q->by ? q->by : "");
    html_text(out, command);
    html(out, " --format json\">");
    html_json(out, answer->json, answer->json_length);
    html(out, "</script>\n");
}

void draw_source(FILE *out, const struct findings *findings, const struct answer *answer)
{
    char *command = answer_command(findings, answer);
    if (!command)
        return;
    bool fits =
        answer->json && html_has_room(out, html_json_length(answer->json, answer->json_length));
    html(out, "<p class=\"source\"><code>");
    html_text(out, command);
    html(out, fits || answer->failure.code
                  ? "</code></p>\n"
                  : "</code> <span>(too long to be in this page as JSON)</span></p>\n");
    if (fits)
        put_json(out, answer, command);
    free(command);
}
