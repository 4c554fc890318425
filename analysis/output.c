/*
 * Tables as text, JSON and CSV; see output.h. A table's cells are kept until its
 * end, because widths and shares depend on all of them; a streamed table is flushed
 * every STREAM_ROWS rows and keeps the widths that it has.
 */
#include "analysis/output.h"
#include "analysis/shares.h"
#include "trace/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_ROWS = 512, COLUMNS_MAX = 24, CELL_LENGTH = 48, WIDE_DIGITS = 40 };

struct cell {
    enum { EMPTY, TEXT, NUMBER } kind;
    u128 number;
    char *text;
};

struct output {
    FILE *out;
    enum output_format format;
    bool failed;      /* no memory */
    bool has_members; /* of the JSON object being written */
    bool csv_done;    /* the main table has been written */
    const char *name; /* of the table being made; NULL: none is */
    const struct column *columns;
    size_t column_count;
    u32 flags;
    struct cell *cells;
    size_t used, capacity;
    size_t rows_out; /* rows that were flushed */
    size_t widths[COLUMNS_MAX];
};

struct output *output_new(FILE *out, enum output_format format)
{
    struct output *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->out = out;
    r->format = format;
    if (format == OUTPUT_JSON)
        fputc('{', out);
    return r;
}

enum output_format output_format(const struct output *r)
{
    return r->format;
}

/* Decimal digits of a 128-bit number, at the buffer's end. */
static const char *wide(u128 value, char buffer[WIDE_DIGITS + 1])
{
    char *at = buffer + WIDE_DIGITS;
    *at = 0;
    do {
        *--at = (char)('0' + (u32)(value % 10));
        value /= 10;
    } while (value);
    return at;
}

/* --- facts ---------------------------------------------------------------------------------- */

static void member(struct output *r, const char *key)
{
    fputs(r->has_members ? ",\n" : "", r->out);
    r->has_members = true;
    json_string(r->out, key);
    fputc(':', r->out);
}

void output_fact(struct output *r, const char *key, const char *text)
{
    if (r->format == OUTPUT_TABLE)
        fprintf(r->out, "%-15s %s\n", key, text);
    if (r->format != OUTPUT_JSON)
        return;
    member(r, key);
    json_string(r->out, text);
}

void output_fact_number(struct output *r, const char *key, u128 value)
{
    char buffer[WIDE_DIGITS + 1];
    if (r->format == OUTPUT_TABLE)
        fprintf(r->out, "%-15s %s\n", key, wide(value, buffer));
    if (r->format != OUTPUT_JSON)
        return;
    member(r, key);
    fputs(wide(value, buffer), r->out);
}

void output_object(struct output *r, const char *key)
{
    if (r->format != OUTPUT_JSON)
        return;
    member(r, key);
    fputc('{', r->out);
    r->has_members = false;
}

void output_object_end(struct output *r)
{
    if (r->format != OUTPUT_JSON)
        return;
    fputc('}', r->out);
    r->has_members = true;
}

/* --- cells to text ------------------------------------------------------------------------------
 */

static u32 share_decimals(const struct output *r)
{
    return r->format == OUTPUT_TABLE ? 2 : 6;
}

static void render_share(const struct output *r, u128 units, char *to)
{
    u64 scale = r->format == OUTPUT_TABLE ? 100 : 1000000;
    snprintf(to, CELL_LENGTH, "%llu.%0*llu%s", (unsigned long long)(units / scale),
             (int)share_decimals(r), (unsigned long long)(units % scale),
             r->format == OUTPUT_TABLE ? "%" : "");
}

/* The cell as the format shows it, without quotes. */
static const char *render(const struct output *r, size_t column, const struct cell *cell,
                          char buffer[CELL_LENGTH])
{
    if (cell->kind == TEXT)
        return cell->text;
    if (cell->kind == EMPTY)
        return r->format == OUTPUT_TABLE ? "-" : r->format == OUTPUT_JSON ? "null" : "";
    if (r->columns[column].type == CELL_SHARE)
        render_share(r, cell->number, buffer);
    else if (r->columns[column].type == CELL_HEX)
        snprintf(buffer, CELL_LENGTH, "0x%llx", (unsigned long long)cell->number);
    else
        return wide(cell->number, buffer);
    return buffer;
}

static bool is_quoted(const struct output *r, size_t column, const struct cell *cell)
{
    return cell->kind == TEXT || (cell->kind == NUMBER && r->columns[column].type == CELL_HEX);
}

/* --- rows
 * ------------------------------------------------------------------------------------------ */

static void json_row(struct output *r, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < r->column_count; c++) {
        const char *text = render(r, c, &row[c], buffer);
        fputs(c ? "," : "{", r->out);
        json_string(r->out, r->columns[c].key);
        fputc(':', r->out);
        if (is_quoted(r, c, &row[c]))
            json_string(r->out, text);
        else
            fputs(text, r->out);
    }
    fputc('}', r->out);
}

static void csv_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void csv_row(struct output *r, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < r->column_count; c++) {
        if (c)
            fputc(',', r->out);
        csv_text(r->out, render(r, c, &row[c], buffer));
    }
    fputc('\n', r->out);
}

static void table_cell(struct output *r, size_t column, const char *text, bool first)
{
    int width = (int)r->widths[column];
    bool left = r->columns[column].type == CELL_TEXT;
    fprintf(r->out, left ? "%s%-*s" : "%s%*s", first ? "" : "  ", width, text);
}

static void table_row(struct output *r, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    bool first = true;
    for (size_t c = 0; c < r->column_count; c++) {
        if (!r->columns[c].title)
            continue;
        table_cell(r, c, render(r, c, &row[c], buffer), first);
        first = false;
    }
    fputc('\n', r->out);
}

/* One row of a single table: a line a cell. */
static void table_lines(struct output *r, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < r->column_count; c++) {
        if (r->columns[c].title)
            fprintf(r->out, "%-28s %20s\n", r->columns[c].title, render(r, c, &row[c], buffer));
    }
}

/* --- tables
 * ---------------------------------------------------------------------------------------- */

static void table_head(struct output *r)
{
    bool first = true;
    fputc('\n', r->out);
    for (size_t c = 0; c < r->column_count && !(r->flags & OUTPUT_SINGLE); c++) {
        if (!r->columns[c].title)
            continue;
        table_cell(r, c, r->columns[c].title, first);
        first = false;
    }
    if (!first)
        fputc('\n', r->out);
}

static void csv_head(struct output *r)
{
    for (size_t c = 0; c < r->column_count; c++)
        fprintf(r->out, "%s%s", c ? "," : "", r->columns[c].key);
    fputc('\n', r->out);
}

static void head(struct output *r)
{
    if (r->format == OUTPUT_TABLE)
        table_head(r);
    else if (r->format == OUTPUT_CSV)
        csv_head(r);
    else
        member(r, r->name);
    if (r->format == OUTPUT_JSON && !(r->flags & OUTPUT_SINGLE))
        fputs("[\n", r->out);
}

static void measure(struct output *r, size_t rows)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < r->column_count; c++) {
        size_t width = r->columns[c].title ? strlen(r->columns[c].title) : 0;
        r->widths[c] = max_u64(r->widths[c], width);
        for (size_t i = 0; i < rows; i++)
            r->widths[c] = max_u64(
                r->widths[c], strlen(render(r, c, &r->cells[i * r->column_count + c], buffer)));
    }
}

/* Numbers of SHARE columns become units of print. */
static void apportion(struct output *r, size_t rows)
{
    u64 whole = r->format == OUTPUT_TABLE ? 100 * 100 : 100 * 1000000;
    u128 *parts = malloc((rows + 1) * sizeof(*parts));
    for (size_t c = 0; parts && c < r->column_count; c++) {
        if (r->columns[c].type != CELL_SHARE)
            continue;
        for (size_t i = 0; i < rows; i++)
            parts[i] = r->cells[i * r->column_count + c].number;
        r->failed |= !shares_apportion(parts, rows, whole);
        for (size_t i = 0; i < rows; i++)
            r->cells[i * r->column_count + c].number = parts[i];
    }
    r->failed |= !parts;
    free(parts);
}

static void print_row(struct output *r, const struct cell *row)
{
    if (r->format == OUTPUT_CSV) {
        csv_row(r, row);
    } else if (r->format == OUTPUT_TABLE) {
        (r->flags & OUTPUT_SINGLE ? table_lines : table_row)(r, row);
    } else {
        fputs(r->rows_out && !(r->flags & OUTPUT_SINGLE) ? ",\n" : "", r->out);
        json_row(r, row);
    }
    r->rows_out++;
}

static void forget_cells(struct output *r)
{
    for (size_t i = 0; i < r->used; i++)
        free(r->cells[i].text);
    r->used = 0;
}

static bool is_silent(const struct output *r)
{
    return r->format == OUTPUT_CSV && (r->csv_done || r->flags & OUTPUT_SINGLE);
}

static void flush_rows(struct output *r, bool first)
{
    size_t rows = r->used / r->column_count;
    if (!is_silent(r)) {
        if (!(r->flags & OUTPUT_STREAM))
            apportion(r, rows);
        if (r->format == OUTPUT_TABLE)
            measure(r, rows);
        if (first)
            head(r);
        for (size_t i = 0; i < rows; i++)
            print_row(r, r->cells + i * r->column_count);
    }
    forget_cells(r);
}

static void end_table(struct output *r)
{
    if (!r->name)
        return;
    flush_rows(r, !r->rows_out);
    if (r->format == OUTPUT_JSON && !(r->flags & OUTPUT_SINGLE))
        fputs("\n]", r->out);
    r->csv_done |= !(r->flags & OUTPUT_SINGLE);
    r->name = NULL;
}

void output_table(struct output *r, const char *name, const struct column *columns, size_t count,
                  u32 flags)
{
    end_table(r);
    r->name = name;
    r->columns = columns;
    r->column_count = count;
    r->flags = flags;
    r->rows_out = 0;
    memset(r->widths, 0, sizeof(r->widths));
}

static void put(struct output *r, struct cell cell)
{
    bool whole_rows = r->used % r->column_count == 0;
    if (r->flags & OUTPUT_STREAM && whole_rows && r->used >= STREAM_ROWS * r->column_count)
        flush_rows(r, !r->rows_out);
    if (r->used == r->capacity) {
        size_t capacity = r->capacity * 2 + 256;
        struct cell *cells = realloc(r->cells, capacity * sizeof(*cells));
        if (!cells) {
            free(cell.text);
            r->failed = true;
            return;
        }
        r->cells = cells;
        r->capacity = capacity;
    }
    r->cells[r->used++] = cell;
}

void output_text(struct output *r, const char *text)
{
    char *copy = strdup(text);
    r->failed |= !copy;
    put(r, copy ? (struct cell){.kind = TEXT, .text = copy} : (struct cell){.kind = EMPTY});
}

void output_number(struct output *r, u128 number)
{
    put(r, (struct cell){.kind = NUMBER, .number = number});
}

void output_none(struct output *r)
{
    put(r, (struct cell){.kind = EMPTY});
}

struct failure output_end(struct output *r)
{
    struct failure failure = NO_FAILURE;
    end_table(r);
    if (r->format == OUTPUT_JSON)
        fputs("}\n", r->out);
    if (r->failed)
        failure = fail(NO_SPACE, "no memory for the output's rows; ask for fewer");
    if (fflush(r->out) != 0 && errno != EPIPE)
        failure = fail_errno("cannot write the output");
    free(r->cells);
    free(r);
    return failure;
}
