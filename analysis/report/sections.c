/* The sections that are a few tables and plots each, and what all of them share; see sections.h. */
#include "analysis/report/sections.h"
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "analysis/report/tasks.h"

#include <string.h>

/* --- shared parts ----------------------------------------------------------------------------- */

void write_lack(FILE *out, const char *words)
{
    html(out, "<p class=\"lacks\">%s</p>\n", words);
}

void write_why_not(FILE *out, const struct answer *answer)
{
    if (!answer || !answer->failure.code) {
        write_lack(out, "The trace has none.");
        return;
    }
    html(out, "<p class=\"lacks\">");
    html_text(out, answer->failure.text);
    html(out, "</p>\n");
}

void write_answer(FILE *out, const struct findings *f, const struct answer *answer, const char *id,
                  const char *caption)
{
    if (answer_table(answer, NULL))
        draw_table(out, f, answer_table(answer, NULL), id, caption);
    else
        write_why_not(out, answer);
    draw_source(out, f, answer);
}

/* The curves of a histogram's own table. */
static void write_curves(FILE *out, const struct findings *f, const struct answer *answer,
                         const char *id, const char *title)
{
    if (answer_table(answer, NULL))
        draw_percentiles(out, f, answer_table(answer, NULL), id, title);
    else
        write_why_not(out, answer);
    draw_source(out, f, answer);
}

/* --- exits ------------------------------------------------------------------------------------ */

static void exits_by(FILE *out, const struct findings *f, const char *by, const char *title)
{
    const struct answer *answer = findings_answer(f, "exits", "stats", by);
    char id[32];
    if (!answer_table(answer, NULL) && !answer->failure.code)
        return;
    snprintf(id, sizeof(id), "exits-%s", by);
    bool open = f->looked && !strcmp(by, "rip"); /* with names and instructions */
    html(out, "<details%s><summary>%s</summary>\n", open ? " open" : "", title);
    write_answer(out, f, answer, id, title);
    html(out, "</details>\n");
}

void section_exits(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "exits", "stats", "reason");
    if (answer_table(answer, NULL)) {
        draw_table(out, f, answer_table(answer, NULL), "exits-reason", "Exits by reason");
        draw_table(out, f, kept_table(&answer->kept, "time"), "exits-time", "Where the time went");
    } else {
        write_why_not(out, answer);
    }
    draw_source(out, f, answer);
    exits_by(out, f, "port", "By port");
    exits_by(out, f, "msr", "By MSR");
    exits_by(out, f, "gpa", "By device address");
    exits_by(out, f, "rip", "By instruction");
}

void section_latency(FILE *out, const struct findings *f)
{
    write_curves(out, f, findings_answer(f, "exits", "histogram", "reason"), "latency-curves",
                 "Exit latency by percentile");
}

void section_timeline(FILE *out, const struct findings *f)
{
    const struct answer *freq = findings_answer(f, "exits", "freq", NULL);
    const struct answer *activity = findings_answer(f, "exits", "activity", NULL);
    if (answer_table(freq, NULL))
        draw_exits_over_time(out, f, answer_table(freq, NULL));
    else
        write_why_not(out, freq);
    draw_source(out, f, freq);
    if (answer_table(activity, NULL))
        draw_handling(out, f, answer_table(activity, NULL));
    else
        write_why_not(out, activity);
    draw_source(out, f, activity);
    tasks_draw(out, f);
}

/* --- devices and interrupts ------------------------------------------------------------------- */

void section_devices(FILE *out, const struct findings *f)
{
    write_answer(out, f, findings_answer(f, "io", "top", NULL), "io-top", "Accesses to devices");
}

void section_interrupts(FILE *out, const struct findings *f)
{
    write_answer(out, f, findings_answer(f, "interrupts", "stats", NULL), "interrupts-vectors",
                 "Injected events by vector");
    write_curves(out, f, findings_answer(f, "interrupts", "histogram", NULL), "interrupts-curves",
                 "From injection to EOI by percentile");
}

/* --- the scheduler, and the worst of all ------------------------------------------------------ */

static void wakeup_curves(FILE *out, const struct findings *f, const struct answer *answer)
{
    write_curves(out, f, answer, "scheduler-curves", "Waits for the CPU by percentile");
    if (answer_table(answer, "wakeups"))
        draw_percentiles(out, f, answer_table(answer, "wakeups"), "scheduler-wakeups",
                         "From wakeup to run, tasks with the most wakeups");
}

void section_scheduler(FILE *out, const struct findings *f)
{
    const struct answer *tasks = findings_answer(f, "scheduler", "latency", NULL);
    if (f->kernel.code) {
        html(out, "<p class=\"lacks\">Nothing is known of the guest's tasks: ");
        html_text(out, f->kernel.text);
        html(out, ".</p>\n");
        return;
    }
    if (answer_table(tasks, "time"))
        draw_table(out, f, answer_table(tasks, "time"), "scheduler-time", "Where guest time went");
    write_answer(out, f, tasks, "scheduler-tasks", "Tasks by run time");
    wakeup_curves(out, f, findings_answer(f, "scheduler", "histogram", NULL));
}

void section_worst(FILE *out, const struct findings *f)
{
    write_answer(out, f, findings_answer(f, "exits", "worst", NULL), "exits-worst",
                 "Longest handling of exits");
    if (!f->kernel.code)
        write_answer(out, f, findings_answer(f, "scheduler", "worst", NULL), "scheduler-worst",
                     "Longest waits for the CPU");
}
