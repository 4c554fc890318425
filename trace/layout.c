/* The schema's tables, expanded once into data. Adds no fact of its own. */
#include "trace/layout.h"

#include <string.h>

const struct kind_layout *kind_layout(u32 kind)
{
    switch (kind) {
#define F(type, field, render, coding) \
    {#field, offsetof(self, field), sizeof(type), RENDER_##render, CODING_##coding},
#define ONE(type, field, render, coding) +1
#define R(number, record, NAME, stream_, FIELDS)   \
    case number: {                                 \
        typedef struct record##_record self;       \
        static const struct kind_layout layout = { \
            .name = #record,                       \
            .stream = STREAM_##stream_,            \
            .field_count = 0 FIELDS(ONE),          \
            .size = sizeof(self),                  \
            .fields = {FIELDS(F)},                 \
        };                                         \
        return &layout;                            \
    }
        RECORDS(R)
#undef R
#undef ONE
#undef F
    default:
        return NULL;
    }
}

u32 kind_by_name(const char *name)
{
    for (u32 kind = 0; kind < REC_KIND_LIMIT; kind++) {
        const struct kind_layout *layout = kind_layout(kind);
        if (layout && !strcmp(layout->name, name))
            return kind;
    }
    return 0;
}

int field_by_name(const struct kind_layout *layout, const char *name)
{
    for (int i = 0; i < layout->field_count; i++) {
        if (!strcmp(layout->fields[i].name, name))
            return i;
    }
    return -1;
}

u64 field_get(const struct field_layout *field, const void *record)
{
    u64 value = 0;
    memcpy(&value, (const u8 *)record + field->offset, field->width);
    return value;
}

void field_set(const struct field_layout *field, void *record, u64 value)
{
    memcpy((u8 *)record + field->offset, &value, field->width);
}
