/*
 * Runs the hypervisor image on another machine program (a carrier) and moves
 * what passes between the two: console bytes, frames, chunks of the trace disk,
 * typed input, commands to end. What a run is for (recording or replaying) is in
 * its mission; this room does not ask.
 *
 * carrier.c       the carriers by name, placing a run in carrier RAM
 * in_process.c    the software processor, which needs no carrier: same job, same outcome
 * bochs.c         Bochs: its configuration and command line
 * kvm.c           QEMU/KVM with nested VT-x
 * iso.c           a bootable ISO for machines that the user starts
 * job.c           the files in a run's directory
 * child.c         starting the program, its pipe and its serial line
 * loop.c          the poll loop of a run
 * frames.c        frames of trace/wire.h out of a byte stream
 * disk.c          the trace disk's file
 * terminal.c      the user's terminal, and input with its escapes
 * files.c         the image, the guest's kernel: found and checked
 * report.c        struct report in words
 */
#ifndef VMX_CARRIERS_CARRIER_H
#define VMX_CARRIERS_CARRIER_H

#include "replay/gates.h"
#include "trace/failure.h"
#include "trace/wire.h"

enum { CARRIER_PATH = 4096 };

/* Who gets what the image sends. A failure stops the run. */
struct carrier_sink {
    void *context;
    struct failure (*chunk)(void *context, const void *payload, u32 length);
};

struct observer; /* vmx/software/host_run.h */

struct carrier_job {
    const char *processor;       /* name of a carrier */
    struct mission mission;      /* modules[] and carrier_memory are filled in by carrier_place() */
    const char *kernel, *initrd; /* files; initrd NULL: none */
    const char *disk;            /* the trace disk, made by disk_create(); not in process */
    const char *directory;       /* private; configuration and logs go here; not in process */
    u64 wall_timeout;            /* ns; NEVER: none */
    u64 total_exits;             /* for the progress bar; 0: no bar */
    bool quiet;                  /* the guest's console is not shown */
    bool input;                  /* stdin goes to the guest */
    struct carrier_sink sink;
    struct log_source source; /* a replay's records, for runs in this process; others read `disk` */
    const struct observer *observer; /* of runs in this process; NULL: nobody */
};

struct carrier_outcome {
    bool finished;      /* the image said bye */
    enum status status; /* ... with this */
    bool have_report;
    struct report report;
    u64 wall;  /* ns that the run took */
    u64 bytes; /* of record chunks received */
};

/* Runs the job to its end. On failure the outcome holds what was known by then. */
struct failure carrier_run(struct carrier_job *, struct carrier_outcome *);

/* --- a carrier -------------------------------------------------------------- */

enum { CARRIER_ARGUMENTS = 40 };

struct carrier_command {
    const char *arguments[CARRIER_ARGUMENTS]; /* NULL-terminated; [0] is looked up in PATH */
};

struct carrier {
    const char *name;
    const char *program; /* for messages: "Bochs" */
    u64 tsc_hz;          /* of its TSC; 0: see carrier_tsc_hz() */
    u64 memory_max;      /* bytes of RAM that it can have */
    bool by_hand;        /* the user boots it, from iso_make()'s ISO: nothing is run here, and it
                          * has only its name, its limits and its check() */
    bool in_process;     /* no program: the run is in_process_run(), without image, disk and
                          * directory; it has only its name and its limits */
    /* Is the program there? Else what to install. */
    struct failure (*check)(void);
    /* Writes configuration files into the job's directory, which will be the program's working
     * directory; `line` is the device of the image's COM1. */
    struct failure (*prepare)(const struct carrier_job *, const char *line,
                              struct carrier_command *);
    /* Why it ended by itself, from its logs. */
    void (*explain)(const char *directory, char *text, size_t size);
};

extern const struct carrier carrier_software, carrier_bochs, carrier_kvm, carrier_image;

/* NULL: no such carrier. */
const struct carrier *carrier_find(const char *name);
/* Their names, NULL-terminated. */
const char *const *carrier_names(void);
/* "`software`, `bochs`, `kvm` or `image`", for messages. */
const char *carrier_choices(void);
/* Is all there that it needs? */
struct failure carrier_check(const struct carrier *);
/* Of the TSC that stamps exits: known or measured here; 0: the image finds out. */
u64 carrier_tsc_hz(const struct carrier *);
/* Chooses addresses for the modules and the carrier's RAM; NO_SPACE: they do not fit. */
struct failure carrier_place(struct carrier_job *);

/* --- in_process.c ---------------------------------------------------------------- */

struct failure in_process_run(struct carrier_job *, struct carrier_outcome *);
/* Of this machine's TSC, measured against its clock in a few milliseconds. */
u64 in_process_tsc_hz(void);

/* --- files.c ------------------------------------------------------------------ */

/* A file of the installed image ("hindvisor.bin", "rom.bin"): $HINDVISOR_IMAGE, then image/ next
 * to the executable, then ../lib/hindvisor. */
/* The directory of the running executable, without its last '/'. */
bool own_directory(char directory[CARRIER_PATH]);
struct failure find_image(const char *name, char path[CARRIER_PATH]);
/* Is this a kernel that the image can boot (Linux bzImage with a 64-bit entry, x86-64 ELF)? */
struct failure check_kernel(const char *path, enum kernel_format *format);
/* Is this a readable file with something in it? `role` is for the message: "initrd". */
struct failure check_file(const char *role, const char *path, u64 *size);
/* Maps a file to read it; release_file() undoes that and may be given what was never mapped. */
struct failure view_file(const char *path, struct bytes *);
void release_file(struct bytes *);
/* Program of that name in PATH; false: none. */
bool find_program(const char *name, char path[CARRIER_PATH]);

/* --- iso.c ------------------------------------------------------------------------ */

#define ISO_NAME "hindvisor.iso"
/* Makes DIRECTORY/hindvisor.iso of the job's mission and files; carrier_place() comes first. Its
 * parts are collected in job->directory. */
struct failure iso_make(const struct carrier_job *, const char *directory);

/* --- disk.c --------------------------------------------------------------------- */

struct trace_disk {
    int descriptor;
    u64 sectors;  /* of the whole disk */
    u64 next;     /* sector of the next output chunk */
    u32 sequence; /* of the next output chunk */
    u8 *payload;  /* CHUNK_MAX bytes */
};

/* Cylinders, heads, sectors per track: what flat disk images are measured in. */
enum { DISK_HEADS = 16, DISK_TRACK = 63, DISK_CYLINDER = DISK_HEADS * DISK_TRACK };

/* A sparse disk of about `bytes` (smaller if the file system wants it so). `fill` (may be NULL)
 * writes the input and exit areas at the descriptor's position and says how many sectors each has.
 */
typedef struct failure disk_fill(void *context, int descriptor, u64 *input_sectors,
                                 u64 *exit_sectors);
struct failure disk_create(const char *path, u64 bytes, disk_fill *fill, void *context);
struct failure disk_open_output(struct trace_disk *, const char *path);
void disk_close(struct trace_disk *);
/* The next output chunk, if it is whole on the disk: *kind 0 when not there. The payload is
 * valid until the next call. */
struct failure disk_next_chunk(struct trace_disk *, u32 *kind, u32 *length);
/* Gives the last chunk's space back to the file system; it reads as zeros then. */
void disk_forget_chunk(struct trace_disk *, u32 length);
/* The report that a run left on a disk, which is only read. `log`: a disk with the log that it
 * must have been given. BAD_INPUT: it holds no report, or another log. */
struct failure disk_read_report(const char *path, const char *log, struct report *);

#endif
