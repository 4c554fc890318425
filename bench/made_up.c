/* See made_up.h. */
#include "bench/made_up.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/block.h"
#include "trace/trace.h"
#include "trace/wire.h"

enum { RECORDS = BLOCK_EXITS, TRACES = 4 };

/* --- records ---------------------------------------------------------------------------------- */

/* A place that exits, and what comes of it. */
static const struct place {
    u16 reason;
    u64 rip, qualification, address;
    u32 ticks, latency; /* to the next exit; from exit to entry */
    u32 repeats;        /* how often in a row */
    bool timed;         /* its value is the guest's time, else a counter's */
} places[] = {
    {30, 0xffffffff816a1f02, 0x03fd0008, 0, 61, 620, 2, false},       /* the console's status ... */
    {30, 0xffffffff816a1f49, 0x03f80000, 0, 97, 590, 1, false},       /* ... and its bytes */
    {16, 0xffffffff81079a10, 0, 0, 840, 300, 3, true},                /* RDTSC */
    {48, 0xffffffff8105e6a4, 0x182, 0xfee000b0, 2300, 900, 1, false}, /* end of interrupt */
    {32, 0xffffffff8106a0c4, 0, 0x6e0, 5100, 480, 1, true},           /* the next timer */
    {31, 0xffffffff8106a0a2, 0, 0xc0000080, 700, 360, 1, false},
    {28, 0xffffffff81063f31, 0x300, 0, 1900, 410, 1, false},
    {52, 0xffffffff81b2c110, 0, 0, 180000, 520, 1, false},
};

static u64 next(u64 *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed >> 33;
}

static void make_up(union record records[RECORDS])
{
    u64 seed = 1, count = 0, tsc = 0;
    for (u32 made = 0; made < RECORDS;) {
        const struct place *p =
            &places[next(&seed) % 100 < 70 ? next(&seed) % 2 : next(&seed) % ARRAY_SIZE(places)];
        for (u32 i = 0; i < p->repeats && made < RECORDS; i++) {
            u64 ticks = p->ticks + (next(&seed) % 8 ? 0 : next(&seed) % 64);
            count += ticks;
            tsc += ticks + p->latency;
            records[made++].exit = (struct exit_record){
                .kind = REC_EXIT,
                .reason = p->reason,
                .check = (u8)next(&seed),
                .count = count,
                .rip = p->rip,
                .qualification = p->qualification,
                .address = p->address,
                .value = p->timed ? count : next(&seed) % 96 + 32,
                .tsc_exit = tsc,
                .tsc_entry = tsc + p->latency,
            };
        }
    }
}

const union record *made_up_records(u32 *count)
{
    static union record records[RECORDS];
    if (!records[0].kind)
        make_up(records);
    *count = RECORDS;
    return records;
}

/* --- traces ----------------------------------------------------------------------------------- */

static struct made_up_trace *traces[TRACES];

static void remove_traces(void)
{
    static const char *const files[] = {"trace/manifest",
                                        "trace/kernel",
                                        "trace/inputs",
                                        "trace/observations",
                                        "trace",
                                        "kernel",
                                        ""};
    char path[96];
    for (u32 t = 0; t < TRACES && traces[t]; t++)
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
            snprintf(path, sizeof(path), "%s/%s", traces[t]->directory, files[i]);
            remove(path);
        }
}

static bool make_directory(struct made_up_trace *trace)
{
    u32 t = 0;
    while (t < TRACES && traces[t])
        t++;
    strcpy(trace->directory, "/tmp/hindvisor-bench-XXXXXX");
    if (t == TRACES || !mkdtemp(trace->directory) || (!t && atexit(remove_traces)))
        return false;
    traces[t] = trace;
    snprintf(trace->path, sizeof(trace->path), "%s/trace", trace->directory);
    snprintf(trace->kernel, sizeof(trace->kernel), "%s/kernel", trace->directory);
    FILE *file = fopen(trace->kernel, "w");
    return file && !fclose(file);
}

static bool append_chunks(struct trace_writer *writer, u32 chunks)
{
    static u8 raw[CHUNK_MAX];
    u32 count;
    const union record *records = made_up_records(&count);
    u64 counts = records[count - 1].exit.count, ticks = records[count - 1].exit.tsc_entry;
    bool good = true;
    for (u32 chunk = 0; good && chunk < chunks; chunk++) {
        size_t length = 0;
        for (u32 i = 0; i < count; i++) {
            struct exit_record *exit = (struct exit_record *)memcpy(raw + length, &records[i],
                                                                    record_size(records[i].kind));
            exit->count += counts * chunk;
            exit->tsc_exit += ticks * chunk;
            exit->tsc_entry += ticks * chunk;
            length += record_size(records[i].kind);
        }
        good = !trace_append_chunk(writer, raw, length).code;
    }
    return good;
}

static bool write_trace(const struct made_up_trace *trace, u32 chunks)
{
    struct manifest manifest = {.memory_size = 1 << 20, .clock = 0};
    struct trace_writer *writer;
    if (trace_create(trace->path, &manifest, trace->kernel, NULL, TRACE_SYNC_NEVER, &writer).code)
        return false;
    bool good = append_chunks(writer, chunks);
    return !trace_finish(writer).code && good;
}

/* In a process of its own: what Linux says of a program's peak of memory begins with that of the
 * process which it was started from. */
bool made_up_trace_write(struct made_up_trace *trace, u32 chunks)
{
    int status;
    if (!make_directory(trace))
        return false;
    pid_t pid = fork();
    if (!pid)
        _exit(!write_trace(trace, chunks));
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}
