/* The report as one HTML document. */
#ifndef ANALYSIS_REPORT_PAGE_H
#define ANALYSIS_REPORT_PAGE_H

#include "analysis/report/findings.h"

/* Writes the document to a memory stream; below HTML_MAX bytes for any trace (html.h). */
void page_write(FILE *, const struct findings *);

/* How whole the data is: a row for each check of quality.c. */
enum grade { GRADE_GOOD, GRADE_NOTE, GRADE_BAD };
void quality_write(FILE *, const struct findings *);
/* The worst of them. */
enum grade quality_grade(const struct findings *);

/* page.css and page.js, built in (assets.c). */
extern const char page_css[], page_css_end[], page_js[], page_js_end[];

#endif
