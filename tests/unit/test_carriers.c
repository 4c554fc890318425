/* The parts of vmx/carriers that need no carrier: frames, typed input, the trace disk, the report.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crc.h"
#include "core/machine.h"
#include "vmx/carriers/carrier.h"
#include "vmx/carriers/frames.h"
#include "vmx/carriers/report.h"
#include "vmx/carriers/terminal.h"

/* --- frames ------------------------------------------------------------------ */

struct seen {
    char console[256], frames[256];
};

static void see_console(void *context, const u8 *bytes, size_t length)
{
    strncat(((struct seen *)context)->console, (const char *)bytes, length);
}

static void see_frame(void *context, char letter, const char *text)
{
    char *frames = ((struct seen *)context)->frames;
    snprintf(frames + strlen(frames), 256 - strlen(frames), "[%c%s]", letter, text);
}

/* Feeds the stream in pieces of `piece` bytes. */
static struct seen feed(const char *stream, size_t length, size_t piece, struct frames *frames)
{
    struct seen seen = {0};
    const struct frame_handler handler = {&seen, see_console, see_frame};
    *frames = (struct frames){0};
    for (size_t at = 0; at < length; at += piece)
        frames_feed(frames, (const u8 *)stream + at, min_u64(piece, length - at), &handler);
    return seen;
}

Test(carriers, frames_are_the_same_however_they_are_cut)
{
    static const char stream[] = "chatter\x1f"
                                 "Gx\x1f"
                                 "Chidden\n\x1fH1\nchatter\x1f"
                                 "Ga\x1f"
                                 "G\x1f\x1f"
                                 "Gb\x1fMa word\n(0). chatter\n\x1f"
                                 "G\n\x1f"
                                 "C0\n\x1f"
                                 "B0\nchatter\x1f"
                                 "C1\n\x1fGx";
    for (size_t piece = 1; piece < sizeof(stream); piece++) {
        struct frames frames;
        struct seen seen = feed(stream, sizeof(stream) - 1, piece, &frames);
        cr_assert_str_eq(seen.console, "a\x1f"
                                       "b\n");
        cr_assert_str_eq(seen.frames, "[H1][Ma word][C0][B0]");
        cr_assert(frames.over);
        cr_assert_str_eq(frames.chatter, "chatter");
    }
}

Test(carriers, long_frames_and_chatter_are_cut)
{
    static char stream[8000];
    struct frames frames;
    memset(stream, 'x', sizeof(stream));
    feed(stream, sizeof(stream), 100, &frames);
    cr_assert_lt(frames.chatter_length, CHATTER);
    stream[0] = FRAME_MARK;
    stream[1] = FRAME_HELLO;
    stream[sizeof(stream) - 1] = '\n';
    feed(stream, sizeof(stream), 7, &frames);
    cr_assert(frames.greeted);
    cr_assert_eq(frames.length, FRAME_TEXT - 1);
}

/* --- input --------------------------------------------------------------------- */

/* All that would go to the line, in writes of at most `piece` bytes. */
static size_t drain(struct input *in, u8 *to, size_t piece)
{
    size_t total = 0, length;
    for (const u8 *bytes; (bytes = input_pending(in, &length)), length;) {
        length = min_u64(length, piece);
        memcpy(to + total, bytes, length);
        input_sent(in, length);
        total += length;
    }
    return total;
}

Test(carriers, piped_bytes_go_through_and_marks_twice)
{
    static u8 all[1024], out[4096];
    struct input in = {0};
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (u8)i;
    cr_assert_eq(input_take(&in, all, sizeof(all)), INPUT_NOTHING);
    size_t length = 0, at = 0;
    for (u64 sent = 0; in.sent < sizeof(all); sent = in.sent) {
        length += drain(&in, out + length, 5);
        cr_assert_leq(in.sent - sent, INPUT_WINDOW, "the window");
        cr_assert_gt(in.sent, sent);
        input_taken(&in, in.sent + 1); /* nonsense: ignored */
        input_taken(&in, in.sent);
    }
    cr_assert_eq(length, sizeof(all) + 4, "four marks are escaped");
    for (size_t i = 0; i < sizeof(all); i++) {
        cr_assert_eq(out[at], all[i]);
        at += all[i] == FRAME_MARK ? 2 : 1;
    }
}

Test(carriers, control_a_is_the_prefix_of_keys)
{
    struct input in = {.keys = true};
    u8 out[64];
    cr_assert_eq(input_take(&in, (const u8 *)"a\x01", 2), INPUT_NOTHING);
    cr_assert_eq(input_take(&in, (const u8 *)"c\x01\x01\x01?b", 6), INPUT_NOTHING);
    cr_assert_eq(drain(&in, out, 64), 4);
    cr_assert_arr_eq(out,
                     "a\x03\x01"
                     "b",
                     4);
    cr_assert_eq(input_take(&in, (const u8 *)"\x01x", 2), INPUT_QUIT);
}

Test(carriers, a_command_goes_before_input)
{
    struct input in = {0};
    u8 out[256];
    size_t length;
    input_take(&in, (const u8 *)"\x1f\x1f hello", 8);
    input_pending(&in, &length);
    input_sent(&in, 1); /* half of an escape is on its way */
    input_command(&in, COMMAND_QUIT);
    length = drain(&in, out, 3);
    cr_assert_arr_eq(out, "\x1f\x1f\x1f hello\x1fQ\x1fQ", length);
    input_take(&in, (const u8 *)"lost", 4);
    input_drop(&in);
    input_command(&in, COMMAND_TIMEOUT);
    cr_assert_eq(drain(&in, out, 99), 4);
    cr_assert_arr_eq(out, "\x1fT\x1fT", 4);
}

/* --- the trace disk ---------------------------------------------------------------- */

static char path[] = "/tmp/hindvisor-unit-XXXXXX";

static void make_disk(void)
{
    close(mkstemp(path));
    struct failure failure = disk_create(path, 40 << 20, NULL, NULL);
    cr_assert_eq(failure.code, OK, "%s", failure.text);
}

static void drop_disk(void)
{
    unlink(path);
}

static void put_chunk(u64 sector, struct chunk_header header, const void *payload)
{
    int file = open(path, O_WRONLY);
    header.magic = CHUNK_MAGIC;
    header.checksum ^= crc32c(~0u, payload, min_u64(header.length, 600));
    cr_assert_eq(pwrite(file, &header, sizeof(header), (off_t)(sector * SECTOR)), sizeof(header));
    cr_assert_eq(pwrite(file, payload, 600, (off_t)(sector * SECTOR + sizeof(header))), 600);
    close(file);
}

Test(carriers, chunks_are_taken_in_order, .init = make_disk, .fini = drop_disk)
{
    static const u8 payload[600] = {1, 2, 3};
    struct trace_disk disk;
    u32 kind, length;
    cr_assert_eq(disk_open_output(&disk, path).code, OK);
    cr_assert_eq(disk.sectors % DISK_CYLINDER, 0, "Bochs wants whole cylinders");
    cr_assert_eq(disk_next_chunk(&disk, &kind, &length).code, OK);
    cr_assert_eq(kind, 0, "there is none yet");
    put_chunk(disk.next, (struct chunk_header){.kind = CHUNK_RECORDS, .length = 600}, payload);
    put_chunk(disk.next + 2,
              (struct chunk_header){.kind = CHUNK_REPORT, .sequence = 1, .length = 600}, payload);
    cr_assert_eq(disk_next_chunk(&disk, &kind, &length).code, OK);
    cr_assert_eq(kind, CHUNK_RECORDS);
    cr_assert_arr_eq(disk.payload, payload, 600);
    disk_forget_chunk(&disk, length);
    cr_assert_eq(disk_next_chunk(&disk, &kind, &length).code, OK);
    cr_assert_eq(kind, CHUNK_REPORT, "forgetting one does not touch the next");
    disk_close(&disk);
}

Test(carriers, damaged_chunks_are_refused, .init = make_disk, .fini = drop_disk)
{
    static const u8 payload[600] = {0};
    static const struct chunk_header bad[] = {
        {.kind = 1, .length = 600, .checksum = 1},
        {.kind = 1, .length = 600, .sequence = 7},
        {.kind = 1, .length = CHUNK_MAX + 1},
        {.kind = 1, .length = UINT32_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct trace_disk disk;
        u32 kind, length;
        cr_assert_eq(disk_open_output(&disk, path).code, OK);
        put_chunk(disk.next, bad[i], payload);
        cr_assert_neq(disk_next_chunk(&disk, &kind, &length).code, OK, "case %zu", i);
        disk_close(&disk);
    }
}

/* --- the report ----------------------------------------------------------------------- */

static char *divergence_of(const struct report *report)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_divergence(out, report, false);
    fclose(out);
    return text;
}

Test(carriers, the_report_names_the_instruction_in_each_mode)
{
    static const struct {
        u8 bits;
        const char *text;
    } cases[] = {{64, "xor rax, rbx"}, {32, "dec eax"}, {16, "dec ax"}};
    struct report report = {.instruction_length = 3, .instruction = {0x48, 0x31, 0xd8}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[64];
        report.mode_bits = cases[i].bits;
        cr_assert_gt(report_disassemble(&report, text, sizeof(text)), 0);
        cr_assert_str_eq(text, cases[i].text);
    }
}

/* The image's numbers are not to be trusted as sizes. */
Test(carriers, a_hostile_report_stays_in_its_bounds)
{
    struct report *report = malloc(sizeof(*report)); /* so that ASan sees its ends */
    memset(report, 0xff, sizeof(*report));
    free(divergence_of(report));
    FILE *null = fopen("/dev/null", "w");
    report_exits(null, report, 1, 3);
    report_end(null, report);
    report_state(null, report, true);
    fclose(null);
    free(report);
}

Test(carriers, the_cause_goes_by_what_differs)
{
    static const struct {
        enum divergence what;
        const char *word;
    } cases[] = {
        {DIVERGENCE_INPUT_KIND, "input"},    {DIVERGENCE_POSITION, "timing"},
        {DIVERGENCE_REASON, "missing"},      {DIVERGENCE_MEMORY_STATE, "image"},
        {DIVERGENCE_DEVICE_STATE, "device"}, {DIVERGENCE_EXTRA_EXIT, "end"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct report report = {.divergence = cases[i].what};
        char text[CAUSE_MAX];
        report_cause(&report, text);
        cr_assert_not_null(strstr(text, cases[i].word), "%s", text);
    }
}

Test(carriers, the_divergence_shows_both_sides)
{
    struct report report = {
        .divergence = DIVERGENCE_VALUE, .exits = 42, .expected = 0xabc, .got = 0xdef};
    report.expected_record.exit =
        (struct exit_record){.kind = REC_EXIT, .reason = 30, .rip = 0x1234};
    report.actual = (struct exit_record){.kind = REC_EXIT, .reason = 30, .rip = 0x1234};
    char *text = divergence_of(&report);
    cr_assert_not_null(strstr(text, "exit 41,"));
    cr_assert_not_null(strstr(text, "0xabc"));
    cr_assert_not_null(strstr(text, "0xdef"));
    cr_assert_not_null(strstr(text, "IO_INSTRUCTION"));
    free(text);
}
