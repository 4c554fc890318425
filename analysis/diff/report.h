/* The result of a comparison for people and for programs. */
#ifndef ANALYSIS_DIFF_REPORT_H
#define ANALYSIS_DIFF_REPORT_H

#include "analysis/diff/diff.h"

#include <stdio.h>

/* The two traces; A first. */
void diff_print_table(FILE *, const struct diff_result *, struct trace *const traces[DIFF_SIDES]);
/* One object; its keys are described in hindvisor-diff(1). */
void diff_print_json(FILE *, const struct diff_result *, struct trace *const traces[DIFF_SIDES]);

#endif
