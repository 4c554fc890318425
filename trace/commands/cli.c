/* Options, help, messages, numbers: what every command shares. */
#include "trace/commands/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 64, HELP_CODE = 'h' };

static size_t count_options(const struct cli_command *command)
{
    size_t count = 0;
    while (command->options && command->options[count].name)
        count++;
    return count < OPTIONS_MAX ? count : OPTIONS_MAX;
}

/* The table in getopt_long's terms, --help added. */
static void make_options(const struct cli_command *command, struct option *longs, char *shorts)
{
    size_t count = count_options(command);
    *shorts++ = ':';
    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = &command->options[i];
        longs[i] = (struct option){option->name, option->argument ? required_argument : no_argument,
                                   NULL, option->code};
        if (option->code < 256)
            *shorts++ = (char)option->code;
        if (option->code < 256 && option->argument)
            *shorts++ = ':';
    }
    longs[count] = (struct option){"help", no_argument, NULL, HELP_CODE};
    longs[count + 1] = (struct option){0};
    *shorts++ = HELP_CODE;
    *shorts = 0;
}

int cli_next(const struct cli_command *command, int argc, char **argv)
{
    struct option longs[OPTIONS_MAX + 2];
    char shorts[2 * OPTIONS_MAX + 3];
    make_options(command, longs, shorts);
    opterr = 0;
    const char *given = optind < argc ? argv[optind] : "";
    int code = getopt_long(argc, argv, shorts, longs, NULL);
    if (code == HELP_CODE) {
        cli_help(command);
        return CLI_HELP;
    }
    if (code != '?' && code != ':')
        return code < 0 ? CLI_END : code;
    if (!strncmp(given, "--", 2))
        cli_misuse(command, code == ':' ? "option '%s' needs an argument" : "bad option '%s'",
                   given);
    else
        cli_misuse(command, code == ':' ? "option '-%c' needs an argument" : "bad option '-%c'",
                   optopt);
    return CLI_BAD;
}

/* --- help ------------------------------------------------------------------------- */

static void print_option(const struct cli_option *option)
{
    char left[64];
    const char *between = option->argument ? " " : "";
    const char *argument = option->argument ? option->argument : "";
    if (option->code < 256)
        snprintf(left, sizeof(left), "-%c, --%s%s%s", option->code, option->name, between,
                 argument);
    else
        snprintf(left, sizeof(left), "    --%s%s%s", option->name, between, argument);
    printf("  %-25s ", left);
    if (strlen(left) > 25)
        printf("\n%28s", "");
    for (const char *c = option->help; *c; c++) {
        putchar(*c);
        if (*c == '\n')
            printf("%28s", "");
    }
    putchar('\n');
}

void cli_help(const struct cli_command *command)
{
    static const struct cli_option help = {HELP_CODE, "help", NULL, "show this"};
    printf("Usage: hindvisor %s %s\n\n%s\n\nOptions:\n", command->name, command->synopsis,
           command->summary);
    for (size_t i = 0; i < count_options(command); i++)
        print_option(&command->options[i]);
    print_option(&help);
    if (command->examples)
        printf("\nExamples:\n%s\n", command->examples);
}

/* --- messages ----------------------------------------------------------------------- */

int cli_fail(const struct cli_command *command, const struct failure *failure)
{
    fflush(stdout);
    fprintf(stderr, "hindvisor%s%s: %s\n", command ? " " : "", command ? command->name : "",
            failure->text);
    return CLI_TROUBLE;
}

int cli_misuse(const struct cli_command *command, const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "hindvisor %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nUsage: hindvisor %s %s\nTry 'hindvisor %s --help'.\n", command->name,
            command->synopsis, command->name);
    return CLI_TROUBLE;
}

/* --- numbers ------------------------------------------------------------------------ */

struct unit {
    const char *name;
    u64 factor;
};

/* A number, then one of the units (their table ends with a NULL name). */
static bool parse_with_unit(const char *text, const struct unit *units, u64 *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno)
        return false;
    for (; units->name; units++) {
        if (!strcmp(end, units->name))
            return !__builtin_mul_overflow(*value, units->factor, value);
    }
    return false;
}

bool cli_parse_u64(const char *text, u64 *value)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};
    return parse_with_unit(text, none, value);
}

bool cli_parse_size(const char *text, u64 *value)
{
    static const struct unit sizes[] = {{"", 1},
                                        {"K", 1ull << 10},
                                        {"M", 1ull << 20},
                                        {"G", 1ull << 30},
                                        {"KiB", 1ull << 10},
                                        {"MiB", 1ull << 20},
                                        {"GiB", 1ull << 30},
                                        {NULL, 0}};
    return parse_with_unit(text, sizes, value);
}

bool cli_parse_time(const char *text, u64 *value)
{
    static const struct unit times[] = {
        {"", NANOSECONDS},         {"ns", 1},          {"us", 1000},
        {"ms", 1000000},           {"s", NANOSECONDS}, {"m", 60 * NANOSECONDS},
        {"h", 3600 * NANOSECONDS}, {NULL, 0},
    };
    return parse_with_unit(text, times, value);
}

int cli_parse_choice(const char *text, const char *const *choices)
{
    for (int i = 0; choices[i]; i++) {
        if (!strcmp(text, choices[i]))
            return i;
    }
    return -1;
}

bool cli_color(int descriptor)
{
    const char *no = getenv("NO_COLOR");
    return isatty(descriptor) && !(no && *no);
}

static bool progress_shown;

void cli_progress(const struct cli_command *command, u64 done, u64 of)
{
    if (!isatty(STDERR_FILENO))
        return;
    progress_shown = true;
    if (!of)
        fprintf(stderr, "\rhindvisor %s: %lu", command->name, done);
    else
        fprintf(stderr, "\rhindvisor %s: %3u%%", command->name,
                (unsigned)min_u64(100, (u64)((unsigned __int128)done * 100 / of)));
    fflush(stderr);
}

void cli_progress_end(void)
{
    if (progress_shown)
        fprintf(stderr, "\r%40s\r", "");
    progress_shown = false;
}
