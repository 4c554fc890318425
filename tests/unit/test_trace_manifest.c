/* The manifest: a text that says exactly what the struct says, or an error. */
#include "trace_sample.h"

#include "trace/manifest.h"

#include <criterion/criterion.h>
#include <xxhash.h>

static struct manifest filled(void)
{
    struct manifest m = {
        .version = TRACE_FORMAT_VERSION,
        .cpu_model = 1,
        .clock = 1,
        .memory_size = 256u << 20,
        .epoch = 946684800,
        .noise = true,
        .noise_seed = 0xffffffffffffull,
        .timeout_ns = NEVER,
        .exception_bitmap = 0x4000,
        .page_fault_mask = 1,
        .sabotage = 3,
        .tsc_hz = 100000000,
        .created = 1700000000,
        .finished = TRACE_CUT,
        .end_reason = 6,
        .end_detail = 9,
        .exits = 12,
        .count = 99,
        .guest_ns = 100,
        .injections = 4,
        .chunks = 2,
        .records = {1, 2},
        .blocks = {3, 4},
        .bytes = {5, 6},
    };
    strcpy(m.count_kind, "ticks");
    strcpy(m.kernel_format, "linux");
    strcpy(m.processor, "bochs");
    strcpy(m.host_cpu, "GenuineIntel family 6 model 85 stepping 7");
    strcpy(m.undefined_flags, "bochs");
    strcpy(m.kernel.name, "vmlinuz: a name with spaces");
    strcpy(m.command_line, "console=ttyS0 quote=\"x y\" back\\slash new\nline \x01 \xc3\xbc");
    return m;
}

Test(trace_manifest, round_trips_with_awkward_text)
{
    struct manifest before = filled(), after;
    char text[MANIFEST_MAX];
    size_t length = manifest_format(&before, text, sizeof(text));
    struct failure failure = manifest_parse(&after, text, length, "here");
    cr_assert_eq(failure.code, OK, "%s", failure.text);
    cr_assert(!memcmp(&before, &after, sizeof(before)));
    cr_assert_null(memmem(text, length, "new\nline", 8));
}

Test(trace_manifest, longest_command_line_fits)
{
    struct manifest before = filled(), after;
    char text[MANIFEST_MAX];
    memset(before.command_line, '\\', sizeof(before.command_line) - 1);
    size_t length = manifest_format(&before, text, sizeof(text));
    cr_assert_eq(manifest_parse(&after, text, length, "here").code, OK);
    cr_assert_str_eq(before.command_line, after.command_line);
}

Test(trace_manifest, any_changed_or_missing_byte_is_noticed)
{
    struct manifest before = filled(), after;
    char text[MANIFEST_MAX];
    size_t length = manifest_format(&before, text, sizeof(text));
    for (size_t i = 0; i < length; i++) {
        for (u32 bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            cr_assert_neq(manifest_parse(&after, text, length, "here").code, OK, "byte %zu", i);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
        cr_assert_neq(manifest_parse(&after, text, i, "here").code, OK);
    }
    cr_assert_eq(manifest_parse(&after, text, length, "here").code, OK);
}

/* Changes one text in the manifest and makes the checksum right again. */
static struct failure parse_edited(const char *from, const char *to)
{
    struct manifest m = filled();
    char text[MANIFEST_MAX], edited[MANIFEST_MAX + 64];
    manifest_format(&m, text, sizeof(text));
    *strstr(text, "checksum: ") = 0;
    char *at = strstr(text, from);
    cr_assert(at);
    int length =
        snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    length += sprintf(edited + length, "checksum: xxh64:%016llx\n",
                      (unsigned long long)XXH64(edited, (size_t)length, 0));
    return manifest_parse(&m, edited, (size_t)length, "here");
}

Test(trace_manifest, other_versions_and_wrong_lines_are_told_apart)
{
    struct failure newer = parse_edited("hindvisor-trace: 3", "hindvisor-trace: 4");
    cr_expect_eq(newer.code, UNSUPPORTED);
    cr_expect(strstr(newer.text, "format version 4"), "%s", newer.text);
    cr_expect_eq(parse_edited("hindvisor-trace: 3", "hindvisor-trace: 1").code, OK, "older");
    cr_expect_eq(parse_edited("hindvisor-trace: 3", "hindvisor-trace: 2").code, OK, "older");
    cr_expect_eq(parse_edited("hindvisor-trace: 3", "hindvisor-trace: 0").code, UNSUPPORTED);
    cr_expect_eq(parse_edited("hindvisor-trace", "other-trace").code, BAD_INPUT);
    struct failure clock = parse_edited("clock: host", "clock: moon");
    cr_expect(strstr(clock.text, "\"clock: ...\""), "%s", clock.text);
    cr_expect_eq(parse_edited("memory: ", "memory: 0x").code, BAD_INPUT);
    cr_expect_eq(parse_edited("exits: 12", "exits: 012").code, BAD_INPUT);
    cr_expect_eq(parse_edited("exits: 12\n", "").code, BAD_INPUT);
    cr_expect_eq(parse_edited("exits: 12\n", "exits: 12\nextra: 1\n").code, BAD_INPUT);
    cr_expect_eq(parse_edited("exits: 12", "exits: 12").code, OK);
}
