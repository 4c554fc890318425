/* Renders records from the schema's tables; no kind of record is named here. */
#include "trace/render.h"
#include "trace/names.h"
#include "trace/stream.h"

#include <inttypes.h>
#include <string.h>

void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        u8 c = (u8)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void render_text(FILE *out, const struct rendered *item)
{
    const struct kind_layout *layout = kind_layout(item->record->kind);
    char buffer[NAME_MAX_LENGTH];
    fprintf(out, "%10" PRIu64 " %-9s", item->exit, layout->name);
    for (u32 i = 0; i < layout->field_count; i++) {
        const struct field_layout *field = &layout->fields[i];
        u64 value = field_get(field, item->record);
        const char *name = name_value(field->render, value, buffer);
        if (!strcmp(field->name, "exit"))
            continue;
        if (name)
            fprintf(out, " %s", name);
        else if (field->render == RENDER_HEX)
            fprintf(out, " %s=0x%" PRIx64, field->name, value);
        else
            fprintf(out, " %s=%" PRIu64, field->name, value);
    }
    fputc('\n', out);
}

/* Numbers stay numbers; a field with names also gets FIELD_name. */
static void json_field(FILE *out, const struct field_layout *field, u64 value)
{
    char buffer[NAME_MAX_LENGTH];
    const char *name = name_value(field->render, value, buffer);
    fprintf(out, ",\"%s\":%" PRIu64, field->name, value);
    if (name) {
        fprintf(out, ",\"%s_name\":", field->name);
        json_string(out, name);
    }
}

void render_json(FILE *out, const struct rendered *item)
{
    const struct kind_layout *layout = kind_layout(item->record->kind);
    fprintf(out, "{\"kind\":\"%s\",\"stream\":\"%s\",\"exit\":%" PRIu64, layout->name,
            stream_names[item->stream], item->exit);
    for (u32 i = 0; i < layout->field_count; i++) {
        const struct field_layout *field = &layout->fields[i];
        if (strcmp(field->name, "exit"))
            json_field(out, field, field_get(field, item->record));
    }
    fputs("}\n", out);
}

/* --- CSV ------------------------------------------------------------------------------- */

enum { COLUMNS_MAX = 64 };

static bool is_known(const char *const *names, u32 count, const char *name)
{
    for (u32 i = 0; i < count; i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

/* Every field name of the schema but `exit`, once, in the order it first appears. */
static u32 csv_columns(const char *names[COLUMNS_MAX])
{
    u32 count = 0;
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        for (u32 i = 0; layout && i < layout->field_count && count < COLUMNS_MAX; i++) {
            const char *name = layout->fields[i].name;
            if (strcmp(name, "exit") && !is_known(names, count, name))
                names[count++] = name;
        }
    }
    return count;
}

void render_csv_header(FILE *out)
{
    const char *names[COLUMNS_MAX];
    u32 count = csv_columns(names);
    fputs("kind,stream,exit", out);
    for (u32 i = 0; i < count; i++)
        fprintf(out, ",%s", names[i]);
    fputc('\n', out);
}

static void csv_value(FILE *out, const struct field_layout *field, u64 value)
{
    char buffer[NAME_MAX_LENGTH];
    const char *name = name_value(field->render, value, buffer);
    if (name)
        fprintf(out, "%s", name);
    else if (field->render == RENDER_HEX)
        fprintf(out, "0x%" PRIx64, value);
    else
        fprintf(out, "%" PRIu64, value);
}

void render_csv(FILE *out, const struct rendered *item)
{
    const struct kind_layout *layout = kind_layout(item->record->kind);
    static const char *names[COLUMNS_MAX];
    static u32 count;
    if (!count)
        count = csv_columns(names);
    fprintf(out, "%s,%s,%" PRIu64, layout->name, stream_names[item->stream], item->exit);
    for (u32 i = 0; i < count; i++) {
        int field = field_by_name(layout, names[i]);
        fputc(',', out);
        if (field >= 0)
            csv_value(out, &layout->fields[field], field_get(&layout->fields[field], item->record));
    }
    fputc('\n', out);
}
