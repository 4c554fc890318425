/* The document around its sections; see page.h. */
#include "analysis/report/page.h"
#include "analysis/report/html.h"
#include "analysis/report/sections.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* In the order of the page. */
static const struct section sections[] = {
    {"verdict", "Verdict", NULL, section_verdict},
    {"environment", "Environment", NULL, section_environment},
    {"exits", "Exits",
     "From the host's stamp first thing at the exit to that of the entry after it, as "
     "<code>perf kvm stat</code> counts. The time of a HLT is no handling: it has no part in the "
     "time shares.",
     section_exits},
    {"latency", "Latency", NULL, section_latency},
    {"timeline", "Timeline", "All plots over guest time show the same stretch of it.",
     section_timeline},
    {"io", "Devices", NULL, section_devices},
    {"interrupts", "Interrupts",
     "What VM entries injected. The handler begins at that entry; the time ends with the EOI.",
     section_interrupts},
    {"timers", "Timers",
     "Timers and other sources that request interrupts: from the moment at which one was due to "
     "the first instruction of its handler, which <code>cyclictest</code> calls latency. Curves "
     "have times of 0 at 1 ns.",
     section_timers},
    {"scheduler", "Scheduler",
     "The guest's tasks, and how long they waited for the CPU: from a wakeup, or from being "
     "preempted, to the switch to them.",
     section_scheduler},
    {"time", "Time", "The guest's clock against the host's: offset, drift and steps.",
     section_time},
    {"worst", "Worst events", "Each with the command that shows what led there.", section_worst},
    {"quality", "Data quality", NULL, section_quality},
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void page_created(const struct findings *f, char text[PAGE_DATE])
{
    time_t created = (time_t)f->manifest.created;
    struct tm utc;
    text[0] = 0;
    if (gmtime_r(&created, &utc))
        strftime(text, PAGE_DATE, "%Y-%m-%d %H:%M:%S UTC", &utc);
}

static void put_header(FILE *out, const struct findings *f)
{
    char created[PAGE_DATE];
    page_created(f, created);
    html(out, "<header><p class=\"kind\">Hindvisor report</p><h1>");
    html_text(out, last_part(f->name));
    html(out, "</h1>\n<p class=\"lead\">Recorded %s on the processor <code>", created);
    html_text(out, f->manifest.processor);
    html(out, "</code>, ");
    html_text(out, f->manifest.host_cpu);
    html(out, ".</p></header>\n");
}

static void put_navigation(FILE *out)
{
    html(out, "<nav aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        html(out, "<li><a href=\"#%s\">%s</a></li>", sections[i].id, sections[i].title);
    html(out, "</ul></nav>\n");
}

static void put_section(FILE *out, const struct findings *f, const struct section *s)
{
    html(out, "<section id=\"%s\" aria-labelledby=\"%s-h\"><h2 id=\"%s-h\">%s</h2>\n", s->id, s->id,
         s->id, s->title);
    if (s->words)
        html(out, "<p class=\"lead\">%s</p>\n", s->words);
    s->write(out, f);
    html(out, "</section>\n");
}

static void put_head(FILE *out, const struct findings *f)
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

void page_write(FILE *out, const struct findings *f)
{
    put_head(out, f);
    put_header(out, f);
    put_navigation(out);
    html(out, "<main>\n");
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        put_section(out, f, &sections[i]);
    html(out, "</main>\n<footer>Made by Hindvisor " HINDVISOR_VERSION " from the trace; "
              "the numbers are in this file as JSON, as <code>hindvisor analyze</code> prints "
              "them.</footer>\n<script>\n");
    fwrite(page_js, 1, (size_t)(page_js_end - page_js), out);
    html(out, "</script>\n</body>\n</html>\n");
}
