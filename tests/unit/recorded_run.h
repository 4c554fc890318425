/*
 * Runs of the tiny guest, recorded into memory and replayed from it, under either
 * clock policy and with or without noise. The world is a counter: it repeats
 * itself, as Bochs does.
 */
#ifndef TESTS_UNIT_RECORDED_RUN_H
#define TESTS_UNIT_RECORDED_RUN_H

#include "replay/noise.h"
#include "replay/recorder.h"
#include "replay/replayer.h"
#include "tests/unit/hypervisor_rig.h"
#include "tests/unit/tiny_guest.h"

enum { RUN_BYTES = 1 << 20, RUN_BLOCKS = 512, RUN_OUTPUT = 256 };
enum { SMALL_BLOCK = 8 << 10 }; /* bytes of records in a block, about */

struct recorded {
    u8 bytes[RUN_BYTES] __attribute__((aligned(8)));
    u32 block_at[RUN_BLOCKS + 1];
    u32 blocks;
    u32 space; /* 0: as much as there is; else hand_on fails after this many bytes */
};

/* --- the world --------------------------------------------------------------------------- */

struct counted_world {
    struct world world; /* first */
    u64 clock, step;    /* ns */
    const char *typed;
    u32 looks;      /* at the console */
    u32 look_every; /* a byte is there every so many looks */
    u32 stop_after; /* looks; then the user stops the run */
    u32 stops;
    u8 output[RUN_OUTPUT];
    u32 output_length;
};

static inline u64 counted_clock(struct world *world)
{
    struct counted_world *w = (struct counted_world *)world;
    return w->clock += w->step;
}

static inline u64 counted_ticks(struct world *world, u64 ns)
{
    (void)world;
    return ns;
}

static inline int counted_console(struct world *world)
{
    struct counted_world *w = (struct counted_world *)world;
    if (++w->looks % w->look_every || !*w->typed)
        return -1;
    return (u8)*w->typed++;
}

static inline void counted_idle(struct world *world, u64 ns)
{
    (void)world, (void)ns;
}

static inline u32 counted_stop(struct world *world)
{
    struct counted_world *w = (struct counted_world *)world;
    return ++w->stops > w->stop_after ? END_STOPPED : END_NONE;
}

static inline void counted_output(struct world *world, u8 byte)
{
    struct counted_world *w = (struct counted_world *)world;
    if (w->output_length < RUN_OUTPUT)
        w->output[w->output_length++] = byte;
}

static inline u32 counted_progress(struct world *world, u64 exits, u64 guest_ns)
{
    (void)world, (void)exits, (void)guest_ns;
    return END_NONE;
}

static inline u64 counted_interruption(struct world *world, u64 count)
{
    (void)world, (void)count;
    return NEVER;
}

static inline u64 counted_stolen(struct world *world)
{
    (void)world;
    return 0;
}

static inline void counted_world_init(struct counted_world *w)
{
    static const struct world_ops ops = {
        .clock = counted_clock,
        .ticks = counted_ticks,
        .console = counted_console,
        .idle = counted_idle,
        .stop = counted_stop,
        .output = counted_output,
        .progress = counted_progress,
        .interruption = counted_interruption,
        .stolen = counted_stolen,
    };
    *w = (struct counted_world){
        .world = {&ops}, .step = 700, .typed = "hello", .look_every = 2, .stop_after = ~0u};
}

/* --- recording --------------------------------------------------------------------------- */

struct run {
    struct rig rig;
    struct counted_world world;
    struct noise noise;
    struct recorder recorder;
    struct log log;
    struct replayer replayer;
    u64 limit; /* of its exits; 0: none */
    struct log_cursor exits, values, events, notes;
    u8 buffer[LOG_EXIT_ROOM + SMALL_BLOCK] __attribute__((aligned(8)));
};

static inline struct err run_hand_on(void *context, const void *records, u32 length)
{
    struct recorded *r = (struct recorded *)context;
    u32 at = r->block_at[r->blocks];
    if (r->blocks == RUN_BLOCKS || length > (r->space ? r->space : RUN_BYTES) - at)
        return ERR(NO_SPACE, "the test's memory is full", 0, 0);
    memcpy(r->bytes + at, records, length);
    r->block_at[++r->blocks] = at + length;
    return NO_ERR;
}

/* Everything is set up: change run->world and run->rig.h before run_record() if need be. */
static inline void run_prepare(struct run *run, enum clock_policy clock)
{
    memset(run, 0, sizeof(*run));
    counted_world_init(&run->world);
    rig_init(&run->rig, NULL, clock);
    tiny_start(&run->rig.h.vcpu, &tiny_echo);
}

/* `seed` 0: no noise. */
static inline void run_record(struct run *run, struct recorded *out, u64 seed)
{
    struct hypervisor *h = &run->rig.h;
    struct world *world = &run->world.world;
    u32 space = out->space;
    memset(out, 0, sizeof(*out));
    out->space = space;
    run->log = (struct log){.buffer = run->buffer,
                            .capacity = sizeof(run->buffer),
                            .hand_on = run_hand_on,
                            .context = out};
    if (seed) {
        noise_init(&run->noise, world, seed);
        world = &run->noise.world;
    }
    recorder_init(&run->recorder, world, &run->log, h->machine.clock);
    h->machine.gate = &run->recorder.gate;
    hypervisor_run(h);
}

/* --- replaying --------------------------------------------------------------------------- */

struct run_reader {
    const struct recorded *from;
    u32 next;
};

static inline bool run_next_block(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct run_reader *reader = (struct run_reader *)cursor->context;
    if (reader->next == reader->from->blocks)
        return false;
    u32 at = reader->from->block_at[reader->next++];
    *block = reader->from->bytes + at;
    *length = reader->from->block_at[reader->next] - at;
    return true;
}

static inline void run_replay(struct run *run, const struct recorded *from)
{
    const struct log_source source = {&run->exits, &run->values, &run->events, &run->notes};
    struct log_cursor *cursors[] = {&run->exits, &run->values, &run->events, &run->notes};
    struct run_reader readers[] = {{from, 0}, {from, 0}, {from, 0}, {from, 0}};
    for (u32 i = 0; i < ARRAY_SIZE(cursors); i++)
        *cursors[i] = (struct log_cursor){.next_block = run_next_block, .context = &readers[i]};
    replayer_init(&run->replayer, &run->world.world, &source);
    run->replayer.limit = run->limit;
    run->rig.h.machine.gate = &run->replayer.gate;
    hypervisor_run(&run->rig.h);
    for (u32 i = 0; i < ARRAY_SIZE(cursors); i++)
        cursors[i]->context = NULL;
}

/* --- records one by one ------------------------------------------------------------------ */

struct record_list {
    u32 count;
    u32 at[RUN_BYTES / 64]; /* offsets in `bytes` */
    u32 block[RUN_BYTES / 64];
};

static inline void list_records(const struct recorded *r, struct record_list *list)
{
    list->count = 0;
    for (u32 block = 0; block < r->blocks; block++) {
        for (u32 at = r->block_at[block]; at < r->block_at[block + 1];) {
            list->at[list->count] = at;
            list->block[list->count++] = block;
            at += record_size(*(const u16 *)(r->bytes + at));
        }
    }
}

static inline union record *record_at(struct recorded *r, const struct record_list *list, u32 i)
{
    return (union record *)(r->bytes + list->at[i]);
}

#endif
