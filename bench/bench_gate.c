/* What the gate costs an exit: begin and end it through the recorder, with a world that
 * never changes, and through the replayer, from the log that the recorder made. */
#include <stdlib.h>
#include <string.h>

#include "bench/benchmarks.h"
#include "bench/shim.h"
#include "replay/recorder.h"
#include "replay/replayer.h"

enum { EXITS = 8192, LOG_BYTES = 2 << 20, TICKS = 1000 };
enum { EXIT_RDTSC = 16 };

static u64 zero(struct world *world)
{
    (void)world;
    return 0;
}

static u64 same_ticks(struct world *world, u64 ns)
{
    (void)world;
    return ns;
}

static int nobody_types(struct world *world)
{
    (void)world;
    return -1;
}

static u32 goes_on(struct world *world)
{
    (void)world;
    return 0;
}

static void no_rest(struct world *world, u64 ns)
{
    (void)world, (void)ns;
}

static u64 no_interruption(struct world *world, u64 count)
{
    (void)world, (void)count;
    return NEVER;
}

static const struct world_ops still_ops = {.clock = zero,
                                           .ticks = same_ticks,
                                           .console = nobody_types,
                                           .idle = no_rest,
                                           .stop = goes_on,
                                           .interruption = no_interruption,
                                           .stolen = zero};
static struct world still = {&still_ops};

/* The recorder's blocks: the last one is kept. */
struct kept {
    u8 bytes[LOG_BYTES] __attribute__((aligned(8)));
    u32 length;
};

static struct err keep_block(void *context, const void *records, u32 length)
{
    struct kept *kept = context;
    memcpy(kept->bytes, records, length);
    kept->length = length;
    return NO_ERR;
}

static struct exit_record exit_at(u64 number)
{
    return (struct exit_record){.kind = REC_EXIT,
                                .reason = EXIT_RDTSC,
                                .check = (u8)number,
                                .count = number * TICKS,
                                .rip = 0xffffffff81000000 + number % 64 * 16,
                                .value = number * TICKS + 7,
                                .tsc_exit = number * 2 * TICKS};
}

static void one_exit(struct gate *gate, u64 number)
{
    struct exit_record record = exit_at(number);
    struct position at = {number, record.count, record.rip, number, number};
    gate->ops->exit_begins(gate, &record, &at, record.tsc_exit);
    gate->ops->arrive(gate, &at, false);
    gate->ops->exit_ends(gate, &record, &at);
    if (gate->ops->wants_state(gate, &at))
        gate->ops->state(
            gate, &(struct state_record){.kind = REC_STATE, .exit = number, .count = record.count});
    gate->ops->stop(gate, record.count, NEVER);
}

static void start(struct recorder *recorder, struct log *log, struct kept *kept)
{
    *log = (struct log){.buffer = calloc(1, LOG_BYTES),
                        .capacity = LOG_BYTES,
                        .hand_on = keep_block,
                        .context = kept};
    recorder_init(recorder, &still, log, CLOCK_COUNT);
}

static void record_exits(struct bench *b)
{
    static struct kept kept;
    struct recorder recorder;
    struct log log;
    u64 number = 0;
    start(&recorder, &log, &kept);
    while (bench_next(b))
        one_exit(&recorder.gate, number++);
    bench_items(b, number);
    free(log.buffer);
}

static void pass_exits(struct bench *b)
{
    static struct kept kept;
    struct recorder recorder;
    struct log log;
    u64 number = 0;
    start(&recorder, &log, &kept);
    while (bench_next(b)) {
        struct exit_record record = exit_at(number);
        if (!recorder.gate.ops->exit_passes(&recorder.gate, &record, number, record.tsc_exit))
            one_exit(&recorder.gate, ++number);
        number++;
    }
    bench_items(b, bench_iterations(b));
    free(log.buffer);
}

static bool next_block(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct kept *kept = cursor->context;
    *block = kept->bytes;
    *length = kept->length;
    return cursor->at == NULL;
}

static void replay_exits(struct bench *b)
{
    static struct kept kept;
    struct recorder recorder;
    struct log log;
    u64 number = EXITS;
    start(&recorder, &log, &kept);
    for (u64 i = 0; i < EXITS; i++)
        one_exit(&recorder.gate, i);
    log_hand_on(&log);
    struct replayer replayer = {0};
    struct log_cursor exits, values, events, notes;
    const struct log_source source = {&exits, &values, &events, &notes};
    while (bench_next(b)) {
        if (number == EXITS) {
            exits = values = events = notes =
                (struct log_cursor){.next_block = next_block, .context = &kept};
            replayer_init(&replayer, &still, &source);
            number = 0;
        }
        one_exit(&replayer.gate, number++);
    }
    if (replayer.difference.kind != DIVERGENCE_NONE)
        bench_skip(b, "the replay differs");
    bench_items(b, bench_iterations(b));
    free(log.buffer);
}

void register_gate_benchmarks(void)
{
    bench_register("gate/record_exit", record_exits, 0);
    bench_register("gate/record_passing_exit", pass_exits, 0);
    bench_register("gate/replay_exit", replay_exits, 0);
}
