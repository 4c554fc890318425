/* The vCPU and the guest's tasks over guest time. */
#ifndef ANALYSIS_REPORT_TASKS_H
#define ANALYSIS_REPORT_TASKS_H

#include "analysis/report/findings.h"

/* A lane for the vCPU, and if the guest's kernel is known one for each of its busiest tasks, and
 * one for all others. */
void tasks_draw(FILE *, const struct findings *);

#endif
