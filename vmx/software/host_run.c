/* A run in this process; see host_run.h. */
#define _GNU_SOURCE /* MAP_NORESERVE */
#include "vmx/software/host_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "replay/noise.h"
#include "replay/recorder.h"
#include "replay/replayer.h"
#include "vmx/controls.h"
#include "vmx/hypervisor.h"
#include "vmx/processor.h"
#include "vmx/software/cpu.h"

/* One of each: the processor below is one, too. Large, so not on the stack. */
static struct {
    struct hypervisor hypervisor;
    struct noise noise;
    struct recorder recorder;
    struct replayer replayer;
    struct log log;
    u8 *tables_start, *tables, *tables_end; /* EPT tables and VMCS pages */
} run;

/* --- memory ---------------------------------------------------------------------------- */

static void *zeroed(u64 bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *allocate(u64 bytes)
{
    u8 *at = run.tables;
    if (!at || (u64)(run.tables_end - at) < bytes)
        return NULL;
    run.tables += align_up(bytes, PAGE_SIZE);
    return at;
}

static struct err build_memory(u64 size)
{
    u64 tables = size / 512 + (64 << 10) + (size >> 18) * PAGE_SIZE / 8 + (1 << 20);
    u8 *ram = zeroed(size), *books = zeroed(memory_overhead(size));
    run.tables = run.tables_start = zeroed(tables);
    run.tables_end = run.tables + tables;
    if (!ram || !books || !run.tables)
        return ERR(
            NO_SPACE,
            "the host has no %a bytes of memory for the guest's RAM: give the guest less --memory",
            size, 0);
    memory_init(&run.hypervisor.machine.memory, ram, size, books);
    TRY(ept_init(&run.hypervisor.ept, allocate, capabilities_read().ept_vpid));
    return ept_map_memory(&run.hypervisor.ept, &run.hypervisor.machine.memory);
}

static void ignore_missing(void *context, const char *text)
{
    (void)context, (void)text;
}

static struct err build_vcpu(const struct host_run *request)
{
    const struct mission *mission = request->mission;
    struct capabilities can = capabilities_read();
    struct controls have;
    struct boot_state boot;
    if (controls_resolve(&can, &have, ignore_missing, NULL))
        return ERR(INTERNAL, "the software processor lacks a control that the hypervisor needs", 0,
                   0);
    struct vcpu_pages pages = {allocate(PAGE_SIZE), allocate(PAGE_SIZE), allocate(PAGE_SIZE),
                               allocate(PAGE_SIZE)};
    const struct boot_request load = {request->kernel.at, request->kernel.length,
                                      request->initrd.at, request->initrd.length,
                                      mission->command_line};
    TRY(boot_load(&run.hypervisor.machine.memory, &load, &boot));
    const struct vcpu_setup setup = {
        .boot = &boot,
        .pages = &pages,
        .controls = &have,
        .ept_pointer = ept_pointer(&run.hypervisor.ept),
        .exception_bitmap = mission->exception_bitmap,
        .page_fault_mask = mission->page_fault_mask,
        .page_fault_match = mission->page_fault_match,
    };
    software_reset();
    vcpu_init(&run.hypervisor.vcpu, &run.hypervisor.machine, &setup);
    run.hypervisor.vcpu.timeout = mission->timeout_ns ? mission->timeout_ns : NEVER;
    return NO_ERR;
}

/* --- the gate ------------------------------------------------------------------------------ */

static struct gate *recording_gate(const struct host_run *request)
{
    const struct mission *mission = request->mission;
    struct world *world = request->world;
    if (mission->flags & MISSION_NOISE) {
        noise_init(&run.noise, world, mission->noise_seed);
        world = &run.noise.world;
    }
    run.log = (struct log){.hand_on = request->chunk, .context = request->context};
    if (mission->mode == MODE_RECORD) {
        run.log.capacity = CHUNK_MAX;
        run.log.buffer = zeroed(CHUNK_MAX);
    }
    recorder_init(&run.recorder, world, &run.log, (enum clock_policy)mission->clock);
    return &run.recorder.gate;
}

struct area {
    struct log_cursor cursor;
    struct bytes bytes;
    u64 offset;
};

/* Chunks of trace/wire.h, one after the other; the trace's reader has checked them. */
static bool next_chunk(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct area *area = cursor->context;
    struct chunk_header header;
    if (area->offset + sizeof(header) > area->bytes.length)
        return false;
    memcpy(&header, (const u8 *)area->bytes.at + area->offset, sizeof(header));
    u64 end = area->offset + sizeof(header) + header.length;
    if (header.magic != CHUNK_MAGIC || end > area->bytes.length)
        return false;
    *block = (const u8 *)area->bytes.at + area->offset + sizeof(header);
    *length = header.length;
    area->offset = align_up(end, SECTOR);
    return true;
}

static struct log_cursor *open_area(struct area *area, struct bytes bytes)
{
    *area = (struct area){.cursor = {.next_block = next_chunk}, .bytes = bytes};
    area->cursor.context = area;
    return &area->cursor;
}

static struct gate *replaying_gate(const struct host_run *request)
{
    static struct area exits, values, events;
    replayer_init(&run.replayer, request->world, open_area(&exits, request->exits),
                  open_area(&values, request->inputs), open_area(&events, request->inputs));
    return &run.replayer.gate;
}

/* --- the run --------------------------------------------------------------------------------- */

static void show_progress(void *context, u64 exits, u64 guest_ns)
{
    struct world *world = context;
    world->ops->progress(world, exits, guest_ns);
}

static void add_verdict(struct report *report)
{
    const struct difference *d = &run.replayer.difference;
    report->verdict = d->kind == DIVERGENCE_NONE ? VERDICT_SAME : VERDICT_DIVERGED;
    report->divergence = d->kind;
    report->expected = d->expected;
    report->got = d->got;
    report->expected_record = d->record;
    report->states = run.replayer.states;
    if (run.replayer.log_ended)
        report->end_reason = END_LOG_ENDED;
}

static void describe_end(struct report *report)
{
    if (software_stop_reason[0])
        snprintf(report->message, sizeof(report->message), "the software processor has no %s",
                 software_stop_reason);
    else if (run.log.error.code)
        snprintf(report->message, sizeof(report->message), "%s", run.log.error.what);
}

static void give_back(u64 size)
{
    struct memory *m = &run.hypervisor.machine.memory;
    if (m->base)
        munmap(m->base, size);
    if (m->dirty)
        munmap(m->dirty, memory_overhead(size));
    munmap(run.tables_start, (u64)(run.tables_end - run.tables_start));
    if (run.log.buffer)
        munmap(run.log.buffer, CHUNK_MAX);
}

struct err host_run(const struct host_run *request, struct report *report)
{
    const struct mission *mission = request->mission;
    struct hypervisor *h = &run.hypervisor;
    memset(&run, 0, sizeof(run));
    memset(report, 0, sizeof(*report));
    TRY(build_memory(mission->memory_size));
    TRY(build_vcpu(request));
    h->machine.clock = (enum clock_policy)mission->clock;
    h->machine.gate =
        mission->mode == MODE_REPLAY ? replaying_gate(request) : recording_gate(request);
    machine_init(&h->machine, mission->epoch);
    h->sabotage = mission->sabotage;
    h->progress = show_progress;
    h->progress_context = request->world;
    hypervisor_run(h);
    hypervisor_report(h, report);
    if (mission->mode == MODE_REPLAY)
        add_verdict(report);
    describe_end(report);
    give_back(mission->memory_size);
    return NO_ERR;
}
