/*
 * `hindvisor doctor`: looks at each thing that Hindvisor needs, by itself, and
 * says what to do where one is missing. Changes nothing. A check is a row.
 */
#define _GNU_SOURCE /* popen(), memfd_create() */
#include <cpuid.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/commands/commands.h"
#include "replay/commands/session.h"
#include "vmx/carriers/child.h"

enum { OPTION_FORMAT = 256 };

static const struct cli_option options[] = {
    {OPTION_FORMAT, "format", "table|json", "how to print (table)"},
    {0},
};

static const struct cli_command command = {
    .name = "doctor",
    .synopsis = "[--format table|json]",
    .summary =
        "Checks this machine for all that recording and replaying need, one thing at a time, and "
        "says\n"
        "what to do about what is missing. Exit status 0: all is there; 1: something is missing.",
    .options = options,
    .examples = "  hindvisor doctor",
};

enum state { GOOD, NOTE, BAD }; /* NOTE: worth knowing, nothing fails for it */

struct finding {
    enum state state;
    char text[600];
};

static struct finding found(enum state state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static struct finding found(enum state state, const char *format, ...)
{
    struct finding finding = {.state = state};
    va_list list;
    va_start(list, format);
    vsnprintf(finding.text, sizeof(finding.text), format, list);
    va_end(list);
    return finding;
}

/* --- carrier ---------------------------------------------------------------------- */

/* First line of a command's output that has `word` in it, without leading blanks. */
static bool output_line(const char *shell, const char *word, char *text, size_t size)
{
    char line[256];
    bool hit = false;
    FILE *pipe = popen(shell, "re");
    while (pipe && fgets(line, sizeof(line), pipe)) {
        if (hit || !strstr(line, word))
            continue;
        hit = true;
        const char *start = line + strspn(line, " \t");
        snprintf(text, size, "%.*s", (int)strcspn(start, "\n"), start);
    }
    if (pipe)
        pclose(pipe);
    return hit;
}

static struct finding check_bochs(void)
{
    struct failure failure = carrier_bochs.check();
    char version[200];
    if (failure.code)
        return found(NOTE, "for --processor bochs only: %s", failure.text);
    if (!output_line("bochs --help 2>&1 </dev/null", "Emulator", version, sizeof(version)))
        return found(BAD, "`bochs --help` does not say its version; reinstall it: apt-get install "
                          "--reinstall bochs");
    if (!strstr(version, "2.7"))
        return found(NOTE, "%s; only 2.7 was tested", version);
    return found(GOOD, "%s", version);
}

static struct finding check_model(void)
{
    char line[200];
    if (carrier_bochs.check().code)
        return found(NOTE, "not checked: there is no Bochs");
    if (!output_line("bochs --help cpu 2>&1 </dev/null", "tigerlake", line, sizeof(line)))
        return found(BAD, "this Bochs has no CPU model `tigerlake`, which offers VT-x with EPT; "
                          "use Debian's package");
    return found(GOOD, "the CPU model `tigerlake` (VT-x with EPT) is there");
}

/* Starts it with the configuration of a run, and has it quit before the first instruction. */
static struct finding parse_configuration(const char *directory)
{
    static const u8 something[SECTOR] = {1};
    char disk[CARRIER_PATH], module[CARRIER_PATH], shell[2 * CARRIER_PATH], line[256];
    struct carrier_command ignored;
    struct carrier_job job = {
        .processor = "bochs", .directory = directory, .mission.memory_size = 16 << 20};
    if (!session_join(disk, directory, "trace.disk") || !session_join(module, directory, "module"))
        return found(BAD, "TMPDIR is too long");
    FILE *file = fopen(module, "we");
    if (!file || fwrite(something, sizeof(something), 1, file) != 1 || fclose(file))
        return found(BAD, "cannot write in %s: %s", directory, strerror(errno));
    job.disk = disk;
    job.kernel = module;
    struct failure failure = disk_create(disk, 0, NULL, NULL);
    if (!failure.code)
        failure = carrier_place(&job);
    if (!failure.code)
        failure = carrier_bochs.prepare(&job, "/dev/null", &ignored);
    if (failure.code)
        return found(BAD, "%s", failure.text);
    snprintf(shell, sizeof(shell),
             "cd '%s' && echo q >bochs.rc && timeout 20 bochs -q -unlock -f bochsrc -rc bochs.rc "
             "2>&1 </dev/null >output; echo \"status $?\"",
             directory);
    if (!output_line(shell, "status 0", line, sizeof(line))) {
        carrier_bochs.explain(directory, line, sizeof(line));
        return found(BAD, "Bochs does not take its configuration: %s", line);
    }
    return found(GOOD, "Bochs takes the configuration of a run");
}

static struct finding check_configuration(void)
{
    char directory[CARRIER_PATH];
    if (carrier_bochs.check().code)
        return found(NOTE, "not checked: there is no Bochs");
    struct failure failure = session_directory(directory);
    if (failure.code)
        return found(BAD, "%s", failure.text);
    struct finding finding = parse_configuration(directory);
    session_remove(directory);
    return finding;
}

static struct finding check_image(void)
{
    static const char *const parts[] = {"hindvisor.bin", "rom.bin"};
    char path[CARRIER_PATH];
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct failure failure = find_image(parts[i], path);
        if (failure.code)
            return found(BAD, "%s", failure.text);
    }
    *strrchr(path, '/') = 0;
    return found(GOOD, "hindvisor.bin and rom.bin are in %s", path);
}

/* --- the host ----------------------------------------------------------------------- */

enum { CPUID_VMX = 1 << 5 }; /* in ECX of leaf 1; SDM 24.6 */

static struct finding check_vtx(void)
{
    u32 a, b, c = 0, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & CPUID_VMX))
        return found(GOOD, "this CPU shows VT-x (CPUID.1:ECX.VMX), so the ISO can run here; "
                           "nothing else needs it");
    return found(NOTE, "this CPU shows no VT-x (CPUID.1:ECX.VMX): the ISO cannot run here; "
                       "nothing else needs it");
}

static struct finding check_sse42(void)
{
    u32 a, b, c = 0, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2))
        return found(GOOD, "this CPU has SSE4.2, which checksums are computed with");
    return found(BAD, "this CPU has no SSE4.2, which checksums are computed with: use a machine of "
                      "2009 or later");
}

/* The software processor writes small routines and runs them: two mappings of one memory file. */
static struct finding check_software(void)
{
    int descriptor = memfd_create("hindvisor-doctor", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, PAGE_SIZE))
        return found(BAD, "memfd_create(): %s; the software processor needs it for code",
                     strerror(errno));
    void *at = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, descriptor, 0);
    int reason = errno;
    close(descriptor);
    if (at == MAP_FAILED)
        return found(BAD, "a memory file cannot be mapped for running code: %s; allow that (noexec "
                          "memory files, seccomp), or use --processor bochs",
                     strerror(reason));
    munmap(at, PAGE_SIZE);
    return found(GOOD, "the software processor can run here");
}

static struct finding check_space_in(const char *what, const char *path, u64 need)
{
    struct statvfs fs;
    char room[32], least[32];
    if (statvfs(path, &fs))
        return found(BAD, "%s: cannot look at %s: %s", what, path, strerror(errno));
    u64 available = (u64)fs.f_bavail * fs.f_frsize;
    session_size(available, room);
    session_size(need, least);
    if (access(path, W_OK))
        return found(BAD, "%s: %s cannot be written to; make it yours, or choose another", what,
                     path);
    if (available < need)
        return found(BAD,
                     "%s: %s has %s free and a stock boot takes up to %s; make room, or choose "
                     "another place",
                     what, path, room, least);
    return found(GOOD, "%s: %s has %s free", what, path, room);
}

static struct finding check_trace_home(void)
{
    char path[CLI_PATH];
    struct failure failure = cli_trace_home(path);
    if (failure.code)
        return found(BAD, "%s", failure.text);
    while (access(path, F_OK) && strrchr(path, '/') > path) /* it is made when it is needed */
        *strrchr(path, '/') = 0;
    return check_space_in("traces", path, 64 << 20);
}

static struct finding check_temporary(void)
{
    char path[CARRIER_PATH];
    struct failure failure = session_directory(path);
    if (failure.code)
        return found(BAD, "%s; set TMPDIR to a directory that you can write to", failure.text);
    struct finding finding = check_space_in("temporary files", path, 512 << 20);
    session_remove(path);
    return finding;
}

static struct finding check_line(void)
{
    struct child child;
    char name[CHILD_LINE_NAME];
    struct failure failure = child_open_line(&child, name);
    child_close(&child);
    if (failure.code)
        return found(BAD, "%s; is /dev/pts mounted?", failure.text);
    return found(GOOD, "pseudo-terminals work: the guest can be given input");
}

static struct finding check_terminal(void)
{
    struct winsize size = {0};
    if (!isatty(STDIN_FILENO))
        return found(NOTE, "stdin is not a terminal: what is piped in is typed to the guest");
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
        return found(NOTE, "the terminal does not tell its size");
    return found(GOOD, "stdin is a terminal of %u columns and %u lines", size.ws_col, size.ws_row);
}

static struct finding check_packages(void)
{
    static const char *const programs[][2] = {{"cpio", "cpio"},
                                              {"dpkg-deb", "dpkg"},
                                              {"gcc", "gcc"},
                                              {"make", "make"}};
    char path[CARRIER_PATH], missing[200] = "";
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        if (!find_program(programs[i][0], path))
            snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing), " %s",
                     programs[i][1]);
    if (*missing)
        return found(NOTE, "for `make demo` these packages are missing: apt-get install%s",
                     missing);
    return found(GOOD, "the packages that `make demo` uses are there");
}

/* --- all of them ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    struct finding (*check)(void);
} checks[] = {
    {"software", check_software},    {"sse4.2", check_sse42},
    {"bochs", check_bochs},          {"cpu-model", check_model},
    {"image", check_image},          {"configuration", check_configuration},
    {"vt-x", check_vtx},
    {"traces", check_trace_home},    {"temporary", check_temporary},
    {"pseudo-terminal", check_line}, {"terminal", check_terminal},
    {"packages", check_packages},
};

static const char *const state_names[] = {"ok", "note", "missing"};

static void print_row(const char *name, const struct finding *finding, bool color)
{
    static const char *const colors[] = {"32", "33", "31"};
    if (color)
        printf("\033[%sm%-8s\033[0m", colors[finding->state], state_names[finding->state]);
    else
        printf("%-8s", state_names[finding->state]);
    printf("%-16s %s\n", name, finding->text);
}

static void print_json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((u8)*text < ' ')
            printf("\\u%04x", (u8)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_json(const char *name, const struct finding *finding, bool first)
{
    printf("%s\n  {\"check\": \"%s\", \"state\": \"%s\", \"text\": ", first ? "" : ",", name,
           state_names[finding->state]);
    print_json_string(finding->text);
    putchar('}');
}

static int diagnose(bool json)
{
    bool bad = false;
    if (json)
        putchar('[');
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct finding finding = checks[i].check();
        bad |= finding.state == BAD;
        if (json)
            print_json(checks[i].name, &finding, i == 0);
        else
            print_row(checks[i].name, &finding, cli_color(STDOUT_FILENO));
    }
    if (json)
        puts("\n]");
    return bad ? CLI_DIFFERENT : CLI_SAME;
}

int cmd_doctor(int argc, char **argv)
{
    static const char *const formats[] = {"table", "json", NULL};
    int code, format = 0;
    while ((code = cli_next(&command, argc, argv)) != CLI_END) {
        if (code == CLI_HELP || code == CLI_BAD)
            return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
        format = cli_parse_choice(optarg, formats);
        if (format < 0)
            return cli_misuse(&command, "--format %s: must be `table` or `json`", optarg);
    }
    if (optind < argc)
        return cli_misuse(&command, "unexpected `%s`", argv[optind]);
    return diagnose(format == 1);
}
