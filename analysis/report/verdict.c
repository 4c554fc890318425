/* Sections on the run as a whole: how it ended, and what ran where; see sections.h. */
#include "analysis/report/html.h"
#include "analysis/report/page.h"
#include "analysis/report/scale.h"
#include "analysis/report/sections.h"
#include "core/machine.h"
#include "trace/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

/* --- verdict ---------------------------------------------------------------------------------- */

static void figure(FILE *out, const char *number, const char *name)
{
    html(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, number);
}

static void how_it_ended(FILE *out, const struct findings *f)
{
    char name[NAME_MAX_LENGTH], seconds[QUANTITY];
    const struct manifest *m = &f->manifest;
    bool good = quality_grade(f) != GRADE_BAD;
    html(out, "<p class=\"verdict %s\"><b>%s</b> ", good ? "good" : "bad",
         good ? "Recorded whole." : "Not whole.");
    if (m->finished == TRACE_FINISHED) {
        html(out, "The run ended because ");
        html_text(out, text_end(m->end_reason));
        html(out, " (<code>");
        html_text(out, name_end(m->end_reason, name));
        html(out, m->end_detail ? "</code>, detail %" PRIu64 ")." : "</code>).", m->end_detail);
    } else {
        html(out, m->finished == TRACE_CUT
                      ? "The recording was cut before the guest's run was over."
                      : "The recording is unfinished: still going on, or killed.");
    }
    if (m->guest_ns)
        html(out, " It took %s of guest time.", quantity(UNIT_NS, (double)m->guest_ns, seconds));
    html(out, good ? "</p>\n" : " <a href=\"#quality\">What is missing</a>.</p>\n");
}

static void replay_verdict(FILE *out, const struct findings *f)
{
    const struct report *r = &f->verdict;
    if (!f->replayed) {
        char *word = malloc(SHELL_WORD);
        html(out, "<p class=\"verdict\"><b>Not replayed</b> for this report: <code>");
        html_text(out, word ? "hindvisor replay " : "hindvisor replay");
        html_text(out, word ? shell_word(f->name, word) : "");
        html(out, "</code> checks it.</p>\n");
        free(word);
    } else if (!f->replay.code) {
        html(out,
             "<p class=\"verdict good\"><b>Replays the same.</b> %" PRIu64 " exits, %" PRIu64
             " state hashes, 0 divergences%s.</p>\n",
             r->exits, r->states,
             r->end_reason == END_LOG_ENDED ? ", up to where the recording was cut" : "");
    } else {
        html(out, "<p class=\"verdict bad\"><b>%s</b> ",
             f->replay.code == DIVERGED ? "Replay differs." : "No replay.");
        html_text(out, f->replay.text);
        html(out, "</p>\n");
    }
}

static void numbers(FILE *out, const struct findings *f)
{
    const struct subject *s = &f->covered.subject;
    const struct answer *stats = findings_answer(f, "exits", "stats", "reason");
    const struct kept_table *time = answer_table(stats, "time");
    char text[GROUPED], short_text[QUANTITY];
    html(out, "<dl class=\"numbers\">\n");
    figure(out, grouped(s->exits, text), "VM exits");
    if (s->guest_ns)
        figure(out, quantity(UNIT_NS, (double)s->guest_ns, short_text), "guest time");
    figure(out, grouped(s->count, text), "guest count");
    for (size_t row = 0; time && row < time->row_count; row++) {
        char share[24], name[48];
        snprintf(share, sizeof(share), "%.2f\xe2\x80\xaf%%",
                 (double)kept_number(time, row, "ticks_percent") / 1e6);
        snprintf(name, sizeof(name), "of host time: %.20s", kept_text(time, row, "state"));
        figure(out, share, name);
    }
    html(out, "</dl>\n");
}

void section_verdict(FILE *out, const struct findings *f)
{
    how_it_ended(out, f);
    replay_verdict(out, f);
    numbers(out, f);
}

/* --- environment ------------------------------------------------------------------------------ */

/* A row of a table of facts: text from the trace. */
static void fact(FILE *out, const char *name, const char *text)
{
    html(out, "<tr><th scope=\"row\">%s</th><td>", name);
    html_text(out, text);
    html(out, "</td></tr>\n");
}

static void __attribute__((format(printf, 3, 4)))
factf(FILE *out, const char *name, const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fact(out, name, text);
}

static void image(FILE *out, const char *name, const struct manifest_image *image)
{
    char size[GROUPED];
    if (image->name[0])
        factf(out, name, "%s, %s bytes, SHA-256 %s", image->name, grouped(image->size, size),
              image->sha256);
}

void section_environment(FILE *out, const struct findings *f)
{
    const struct manifest *m = &f->manifest;
    char created[PAGE_DATE], bytes[2][GROUPED];
    page_created(f, created);
    html(out, "<table class=\"facts\" id=\"environment-table\"><tbody>\n");
    fact(out, "Trace", f->path);
    fact(out, "Recorded", created);
    factf(out, "Processor", "%s, on %s", m->processor, m->host_cpu);
    factf(out, "Guest machine", "CPU model %u, %" PRIu64 " MiB of memory, 1 vCPU", m->cpu_model,
          m->memory_size >> 20);
    factf(out, "Clock", "%s; guest count in %s", m->clock == CLOCK_HOST ? "host" : "count",
          m->count_kind);
    image(out, "Kernel", &m->kernel);
    image(out, "Initial RAM disk", &m->initrd);
    fact(out, "Command line", m->command_line[0] ? m->command_line : "(empty)");
    factf(out, "Format", "version %u; undefined flags as %s", m->version, m->undefined_flags);
    factf(out, "Size", "%s bytes of inputs, %s of observations",
          grouped(f->totals[STREAM_INPUT].bytes, bytes[0]),
          grouped(f->totals[STREAM_OBSERVATION].bytes, bytes[1]));
    html(out, "</tbody></table>\n");
}
