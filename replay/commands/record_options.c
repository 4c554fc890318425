/* The options of `hindvisor record`: what they are, what they may be, what they are by default. */
#define _GNU_SOURCE /* strptime, timegm */
#include "replay/commands/record_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/cpu_model.h"
#include "core/machine.h"
#include "replay/commands/session.h"
#include "vmx/carriers/carrier.h"

enum {
    OPTION_KERNEL = 'k',
    OPTION_INITRD = 'i',
    OPTION_APPEND = 'a',
    OPTION_MEMORY = 'm',
    OPTION_OUTPUT = 'o',
    OPTION_QUIET = 'q',
    OPTION_CLOCK = 256,
    OPTION_COUNT,
    OPTION_NOISE,
    OPTION_TIMEOUT,
    OPTION_WALL_TIMEOUT,
    OPTION_DATE,
    OPTION_PROCESSOR,
    OPTION_TRAP,
    OPTION_PAGE_FAULT,
    OPTION_NO_RECORD,
    OPTION_LTTNG,
};

static const struct cli_option options[] = {
    {OPTION_KERNEL, "kernel", "FILE",
     "the guest's kernel: a Linux bzImage or an x86-64 ELF executable"},
    {OPTION_INITRD, "initrd", "FILE", "its initial RAM disk"},
    {OPTION_APPEND, "append", "CMDLINE", "its command line"},
    {OPTION_MEMORY, "memory", "SIZE", "its RAM, 2M to 1536M (256M)"},
    {OPTION_CLOCK, "clock", "count|host",
     "guest time follows the guest count, or the host's clock (count)"},
    {OPTION_COUNT, "count", "ticks|exits",
     "count instructions, or only exits: for processors without an exact\n"
     "count; interrupts then wait for the guest's next exit (ticks)"},
    {OPTION_DATE, "date", "DATE",
     "the guest's date at its start: 2026-01-01T00:00:00Z or seconds since\n"
     "1970 (that date under --clock count, now under --clock host)"},
    {OPTION_NOISE, "noise", "SEED", "perturb the world around the guest from this seed"},
    {OPTION_TRAP, "trap", "VECTORS",
     "log these guest exceptions as exits: numbers or names, \"6,14\", \"ud,pf\""},
    {OPTION_PAGE_FAULT, "page-fault", "MASK,MATCH",
     "with --trap 14: only those whose error code, masked, matches"},
    {OPTION_TIMEOUT, "timeout", "TIME", "end after this much guest time: 10s, 500ms"},
    {OPTION_WALL_TIMEOUT, "wall-timeout", "TIME", "end after this much of your time"},
    {OPTION_PROCESSOR, "processor", "NAME",
     "what runs the guest: software: the software processor, in this process;\n"
     "or the hypervisor image on VT-x: bochs; kvm with nested VT-x; image: makes\n"
     "an ISO and a disk for a machine that you boot yourself (software)"},
    {OPTION_NO_RECORD, "no-record", NULL, "only run the guest, keep no trace"},
    {OPTION_LTTNG, "lttng", NULL, "also show the records to LTTng-UST, as provider hindvisor"},
    {OPTION_QUIET, "quiet", NULL, "do not show the guest's console"},
    {OPTION_OUTPUT, "output", "DIR", "where the trace goes (a new directory in the trace home)"},
    {0},
};

const struct cli_command record_command = {
    .name = "record",
    .synopsis = "--kernel FILE [--initrd FILE] [--append CMDLINE] [OPTION...]",
    .summary =
        "Boots a guest and records its run. The terminal is the guest's console; Ctrl-C ends the\n"
        "recording. Afterwards `hindvisor replay` runs the same again.",
    .options = options,
    .examples =
        "  hindvisor record --kernel /boot/vmlinuz --initrd initrd.img --append console=ttyS0\n"
        "  hindvisor record -k vmlinuz -i initrd.img -a console=ttyS0 --timeout 10s -o boot.trace\n"
        "  hindvisor record --processor image --count exits -k vmlinuz -i initrd.img -o boot.trace",
};

/* 2026-01-01T00:00:00Z */
enum { FIXED_DATE = 1767225600 };

static bool parse_date(const char *text, u64 *seconds)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S",
                                          "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"};
    if (cli_parse_u64(text, seconds))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        struct tm parts = {0};
        const char *end = strptime(text, formats[i], &parts);
        time_t value = timegm(&parts);
        *seconds = (u64)value;
        if (end && !*end && value >= 0)
            return true;
    }
    return false;
}

/* Exceptions by name (SDM table 6-1); the bit of each is its vector. */
static const char *const exception_names[32] = {
    "de", "db", "nmi", "bp", "of", "br", "ud", "nm", "df", NULL, "ts",
    "np", "ss", "gp",  "pf", NULL, "mf", "ac", "mc", "xm", "ve", "cp",
};

static int exception_by_name(const char *name)
{
    u64 number;
    for (int i = 0; i < 32; i++)
        if (exception_names[i] && !strcasecmp(name + (*name == '#'), exception_names[i]))
            return i;
    return cli_parse_u64(name, &number) && number < 32 ? (int)number : -1;
}

static bool parse_vectors(const char *text, u32 *bitmap)
{
    char copy[256], *rest = NULL;
    if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
        return false;
    for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        int vector = exception_by_name(word);
        if (vector < 0 || vector == 2) /* an NMI is not the guest's exception */
            return false;
        *bitmap |= 1u << vector;
    }
    return *bitmap != 0;
}

static bool parse_page_fault(const char *text, struct manifest *manifest)
{
    char copy[64];
    u64 mask, match;
    snprintf(copy, sizeof(copy), "%s", text);
    char *comma = strchr(copy, ',');
    if (!comma)
        return false;
    *comma = 0;
    if (!cli_parse_u64(copy, &mask) || !cli_parse_u64(comma + 1, &match) || mask > UINT32_MAX ||
        match > UINT32_MAX)
        return false;
    manifest->page_fault_mask = (u32)mask;
    manifest->page_fault_match = (u32)match;
    return true;
}

static bool parse_memory(const char *text, u64 *size)
{
    return cli_parse_size(text, size) && *size >= (2u << 20) && *size <= MEMORY_MAX &&
           !(*size % PAGE_SIZE);
}

static bool parse_clock(const char *text, u32 *clock)
{
    static const char *const names[] = {[CLOCK_COUNT] = "count", [CLOCK_HOST] = "host", NULL};
    int choice = cli_parse_choice(text, names);
    *clock = (u32)choice;
    return choice >= 0;
}

static bool parse_count(const char *text, struct manifest *manifest)
{
    static const char *const names[] = {"ticks", "exits", NULL};
    int choice = cli_parse_choice(text, names);
    if (choice >= 0)
        snprintf(manifest->count_kind, sizeof(manifest->count_kind), "%s", names[choice]);
    return choice >= 0;
}

static int choose_processor(struct manifest *manifest, const char *name)
{
    if (!carrier_find(name))
        return cli_misuse(&record_command, "--processor %s: must be %s", name,
                          carrier_choices());
    snprintf(manifest->processor, sizeof(manifest->processor), "%s", name);
    return CLI_END;
}

static int choose_command_line(struct manifest *manifest, const char *text)
{
    size_t room = sizeof(manifest->command_line);
    if (strlen(text) >= room)
        return cli_misuse(&record_command, "--append: at most %zu bytes", room - 1);
    if (strpbrk(text, "\n\r"))
        return cli_misuse(&record_command, "--append: a command line is one line");
    memcpy(manifest->command_line, text, strlen(text) + 1);
    return CLI_END;
}

static int check(bool good, const char *option, const char *must_be)
{
    return good ? CLI_END
                : cli_misuse(&record_command, "--%s %s: must be %s", option, optarg, must_be);
}

static int take_number(int code, struct record_options *o)
{
    struct manifest *m = &o->manifest;
    switch (code) {
    case OPTION_MEMORY:
        return check(parse_memory(optarg, &m->memory_size), "memory",
                     "2M to 1536M, a multiple of 4K");
    case OPTION_CLOCK:
        return check(parse_clock(optarg, &m->clock), "clock", "`count` or `host`");
    case OPTION_COUNT:
        return check(parse_count(optarg, m), "count", "`ticks` or `exits`");
    case OPTION_NOISE:
        return check(m->noise = cli_parse_u64(optarg, &m->noise_seed), "noise", "a number");
    case OPTION_TIMEOUT:
        return check(cli_parse_time(optarg, &m->timeout_ns), "timeout", "a time: 10s, 500ms, 2m");
    case OPTION_WALL_TIMEOUT:
        return check(cli_parse_time(optarg, &o->wall_timeout), "wall-timeout",
                     "a time: 10s, 500ms, 2m");
    case OPTION_DATE:
        return check(parse_date(optarg, &m->epoch), "date",
                     "2026-01-01T00:00:00Z or seconds since 1970");
    case OPTION_TRAP:
        return check(parse_vectors(optarg, &m->exception_bitmap), "trap",
                     "exceptions like 6,14 or ud,pf");
    case OPTION_PAGE_FAULT:
        return check(parse_page_fault(optarg, m), "page-fault", "two numbers: MASK,MATCH");
    default:
        return CLI_END;
    }
}

static int take(int code, struct record_options *o)
{
    switch (code) {
    case OPTION_KERNEL:
        o->kernel = optarg;
        return CLI_END;
    case OPTION_INITRD:
        o->initrd = optarg;
        return CLI_END;
    case OPTION_OUTPUT:
        o->output = optarg;
        return CLI_END;
    case OPTION_NO_RECORD:
        o->no_record = true;
        return CLI_END;
    case OPTION_LTTNG:
        o->lttng = true;
        return CLI_END;
    case OPTION_QUIET:
        o->quiet = true;
        return CLI_END;
    case OPTION_APPEND:
        return choose_command_line(&o->manifest, optarg);
    case OPTION_PROCESSOR:
        return choose_processor(&o->manifest, optarg);
    default:
        return take_number(code, o);
    }
}

static void set_defaults(struct record_options *o)
{
    *o = (struct record_options){.wall_timeout = NEVER};
    o->manifest.cpu_model = CPU_MODEL_VERSION;
    o->manifest.clock = CLOCK_COUNT;
    o->manifest.memory_size = 256u << 20;
    o->manifest.timeout_ns = NEVER;
    o->manifest.epoch = NEVER; /* not chosen yet */
    o->manifest.sabotage = session_sabotage(0);
    snprintf(o->manifest.processor, sizeof(o->manifest.processor), "%s",
             session_processor());
}

static int check_together(struct record_options *o, int argc, char **argv)
{
    if (optind < argc)
        return cli_misuse(&record_command, "unexpected `%s`: files are given by options",
                          argv[optind]);
    if (!o->kernel)
        return cli_misuse(&record_command, "--kernel FILE is missing");
    if (o->no_record && o->output)
        return cli_misuse(&record_command,
                          "--no-record keeps no trace, so --output has no meaning");
    if (o->no_record && o->lttng)
        return cli_misuse(&record_command,
                          "--no-record makes no records, so --lttng has no meaning");
    if (!carrier_find(o->manifest.processor))
        return cli_misuse(&record_command, "HINDVISOR_PROCESSOR=%s: must be %s",
                          o->manifest.processor, carrier_choices());
    if (carrier_find(o->manifest.processor)->by_hand &&
        (o->no_record || o->quiet || o->lttng || o->wall_timeout != NEVER))
        return cli_misuse(&record_command, "--processor %s does not run the guest here, so "
                          "--no-record, --quiet, --lttng and --wall-timeout have no meaning",
                          o->manifest.processor);
    if (o->manifest.epoch == NEVER)
        o->manifest.epoch = o->manifest.clock == CLOCK_HOST ? (u64)time(NULL) : FIXED_DATE;
    return CLI_END;
}

int record_parse(int argc, char **argv, struct record_options *o)
{
    int code, result = CLI_END;
    set_defaults(o);
    while (result == CLI_END && (code = cli_next(&record_command, argc, argv)) != CLI_END) {
        if (code == CLI_HELP || code == CLI_BAD)
            return code == CLI_HELP ? CLI_SAME : CLI_TROUBLE;
        result = take(code, o);
    }
    return result == CLI_END ? check_together(o, argc, argv) : result;
}
