/*
 * The comparison with other programs that run the same guest: what is compared (peers.c), how each
 * is started (peers_command.c), and what is printed (peers_report.c).
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "bench/child.h"

/* Symbol, name in tables, key in the JSON. A replay takes what the recording before it left. */
#define SIDES(X)                                    \
    X(QEMU, "QEMU TCG", "qemu")                     \
    X(QEMU_RECORD, "QEMU rr=record", "qemu_record") \
    X(QEMU_REPLAY, "QEMU rr=replay", "qemu_replay") \
    X(RUN, "Hindvisor, no record", "run")           \
    X(RECORD, "Hindvisor record", "record")         \
    X(REPLAY, "Hindvisor replay", "replay")         \
    X(BOCHS, "Hindvisor on Bochs", "bochs")

#define X(symbol, name, key) SIDE_##symbol,
enum side { SIDES(X) SIDE_COUNT };
#undef X

/* What runs in the guest: the boot to userspace and power-off alone, or with a workload in it. */
enum { CASE_BOOT, CASE_COUNT = 8 };
extern const char *const case_names[CASE_COUNT];

enum { ROUNDS_MAX = 16, WORDS_MAX = 40 };

struct sample {
    struct times whole;
    struct times work; /* of the workload: from its first line to its last */
    u64 peak;
};

/* The samples of one side in one case; `count` of them, none if it cannot do it. */
struct series {
    u32 count;
    struct sample samples[ROUNDS_MAX];
};

struct results {
    struct series series[CASE_COUNT][SIDE_COUNT];
    struct series starts[SIDE_COUNT]; /* whole.wall: to the first byte on the console */
    u64 input_bytes;                  /* of the recorded boot */
    u64 qemu_log_bytes, qemu_log_packed;
    u64 instructions; /* of the recorded boot */
    char qemu_version[64];
};

struct peers {
    const char *hindvisor, *kernel, *initrd;
    const char *start_guest; /* an ELF that prints at once */
    char scratch[64];        /* a folder of our own */
    u32 rounds;
};

/* --- peers_command.c: the words of a command line */
struct command {
    const char *words[WORDS_MAX]; /* NULL-terminated */
    char text[4096];
    u32 count, used;
};
void command_for(struct command *, const struct peers *, enum side, const char *append);
/* Files in the scratch folder. */
void peers_path(char path[128], const struct peers *, const char *name);
#define PEERS_QEMU_LOG "qemu.rr"
#define PEERS_TRACE "trace"

/* --- peers_report.c */
bool report_print(const struct results *, u32 rounds); /* true: a target is missed */
void report_json(const struct results *, u32 rounds, const char *path);

#endif
