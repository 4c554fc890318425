/* What the commands share, and names of numbers. */
#include "trace_sample.h"

#include "trace/commands/cli.h"
#include "trace/commands/commands.h"
#include "trace/names.h"
#include "trace/render.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <getopt.h>
#include <sys/stat.h>

static void setup(void)
{
    scratch_make();
    setenv("XDG_DATA_HOME", scratch, 1);
    cr_redirect_stdout();
    cr_redirect_stderr();
}

static void teardown(void)
{
    scratch_remove();
}

TestSuite(trace_commands, .init = setup, .fini = teardown);

static void make_trace(void)
{
    struct sample s = {0};
    struct manifest manifest = {.memory_size = 1 << 20};
    struct trace_writer *writer;
    char path[CLI_PATH];
    scratch_file("vmlinuz-1", "kernel", 6);
    cr_assert_eq(cli_new_trace(NULL, "/boot/vmlinuz-1", path).code, OK);
    cr_assert(strstr(path, "/hindvisor/vmlinuz-1-1"), "%s", path);
    cr_assert_eq(
        trace_create(path, &manifest, scratch_path("vmlinuz-1"), NULL, TRACE_SYNC_NEVER, &writer)
            .code,
        OK);
    sample_chunk(&s, 50, 3);
    sample_end(&s);
    cr_assert_eq(trace_append_chunk(writer, s.raw, s.used).code, OK);
    cr_assert_eq(trace_finish(writer).code, OK);
    cr_assert_eq(cli_point_latest(path).code, OK);
    free(s.raw);
}

Test(trace_commands, numbers_have_units)
{
    u64 value;
    cr_expect(cli_parse_size("512M", &value) && value == 512u << 20);
    cr_expect(cli_parse_size("0x10K", &value) && value == 16384);
    cr_expect(cli_parse_time("10", &value) && value == 10 * NANOSECONDS);
    cr_expect(cli_parse_time("250us", &value) && value == 250000);
    cr_expect(cli_parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
    static const char *const bad[] = {"",  "-1", "+1", " 1", "1x", "0x", "18446744073709551616",
                                      "1 "};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_not(cli_parse_u64(bad[i], &value), "\"%s\"", bad[i]);
    cr_expect_not(cli_parse_size("18446744073709551615K", &value));
    cr_expect_not(cli_parse_time("1d", &value));
}

Test(trace_commands, traces_are_found_by_path_name_or_latest)
{
    char path[CLI_PATH], again[CLI_PATH];
    struct failure none = cli_resolve_trace(NULL, path);
    cr_expect(strstr(none.text, "hindvisor record"), "%s", none.text);
    make_trace();
    cr_expect_eq(cli_resolve_trace(NULL, path).code, OK);
    cr_expect_eq(cli_resolve_trace("vmlinuz-1-1", path).code, OK);
    cr_expect_eq(cli_resolve_trace(path, again).code, OK);
    cr_expect_str_eq(path, again);
    cr_expect_eq(cli_resolve_trace("nothing", path).code, BAD_INPUT);
    cr_expect_eq(cli_new_trace(NULL, "vmlinuz-1", path).code, OK);
    cr_expect(strstr(path, "vmlinuz-1-2"), "%s", path);
}

Test(trace_commands, misuse_is_trouble)
{
    char *unknown[] = {"info", "--wrong", NULL}, *lacking[] = {"dump", "--from", NULL};
    char *two[] = {"info", "a", "b", NULL}, *none[] = {"repair", NULL},
         *kind[] = {"dump", "-k", "x", NULL};
    cr_expect_eq(cmd_info(2, unknown), CLI_TROUBLE);
    optind = 0;
    cr_expect_eq(cmd_dump(2, lacking), CLI_TROUBLE);
    optind = 0;
    cr_expect_eq(cmd_info(3, two), CLI_TROUBLE);
    optind = 0;
    cr_expect_eq(cmd_repair(1, none), CLI_TROUBLE);
    optind = 0;
    cr_expect_eq(cmd_dump(3, kind), CLI_TROUBLE);
}

Test(trace_commands, info_dump_and_repair_accept_a_good_trace)
{
    char *info[] = {"info", NULL}, *json[] = {"info", "--format", "json", NULL};
    char *dump[] = {"dump", "--format", "csv", NULL}, *repair[] = {"repair", "vmlinuz-1-1", NULL};
    char *help[] = {"dump", "--help", NULL};
    make_trace();
    cr_expect_eq(cmd_info(1, info), CLI_SAME);
    optind = 0;
    cr_expect_eq(cmd_info(3, json), CLI_SAME);
    optind = 0;
    cr_expect_eq(cmd_dump(3, dump), CLI_SAME);
    optind = 0;
    cr_expect_eq(cmd_repair(2, repair), CLI_SAME);
    optind = 0;
    cr_expect_eq(cmd_dump(2, help), CLI_SAME);
}

Test(trace_commands, numbers_have_names)
{
    char buffer[NAME_MAX_LENGTH];
    cr_expect_str_eq(name_reason(30, buffer), "IO_INSTRUCTION");
    cr_expect_str_eq(name_reason(5, buffer), "reason 5");
    cr_expect_str_eq(name_reason(70000, buffer), "reason 70000");
    cr_expect_str_eq(name_end(1, buffer), "POWER_OFF");
    cr_expect_str_eq(name_interruption(0x800000ec, buffer), "external interrupt 0xec");
    cr_expect_str_eq(name_interruption(0x80000b0e, buffer), "hardware exception #PF");
    cr_expect_str_eq(name_interruption(0xec, buffer), "not valid");
}

static void expect_render(void (*render)(FILE *, const struct rendered *), const char *expected)
{
    struct injection_record injection = {
        .kind = REC_INJECTION, .info = 0x800000ec, .exit = 7, .count = 99, .rip = 0x10};
    union record record = {.injection = injection};
    struct rendered item = {&record, 7, STREAM_OBSERVATION};
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    render(out, &item);
    fclose(out);
    cr_expect_str_eq(text, expected);
    free(text);
}

Test(trace_commands, a_record_renders_as_text_and_json)
{
    expect_render(render_text,
                  "         7 injection external interrupt 0xec error=0x0 count=99 rip=0x10\n");
    expect_render(
        render_json,
        "{\"kind\":\"injection\",\"stream\":\"observations\",\"exit\":7,\"info\":2147483884,"
        "\"info_name\":\"external interrupt 0xec\",\"error\":0,\"count\":99,\"rip\":16}\n");
}

Test(trace_commands, failures_carry_numbers_and_reasons)
{
    struct failure f = fail_err(ERR(BAD_INPUT, "at %a of %B: 100%", 12, 255));
    cr_expect_str_eq(f.text, "at 12 of 0xff: 100%");
    errno = ENOSPC;
    f = fail_errno("file %s", "x");
    cr_expect_eq(f.code, NO_SPACE);
    cr_expect(strstr(f.text, "file x: No space left on device; free some space"), "%s", f.text);
    errno = ENOENT;
    cr_expect_eq(fail_errno("x").code, BAD_INPUT);
}
