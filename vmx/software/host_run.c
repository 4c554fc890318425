/* A run in this process; see host_run.h. */
#define _GNU_SOURCE /* MAP_NORESERVE, MADV_HUGEPAGE */
#include "vmx/software/host_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "vmx/controls.h"
#include "vmx/hypervisor.h"
#include "vmx/processor.h"
#include "vmx/software/cpu.h"
#include "vmx/software/hooks.h"

/* One of each: the processor below is one, too. Large, so not on the stack. */
static struct {
    struct hypervisor hypervisor;
    struct gates gates;
    u8 *tables_start, *tables, *tables_end; /* EPT tables and VMCS pages */
    const struct observer *observer;
    struct gate_ops watched; /* the gate's, but for exits that are told the observer first */
    const struct gate_ops *unwatched;
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
    if (ram)
        madvise(ram, size, MADV_HUGEPAGE); /* fewer faults; without it all works as well */
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
    software_cpu.counts_exits = mission->flags & MISSION_COUNT_EXITS;
    vcpu_init(&run.hypervisor.vcpu, &run.hypervisor.machine, &setup);
    run.hypervisor.vcpu.timeout = mission->timeout_ns ? mission->timeout_ns : NEVER;
    return NO_ERR;
}

/* --- the observer -------------------------------------------------------------------------- */

static void tell(void (*what)(void *, struct vcpu *))
{
    if (what)
        what(run.observer->context, &run.hypervisor.vcpu);
}

static bool watched_exit(struct gate *gate, const struct exit_record *record,
                         const struct position *at, u64 entered)
{
    tell(run.observer->exits);
    return run.unwatched->exit_begins(gate, record, at, entered);
}

/* The exits of a replay all pass its gate (vmx/hypervisor.c): whoever wants them stands there, and
 * runs without anybody are none the slower. */
static void watch_exits(struct gate *gate)
{
    if (!run.observer->exits)
        return;
    run.unwatched = gate->ops;
    run.watched = *gate->ops;
    run.watched.exit_begins = watched_exit;
    gate->ops = &run.watched;
}

/* --- the gate ------------------------------------------------------------------------------ */

static struct err hand_on(void *context, const void *records, u32 length)
{
    const struct host_run *request = context;
    hypervisor_count_records(&run.hypervisor, records, length);
    return request->chunk(request->context, records, length);
}

static struct err keep_records(void)
{
    struct log *log = &run.gates.log;
    log->buffer = zeroed(CHUNK_MAX);
    if (!log->buffer)
        return ERR(NO_SPACE, "the host has no memory for a block of records", 0, 0);
    log->capacity = CHUNK_MAX;
    return NO_ERR;
}

static struct err choose_gate(const struct host_run *request)
{
    const struct mission *mission = request->mission;
    struct hypervisor *h = &run.hypervisor;
    run.gates.log = (struct log){.hand_on = hand_on, .context = (void *)request};
    if (mission->mode == MODE_RECORD)
        TRY(keep_records());
    h->counts_latencies = mission->mode != MODE_RECORD;
    h->machine.clock = (enum clock_policy)mission->clock;
    h->machine.gate = mission->mode == MODE_REPLAY
                          ? gates_replay(&run.gates, mission, &request->source, request->world)
                          : gates_record(&run.gates, mission, request->world);
    watch_exits(h->machine.gate);
    return NO_ERR;
}

/* --- the run --------------------------------------------------------------------------------- */

static u32 show_progress(void *context, u64 exits, u64 guest_ns)
{
    const struct host_run *request = context;
    tell(run.observer->beats);
    return request->world->ops->progress(request->world, exits, guest_ns);
}

static void describe_end(struct report *report)
{
    if (software_stop_reason[0])
        snprintf(report->message, sizeof(report->message), "the software processor has no %s",
                 software_stop_reason);
    else if (run.gates.log.error.code)
        snprintf(report->message, sizeof(report->message), "%s", run.gates.log.error.what);
}

static void give_back(u64 size)
{
    struct memory *m = &run.hypervisor.machine.memory;
    if (m->base)
        munmap(m->base, size);
    if (m->dirty)
        munmap(m->dirty, memory_overhead(size));
    munmap(run.tables_start, (u64)(run.tables_end - run.tables_start));
    if (run.gates.log.buffer)
        munmap(run.gates.log.buffer, CHUNK_MAX);
}

static struct err build(const struct host_run *request)
{
    const struct mission *mission = request->mission;
    struct hypervisor *h = &run.hypervisor;
    TRY(build_memory(mission->memory_size));
    TRY(build_vcpu(request));
    TRY(choose_gate(request));
    machine_init(&h->machine, mission->epoch);
    h->sabotage = mission->sabotage;
    h->progress = show_progress;
    h->may_give_up = mission->mode == MODE_REPLAY;
    h->progress_context = (void *)request;
    return NO_ERR;
}

struct err host_run(const struct host_run *request, struct report *report)
{
    static const struct observer nobody;
    const struct mission *mission = request->mission;
    struct hypervisor *h = &run.hypervisor;
    memset(&run, 0, sizeof(run));
    memset(report, 0, sizeof(*report));
    run.observer = request->observer ? request->observer : &nobody;
    struct err error = build(request);
    if (!error.code) {
        tell(run.observer->begins);
        hypervisor_run(h);
        tell(run.observer->ends);
        hooks_set(NULL, 0);
        hypervisor_report(h, report);
        if (mission->mode == MODE_REPLAY && !h->gave_up)
            gates_add_verdict(&run.gates, report);
        describe_end(report);
    }
    give_back(mission->memory_size);
    return error;
}
