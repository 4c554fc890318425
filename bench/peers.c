/*
 * The same stock kernel and initramfs under QEMU's TCG (plain, recording, replaying), under
 * Hindvisor (unrecorded, recording, replaying) and on Bochs: the boot to userspace and power-off,
 * and workloads in it. Rounds are interleaved, so that a slow moment of the machine falls on all.
 * Times are of whole programs as a user starts them, on the clock on the wall and of the
 * processor; a workload's are taken at the lines that it prints when it begins and ends. A run
 * counts only when it did its work, with the same checksum everywhere, and powered off.
 *
 * usage: peers ROUNDS HINDVISOR KERNEL INITRD OUT.json [CASE...]; exit status 1: a target is
 * missed.
 */
#define _GNU_SOURCE /* mkdtemp */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "bench/peers.h"
#include "replay/commands/session.h"
#include "trace/trace.h"

enum { TROUBLE = 2 };
#define LIMIT (300 * NANOSECONDS)
/* A panic reboots, and a reboot ends the run; the work is the same for all when none of them has
 * to work around flaws of a silicon that is not there. */
#define COMMAND_LINE "console=ttyS0 panic=-1 mitigations=off"

const char *const case_names[CASE_COUNT] = {"boot",    "integer", "bignum",  "copying",
                                            "chasing", "calling", "forking", "timing"};
static const char *const side_names[] = {
#define X(symbol, name, key) name,
    SIDES(X)
#undef X
};

/* What the console of one run has shown. */
struct seen {
    bool userspace, power_off;
    struct times begin, end; /* of the workload */
    char checksum[32];
};

static struct peers peers;
static char checksums[CASE_COUNT][32]; /* the first that was seen */

static void clean_up(void)
{
    char path[128];
    peers_path(path, &peers, PEERS_TRACE);
    session_remove(path);
    session_remove(peers.scratch);
}

static void fail_with(const char *what, const char *why)
{
    fprintf(stderr, "peers: %s: %s\n", what, why);
    clean_up();
    exit(TROUBLE);
}

static void on_line(void *context, const char *line, struct times times)
{
    struct seen *seen = context;
    const char *checksum;
    if (strstr(line, "hindvisor: userspace reached"))
        seen->userspace = true;
    if (strstr(line, "reboot: Power down"))
        seen->power_off = true;
    if (strncmp(line, "workload ", 9))
        return;
    if (strstr(line, " begins"))
        seen->begin = times;
    if ((checksum = strstr(line, "checksum "))) {
        seen->end = times;
        snprintf(seen->checksum, sizeof(seen->checksum), "%.16s", checksum + 9);
    }
}

/* Why a run does not count, or NULL. */
static const char *judge(const struct child_end *end, const struct seen *seen, u32 which)
{
    if (end->status)
        return "it failed, or took too long";
    if (!seen->userspace)
        return "the guest did not reach userspace";
    if (!seen->power_off)
        return "the guest did not power off";
    if (which == CASE_BOOT)
        return NULL;
    if (!*seen->checksum)
        return "the workload did not end";
    if (!*checksums[which])
        memcpy(checksums[which], seen->checksum, sizeof(seen->checksum));
    return strcmp(checksums[which], seen->checksum) ? "the workload's checksum is another" : NULL;
}

static void show_log(const char *path)
{
    char line[256];
    FILE *log = fopen(path, "r");
    for (u32 i = 0; log && i < 10 && fgets(line, sizeof(line), log); i++)
        fprintf(stderr, "    %s", line);
    if (log)
        fclose(log);
}

static void keep(struct series *series, const struct child_end *end, const struct seen *seen)
{
    series->samples[series->count++] = (struct sample){
        .whole = end->times,
        .work = {seen->end.wall - seen->begin.wall, seen->end.processor - seen->begin.processor},
        .peak = end->peak,
    };
}

static void remove_leftovers(enum side side)
{
    char path[128];
    peers_path(path, &peers, PEERS_TRACE);
    if (side == SIDE_RECORD)
        session_remove(path);
}

static void run_once(struct results *results, u32 which, enum side side)
{
    char append[256], log[128];
    struct command command;
    struct seen seen = {0};
    snprintf(append, sizeof(append), COMMAND_LINE "%s%s", which ? " workload=" : "",
             which ? case_names[which] : "");
    peers_path(log, &peers, "stderr");
    remove_leftovers(side);
    command_for(&command, &peers, side, append);
    struct child child = {command.words, log, LIMIT, false, on_line, &seen};
    struct child_end end = child_run(&child);
    const char *why = judge(&end, &seen, which);
    if (!why) {
        keep(&results->series[which][side], &end, &seen);
        return;
    }
    fprintf(stderr, "peers: %s, %s: %s\n", case_names[which], side_names[side], why);
    show_log(log);
    if (side >= SIDE_RUN)
        fail_with("nothing to compare", "a run of our own failed");
}

/* To the first byte on the console. QEMU: of the stock kernel's start-up code. Hindvisor enters
 * that kernel behind it, so there a guest that prints at once has the kernel as its initrd: as much
 * to read, to check and to copy into the trace. */
static void start_once(struct results *results, enum side side)
{
    char log[128];
    struct command command;
    struct peers with = peers;
    if (side >= SIDE_RUN) {
        with.kernel = peers.start_guest;
        with.initrd = peers.kernel;
    }
    peers_path(log, &peers, "stderr");
    remove_leftovers(side);
    command_for(&command, &with, side, COMMAND_LINE " earlyprintk=ttyS0");
    struct child child = {command.words, log, LIMIT, true, NULL, NULL};
    struct child_end end = child_run(&child);
    struct series *series = &results->starts[side];
    if (!end.first_byte) {
        show_log(log);
        fail_with(side_names[side], "the guest's console stays silent");
    }
    series->samples[series->count++].whole.wall = end.first_byte;
}

/* --- sizes ------------------------------------------------------------------------------ */

static void keep_version(void *context, const char *line, struct times times)
{
    struct results *results = context;
    (void)times;
    if (!*results->qemu_version)
        snprintf(results->qemu_version, sizeof(results->qemu_version), "%.63s", line);
}

static void ask_version(struct results *results)
{
    static const char *const words[] = {"qemu-system-x86_64", "--version", NULL};
    struct child child = {words, "/dev/null", LIMIT, false, keep_version, results};
    child_run(&child);
}

static void measure_trace(struct results *results)
{
    char path[128];
    struct trace *trace;
    peers_path(path, &peers, PEERS_TRACE);
    struct failure failure = trace_open(path, &trace);
    if (failure.code)
        fail_with(path, failure.text);
    results->input_bytes = trace_totals(trace, STREAM_INPUT).bytes;
    results->instructions = trace_manifest(trace)->count;
    trace_close(trace);
}

static void measure_qemu_log(struct results *results)
{
    char path[128];
    struct stat status;
    peers_path(path, &peers, PEERS_QEMU_LOG);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status))
        return; /* QEMU could not record: said already */
    size_t size = (size_t)status.st_size, room = ZSTD_compressBound(size);
    char *bytes = malloc(size + 1), *packed = malloc(room);
    if (!bytes || !packed || read(file, bytes, size) != (ssize_t)size)
        fail_with(path, "cannot be read");
    results->qemu_log_bytes = size;
    results->qemu_log_packed = ZSTD_compress(packed, room, bytes, size, 3);
    free(bytes);
    free(packed);
    close(file);
}

/* --- all of it ---------------------------------------------------------------------------- */

static void run_case(struct results *results, u32 which, u32 round)
{
    fprintf(stderr, "peers: round %u of %u: %s\n", round + 1, peers.rounds, case_names[which]);
    for (u32 side = 0; side < SIDE_COUNT; side++)
        if (side != SIDE_BOCHS || (which == CASE_BOOT && round == 0)) /* slow: once */
            run_once(results, which, side);
    if (which == CASE_BOOT && round == 0) {
        measure_trace(results);
        measure_qemu_log(results);
    }
}

static bool asked_for(const char *name, char **names)
{
    if (!*names)
        return true;
    while (*names && strcmp(*names, name))
        names++;
    return *names;
}

static void measure(struct results *results, char **names)
{
    static const enum side starters[] = {SIDE_QEMU, SIDE_RUN, SIDE_RECORD};
    for (u32 round = 0; round < peers.rounds; round++) {
        for (u32 i = 0; i < ARRAY_SIZE(starters); i++)
            start_once(results, starters[i]);
        for (u32 which = 0; which < CASE_COUNT; which++)
            if (which == CASE_BOOT || asked_for(case_names[which], names))
                run_case(results, which, round);
    }
}

int main(int argc, char **argv)
{
    static struct results results;
    int rounds = argc < 2 ? 0 : atoi(argv[1]);
    if (argc < 7 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: %s ROUNDS HINDVISOR KERNEL INITRD START.elf OUT.json [CASE...]\n",
                argv[0]);
        return TROUBLE;
    }
    peers = (struct peers){argv[2],    argv[3], argv[4], argv[5], "/var/tmp/hindvisor-peers-XXXXXX",
                           (u32)rounds};
    if (!mkdtemp(peers.scratch)) {
        perror("peers: cannot make a folder in /var/tmp");
        return TROUBLE;
    }
    ask_version(&results);
    measure(&results, argv + 7);
    clean_up();
    bool missed = report_print(&results, peers.rounds);
    report_json(&results, peers.rounds, argv[6]);
    return missed;
}
