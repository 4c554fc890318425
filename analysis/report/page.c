/* The document, section by section; see page.h. */
#include "analysis/report/page.h"
#include "analysis/report/draw.h"
#include "analysis/report/html.h"
#include "core/machine.h"
#include "trace/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- small parts ------------------------------------------------------------------------------ */

static void heading(FILE *out, const char *id, const char *title, const char *words)
{
    html(out, "<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">%s</h2>\n", id, id, id,
         title);
    if (words)
        html(out, "<p class=\"lead\">%s</p>\n", words);
}

static void end(FILE *out)
{
    html(out, "</section>\n");
}

static void lacks(FILE *out, const char *words)
{
    html(out, "<p class=\"lacks\">%s</p>\n", words);
}

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

static void figure(FILE *out, const char *number, const char *name)
{
    html(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, number);
}

/* --- verdict ---------------------------------------------------------------------------------- */

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

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void when(const struct findings *f, char text[40])
{
    time_t created = (time_t)f->manifest.created;
    struct tm utc;
    text[0] = 0;
    if (gmtime_r(&created, &utc))
        strftime(text, 40, "%Y-%m-%d %H:%M:%S UTC", &utc);
}

static void head_of_page(FILE *out, const struct findings *f)
{
    char created[40];
    when(f, created);
    html(out, "<header><p class=\"kind\">Hindvisor report</p><h1>");
    html_text(out, last_part(f->name));
    html(out, "</h1>\n<p class=\"lead\">Recorded %s on the processor <code>", created);
    html_text(out, f->manifest.processor);
    html(out, "</code>, ");
    html_text(out, f->manifest.host_cpu);
    html(out, ".</p></header>\n");
}

static void verdict(FILE *out, const struct findings *f)
{
    heading(out, "verdict", "Verdict", NULL);
    how_it_ended(out, f);
    replay_verdict(out, f);
    numbers(out, f);
    end(out);
}

/* --- environment ------------------------------------------------------------------------------ */

static void image(FILE *out, const char *name, const struct manifest_image *image)
{
    char size[GROUPED];
    if (image->name[0])
        factf(out, name, "%s, %s bytes, SHA-256 %s", image->name, grouped(image->size, size),
              image->sha256);
}

static void environment(FILE *out, const struct findings *f)
{
    const struct manifest *m = &f->manifest;
    char created[40], bytes[2][GROUPED];
    when(f, created);
    heading(out, "environment", "Environment", NULL);
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
    end(out);
}

/* --- exits ------------------------------------------------------------------------------------ */

static void why_not(FILE *out, const struct answer *answer)
{
    if (!answer || !answer->failure.code) {
        lacks(out, "The trace has none.");
        return;
    }
    html(out, "<p class=\"lacks\">");
    html_text(out, answer->failure.text);
    html(out, "</p>\n");
}

static void exits_by(FILE *out, const struct findings *f, const char *by, const char *title)
{
    const struct answer *answer = findings_answer(f, "exits", "stats", by);
    const struct kept_table *table = answer_table(answer, NULL);
    char id[32];
    if (!table && !answer->failure.code)
        return;
    snprintf(id, sizeof(id), "exits-%s", by);
    html(out, "<details><summary>%s</summary>\n", title);
    if (table)
        draw_table(out, f, table, id, title);
    else
        why_not(out, answer);
    draw_source(out, f, answer);
    html(out, "</details>\n");
}

static void exits(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "exits", "stats", "reason");
    const struct kept_table *table = answer_table(answer, NULL);
    heading(
        out, "exits", "Exits",
        "From the host's stamp first thing at the exit to that of the entry after it, as "
        "<code>perf kvm stat</code> counts. The time of a HLT is no handling: it has no part in "
        "the time shares.");
    if (table) {
        draw_table(out, f, table, "exits-reason", "Exits by reason");
        draw_table(out, f, kept_table(&answer->kept, "time"), "exits-time", "Where the time went");
    } else {
        why_not(out, answer);
    }
    draw_source(out, f, answer);
    exits_by(out, f, "port", "By port");
    exits_by(out, f, "msr", "By MSR");
    exits_by(out, f, "gpa", "By device address");
    exits_by(out, f, "rip", "By instruction");
    end(out);
}

static void latency(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "exits", "histogram", "reason");
    const struct kept_table *table = answer_table(answer, NULL);
    heading(out, "latency", "Latency", NULL);
    if (table)
        draw_percentiles(out, f, table, "latency-curves", "Exit latency by percentile");
    else
        why_not(out, answer);
    draw_source(out, f, answer);
    end(out);
}

static void timeline(FILE *out, const struct findings *f)
{
    const struct answer *freq = findings_answer(f, "exits", "freq", NULL);
    const struct answer *activity = findings_answer(f, "exits", "activity", NULL);
    heading(out, "timeline", "Timeline", "All plots over guest time show the same stretch of it.");
    if (answer_table(freq, NULL))
        draw_exits_over_time(out, f, answer_table(freq, NULL));
    else
        why_not(out, freq);
    draw_source(out, f, freq);
    if (answer_table(activity, NULL))
        draw_activity(out, f, answer_table(activity, NULL));
    else
        why_not(out, activity);
    draw_source(out, f, activity);
    end(out);
}

static void io(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "io", "top", NULL);
    heading(out, "io", "Devices", NULL);
    if (answer_table(answer, NULL))
        draw_table(out, f, answer_table(answer, NULL), "io-top", "Accesses to devices");
    else
        why_not(out, answer);
    draw_source(out, f, answer);
    end(out);
}

static void worst(FILE *out, const struct findings *f)
{
    const struct answer *answer = findings_answer(f, "exits", "worst", NULL);
    heading(out, "worst", "Worst events",
            "The exits that took longest to handle, each with the commands that show what led "
            "there.");
    if (answer_table(answer, NULL))
        draw_table(out, f, answer_table(answer, NULL), "exits-worst", "Longest handling");
    else
        why_not(out, answer);
    draw_source(out, f, answer);
    end(out);
}

/* --- views that reports know by name only ------------------------------------------------------
 */

static const struct topic {
    const char *view, *title, *words;
} topics[] = {
    {"interrupts", "Interrupts", "From raised to injected, handled and acknowledged, by vector."},
    {"timers", "Timers", "How late timers were, from due to handled."},
    {"scheduler", "Scheduler", "The guest's tasks: switches, wakeups and their latency."},
    {"time", "Time", "The guest's clock against the host's: offset, drift and steps."},
};

static bool is_frame(const char *table)
{
    return !strcmp(table, "totals") || !strcmp(table, "missing");
}

static void topic_table(FILE *out, const struct findings *f, const struct answer *answer,
                        const struct kept_table *table)
{
    const struct question *q = &answer->question;
    char id[96], title[96];
    snprintf(id, sizeof(id), "%s-%s-%s", q->view, q->show, table->name);
    snprintf(title, sizeof(title), "%s %s%s%s", q->view, q->show,
             strcmp(table->name, q->view) ? ": " : "",
             strcmp(table->name, q->view) ? table->name : "");
    if (is_histogram(table))
        draw_percentiles(out, f, table, id, title);
    else
        draw_table(out, f, table, id, title);
}

static u32 topic_answer(FILE *out, const struct findings *f, const struct answer *answer)
{
    u32 shown = 0;
    if (answer->failure.code) {
        why_not(out, answer);
        return 1;
    }
    for (size_t t = 0; t < answer->kept.count; t++) {
        const struct kept_table *table = &answer->kept.tables[t];
        if (is_frame(table->name) || !table->row_count)
            continue;
        topic_table(out, f, answer, table);
        shown++;
    }
    if (shown)
        draw_source(out, f, answer);
    return shown;
}

static bool is_known(const struct findings *f, const struct topic *topic)
{
    for (u32 i = 0; i < f->count; i++) {
        if (!strcmp(f->answers[i].question.view, topic->view))
            return true;
    }
    return false;
}

/* A section; data quality names the topics that this version has no view for. */
static void topic(FILE *out, const struct findings *f, const struct topic *topic)
{
    u32 shown = 0;
    if (!is_known(f, topic))
        return;
    heading(out, topic->view, topic->title, topic->words);
    for (u32 i = 0; i < f->count; i++) {
        if (!strcmp(f->answers[i].question.view, topic->view))
            shown += topic_answer(out, f, &f->answers[i]);
    }
    if (!shown)
        lacks(out, "The trace has none.");
    end(out);
}

/* --- the document ----------------------------------------------------------------------------- */

static void navigation(FILE *out, const struct findings *f)
{
    static const char *const parts[][2] = {
        {"verdict", "Verdict"}, {"environment", "Environment"}, {"exits", "Exits"},
        {"latency", "Latency"}, {"timeline", "Timeline"},       {"io", "Devices"},
    };
    html(out, "<nav aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        html(out, "<li><a href=\"#%s\">%s</a></li>", parts[i][0], parts[i][1]);
    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        if (is_known(f, &topics[i]))
            html(out, "<li><a href=\"#%s\">%s</a></li>", topics[i].view, topics[i].title);
    }
    html(out, "<li><a href=\"#worst\">Worst events</a></li>"
              "<li><a href=\"#quality\">Data quality</a></li></ul></nav>\n");
}

static void head(FILE *out, const struct findings *f)
{
    html(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
              "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n"
              "<meta name=\"referrer\" content=\"no-referrer\">\n"
              "<link rel=\"icon\" href=\"data:,\">\n<title>");
    html_text(out, last_part(f->name));
    html(out, " – Hindvisor report</title>\n<style>\n");
    fwrite(page_css, 1, (size_t)(page_css_end - page_css), out);
    html(out, "</style>\n</head>\n<body data-trace=\"");
    char *word = malloc(SHELL_WORD);
    html_text(out, word ? shell_word(f->name, word) : "");
    free(word);
    html(out, "\">\n");
}

static void quality(FILE *out, const struct findings *f)
{
    heading(out, "quality", "Data quality", NULL);
    quality_write(out, f);
    for (size_t i = 0; i < ARRAY_SIZE(topics); i++) {
        if (!is_known(f, &topics[i]))
            html(out, "<p class=\"lacks\">Not in this report: %s.</p>\n", topics[i].title);
    }
    end(out);
}

void page_write(FILE *out, const struct findings *f)
{
    head(out, f);
    head_of_page(out, f);
    navigation(out, f);
    html(out, "<main>\n");
    verdict(out, f);
    environment(out, f);
    exits(out, f);
    latency(out, f);
    timeline(out, f);
    io(out, f);
    for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
        topic(out, f, &topics[i]);
    worst(out, f);
    quality(out, f);
    html(out, "</main>\n<footer>Made by Hindvisor " HINDVISOR_VERSION " from the trace alone; "
              "the numbers are in this file as JSON, as <code>hindvisor analyze</code> prints "
              "them.</footer>\n<script>\n");
    fwrite(page_js, 1, (size_t)(page_js_end - page_js), out);
    html(out, "</script>\n</body>\n</html>\n");
}
