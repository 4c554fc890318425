/* What fuzzers of views share: a view prints what it holds, and what it saves must load and print
 * the same. */
#ifndef TESTS_FUZZ_VIEWS_H
#define TESTS_FUZZ_VIEWS_H

#include "analysis/frame/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

/* As JSON, malloc'ed. */
static inline char *view_print(const struct view *view, const void *state,
                               const struct query *query)
{
    char *text = NULL;
    size_t length;
    FILE *file = open_memstream(&text, &length);
    struct output *out = file ? output_new(file, OUTPUT_JSON) : NULL;
    require(out);
    view->tell(state, query, out);
    output_end(out);
    fclose(file);
    return text;
}

static inline void view_reload(const struct view *view, const void *state,
                               const struct query *query)
{
    struct pack pack = {0};
    view->save(state, &pack);
    struct unpack unpack = {.data = pack.data, .length = pack.length};
    void *again = view->begin(query);
    require(again && !pack.failed);
    view->load(again, &unpack);
    require(!unpack.wrong && unpack.at == unpack.length);
    char *first = view_print(view, state, query), *second = view_print(view, again, query);
    require(!strcmp(first, second));
    free(first);
    free(second);
    view->end(again);
    free(pack.data);
}

#endif
