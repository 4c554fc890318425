/*
 * What passes between the hypervisor image and the hosted command: the mission
 * (in), raw chunks of records (both ways) by way of the trace disk, and the
 * report (out). Both sides are built from the same tree; the version guards
 * against a stale image. Little-endian, x86-64 layout.
 *
 * The trace disk, in 512-byte sectors:
 *   0              struct disk_header
 *   input_start    chunks for replay: the input stream, in order
 *   exit_start     chunks for replay: the observation stream, in order
 *   output_start   chunks that the image writes, appended in order
 * A chunk starts on a sector boundary with a struct chunk_header. The image
 * writes a chunk's payload before its header, so that a header that is there
 * vouches for what follows it. An area ends at a sector without chunk magic.
 */
#ifndef TRACE_WIRE_H
#define TRACE_WIRE_H

#include "core/types.h"
#include "trace/schema.h"

#define SECTOR 512u
#define WIRE_VERSION 2u

#define DISK_MAGIC 0x6b73696444484e48ull    /* "HNHDdisk" */
#define CHUNK_MAGIC 0x6b6e756843444e48ull   /* "HNDChunk" */
#define MISSION_MAGIC 0x6e6f69737369484eull /* "NHission" */

struct disk_header {
    u64 magic;
    u32 version;
    u32 reserved;
    u64 sectors; /* of the whole disk */
    u64 input_start, exit_start, output_start;
};

enum chunk_kind {
    CHUNK_RECORDS = 1, /* raw records of both streams, in the order they arose */
    CHUNK_REPORT = 2,  /* struct report, once, last */
};

struct chunk_header {
    u64 magic;
    u32 kind;
    u32 sequence; /* from 0 within its area */
    u32 length;   /* payload bytes after this header */
    u32 checksum; /* CRC-32C of the payload (SSE4.2 crc32), initial value ~0, not inverted at the end */
    u64 reserved;
};

enum { CHUNK_MAX = 2u << 20 }; /* bytes of payload at most */
enum { BLOCK_EXITS = 16384 };  /* exits that a recorder puts in one chunk; one chunk becomes one block a stream */

enum mission_mode { MODE_RUN, MODE_RECORD, MODE_REPLAY };
enum kernel_format { KERNEL_LINUX, KERNEL_ELF };
enum module_kind { MODULE_NONE, MODULE_KERNEL, MODULE_INITRD, MODULE_COUNT };

enum mission_flags {
    MISSION_FRAMED = 1u << 0,   /* a hosted command reads the console: frames are allowed */
    MISSION_RAM_ZERO = 1u << 1, /* the carrier hands out zeroed RAM */
    MISSION_DISK = 1u << 2,     /* there is a trace disk */
    MISSION_NOISE = 1u << 3,    /* perturb the world by noise_seed */
    MISSION_COUNT_EXITS = 1u << 5, /* kind of count `exits` instead of `ticks` (vmx/hardware/count.h) */
    MISSION_NOTES = 1u << 6,    /* the trace has all timer, raise and idle records: compare them */
    MISSION_MODULE_DISK = 1u << 4, /* module addresses are byte offsets on the primary slave disk */
};

struct module {
    u64 address; /* carrier-physical */
    u64 length;
};

/* All that a run needs to know; everything in it is in the manifest too. */
struct mission {
    u64 magic;
    u32 version;
    u32 size; /* sizeof(struct mission) */
    u32 mode; /* enum mission_mode */
    u32 flags;
    u32 kernel_format;
    u32 clock; /* enum clock_policy */
    u64 memory_size;
    u64 epoch;      /* RTC at guest time 0, seconds since 1970 */
    u64 noise_seed;
    u64 timeout_ns; /* guest time; NEVER: none */
    u64 tsc_hz;     /* carrier's TSC; 0: find out */
    u64 carrier_memory; /* bytes of carrier RAM from physical 0; 0: find out */
    u64 replay_exits;   /* a replay ends at the last of so many exits, before that is handled;
                           0: where the trace does */
    u32 exception_bitmap;            /* guest exceptions to log as exits */
    u32 page_fault_mask, page_fault_match; /* SDM 25.6.3 */
    u32 sabotage;   /* enum sabotage (vmx/sabotage.h): break one rule on purpose, for tests */
    struct module modules[MODULE_COUNT]; /* by enum module_kind */
    char command_line[2048];
};

/*
 * Frames: while MISSION_FRAMED, the image mixes lines for the command into the
 * console bytes: FRAME_MARK, a letter, text, '\n'. A byte of the guest's own is
 * FRAME_MARK, FRAME_GUEST and the byte, so that nothing that the carrier says is
 * taken for it. The other way, FRAME_MARK and a letter is a command, FRAME_MARK
 * twice is that byte, and all else is typed for the guest.
 */
enum {
    FRAME_MARK = 0x1f,
    FRAME_GUEST = 'G',    /* one byte of the guest's console follows, and no '\n' */
    FRAME_HELLO = 'H',    /* "H1": WIRE_VERSION; what comes before is the carrier's chatter */
    FRAME_MESSAGE = 'M',  /* text for the user: an error or a note */
    FRAME_CHUNK = 'C',    /* "C<sequence>": this output chunk is complete on the disk */
    FRAME_PROGRESS = 'P', /* "P<exits> <guest ns>" */
    FRAME_TAKEN = 'K',    /* "K<n>": the guest has taken n typed bytes so far, sent for about each 64th */
    FRAME_BYE = 'B',      /* "B<status>": enum status; the image is done, the report is on the disk */
    COMMAND_QUIT = 'Q',   /* end the run now: END_STOPPED */
    COMMAND_TIMEOUT = 'T' /* end the run now: END_WALL_TIMEOUT */
};

/* Typed bytes that may be under way at most: the image always has room for them, so that a
 * command behind them reaches it even when the guest never reads its console. */
enum { INPUT_WINDOW = 192 };

struct registers {
    u64 gpr[16]; /* in encoding order: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
    u64 rip, rflags;
    u64 cr0, cr2, cr3, cr4, efer;
    u64 cs_base, ss_base, fs_base, gs_base;
    u16 cs, ss, ds, es, fs, gs;
    u32 cs_access;
};

enum { LAST_EXITS = 16, REASON_LIMIT = 80, VMCS_DUMP = 192, INSTRUCTION_MAX = 15 };

enum verdict { VERDICT_NONE, VERDICT_SAME, VERDICT_DIVERGED };

/* What differed first. Fields of struct divergence are named in divergence_texts. */
#define DIVERGENCES(X)                                                                             \
    X(NONE, "nothing differs")                                                                     \
    X(REASON, "the exit reason differs")                                                           \
    X(COUNT, "the guest count at the exit differs")                                                \
    X(RIP, "RIP at the exit differs")                                                              \
    X(QUALIFICATION, "the exit qualification differs")                                             \
    X(ADDRESS, "the address accessed differs")                                                     \
    X(REGISTERS, "the registers at the exit differ")                                               \
    X(VALUE, "the value written or given differs")                                                 \
    X(INJECTION, "the injected event differs")                                                     \
    X(POSITION, "an input's position is not where the replay is")                                  \
    X(INPUT_KIND, "the replay asks for another kind of input than the trace holds")                \
    X(CPU_STATE, "the hash of the registers differs at a block end")                               \
    X(MEMORY_STATE, "the hash of guest RAM differs at a block end")                                \
    X(DEVICE_STATE, "the hash of the devices differs at a block end")                              \
    X(INPUT_STATE, "the inputs consumed in this block are not those recorded")                     \
    X(END, "the run ends otherwise than recorded")                                                 \
    X(EXTRA_EXIT, "the replay goes on past the recorded end")                                      \
    X(NOTE, "a timer set, a request of an interrupt or the time skipped in HLT differs")

#define X(name, text) DIVERGENCE_##name,
enum divergence { DIVERGENCES(X) DIVERGENCE_LIMIT };
#undef X

struct vmcs_value {
    u32 encoding;
    u32 reserved;
    u64 value;
};

/* Sent once, at the end of each run. */
struct report {
    u32 version;
    u32 verdict;    /* enum verdict */
    u32 divergence; /* enum divergence */
    u32 end_reason; /* enum end_reason */
    u64 end_detail;
    u64 exits, count, now;
    u64 states; /* state hashes that matched */
    u64 expected, got;         /* of the field that differs */
    union record expected_record; /* the log's record at the divergence; kind 0: none */
    struct exit_record actual;    /* the exit at which the run ended */
    struct registers registers;
    u32 instruction_length; /* bytes fetched at RIP, 0..15 */
    u8 instruction[INSTRUCTION_MAX];
    u8 mode_bits; /* 16, 32 or 64 */
    u32 last_count; /* valid entries in last[], oldest first */
    struct exit_record last[LAST_EXITS];
    u64 exits_by_reason[REASON_LIMIT];
    u64 latency_min[REASON_LIMIT], latency_sum[REASON_LIMIT]; /* host TSC ticks from exit to entry */
    u32 vmcs_count;
    u32 tsc_khz; /* of the carrier's TSC, as told or as measured */
    struct vmcs_value vmcs[VMCS_DUMP];
    char message[256]; /* an error in words, NUL-terminated; empty: none */
};

#endif
