/*
 * Text for HTML. Whatever comes from a trace (names, command lines, damage reports) is
 * untrusted and may only get into the page through here: markup is escaped, what is no
 * UTF-8 or would not be seen (control characters, bidirectional overrides) is replaced by U+FFFD.
 */
#ifndef ANALYSIS_REPORT_HTML_H
#define ANALYSIS_REPORT_HTML_H

#include "analysis/frame/histogram.h"

#include <stdio.h>

/* For element content and for attributes in double quotes. */
void html_text(FILE *, const char *);
/* JSON into a script element: no '<' that could end it, no broken UTF-8. */
void html_json(FILE *, const char *json, size_t length);
size_t html_json_length(const char *json, size_t length); /* that it takes there, at most */
/* Text as a JSON string there. */
void html_json_text(FILE *, const char *);
/* printf for our own markup: arguments must not come from a trace. */
void html(FILE *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Pages stay below HTML_MAX bytes: may so many more be written? `out` is a memory stream. The rest
 * is reserved for what is always said. */
enum { HTML_MAX = 3000000, HTML_RESERVED = 500000 };
bool html_has_room(FILE *out, size_t bytes);

/* A word of a shell's command line, quoted if it must be; cut if it does not fit. Not yet
 * escaped for HTML. */
enum { SHELL_WORD = 4 * 4096 + 8 };
const char *shell_word(const char *, char word[SHELL_WORD]);

/* "1 234 567", with narrow no-break spaces; 128 bits fit. */
enum { GROUPED = 96 };
const char *grouped(u128, char text[GROUPED]);

#endif
