/* CSV (RFC 4180): a directory with a file for each kind of record and guest event, its fields as
 * columns. Addresses and bit fields are in hexadecimal, everything else is decimal. */
#include "trace/export/export.h"

#include <inttypes.h>

struct csv {
    FILE *files[CLASS_LIMIT]; /* classes of one name share the first one's */
};

/* The first class with the table's name: injections of both kinds go into one. */
static u32 table_of(const struct export_class *class)
{
    return class->id == CLASS_EXCEPTION ? REC_INJECTION : class->id;
}

static void file_name(const struct export_class *class, char name[NAME_MAX_LENGTH])
{
    snprintf(name, NAME_MAX_LENGTH, "%s.csv", class->name);
}

static void put_header(FILE *out, const struct export_class *class)
{
    fputs("exit,guest_ns,exact", out);
    for (u32 i = 0; i < class->field_count; i++) {
        const struct export_field *field = &class->fields[i];
        if (!field->name)
            continue;
        fprintf(out, ",%s", field->name);
        if (export_has_words(field))
            fprintf(out, ",%s_name", field->name);
    }
    fputs("\r\n", out);
}

/* A file for every record kind, so that there is one where nothing happened. */
static bool begin(struct export *x)
{
    struct csv *csv = x->state;
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        const struct export_class *class = export_class(id);
        char name[NAME_MAX_LENGTH];
        if (!export_has_class(x, id) || id == CLASS_ENTRY || table_of(class) != id)
            continue;
        file_name(class, name);
        csv->files[id] = export_open(x, name);
        if (!csv->files[id])
            return false;
        put_header(csv->files[id], class);
    }
    return true;
}

static void put_text(FILE *out, const char *text)
{
    fputs(",\"", out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_field(FILE *out, const struct export_field *field, const struct export_item *item)
{
    char buffer[NAME_MAX_LENGTH];
    if (!field->width) {
        put_text(out, export_text(field, item));
        return;
    }
    u64 value = export_number(field, item);
    if (field->is_signed)
        fprintf(out, ",%" PRId64, (i64)value);
    else
        fprintf(out, field->render == RENDER_HEX ? ",0x%" PRIx64 : ",%" PRIu64, value);
    if (export_has_words(field))
        fprintf(out, ",%s", export_words(field, value, buffer));
}

static bool put(struct export *x, const struct export_item *item)
{
    struct csv *csv = x->state;
    const struct export_class *class = export_class_of(item);
    if (class->id == CLASS_ENTRY) /* in the exit's own tsc_entry */
        return true;
    FILE *out = csv->files[table_of(class)];
    fprintf(out, "%" PRIu64 ",%" PRIu64 ",%d", item->exit, item->ns, item->exact);
    for (u32 i = 0; i < class->field_count; i++) {
        if (class->fields[i].name)
            put_field(out, &class->fields[i], item);
    }
    fputs("\r\n", out);
    return !ferror(out) || export_fail(x, fail_errno("%.300s: cannot write it", x->place.path));
}

static bool close_all(struct export *x)
{
    struct csv *csv = x->state;
    bool good = true;
    for (u32 id = 0; id < CLASS_LIMIT; id++) {
        FILE *file = csv->files[id];
        csv->files[id] = NULL;
        if (file)
            good = export_close(x, file, export_class(id)->name) && good;
    }
    return good;
}

static void drop(struct export *x)
{
    close_all(x);
}

const struct export_format format_csv = {
    .name = "csv",
    .what = "a directory with one CSV file for each kind of record",
    .shape = SHAPE_DIRECTORY,
    .state_size = sizeof(struct csv),
    .begin = begin,
    .put = put,
    .end = close_all,
    .drop = drop,
};
