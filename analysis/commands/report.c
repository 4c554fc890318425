/* `hindvisor report`: a trace as one self-contained HTML page. */
#include "analysis/commands/commands.h"
#include "analysis/commands/print.h"
#include "analysis/report/page.h"
#include "analysis/report/replay.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTION_REPLAY = 256, OPTION_NO_REPLAY };

static const struct cli_option options[] = {
    {'o', "output", "FILE", "where the page goes; - is stdout, as is the default in a pipe"},
    {OPTION_REPLAY, "replay", NULL, "replay the trace in any case, and report the verdict"},
    {OPTION_NO_REPLAY, "no-replay", NULL, "leave out what a replay would have to find out"},
    {0},
};

static const struct cli_command command = {
    .name = "report",
    .synopsis = "[TRACE] -o FILE [--replay|--no-replay]",
    .summary =
        "A trace as one HTML page that needs no network: how the run ended, exits and their\n"
        "latency, interrupts, the guest's tasks, timelines, the worst events with the commands\n"
        "that lead to them, and what is missing. What is known of the guest's kernel comes from a\n"
        "replay the first time. TRACE is a path or a name; without it, the newest trace.\n"
        "Exit status: 0 fine, 1 part of the trace could not be read, or the replay differs,\n"
        "2 trouble.",
    .options = options,
    .examples = "  hindvisor report -o report.html\n"
                "  hindvisor report vmlinuz-6.1-3 --replay -o boot.html",
};

struct page {
    char *text;
    size_t length;
};

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_all(const char *path, const struct page *page)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool good = fwrite(page->text, 1, page->length, file) == page->length;
    return (fclose(file) == 0) & good;
}

/* Under a name of its own first: a full disk leaves no half page. */
static struct failure write_file(const char *path, const struct page *page)
{
    char fresh[CLI_PATH];
    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh))
        return fail(BAD_INPUT, "the report's name is too long");
    if (write_all(fresh, page) && rename(fresh, path) == 0)
        return NO_FAILURE;
    struct failure failure = fail_errno("%.300s: cannot write it", path);
    unlink(fresh);
    return failure;
}

static struct failure write_page(const char *path, const struct page *page)
{
    if (strcmp(path, "-"))
        return write_file(path, page);
    fwrite(page->text, 1, page->length, stdout); /* main() looks at stdout's errors */
    return NO_FAILURE;
}

static struct failure make_page(const struct findings *findings, struct page *page)
{
    FILE *file = open_memstream(&page->text, &page->length);
    if (!file)
        return fail(NO_SPACE, "no memory for the report");
    page_write(file, findings);
    return fclose(file) == 0 ? NO_FAILURE : fail(NO_SPACE, "no memory for the report");
}

/* --- the command ------------------------------------------------------------------------------ */

static struct failure run(struct findings *findings, const char *argument, const char *output,
                          findings_learner *learn)
{
    char path[CLI_PATH];
    struct page page = {0};
    ATTEMPT(cli_resolve_trace(argument, path));
    ATTEMPT(findings_gather(findings, path, learn));
    struct failure failure = make_page(findings, &page);
    if (!failure.code)
        failure = write_page(output, &page);
    free(page.text);
    return failure;
}

static int report(const char *argument, const char *output, findings_learner *learn)
{
    static struct findings findings; /* large */
    struct failure failure = run(&findings, argument, output, learn);
    findings_free(&findings);
    if (failure.code)
        return cli_fail(&command, &failure);
    if (findings.replayed && findings.replay.code) {
        cli_fail(&command, &findings.replay);
        return findings.replay.code == DIVERGED ? CLI_DIFFERENT : CLI_TROUBLE;
    }
    return print_missing(&command, &findings.covered);
}

int cmd_report(int argc, char **argv)
{
    const char *output = isatty(STDOUT_FILENO) ? NULL : "-";
    findings_learner *learn = replay_if_needed;
    int code;
    while ((code = cli_next(&command, argc, argv)) >= 0) {
        if (code == 'o')
            output = optarg;
        if (code == OPTION_REPLAY || code == OPTION_NO_REPLAY)
            learn = code == OPTION_REPLAY ? replay_always : NULL;
    }
    if (code != CLI_END)
        return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
    if (argc - optind > 1)
        return cli_misuse(&command, "name one trace, not %d", argc - optind);
    if (!output)
        return cli_misuse(&command, "say where the page goes: -o report.html");
    return report(optind < argc ? argv[optind] : NULL, output, learn);
}
