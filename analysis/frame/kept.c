/* Tables in memory; see kept.h. */
#include "analysis/frame/kept.h"

#include <stdlib.h>
#include <string.h>

/* --- making ----------------------------------------------------------------------------------- */

bool kept_begin(struct kept *kept, const char *name, const struct column *columns, size_t count)
{
    struct kept_table *tables = realloc(kept->tables, (kept->count + 1) * sizeof(*tables));
    struct column *copy = malloc((count + 1) * sizeof(*copy));
    if (tables)
        kept->tables = tables;
    if (!tables || !copy) {
        free(copy);
        return false;
    }
    memcpy(copy, columns, count * sizeof(*copy));
    tables[kept->count++] =
        (struct kept_table){.name = name, .columns = copy, .column_count = count};
    return true;
}

static bool reserve(struct kept_table *table, size_t cells)
{
    size_t used = table->row_count * table->column_count, capacity = table->capacity;
    if (used + cells <= capacity)
        return true;
    capacity = capacity * 2 + cells;
    struct cell *grown = realloc(table->cells, capacity * sizeof(*grown));
    if (!grown)
        return false;
    table->cells = grown;
    table->capacity = capacity;
    return true;
}

bool kept_rows(struct kept *kept, struct cell *cells, size_t rows)
{
    struct kept_table *table = kept->count ? &kept->tables[kept->count - 1] : NULL;
    size_t count = table ? rows * table->column_count : 0;
    if (!table || !reserve(table, count))
        return false;
    if (count)
        memcpy(table->cells + table->row_count * table->column_count, cells,
               count * sizeof(*cells));
    for (size_t i = 0; i < count; i++)
        cells[i].text = NULL;
    table->row_count += rows;
    return true;
}

void kept_free(struct kept *kept)
{
    for (size_t t = 0; t < kept->count; t++) {
        struct kept_table *table = &kept->tables[t];
        for (size_t i = 0; i < table->row_count * table->column_count; i++)
            free(table->cells[i].text);
        free(table->cells);
        free((void *)table->columns);
    }
    free(kept->tables);
    *kept = (struct kept){0};
}

/* --- reading ---------------------------------------------------------------------------------- */

const struct kept_table *kept_table(const struct kept *kept, const char *name)
{
    for (size_t t = 0; t < kept->count; t++) {
        if (!strcmp(kept->tables[t].name, name))
            return &kept->tables[t];
    }
    return NULL;
}

int kept_column(const struct kept_table *table, const char *key)
{
    for (size_t c = 0; c < table->column_count; c++) {
        if (!strcmp(table->columns[c].key, key))
            return (int)c;
    }
    return KEPT_NONE;
}

static const struct cell *find(const struct kept_table *table, size_t row, const char *key)
{
    int column = kept_column(table, key);
    return column < 0 || row >= table->row_count
               ? NULL
               : &table->cells[row * table->column_count + (size_t)column];
}

u128 kept_number(const struct kept_table *table, size_t row, const char *key)
{
    const struct cell *cell = find(table, row, key);
    return cell && cell->kind == CELL_NUMBER ? cell->number : 0;
}

s128 kept_signed(const struct kept_table *table, size_t row, const char *key)
{
    const struct cell *cell = find(table, row, key);
    if (cell && cell->kind == CELL_NEGATIVE)
        return (s128)-cell->number;
    return (s128)kept_number(table, row, key);
}

const char *kept_text(const struct kept_table *table, size_t row, const char *key)
{
    const struct cell *cell = find(table, row, key);
    return cell && cell->kind == CELL_WORDS ? cell->text : "";
}

bool kept_has(const struct kept_table *table, size_t row, const char *key)
{
    const struct cell *cell = find(table, row, key);
    return cell && cell->kind != CELL_EMPTY;
}
