/* The command line's first word. Everything else lives where its work lives. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analysis/commands/commands.h"
#include "replay/commands/commands.h"
#include "trace/commands/cli.h"
#include "trace/commands/commands.h"
#include "trace/manifest.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *does;
} commands[] = {
    {"record", cmd_record, "boot a guest and record its run"},
    {"replay", cmd_replay, "run it again and compare every step"},
    {"info", cmd_info, "what a trace holds"},
    {"dump", cmd_dump, "a trace's records, as text or JSON"},
    {"diff", cmd_diff, "where two traces differ"},
    {"export", cmd_export, "a trace in the formats of other tools"},
    {"analyze", cmd_analyze, "statistics of a run: exits and how long they took"},
    {"report", cmd_report, "a run as one HTML page"},
    {"merge", cmd_merge, "partial statistics into one"},
    {"index", cmd_index, "a catalogue of many traces"},
    {"bench", cmd_bench, "how long each kind of exit takes, from inside and from outside"},
    {"repair", cmd_repair, "make a trace whole whose recording was killed"},
    {"doctor", cmd_doctor, "check this machine for what Hindvisor needs"},
};

static void print_usage(FILE *out)
{
    fputs("usage: hindvisor COMMAND [OPTION...]\n\nRecords a guest under VT-x so that it can be "
          "run again, "
          "instruction for instruction.\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].does);
    fputs("  help     this text, or `hindvisor help COMMAND`\n\n"
          "`hindvisor COMMAND --help` lists a command's options. Exit status: 0 fine or the same,\n"
          "1 different or found, 2 trouble.\n",
          out);
}

static int run(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(commands[i].name, name))
            return commands[i].run(argc, argv);
    fprintf(stderr, "hindvisor: there is no command `%s`; `hindvisor help` lists them\n", name);
    return CLI_TROUBLE;
}

static int help(int argc, char **argv)
{
    char option[] = "--help";
    if (argc < 2) {
        print_usage(stdout);
        return CLI_SAME;
    }
    char *arguments[] = {argv[1], option, NULL};
    return run(argv[1], 2, arguments);
}

/* What was printed must have arrived: a full disk behind stdout is trouble. */
static int finish(int status)
{
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    perror("hindvisor: stdout");
    return CLI_TROUBLE;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), not a death */
    if (argc < 2) {
        print_usage(stderr);
        return CLI_TROUBLE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("hindvisor %s, trace format %d\n", HINDVISOR_VERSION, TRACE_FORMAT_VERSION);
        return finish(CLI_SAME);
    }
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return finish(help(argc - 1, argv + 1));
    return finish(run(argv[1], argc - 1, argv + 1));
}
