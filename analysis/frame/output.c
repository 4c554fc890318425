/*
 * Tables as text, JSON and CSV; see output.h. A table's cells are kept until its
 * end, because widths and shares depend on all of them; a streamed table is flushed
 * every STREAM_ROWS rows and keeps the widths that it has.
 */
#include "analysis/frame/kept.h"
#include "analysis/frame/shares.h"
#include "trace/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_ROWS = 512, COLUMNS_MAX = 64, CELL_LENGTH = 48, WIDE_DIGITS = 40 };

struct output {
    FILE *file;
    struct kept *kept; /* OUTPUT_KEPT */
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

struct output *output_new(FILE *file, enum output_format format)
{
    struct output *out = calloc(1, sizeof(*out));
    if (!out)
        return NULL;
    out->file = file;
    out->format = format;
    if (format == OUTPUT_JSON)
        fputc('{', file);
    return out;
}

struct output *output_new_kept(struct kept *kept)
{
    struct output *out = output_new(NULL, OUTPUT_KEPT);
    if (out)
        out->kept = kept;
    return out;
}

enum output_format output_format(const struct output *out)
{
    return out->format;
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

static void member(struct output *out, const char *key)
{
    fputs(out->has_members ? ",\n" : "", out->file);
    out->has_members = true;
    json_string(out->file, key);
    fputc(':', out->file);
}

void output_fact(struct output *out, const char *key, const char *text)
{
    if (out->format == OUTPUT_TABLE)
        fprintf(out->file, "%-15s %s\n", key, text);
    if (out->format != OUTPUT_JSON)
        return;
    member(out, key);
    json_string(out->file, text);
}

void output_fact_number(struct output *out, const char *key, u128 value)
{
    char buffer[WIDE_DIGITS + 1];
    if (out->format == OUTPUT_TABLE)
        fprintf(out->file, "%-15s %s\n", key, wide(value, buffer));
    if (out->format != OUTPUT_JSON)
        return;
    member(out, key);
    fputs(wide(value, buffer), out->file);
}

void output_object(struct output *out, const char *key)
{
    if (out->format != OUTPUT_JSON)
        return;
    member(out, key);
    fputc('{', out->file);
    out->has_members = false;
}

void output_object_end(struct output *out)
{
    if (out->format != OUTPUT_JSON)
        return;
    fputc('}', out->file);
    out->has_members = true;
}

/* --- cells to text ----------------------------------------------------------------------- */

static u32 share_decimals(const struct output *out)
{
    return out->format == OUTPUT_TABLE ? 2 : 6;
}

static void render_share(const struct output *out, u128 units, char *to)
{
    u64 scale = out->format == OUTPUT_TABLE ? 100 : 1000000;
    snprintf(to, CELL_LENGTH, "%llu.%0*llu%s", (unsigned long long)(units / scale),
             (int)share_decimals(out), (unsigned long long)(units % scale),
             out->format == OUTPUT_TABLE ? "%" : "");
}

static bool is_signed(enum cell_type type)
{
    return type == CELL_AHEAD || type == CELL_SIGNED;
}

/* Tables show a plus as well. */
static void render_signed(const struct output *out, const struct cell *cell, char *to)
{
    char digits[WIDE_DIGITS + 1];
    bool plus = out->format == OUTPUT_TABLE && cell->number;
    snprintf(to, CELL_LENGTH, "%s%s",
             cell->kind == CELL_NEGATIVE ? "-"
             : plus                      ? "+"
                                         : "",
             wide(cell->number, digits));
}

/* The cell as the format shows it, without quotes. */
static const char *render(const struct output *out, size_t column, const struct cell *cell,
                          char buffer[CELL_LENGTH])
{
    if (cell->kind == CELL_WORDS)
        return cell->text;
    if (cell->kind == CELL_EMPTY)
        return out->format == OUTPUT_TABLE ? "-" : out->format == OUTPUT_JSON ? "null" : "";
    enum cell_type type = out->columns[column].type;
    if (type == CELL_SHARE)
        render_share(out, cell->number, buffer);
    else if (type == CELL_HEX)
        snprintf(buffer, CELL_LENGTH, "0x%llx", (unsigned long long)cell->number);
    else if (is_signed(type))
        render_signed(out, cell, buffer);
    else
        return wide(cell->number, buffer);
    return buffer;
}

static bool is_quoted(const struct output *out, size_t column, const struct cell *cell)
{
    return cell->kind == CELL_WORDS ||
           (cell->kind == CELL_NUMBER && out->columns[column].type == CELL_HEX);
}

/* --- rows -------------------------------------------------------------------------------- */

static void json_row(struct output *out, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < out->column_count; c++) {
        const char *text = render(out, c, &row[c], buffer);
        fputs(c ? "," : "{", out->file);
        json_string(out->file, out->columns[c].key);
        fputc(':', out->file);
        if (is_quoted(out, c, &row[c]))
            json_string(out->file, text);
        else
            fputs(text, out->file);
    }
    fputc('}', out->file);
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

static void csv_row(struct output *out, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < out->column_count; c++) {
        if (c)
            fputc(',', out->file);
        csv_text(out->file, render(out, c, &row[c], buffer));
    }
    fputc('\n', out->file);
}

static void table_cell(struct output *out, size_t column, const char *text, bool first)
{
    int width = (int)out->widths[column];
    bool left = out->columns[column].type == CELL_TEXT;
    fprintf(out->file, left ? "%s%-*s" : "%s%*s", first ? "" : "  ", width, text);
}

static void table_row(struct output *out, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    bool first = true;
    for (size_t c = 0; c < out->column_count; c++) {
        if (!out->columns[c].title)
            continue;
        table_cell(out, c, render(out, c, &row[c], buffer), first);
        first = false;
    }
    fputc('\n', out->file);
}

/* One row of a single table: a line a cell. */
static void table_lines(struct output *out, const struct cell *row)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < out->column_count; c++) {
        if (out->columns[c].title)
            fprintf(out->file, "%-28s %20s\n", out->columns[c].title,
                    render(out, c, &row[c], buffer));
    }
}

/* --- tables ------------------------------------------------------------------------------ */

static void table_head(struct output *out)
{
    bool first = true;
    fputc('\n', out->file);
    for (size_t c = 0; c < out->column_count && !(out->flags & OUTPUT_SINGLE); c++) {
        if (!out->columns[c].title)
            continue;
        table_cell(out, c, out->columns[c].title, first);
        first = false;
    }
    if (!first)
        fputc('\n', out->file);
}

static void csv_head(struct output *out)
{
    for (size_t c = 0; c < out->column_count; c++)
        fprintf(out->file, "%s%s", c ? "," : "", out->columns[c].key);
    fputc('\n', out->file);
}

static void head(struct output *out)
{
    if (out->format == OUTPUT_TABLE)
        table_head(out);
    else if (out->format == OUTPUT_CSV)
        csv_head(out);
    else
        member(out, out->name);
    if (out->format == OUTPUT_JSON && !(out->flags & OUTPUT_SINGLE))
        fputs("[\n", out->file);
}

static void measure(struct output *out, size_t rows)
{
    char buffer[CELL_LENGTH];
    for (size_t c = 0; c < out->column_count; c++) {
        size_t width = out->columns[c].title ? strlen(out->columns[c].title) : 0;
        out->widths[c] = max_u64(out->widths[c], width);
        for (size_t i = 0; i < rows; i++)
            out->widths[c] =
                max_u64(out->widths[c],
                        strlen(render(out, c, &out->cells[i * out->column_count + c], buffer)));
    }
}

/* Numbers of SHARE columns become units of print. */
static void apportion(struct output *out, size_t rows)
{
    u64 whole = out->format == OUTPUT_TABLE ? 100 * 100 : 100 * 1000000;
    u128 *parts = malloc((rows + 1) * sizeof(*parts));
    for (size_t c = 0; parts && c < out->column_count; c++) {
        if (out->columns[c].type != CELL_SHARE)
            continue;
        for (size_t i = 0; i < rows; i++)
            parts[i] = out->cells[i * out->column_count + c].number;
        out->failed |= !shares_apportion(parts, rows, whole);
        for (size_t i = 0; i < rows; i++)
            out->cells[i * out->column_count + c].number = parts[i];
    }
    out->failed |= !parts;
    free(parts);
}

static void print_row(struct output *out, const struct cell *row)
{
    if (out->format == OUTPUT_CSV) {
        csv_row(out, row);
    } else if (out->format == OUTPUT_TABLE) {
        (out->flags & OUTPUT_SINGLE ? table_lines : table_row)(out, row);
    } else {
        fputs(out->rows_out && !(out->flags & OUTPUT_SINGLE) ? ",\n" : "", out->file);
        json_row(out, row);
    }
    out->rows_out++;
}

static void forget_cells(struct output *out)
{
    for (size_t i = 0; i < out->used; i++)
        free(out->cells[i].text);
    out->used = 0;
}

static bool is_silent(const struct output *out)
{
    return out->format == OUTPUT_CSV && (out->csv_done || out->flags & OUTPUT_SINGLE);
}

static void keep_rows(struct output *out, size_t rows)
{
    out->failed = out->failed || !kept_rows(out->kept, out->cells, rows);
    out->rows_out += rows;
}

static void print_rows(struct output *out, size_t rows, bool first)
{
    if (out->format == OUTPUT_TABLE)
        measure(out, rows);
    if (first)
        head(out);
    for (size_t i = 0; i < rows; i++)
        print_row(out, out->cells + i * out->column_count);
}

static void flush_rows(struct output *out, bool first)
{
    size_t rows = out->used / out->column_count;
    if (!is_silent(out)) {
        if (!(out->flags & OUTPUT_STREAM))
            apportion(out, rows);
        if (out->format == OUTPUT_KEPT)
            keep_rows(out, rows);
        else
            print_rows(out, rows, first);
    }
    forget_cells(out);
}

static void end_table(struct output *out)
{
    if (!out->name)
        return;
    flush_rows(out, !out->rows_out);
    if (out->format == OUTPUT_JSON && !(out->flags & OUTPUT_SINGLE))
        fputs("\n]", out->file);
    out->csv_done |= !(out->flags & OUTPUT_SINGLE);
    out->name = NULL;
}

void output_table(struct output *out, const char *name, const struct column *columns, size_t count,
                  u32 flags)
{
    end_table(out);
    if (count > COLUMNS_MAX)
        abort(); /* a view of ours: there is no way to print it right */
    out->name = name;
    out->columns = columns;
    out->column_count = count;
    out->flags = flags;
    out->rows_out = 0;
    memset(out->widths, 0, sizeof(out->widths));
    if (out->format == OUTPUT_KEPT)
        out->failed |= !kept_begin(out->kept, name, columns, count);
}

static void put(struct output *out, struct cell cell)
{
    bool whole_rows = out->used % out->column_count == 0;
    if (out->flags & OUTPUT_STREAM && whole_rows && out->used >= STREAM_ROWS * out->column_count)
        flush_rows(out, !out->rows_out);
    if (out->used == out->capacity) {
        size_t capacity = out->capacity * 2 + 256;
        struct cell *cells = realloc(out->cells, capacity * sizeof(*cells));
        if (!cells) {
            free(cell.text);
            out->failed = true;
            return;
        }
        out->cells = cells;
        out->capacity = capacity;
    }
    out->cells[out->used++] = cell;
}

void output_text(struct output *out, const char *text)
{
    char *copy = strdup(text);
    out->failed |= !copy;
    put(out,
        copy ? (struct cell){.kind = CELL_WORDS, .text = copy} : (struct cell){.kind = CELL_EMPTY});
}

void output_number(struct output *out, u128 number)
{
    put(out, (struct cell){.kind = CELL_NUMBER, .number = number});
}

void output_signed(struct output *out, s128 number)
{
    if (number < 0)
        put(out, (struct cell){.kind = CELL_NEGATIVE, .number = -(u128)number});
    else
        output_number(out, (u128)number);
}

void output_none(struct output *out)
{
    put(out, (struct cell){.kind = CELL_EMPTY});
}

void output_name(struct output *out, const char *text)
{
    if (text && text[0])
        output_text(out, text);
    else
        output_none(out);
}

void output_number_if(struct output *out, bool applies, u128 number)
{
    if (applies)
        output_number(out, number);
    else
        output_none(out);
}

void output_signed_if(struct output *out, bool applies, s128 number)
{
    if (applies)
        output_signed(out, number);
    else
        output_none(out);
}

void output_spread(struct output *out, const struct histogram *h)
{
    static const u32 permille[] = {500, 900, 990, 999};
    if (!h->count) {
        for (size_t i = 0; i < 3 + ARRAY_SIZE(permille); i++)
            output_none(out);
        return;
    }
    output_number(out, h->min);
    output_number(out, h->max);
    output_number(out, histogram_mean(h));
    for (size_t i = 0; i < ARRAY_SIZE(permille); i++)
        output_number(out, histogram_quantile(h, permille[i], 1000));
}

struct failure output_end(struct output *out)
{
    struct failure failure = NO_FAILURE;
    end_table(out);
    if (out->format == OUTPUT_JSON)
        fputs("}\n", out->file);
    if (out->failed)
        failure = fail(NO_SPACE, "no memory for the output's rows; ask for fewer");
    if (out->file && fflush(out->file) != 0 && errno != EPIPE)
        failure = fail_errno("cannot write the output");
    free(out->cells);
    free(out);
    return failure;
}
