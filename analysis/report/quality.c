/* How whole the data of a report is: what is missing, damaged, dropped or partial. */
#include "analysis/report/html.h"
#include "analysis/report/page.h"
#include "analysis/report/sections.h"
#include "analysis/views.h"
#include "trace/manifest.h"

#include <inttypes.h>
#include <string.h>

struct check {
    enum grade grade;
    const char *what;
    char words[600]; /* may hold text from the trace */
};

/* --- the checks ------------------------------------------------------------------------------- */

static void check_end(const struct findings *f, struct check *c)
{
    c->what = "Recording";
    c->grade = f->manifest.finished == TRACE_FINISHED ? GRADE_GOOD : GRADE_BAD;
    const char *words = "It is whole: it ends with the guest's end.";
    if (f->manifest.finished == TRACE_CUT)
        words = "It was cut: it ends before the guest did, and replays up to there.";
    else if (f->manifest.finished != TRACE_FINISHED)
        words = "It is unfinished: still being recorded, or killed. What was written is here; "
                "`hindvisor repair` closes it.";
    snprintf(c->words, sizeof(c->words), "%s", words);
}

static void check_blocks(const struct findings *f, struct check *c)
{
    const struct result *r = &f->covered;
    u64 missing = result_missing(r);
    c->what = "Blocks";
    c->grade = missing ? GRADE_BAD : GRADE_GOOD;
    if (missing)
        snprintf(c->words, sizeof(c->words),
                 "%" PRIu64 " of %" PRIu64 " could not be read: all numbers here lack them. %s",
                 missing, r->range_chunks, r->damage);
    else
        snprintf(c->words, sizeof(c->words), "All %" PRIu64 " were read, with good checksums.",
                 r->range_chunks);
}

static void check_torn(const struct findings *f, struct check *c)
{
    u64 torn = f->totals[STREAM_INPUT].torn + f->totals[STREAM_OBSERVATION].torn;
    c->what = "Torn end";
    c->grade = torn ? GRADE_BAD : GRADE_GOOD;
    if (torn)
        snprintf(c->words, sizeof(c->words),
                 "%" PRIu64 " bytes after the last whole block are not read.", torn);
    else
        snprintf(c->words, sizeof(c->words), "No bytes after the last whole block.");
}

static void check_images(const struct findings *f, struct check *c)
{
    c->what = "Guest images";
    c->grade = f->images.code ? GRADE_BAD : GRADE_GOOD;
    snprintf(c->words, sizeof(c->words), "%s",
             f->images.code ? f->images.text : "Their copies have the size and SHA-256 recorded.");
}

static void check_stamps(const struct findings *f, struct check *c)
{
    const struct answer *stats = findings_answer(f, "exits", "stats", "reason");
    const struct kept_table *totals = answer_table(stats, "totals");
    u64 untimed = totals ? (u64)kept_number(totals, 0, "untimed") : 0;
    u64 back = totals ? (u64)kept_number(totals, 0, "disordered") : 0;
    c->what = "Time stamps";
    c->grade = back ? GRADE_BAD : GRADE_GOOD;
    snprintf(c->words, sizeof(c->words),
             "%" PRIu64 " exits without an entry after them (the last one never has one); "
             "%" PRIu64 " stamps that go back.",
             untimed, back);
}

static void check_requests(const struct findings *f, struct check *c)
{
    const struct kept_table *totals =
        answer_table(findings_answer(f, "timers", "stats", NULL), "totals");
    u64 back = totals ? (u64)kept_number(totals, 0, "disordered") : 0;
    bool told = f->covered.subject.format >= TRACE_WITH_RAISES;
    c->what = "Requests of interrupts";
    c->grade = back ? GRADE_BAD : told ? GRADE_GOOD : GRADE_NOTE;
    if (!told)
        snprintf(c->words, sizeof(c->words),
                 "Format version %u has no records of them: how late timers were is not known.",
                 f->covered.subject.format);
    else
        snprintf(c->words, sizeof(c->words),
                 "%" PRIu64 " were read; %" PRIu64 " injections that none of them asked for; "
                 "%" PRIu64 " times that go back.",
                 totals ? (u64)kept_number(totals, 0, "fired") : 0,
                 totals ? (u64)kept_number(totals, 0, "unasked") : 0, back);
}

static void check_tsc(const struct findings *f, struct check *c)
{
    u64 hz = f->covered.subject.tsc_hz;
    c->what = "Host clock";
    c->grade = hz ? GRADE_GOOD : GRADE_NOTE;
    if (hz)
        snprintf(c->words, sizeof(c->words),
                 "TSC at %" PRIu64 ".%06" PRIu64 " MHz: ticks are shown as time.", hz / 1000000,
                 hz % 1000000);
    else
        snprintf(c->words, sizeof(c->words),
                 "The frequency of the TSC is not known: host times are in ticks.");
}

static void check_noise(const struct findings *f, struct check *c)
{
    c->what = "Noise";
    c->grade = f->manifest.noise ? GRADE_NOTE : GRADE_GOOD;
    if (f->manifest.noise)
        snprintf(c->words, sizeof(c->words),
                 "The world was perturbed on purpose, by seed %" PRIu64 ".",
                 f->manifest.noise_seed);
    else
        snprintf(c->words, sizeof(c->words), "None was added to the run.");
}

static void check_kernel(const struct findings *f, struct check *c)
{
    const char *lacks = f->facts.log.lacks;
    c->what = "Guest kernel";
    c->grade = f->kernel.code || *lacks ? GRADE_NOTE : GRADE_GOOD;
    if (f->kernel.code)
        snprintf(c->words, sizeof(c->words), "No names of functions, and no tasks: %s.",
                 f->kernel.text);
    else
        snprintf(c->words, sizeof(c->words),
                 "%s: %u symbols, %" PRIu64 " events of its scheduler%s%s.", f->facts.banner,
                 f->facts.symbols.count, f->facts.log.event_count, *lacks ? ", which lack " : "",
                 lacks);
}

/* check_kernel() tells of these. */
static bool is_for_lack_of_kernel(const struct findings *f, const struct answer *answer)
{
    return f->kernel.code && view_find(answer->question.view, answer->question.show)->events;
}

static void check_views(const struct findings *f, struct check *c)
{
    c->what = "Views";
    c->grade = GRADE_GOOD;
    snprintf(c->words, sizeof(c->words), "%s questions of this report were answered.",
             f->kernel.code ? "All other" : "All");
    for (u32 i = f->count; i-- > 0;) {
        const struct answer *a = &f->answers[i];
        if (!a->failure.code || is_for_lack_of_kernel(f, a))
            continue;
        c->grade = GRADE_BAD;
        snprintf(c->words, sizeof(c->words), "%s %s: %s", a->question.view, a->question.show,
                 a->failure.text);
    }
}

static void (*const checks[])(const struct findings *, struct check *) = {
    check_end,      check_blocks, check_torn,  check_images, check_stamps,
    check_requests, check_tsc,    check_noise, check_kernel, check_views,
};

/* --- telling ---------------------------------------------------------------------------------- */

enum grade quality_grade(const struct findings *f)
{
    enum grade worst = GRADE_GOOD;
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct check check;
        checks[i](f, &check);
        worst = check.grade > worst ? check.grade : worst;
    }
    return worst;
}

void section_quality(FILE *out, const struct findings *f)
{
    static const char *const grades[] = {"good", "note", "bad"};
    html(out, "<table class=\"facts\" id=\"quality-table\"><tbody>\n");
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct check check;
        checks[i](f, &check);
        html(out, "<tr class=\"%s\"><th scope=\"row\">%s</th><td><b>%s</b> ", grades[check.grade],
             check.what, grades[check.grade]);
        html_text(out, check.words);
        html(out, "</td></tr>\n");
    }
    html(out, "</tbody></table>\n");
}
