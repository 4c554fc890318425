/* How each side runs a guest: the same kernel, initramfs, command line, memory and kind of CPU. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/peers.h"

void peers_path(char path[128], const struct peers *peers, const char *name)
{
    snprintf(path, 128, "%s/%s", peers->scratch, name);
}

__attribute__((format(printf, 2, 3))) static void add(struct command *c, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof(c->text) - c->used;
    va_start(arguments, format);
    int length = vsnprintf(c->text + c->used, room, format, arguments);
    va_end(arguments);
    if ((size_t)length >= room || c->count + 1 >= WORDS_MAX) {
        fputs("peers: a command line is too long\n", stderr);
        exit(2);
    }
    c->words[c->count++] = c->text + c->used;
    c->used += (u32)length + 1;
}

static void add_all(struct command *c, const char *const *words)
{
    for (; *words; words++)
        add(c, "%s", *words);
}

/* Nehalem is the x86-64-v2 of Hindvisor's CPU model. */
static void qemu(struct command *c, const struct peers *peers, const char *append, const char *rr)
{
    static const char *const machine[] = {"qemu-system-x86_64",
                                          "-M",
                                          "pc",
                                          "-accel",
                                          "tcg",
                                          "-cpu",
                                          "Nehalem",
                                          "-m",
                                          "256",
                                          "-nodefaults",
                                          "-no-user-config",
                                          "-display",
                                          "none",
                                          "-serial",
                                          "stdio",
                                          "-no-reboot",
                                          NULL};
    char log[128];
    peers_path(log, peers, PEERS_QEMU_LOG);
    add_all(c, machine);
    add(c, "-kernel");
    add(c, "%s", peers->kernel);
    add(c, "-initrd");
    add(c, "%s", peers->initrd);
    add(c, "-append");
    add(c, "%s", append);
    if (!rr)
        return;
    add(c, "-icount");
    add(c, "shift=auto,rr=%s,rrfile=%s", rr, log);
}

static void record(struct command *c, const struct peers *peers, const char *append,
                   const char *processor)
{
    add(c, "%s", peers->hindvisor);
    add(c, "record");
    add(c, "--processor=%s", processor);
    add(c, "--memory=256M");
    add(c, "--kernel=%s", peers->kernel);
    add(c, "--initrd=%s", peers->initrd);
    add(c, "--append=%s", append);
}

static void add_trace(struct command *c, const struct peers *peers, const char *option)
{
    char trace[128];
    peers_path(trace, peers, PEERS_TRACE);
    add(c, "%s%s", option, trace);
}

void command_for(struct command *c, const struct peers *peers, enum side side, const char *append)
{
    c->count = c->used = 0;
    switch (side) {
    case SIDE_QEMU:
        qemu(c, peers, append, NULL);
        break;
    case SIDE_QEMU_RECORD:
        qemu(c, peers, append, "record");
        break;
    case SIDE_QEMU_REPLAY:
        qemu(c, peers, append, "replay");
        break;
    case SIDE_RUN:
        record(c, peers, append, "software");
        add(c, "--no-record");
        break;
    case SIDE_RECORD:
        record(c, peers, append, "software");
        add_trace(c, peers, "--output=");
        break;
    case SIDE_REPLAY:
        add(c, "%s", peers->hindvisor);
        add(c, "replay");
        add_trace(c, peers, "");
        break;
    default: /* SIDE_BOCHS */
        record(c, peers, append, "bochs");
        add(c, "--no-record");
        break;
    }
    c->words[c->count] = NULL;
}
