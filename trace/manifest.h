/*
 * The manifest: what was run, on what, and how it ended. A text file of
 * `key: value` lines that a person can read, with a checksum as its last line
 * (docs/TRACE_FORMAT.md, "Manifest"). Reading is strict: an unknown key, a
 * missing key or a wrong checksum is an error, never a guess.
 */
#ifndef TRACE_MANIFEST_H
#define TRACE_MANIFEST_H

#include "core/types.h"
#include "trace/failure.h"
#include "trace/schema.h"

/* Version 2 has `idle` records; nothing else is new in it. BLOCK_VERSION counts the layout of
 * blocks and indexes. */
enum { TRACE_FORMAT_VERSION = 3, BLOCK_VERSION = 1 };
/* The versions from which on a trace has records of these kinds. */
enum { TRACE_WITH_IDLES = 2, TRACE_WITH_RAISES = 3 };

enum trace_finished {
    TRACE_UNFINISHED, /* being recorded, or killed */
    TRACE_FINISHED,   /* ends with an `end` record */
    TRACE_CUT,        /* closed or repaired without one */
};

struct manifest_image {
    char name[256]; /* file name the user gave, without its directory; "": there is no such image */
    u64 size;       /* bytes */
    char sha256[65]; /* lower-case hexadecimal */
};

struct manifest {
    /* What was run: the caller fills these in before trace_create(). */
    u32 version;             /* trace_create() sets it */
    u32 cpu_model;           /* CPU_MODEL_VERSION */
    u32 clock;               /* enum clock_policy */
    char count_kind[16];     /* "ticks"; "": ticks */
    char kernel_format[16];  /* "linux" or "elf" */
    u64 memory_size;         /* bytes */
    u64 epoch;               /* RTC at guest time 0, seconds since 1970 */
    char command_line[2048]; /* the guest's */
    bool noise;
    u64 noise_seed;
    u64 timeout_ns; /* guest time; NEVER: none */
    u32 exception_bitmap, page_fault_mask, page_fault_match;
    u32 sabotage;
    u64 tsc_hz;               /* carrier's TSC, 0: not known */
    char processor[32];       /* "bochs", "kvm", "image", "software" */
    char host_cpu[96];        /* vendor, family, model, stepping; "": this machine's is filled in */
    char undefined_flags[16]; /* rule for undefined flags; "": bochs */
    u64 created;              /* seconds since 1970; 0: now */
    /* Filled in by trace_create() from the image files. */
    struct manifest_image kernel, initrd;
    /* Filled in by trace_finish(). */
    u32 finished;   /* enum trace_finished */
    u32 end_reason; /* enum end_reason */
    u64 end_detail;
    u64 exits, count;
    u64 guest_ns; /* the caller's to fill in before trace_finish() */
    u64 injections;
    u64 chunks;
    u64 records[STREAM_COUNT], blocks[STREAM_COUNT], bytes[STREAM_COUNT];
};

/* Were the observations taken out on purpose (trace_drop_observations())? There are exits then, and no
 * block of observations. */
bool manifest_has_dropped(const struct manifest *);

/* Does its format version have records of this kind? */
bool manifest_tells(const struct manifest *, u32 kind);

/* Writes DIRECTORY/manifest by way of a temporary file and rename. */
struct failure manifest_write(const struct manifest *, const char *directory);
struct failure manifest_read(struct manifest *, const char *directory);
/* The same from and to memory. `where` names the text in errors. manifest_format() returns
 * the length; `size` >= MANIFEST_MAX always suffices. */
enum { MANIFEST_MAX = 32768 };
size_t manifest_format(const struct manifest *, char *text, size_t size);
struct failure manifest_parse(struct manifest *, const char *text, size_t length,
                              const char *where);

#endif
