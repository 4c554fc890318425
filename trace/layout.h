/*
 * The record schema as data: for each kind its fields with offset, width,
 * rendering and coding, generated from trace/schema.h. The codec, the dumps and
 * the tests walk these tables instead of naming records.
 */
#ifndef TRACE_LAYOUT_H
#define TRACE_LAYOUT_H

#include "trace/schema.h"

/* How the block codec predicts a column. Numbers are part of the format; columns of a kind are
 * coded in the order of these numbers, then in the order of the schema. See trace/columns.c. */
#define CODINGS(C) \
    C(0, PLAIN)    \
    C(1, DELTA)    \
    C(2, PATH)     \
    C(3, PLACE)    \
    C(4, COUNT)    \
    C(5, VALUE)    \
    C(6, LATENCY)  \
    C(7, TSC)      \
    C(8, AT_RIP)   \
    C(9, AT_COUNT) \
    C(10, AT_VALUE)

#define C(number, name) CODING_##name = number,
enum coding { CODINGS(C) CODING_LIMIT };
#undef C

enum render {
    RENDER_DEC,
    RENDER_HEX,
    RENDER_REASON,
    RENDER_ARRIVAL,
    RENDER_END,
    RENDER_INTERRUPTION,
    RENDER_SOURCE,
};

struct field_layout {
    const char *name;
    u16 offset;
    u8 width; /* bytes: 1, 2, 4 or 8 */
    u8 render;
    u8 coding;
};

enum { FIELDS_MAX = 16 };

struct kind_layout {
    const char *name;
    u8 stream;
    u8 field_count;
    u16 size;
    struct field_layout fields[FIELDS_MAX];
};

/* NULL for a kind that does not exist. */
const struct kind_layout *kind_layout(u32 kind);
/* Number of the kind with this name, 0: none. */
u32 kind_by_name(const char *name);
/* Index of the field with this name, -1: none. */
int field_by_name(const struct kind_layout *, const char *name);
u64 field_get(const struct field_layout *, const void *record);
void field_set(const struct field_layout *, void *record, u64 value);

#endif
