/* Tables of the page; see draw.h. Times of the host are in µs where its TSC's frequency is known.
 */
#include "analysis/report/draw.h"
#include "analysis/report/html.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct table {
    FILE *out;
    const struct findings *findings;
    const struct kept_table *kept;
    u64 hz; /* of the host's TSC; 0: not known */
};

/* --- cells ------------------------------------------------------------------------------------ */

static bool is_moment(const struct column *column)
{
    return column->type == CELL_NS && !strcmp(column->key, "time_ns");
}

static const char *unit_of(const struct table *t, const struct column *column)
{
    if (column->type == CELL_TICKS)
        return t->hz ? "µs" : "ticks";
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
    else if (column->type == CELL_NS)
        put_thousandths(t->out, number);
    else if (column->type == CELL_SHARE)
        html(t->out, "%u.%02u", (u32)(number / 1000000), (u32)(number % 1000000 / 10000));
    else if (column->type == CELL_HEX)
        html(t->out, "0x%" PRIx64, (u64)number);
    else
        html(t->out, "%s", grouped(number, text));
}

/* The number itself goes along, for sorting and for programs. */
static void put_cell(const struct table *t, const struct column *column, const struct cell *cell)
{
    char digits[GROUPED];
    if (cell->kind == CELL_WORDS) {
        html(t->out, "<td class=\"text\">");
        html_text(t->out, cell->text);
    } else if (cell->kind == CELL_EMPTY) {
        html(t->out, "<td class=\"none\">–");
    } else {
        snprintf(digits, sizeof(digits), "%.0Lf", (long double)cell->number);
        html(t->out, "<td data-v=\"%s\"", digits);
        if (column->type == CELL_SHARE)
            html(t->out, " class=\"share\" style=\"--share:%.2f%%\"", (double)cell->number / 1e6);
        html(t->out, ">");
        put_number(t, column, cell->number);
    }
    html(t->out, "</td>");
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Exits around one: what led there, and what came of it. */
static void put_commands(const struct table *t, size_t row)
{
    enum { AROUND = 5 };
    u64 exit = (u64)kept_number(t->kept, row, "exit");
    char *word = malloc(SHELL_WORD);
    html(t->out, "<td class=\"commands\">");
    if (word) {
        html(t->out, "<code>hindvisor dump ");
        html_text(t->out, shell_word(t->findings->name, word));
        html(t->out, " --from %" PRIu64 " --to %" PRIu64 "</code> ", exit - min_u64(exit, AROUND),
             exit + AROUND);
        html(t->out, "<code>hindvisor analyze exits ");
        html_text(t->out, word);
        html(t->out, " --show log --from %" PRIu64 " --to %" PRIu64 "</code>",
             exit - min_u64(exit, 10 * AROUND), exit + 10 * AROUND);
    }
    html(t->out, "</td>");
    free(word);
}

static bool has_exits(const struct table *t)
{
    return kept_column(t->kept, "exit") != KEPT_NONE;
}

static void put_row(const struct table *t, size_t row)
{
    const struct kept_table *kept = t->kept;
    html(t->out, "<tr>");
    for (size_t c = 0; c < kept->column_count; c++) {
        if (kept->columns[c].title)
            put_cell(t, &kept->columns[c], &kept->cells[row * kept->column_count + c]);
    }
    if (has_exits(t))
        put_commands(t, row);
    html(t->out, "</tr>\n");
}

static void put_head(const struct table *t)
{
    html(t->out, "<thead><tr>");
    for (size_t c = 0; c < t->kept->column_count; c++) {
        const struct column *column = &t->kept->columns[c];
        if (!column->title)
            continue;
        /* The unit has its own place. */
        size_t length = strcspn(column->title, "%");
        const char *title = is_moment(column) ? "Guest time" : column->title;
        html(t->out, "<th scope=\"col\" class=\"%s\">%.*s",
             column->type == CELL_TEXT ? "text" : "number",
             (int)(is_moment(column) ? strlen(title) : length), title);
        if (*unit_of(t, column))
            html(t->out, " <small>%s</small>", unit_of(t, column));
        html(t->out, "</th>");
    }
    if (has_exits(t))
        html(t->out, "<th scope=\"col\" class=\"text\">What led there</th>");
    html(t->out, "</tr></thead>\n");
}

void draw_table(FILE *out, const struct findings *findings, const struct kept_table *kept,
                const char *id, const char *caption)
{
    struct table t = {out, findings, kept, findings->covered.subject.tsc_hz};
    char text[GROUPED];
    size_t rows = min_u64(kept->row_count, TABLE_ROWS);
    html(out, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">", caption);
    html(out, "<table id=\"%s\"><caption>%s</caption>", id, caption);
    put_head(&t);
    html(out, "<tbody>");
    for (size_t row = 0; row < rows; row++)
        put_row(&t, row);
    html(out, "</tbody></table></div>\n");
    if (rows < kept->row_count)
        html(out, "<p class=\"note\">%s more rows are not shown; the command has them all.</p>\n",
             grouped(kept->row_count - rows, text));
}

/* --- where the numbers come from -------------------------------------------------------------- */

void draw_source(FILE *out, const struct findings *findings, const struct answer *answer)
{
    const struct question *q = &answer->question;
    char *command = answer_command(findings, answer);
    if (!command)
        return;
    html(out, "<p class=\"source\"><code>");
    html_text(out, command);
    html(out, "</code></p>\n");
    if (answer->json) {
        html(out,
             "<script type=\"application/json\" class=\"answer\" id=\"json-%s-%s%s%s\" "
             "data-command=\"",
             q->view, q->show, q->by ? "-" : "", q->by ? q->by : "");
        html_text(out, command);
        html(out, " --format json\">");
        html_json(out, answer->json, answer->json_length);
        html(out, "</script>\n");
    }
    free(command);
}
