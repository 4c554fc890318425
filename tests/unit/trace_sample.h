/*
 * Made-up but lifelike records for the tests of trace/: a guest that prints,
 * reads its clock, programs timers and halts. Also a scratch directory.
 */
#ifndef TESTS_UNIT_TRACE_SAMPLE_H
#define TESTS_UNIT_TRACE_SAMPLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw; include this header first */
#endif

#include "trace/schema.h"
#include "trace/trace.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sample {
    u64 random, exit, count, tsc, idle;
    u32 state;
    bool mute; /* requests of interrupts leave no record, as before format version 3 */
    u8 *raw;   /* records of the chunk being made */
    size_t used, capacity;
};

static inline u64 sample_random(struct sample *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

static inline void sample_put(struct sample *s, const void *record, size_t size)
{
    if (s->used + size > s->capacity) {
        s->capacity = s->capacity * 2 + 4096;
        s->raw = realloc(s->raw, s->capacity);
    }
    memcpy(s->raw + s->used, record, size);
    s->used += size;
}

/* Padding would differ between a record and its copy; every record starts as zeros. */
#define SAMPLE_RECORD(name, number) \
    struct name##_record name;      \
    memset(&name, 0, sizeof(name)); \
    name.kind = number

static inline void sample_injection(struct sample *s, u64 rip)
{
    SAMPLE_RECORD(injection, REC_INJECTION);
    injection.info = 0x800000ec;
    injection.exit = s->exit;
    injection.count = s->count;
    injection.rip = rip;
    sample_put(s, &injection, sizeof(injection));
}

static inline void sample_timer(struct sample *s, u64 deadline)
{
    SAMPLE_RECORD(timer, REC_TIMER);
    timer.exit = s->exit;
    timer.deadline = deadline;
    sample_put(s, &timer, sizeof(timer));
}

/* A timer goes off: it was due `late` ns ago. */
static inline void sample_raise(struct sample *s, u64 late)
{
    SAMPLE_RECORD(raise, REC_RAISE);
    if (s->mute)
        return;
    raise.vector = 0xec;
    raise.exit = s->exit;
    raise.late = late;
    raise.due = s->count + s->idle - late;
    sample_put(s, &raise, sizeof(raise));
}

/* Halted, until a timer goes off. */
static inline void sample_idle(struct sample *s, u64 ns)
{
    SAMPLE_RECORD(idle, REC_IDLE);
    s->idle += ns;
    idle.exit = s->exit;
    idle.until = s->count + s->idle;
    sample_put(s, &idle, sizeof(idle));
}

/* The next exit of the guest, and what comes with it. */
static inline void sample_exit(struct sample *s)
{
    static const struct {
        u16 reason;
        u16 latency;
        u64 rip, qualification, address;
    } places[] = {
        {30, 812, 0xffffffff81580123, 0x3fd0008, 0},
        {30, 700, 0xffffffff81580180, 0x3f80000, 0},
        {16, 260, 0xffffffff81001234, 0, 0},
        {48, 900, 0xffffffff8106789a, 0x182, 0xfee000b0},
        {32, 600, 0xffffffff81068888, 0, 0x6e0},
        {12, 300, 0xffffffff81a00001, 0, 0},
    };
    u64 random = sample_random(s);
    u32 place = s->state == 0 ? 1 : (u32)(random % 16 < 9 ? 0 : random % 5 + 1);
    SAMPLE_RECORD(exit, REC_EXIT);
    s->state = place;
    s->count += 20 + place * 90 + (random >> 8 & 7 ? 0 : random >> 16 & 1023);
    exit.reason = places[place].reason;
    exit.check = (u8)sample_random(s);
    exit.count = s->count;
    exit.rip = places[place].rip + (place == 2 ? (random >> 20 & 31) * 0x210 : 0);
    exit.qualification = places[place].qualification;
    exit.address = places[place].address;
    exit.value = place == 0 ? 0x60 : place == 1 ? random >> 30 & 0x7f : s->count + s->idle;
    exit.tsc_exit = s->tsc + s->count;
    s->tsc += places[place].latency;
    exit.tsc_entry = exit.tsc_exit + places[place].latency;
    if (place == 3 && s->exit % 100 > 9)
        sample_raise(s, random >> 51 & 63); /* while the guest runs, before the exit's record */
    if (place == 4)
        sample_timer(s, exit.value + 4000000);
    sample_put(s, &exit, sizeof(exit));
    if (place == 5) {
        sample_idle(s, random >> 40);
        sample_raise(s, 0);
        sample_injection(s, exit.rip + 1);
    }
    s->exit++;
}

static inline void sample_clock(struct sample *s)
{
    SAMPLE_RECORD(clock, REC_CLOCK);
    clock.exit = s->exit;
    clock.value = s->count + s->idle;
    sample_put(s, &clock, sizeof(clock));
}

static inline void sample_state(struct sample *s)
{
    SAMPLE_RECORD(state, REC_STATE);
    state.exit = s->exit - 1;
    state.count = s->count;
    state.cpu = sample_random(s);
    state.memory = sample_random(s);
    state.devices = sample_random(s);
    state.inputs = sample_random(s);
    sample_put(s, &state, sizeof(state));
}

static inline void sample_end(struct sample *s)
{
    SAMPLE_RECORD(end, REC_END);
    end.reason = 1;
    end.exit = s->exit - 1;
    end.count = s->count;
    sample_put(s, &end, sizeof(end));
}

/* A chunk of `exits` exits, `clocks` clock readings and a state record, in s->raw. */
static inline void sample_chunk(struct sample *s, u32 exits, u32 clocks)
{
    s->used = 0;
    if (!s->random)
        s->random = 88172645463325252ull;
    for (u32 i = 0; i < exits; i++) {
        if (i < clocks)
            sample_clock(s);
        sample_exit(s);
    }
    sample_state(s);
}

/* --- a scratch directory ------------------------------------------------------------------ */

static char scratch[64];

static inline void scratch_make(void)
{
    strcpy(scratch, "/tmp/hindvisor-test-XXXXXX");
    if (!mkdtemp(scratch))
        abort();
}

static inline int scratch_unlink(const char *path, const struct stat *status, int type,
                                 struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void scratch_remove(void)
{
    nftw(scratch, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static u32 next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

static inline void scratch_file(const char *name, const void *data, size_t length)
{
    FILE *file = fopen(scratch_path(name), "wb");
    if (!file || fwrite(data, 1, length, file) != length || fclose(file))
        abort();
}

/* Whole file, malloc'ed. */
static inline u8 *scratch_read(const char *name, size_t *length)
{
    FILE *file = fopen(scratch_path(name), "rb");
    u8 *data = malloc(1 << 20);
    *length = file ? fread(data, 1, 1 << 20, file) : 0;
    if (file)
        fclose(file);
    return data;
}

/* --- damage ------------------------------------------------------------------------------- */

/* A byte in the payload of that block of observations is another one. */
static inline void sample_damage(const char *path, size_t block)
{
    char name[300];
    struct trace *trace;
    if (trace_open(path, &trace).code)
        abort();
    struct trace_block at = trace_block_at(trace, STREAM_OBSERVATION, block);
    trace_close(trace);
    snprintf(name, sizeof(name), "%s/observations", path);
    FILE *file = fopen(name, "r+b");
    long last = (long)(at.offset + at.size - 1);
    int byte = file && !fseek(file, last, SEEK_SET) ? fgetc(file) : EOF;
    if (byte == EOF || fseek(file, last, SEEK_SET) || fputc(byte ^ 0x10, file) == EOF ||
        fclose(file))
        abort();
}

#endif
