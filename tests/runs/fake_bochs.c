/*
 * Stands in for Bochs in tests/runs/cli.sh: speaks the frames of trace/wire.h and
 * writes chunks to the disk as the image would, but runs no guest. What it does is
 * chosen by FAKE in the environment: each mode is a way in which a carrier or an
 * image can behave, mostly badly. Reads `bochsrc` in its working directory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/crc.h"
#include "core/machine.h"
#include "trace/wire.h"

static int disk, line;
static u64 next_sector, exits;
static u32 sequence;
static struct mission mission;

static void guest_byte(int byte)
{
    printf("%c%c%c", FRAME_MARK, FRAME_GUEST, byte);
}

static void say(const char *text)
{
    while (*text)
        guest_byte(*text++);
    fflush(stdout);
}

static void frame(char letter, const char *text)
{
    printf("%c%c%s\n", FRAME_MARK, letter, text);
    fflush(stdout);
}

/* The serial line's device is named in the configuration. */
static int open_line(void)
{
    char text[512], name[256];
    FILE *file = fopen("bochsrc", "r");
    int descriptor = -1;
    while (file && fgets(text, sizeof(text), file))
        if (sscanf(text, "com1: enabled=1, mode=term, dev=%255s", name) == 1)
            descriptor = open(name, O_RDWR | O_NOCTTY);
    return descriptor;
}

/* So that a test can see that we are gone. */
static void leave_pid(void)
{
    FILE *file = getenv("FAKE_PID") ? fopen(getenv("FAKE_PID"), "w") : NULL;
    if (file) {
        fprintf(file, "%d\n", getpid());
        fclose(file);
    }
}

static void start(void)
{
    struct disk_header header;
    int file = open("mission", O_RDONLY);
    leave_pid();
    disk = open("disk", O_RDWR);
    line = open_line();
    if (read(file, &mission, sizeof(mission)) != sizeof(mission) ||
        pread(disk, &header, sizeof(header), 0) != sizeof(header) || line < 0 ||
        mission.magic != MISSION_MAGIC || header.magic != DISK_MAGIC)
        exit(99);
    next_sector = header.output_start;
}

static void write_chunk(u32 kind, const void *payload, u32 length, u32 spoil, bool announce)
{
    char text[16];
    struct chunk_header header = {
        CHUNK_MAGIC, kind, sequence, length, crc32c(~0u, payload, length) ^ spoil, 0};
    if (pwrite(disk, payload, length, (off_t)(next_sector * SECTOR + sizeof(header))) !=
            (ssize_t)length ||
        pwrite(disk, &header, sizeof(header), (off_t)(next_sector * SECTOR)) != sizeof(header)) {
        FILE *log = fopen("bochs.log", "a");
        fputs("00000000000p[HD    ] >>PANIC<< could not write() hard drive image file\n", log);
        exit(1);
    }
    next_sector += align_up(sizeof(header) + length, SECTOR) / SECTOR;
    snprintf(text, sizeof(text), "%u", sequence++);
    if (announce)
        frame(FRAME_CHUNK, text);
}

enum { EXITS = 100 };

/* A chunk of EXITS exits, and the end of the run if there is a reason. */
static void records(u32 end_reason, u32 spoil, bool announce)
{
    struct {
        struct exit_record exits[EXITS];
        struct end_record end;
    } raw = {0};
    for (u32 i = 0; i < EXITS; i++, exits++)
        raw.exits[i] = (struct exit_record){.kind = REC_EXIT,
                                            .reason = 10,
                                            .count = exits * 7,
                                            .rip = 0x1000 + i,
                                            .tsc_exit = exits * 100,
                                            .tsc_entry = exits * 100 + 50};
    raw.end = (struct end_record){
        .kind = REC_END, .reason = (u16)end_reason, .exit = exits, .count = exits * 7};
    write_chunk(CHUNK_RECORDS, &raw, end_reason ? sizeof(raw) : sizeof(raw.exits), spoil, announce);
}

static void send_report(u32 end_reason, u32 verdict)
{
    static struct report report;
    report.version = WIRE_VERSION;
    report.verdict = verdict;
    report.end_reason = end_reason;
    report.exits = exits;
    report.count = exits * 7;
    report.now = 1234567890;
    report.exits_by_reason[10] = exits;
    if (verdict == VERDICT_DIVERGED) {
        report.divergence = DIVERGENCE_VALUE;
        report.expected = 0x1234;
        report.got = 0x5678;
        report.registers.rip = 0xffffffff81000000;
        report.mode_bits = 64;
        report.instruction_length = 3;
        memcpy(report.instruction, "\x0f\xc7\xf0", 3); /* rdrand eax */
        report.actual =
            (struct exit_record){.kind = REC_EXIT, .reason = 30, .rip = 0xffffffff81000000};
        report.last_count = 2;
        report.last[0] =
            (struct exit_record){.kind = REC_EXIT, .reason = 48, .address = 0xfee00300};
        report.last[1] = report.actual;
    }
    write_chunk(CHUNK_REPORT, &report, sizeof(report), 0, true);
}

static void finish(u32 end_reason, u32 verdict)
{
    if (mission.mode == MODE_RECORD)
        records(end_reason, 0, true);
    send_report(end_reason, verdict);
    frame(FRAME_BYE, "0");
    say("(0).[195937626] [0x0000ffff0045] debugger chatter after the end\n");
    exit(1);
}

static u8 next_byte(void)
{
    u8 byte;
    if (read(line, &byte, 1) != 1)
        exit(98);
    return byte;
}

/* Echoes what is typed until a command comes; then ends as told. `until`: a byte that ends too. */
static void echo(int until)
{
    char text[24];
    for (u64 taken = 0;; taken++) {
        u8 byte = next_byte();
        if (byte == FRAME_MARK && (byte = next_byte()) != FRAME_MARK)
            finish(byte == COMMAND_TIMEOUT ? END_WALL_TIMEOUT : END_STOPPED, VERDICT_NONE);
        guest_byte(byte);
        fflush(stdout);
        snprintf(text, sizeof(text), "%lu", taken + 1);
        if (taken % 64 == 63)
            frame(FRAME_TAKEN, text);
        if (byte == until)
            finish(END_POWER_OFF, VERDICT_NONE);
    }
}

static void die(const char *panic)
{
    FILE *log = fopen("bochs.log", "a");
    fprintf(log,
            "00000000000i[CPU0  ] | EAX=00000000\n00000000000p[HD    ] >>PANIC<< %s\n"
            "00000000000i[CPU0  ] | EBX=00000000\n",
            panic);
    exit(1);
}

static void flood(void)
{
    char text[1001];
    memset(text, 'x', 999);
    text[999] = '\n';
    text[1000] = 0;
    for (int i = 0; i < 2000; i++)
        say(text);
    finish(END_POWER_OFF, VERDICT_NONE);
}

/* Records that do not compress, until told to end. */
static void fill(void)
{
    struct exit_record raw[EXITS];
    int flags = fcntl(line, F_GETFL);
    u8 byte;
    fcntl(line, F_SETFL, flags | O_NONBLOCK);
    for (int i = 0; i < 2000; i++) {
        for (u32 k = 0; k < EXITS; k++, exits++)
            raw[k] = (struct exit_record){.kind = REC_EXIT,
                                          .reason = 10,
                                          .count = exits * 7,
                                          .value = (u64)random() << 33 ^ (u64)random()};
        write_chunk(CHUNK_RECORDS, raw, sizeof(raw), 0, true);
        usleep(2000); /* what was taken is given back to the file system */
        if (read(line, &byte, 1) == 1)
            finish(END_STOPPED, VERDICT_NONE);
    }
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

int main(void)
{
    const char *mode = getenv("FAKE") ? getenv("FAKE") : "good";
    say("Bochs x86 Emulator, chatter before the start \x1b[31m\n");
    if (!strcmp(mode, "early"))
        die("no such plugin");
    start();
    char ours[16];
    snprintf(ours, sizeof(ours), "%u", WIRE_VERSION);
    frame(FRAME_HELLO, strcmp(mode, "version") ? ours : "999");
    if (!strcmp(mode, "version"))
        wait_for_ever();
    say("guest: hello\n");
    if (mission.mode == MODE_RECORD && strcmp(mode, "nothing") != 0)
        records(0, !strcmp(mode, "damaged"), strcmp(mode, "silent") != 0);
    if (!strcmp(mode, "dies"))
        die("exception in the emulator");
    if (!strcmp(mode, "silent")) /* killed before it could tell of its chunk */
        kill(getpid(), 9);
    if (!strcmp(mode, "unknown"))
        frame('z', "what is this");
    if (!strcmp(mode, "garbage"))
        for (int i = 0; i < 100000; i++)
            putchar(rand() & 0xff);
    if (!strcmp(mode, "echo"))
        echo('!');
    if (!strcmp(mode, "deaf"))
        wait_for_ever();
    if (!strcmp(mode, "flood"))
        flood();
    if (!strcmp(mode, "full"))
        fill();
    if (!strcmp(mode, "noreport")) {
        frame(FRAME_BYE, "0");
        return 0;
    }
    if (!strcmp(mode, "message") || !strcmp(mode, "nothing")) {
        frame(FRAME_MESSAGE, "this processor lacks EPT\x1b[2J");
        frame(FRAME_BYE, "3");
        return 0;
    }
    if (!strcmp(mode, "differs")) {
        exits = 42;
        finish(END_DIVERGED, VERDICT_DIVERGED);
    }
    exits = mission.mode == MODE_REPLAY ? 200 : exits;
    finish(END_POWER_OFF, mission.mode == MODE_REPLAY ? VERDICT_SAME : VERDICT_NONE);
}
