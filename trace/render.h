/* One record as text, a JSON line or a CSV row. */
#ifndef TRACE_RENDER_H
#define TRACE_RENDER_H

#include "trace/layout.h"

#include <stdio.h>

/* A record with what its place in the trace says. */
struct rendered {
    const union record *record;
    u64 exit;
    enum stream stream;
};

void render_text(FILE *, const struct rendered *);
void render_json(FILE *, const struct rendered *);
/* A column for each field name of the schema; empty where the kind has no such field. */
void render_csv_header(FILE *);
void render_csv(FILE *, const struct rendered *);
/* The text in double quotes, escaped as JSON wants it. */
void json_string(FILE *, const char *text);

#endif
