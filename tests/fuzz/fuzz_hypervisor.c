/*
 * Fuzzes the hypervisor on the software processor with guests of any kind: what handlers, devices
 * and gates make of what a guest does, from outside its code. Whatever it is:
 *  - a recorded run replays with nothing different, also by generic handlers alone;
 *  - a run with more stops in it ends in the same state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/crc.h"
#include "core/mem.h"
#include "replay/gates.h"
#include "tests/software/generator.h"
#include "vmx/software/cpu.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { BLOCKS = 64, BLOCK_BYTES = 64 << 10, LOOKS = 2 };

static struct {
    struct plan plan;
    struct mission mission;
    struct world world;
    struct gates gates;
    u64 clock, dice;
    u32 looks;
    bool interrupts, silent; /* silent: nothing is typed, so that runs can be compared */
    u32 blocks, length[BLOCKS];
    u8 block[BLOCKS][LOG_EXIT_ROOM + BLOCK_BYTES] __attribute__((aligned(8)));
    u8 buffer[LOG_EXIT_ROOM + BLOCK_BYTES] __attribute__((aligned(8)));
} f;

/* --- the world: a counter, so that it repeats itself ------------------------------------- */

static u64 world_clock(struct world *world)
{
    (void)world;
    return f.clock += 37;
}

static u64 world_ticks(struct world *world, u64 ns)
{
    (void)world;
    return ns;
}

static int world_console(struct world *world)
{
    (void)world;
    return f.silent || f.looks % 3 ? -1 : (u8)(f.plan.seed >> f.looks % 8);
}

static u32 world_stop(struct world *world)
{
    (void)world;
    return ++f.looks > LOOKS ? END_STOPPED : END_NONE;
}

static void world_output(struct world *world, u8 byte)
{
    (void)world, (void)byte;
}

static u32 world_progress(struct world *world, u64 exits, u64 guest_ns)
{
    (void)world, (void)exits, (void)guest_ns;
    return END_NONE;
}

static u64 world_interruption(struct world *world, u64 count)
{
    (void)world;
    f.dice = mix64(f.dice + 0x9e3779b97f4a7c15);
    return f.interrupts ? count + 1 + f.dice % 30 : NEVER;
}

static u64 world_stolen(struct world *world)
{
    (void)world;
    return 0;
}

static void world_idle(struct world *world, u64 ns)
{
    (void)world;
    f.clock += min_u64(ns, 1000);
}

/* --- recording --------------------------------------------------------------------------- */

static struct err keep(void *context, const void *records, u32 length)
{
    (void)context;
    if (f.blocks == BLOCKS)
        return ERR(NO_SPACE, "the fuzzer keeps no more", 0, 0);
    memcpy(f.block[f.blocks], records, length);
    f.length[f.blocks++] = length;
    return NO_ERR;
}

static void prepare(const u8 *data, size_t size, bool plain)
{
    static const struct world_ops ops = {.clock = world_clock,
                                         .ticks = world_ticks,
                                         .console = world_console,
                                         .idle = world_idle,
                                         .stop = world_stop,
                                         .output = world_output,
                                         .progress = world_progress,
                                         .interruption = world_interruption,
                                         .stolen = world_stolen};
    struct hypervisor *h = &bare.h;
    generate(data, size, &f.plan);
    h->vcpu.count = 0;
    f.world.ops = &ops;
    f.clock = f.looks = 0;
    f.dice = f.plan.seed;
    f.silent = f.plan.seed & 2;
    f.mission.clock = f.plan.seed & 1 ? CLOCK_HOST : CLOCK_COUNT;
    software_cpu.plain = plain;
    h->machine.clock = (enum clock_policy)f.mission.clock;
    h->machine.gate = NULL;
    vmcs_write(VMCS_EXCEPTION_BITMAP, f.plan.exception_bitmap);
    vmcs_write(VMCS_PAGE_FAULT_MASK, f.plan.page_fault_mask);
    vmcs_write(VMCS_PAGE_FAULT_MATCH, f.plan.page_fault_match);
    h->vcpu.timeout = f.plan.end;
}

static void start_machine(struct gate *gate)
{
    bare.h.machine.gate = gate;
    machine_init(&bare.h.machine, 0);
    hypervisor_run(&bare.h);
}

static u64 record(const u8 *data, size_t size, bool interrupts)
{
    prepare(data, size, false);
    f.interrupts = interrupts;
    f.blocks = 0;
    f.gates.log = (struct log){.buffer = f.buffer, .capacity = sizeof(f.buffer), .hand_on = keep};
    start_machine(gates_record(&f.gates, &f.mission, &f.world));
    const struct hypervisor *h = &bare.h;
    struct memory *memory = (struct memory *)&h->machine.memory;
    return mix64(vcpu_hash(&h->vcpu) ^ mix64(memory_hash(memory) ^ machine_hash(&h->machine)));
}

/* --- replaying --------------------------------------------------------------------------- */

static bool next_block(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    u32 *at = cursor->context;
    if (*at == f.blocks)
        return false;
    *block = f.block[*at];
    *length = f.length[(*at)++];
    return true;
}

static void replay(const u8 *data, size_t size, bool plain)
{
    u32 at[4] = {0};
    struct log_cursor exits = {.next_block = next_block, .context = &at[0]},
                      values = {.next_block = next_block, .context = &at[1]},
                      events = {.next_block = next_block, .context = &at[2]},
                      notes = {.next_block = next_block, .context = &at[3]};
    const struct log_source source = {&exits, &values, &events, &notes};
    struct report report = {0};
    prepare(data, size, plain);
    start_machine(gates_replay(&f.gates, &f.mission, &source, &f.world));
    gates_add_verdict(&f.gates, &report);
    if (report.verdict == VERDICT_SAME)
        return;
    fprintf(stderr,
            "mode %u, %s: the replay diverges, kind %u: %#llx, then %#llx; count %llu, RIP %#llx\n",
            f.plan.mode, plain ? "by generic handlers" : "again", report.divergence,
            (unsigned long long)report.expected, (unsigned long long)report.got,
            (unsigned long long)bare.h.vcpu.count, (unsigned long long)bare.h.vcpu.rip);
    abort();
}

static void must_end(void)
{
    u32 reason = bare.h.machine.end.reason;
    if (reason && reason != END_ENTRY_FAILED && reason != END_DIVERGED)
        return;
    fprintf(stderr, "mode %u: the run ends by %u, %#llx\n", f.plan.mode, reason,
            (unsigned long long)bare.h.machine.end.detail);
    abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 16)
        return 0;
    u64 state = record(data, size, false), reason = bare.h.machine.end.reason;
    u64 count = bare.h.vcpu.count;
    must_end();
    replay(data, size, false);
    u64 other = record(data, size, true);
    must_end();
    replay(data, size, true);
    /* Under the host's clock each stop is a look at it. */
    bool comparable = f.silent && f.mission.clock == CLOCK_COUNT && reason == END_GUEST_TIMEOUT &&
                      bare.h.machine.end.reason == END_GUEST_TIMEOUT;
    if (comparable && other != state) {
        fprintf(stderr,
                "mode %u: with more stops the run ends in another state: count %llu, then %llu\n",
                f.plan.mode, (unsigned long long)count, (unsigned long long)bare.h.vcpu.count);
        abort();
    }
    return 0;
}
