/* The report as one HTML document. */
#ifndef ANALYSIS_REPORT_PAGE_H
#define ANALYSIS_REPORT_PAGE_H

#include "analysis/report/findings.h"

/* Writes the document to a memory stream; below HTML_MAX bytes for any trace (html.h). */
void page_write(FILE *, const struct findings *);

/* "2026-01-31 12:00:00 UTC", when the trace was recorded. */
enum { PAGE_DATE = 40 };
void page_created(const struct findings *, char text[PAGE_DATE]);

/* How whole the data is, by the checks of quality.c. */
enum grade { GRADE_GOOD, GRADE_NOTE, GRADE_BAD };
/* The worst of them. */
enum grade quality_grade(const struct findings *);

/* page.css and page.js, built in (assets.c). */
extern const char page_css[], page_css_end[], page_js[], page_js_end[];

#endif
