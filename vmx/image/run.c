/*
 * The hypervisor's life in the image: check the CPU, enter VMX root operation,
 * build the machine, load the guest, run it through the gate that the mission
 * asks for, leave a report. Everything that can be missing is said in a sentence.
 */
#include "core/mem.h"
#include "replay/gates.h"
#include "vmx/controls.h"
#include "vmx/exits.h"
#include "vmx/hardware/count.h"
#include "vmx/hardware/hardware.h"
#include "vmx/hypervisor.h"
#include "vmx/image/carrier_world.h"
#include "vmx/image/image.h"
#include "vmx/image/outcome.h"
#include "vmx/processor.h"

enum { CALIBRATION_CODE = 0x8000 }; /* guest-physical, before the guest is loaded */

static struct hypervisor hypervisor;
static struct report report;
static struct carrier_world carrier;
static struct gates gates;

static void say_missing(void *context, const char *sentence)
{
    (void)context;
    console_message("this processor lacks: %s", sentence);
}

static void check(struct err error)
{
    if (error.code)
        image_fail(error);
}

static void *allocate(u64 bytes)
{
    void *memory = carrier_allocate(bytes);
    if (!memory)
        image_fail(ERR(NO_SPACE, "the carrier has no %a bytes of RAM left (%b are): give it more or the guest less", bytes,
                       carrier_free()));
    return memory;
}

static void start_root_operation(void)
{
    struct host_state host = {
        .code = SELECTOR_CODE,
        .data = SELECTOR_DATA,
        .tss = SELECTOR_TSS,
        .gdt_base = host_gdt().base,
        .idt_base = host_idt().base,
        .tss_base = host_tss(),
        .interrupt = host_interrupt,
    };
    if (hardware_requirements(say_missing, NULL))
        image_fail(ERR(UNSUPPORTED, "VT-x cannot be used on this machine for the reasons above", 0, 0));
    check(hardware_start(&host, allocate(PAGE_SIZE), allocate(PAGE_SIZE)));
}

static struct controls resolve_controls(void)
{
    struct capabilities can = capabilities_read();
    struct controls have;
    controls_resolve(&can, &have, say_missing, NULL);
    check(hardware_check_fields(&have, &can));
    return have;
}

static void build_memory(const struct mission *mission)
{
    struct memory *memory = &hypervisor.machine.memory;
    struct capabilities can = capabilities_read();
    void *ram = allocate(mission->memory_size);
    memory_init(memory, ram, mission->memory_size, allocate(memory_overhead(mission->memory_size)));
    check(ept_init(&hypervisor.ept, carrier_allocate, can.ept_vpid));
    check(ept_map_memory(&hypervisor.ept, memory));
}

static struct boot_state load_guest(const struct mission *mission)
{
    const struct module *kernel = &mission->modules[MODULE_KERNEL], *initrd = &mission->modules[MODULE_INITRD];
    struct boot_request request = {
        .kernel = (const void *)kernel->address,
        .kernel_length = kernel->length,
        .initrd = initrd->length ? (const void *)initrd->address : NULL,
        .initrd_length = initrd->length,
        .command_line = mission->command_line,
    };
    struct boot_state state;
    check(boot_load(&hypervisor.machine.memory, &request, &state));
    return state;
}

static void build_vcpu(const struct mission *mission)
{
    struct controls have = resolve_controls();
    struct vcpu_pages pages = {allocate(PAGE_SIZE), allocate(PAGE_SIZE), allocate(PAGE_SIZE), allocate(PAGE_SIZE)};
    struct boot_state nowhere = {0}, boot;
    struct vcpu_setup setup = {
        .boot = &nowhere,
        .pages = &pages,
        .controls = &have,
        .ept_pointer = ept_pointer(&hypervisor.ept),
        .exception_bitmap = mission->exception_bitmap,
        .page_fault_mask = mission->page_fault_mask,
        .page_fault_match = mission->page_fault_match,
    };
    struct vcpu *v = &hypervisor.vcpu;
    vcpu_init(v, &hypervisor.machine, &setup);
    if (mission->flags & MISSION_COUNT_EXITS)
        count_by_exits();
    else
        check(hardware_calibrate(v, CALIBRATION_CODE, hypervisor.machine.memory.base + CALIBRATION_CODE));
    boot = load_guest(mission);
    setup.boot = &boot;
    u64 launched = v->launched;
    vcpu_init(v, &hypervisor.machine, &setup);
    v->launched = launched;
    v->timeout = mission->timeout_ns ? mission->timeout_ns : NEVER;
    processor_flush_ept(setup.ept_pointer);
    processor_flush_guest_tlb();
}

static struct err hand_on_to_disk(void *context, const void *records, u32 length)
{
    (void)context;
    hypervisor_count_records(&hypervisor, records, length);
    return disk_append(CHUNK_RECORDS, records, length);
}

static struct gate *recording_gate(const struct mission *mission)
{
    gates.log.hand_on = hand_on_to_disk;
    if (mission->mode == MODE_RECORD) {
        gates.log.capacity = CHUNK_MAX;
        gates.log.buffer = allocate(CHUNK_MAX);
    }
    return gates_record(&gates, mission, &carrier.world);
}

/* Readers of the log on disk, each with a buffer of its own. */
struct disk_reader {
    struct log_cursor cursor;
    struct chunk_cursor area;
    u8 *buffer;
};

static bool next_block_from_disk(struct log_cursor *cursor, const u8 **block, u32 *length)
{
    struct disk_reader *reader = cursor->context;
    check(disk_read_chunk(&reader->area, reader->buffer, CHUNK_MAX, length));
    *block = reader->buffer;
    return *length != 0;
}

static struct log_cursor *open_reader(struct disk_reader *reader, struct chunk_cursor area)
{
    reader->area = area;
    reader->buffer = allocate(CHUNK_MAX);
    reader->cursor = (struct log_cursor){.next_block = next_block_from_disk, .context = reader};
    return &reader->cursor;
}

static struct gate *replaying_gate(const struct mission *mission)
{
    static struct disk_reader exits, values, events, notes;
    const struct log_source source = {
        .exits = open_reader(&exits, disk_exit_area()),
        .values = open_reader(&values, disk_input_area()),
        .events = open_reader(&events, disk_input_area()),
        .notes = mission->flags & MISSION_NOTES ? open_reader(&notes, disk_exit_area()) : NULL,
    };
    return gates_replay(&gates, mission, &source, &carrier.world);
}

static void choose_gate(const struct mission *mission)
{
    if (mission->mode != MODE_RUN && !(mission->flags & MISSION_DISK))
        image_fail(ERR(BAD_INPUT, "recording and replaying need a trace disk (primary IDE master), and there is none", 0, 0));
    hypervisor.machine.gate = mission->mode == MODE_REPLAY ? replaying_gate(mission) : recording_gate(mission);
}

static u32 show_progress(void *context, u64 exits, u64 guest_ns)
{
    struct world *world = context;
    return world->ops->progress(world, exits, guest_ns);
}

/* The whole run, shown when the hypervisor itself fails. */
static void dump_on_exception(const struct host_frame *frame)
{
    (void)frame;
    console_message("exit %lu, reason %u, guest rip %p", hypervisor.vcpu.exits, hypervisor.vcpu.exit.reason,
                    (void *)hypervisor.vcpu.rip);
}

static void describe_end(void)
{
    const struct machine *m = &hypervisor.machine;
    if (m->end.reason == END_ENTRY_FAILED && !hypervisor.vcpu.exit.entry_failed)
        print_to(report.message, sizeof(report.message), "VM entry failed: %s", vm_instruction_error((u32)m->end.detail));
    else if (m->end.reason == END_ENTRY_FAILED)
        print_to(report.message, sizeof(report.message), "VM entry failed by exit reason %u: invalid guest state, qualification %lu",
                 (u32)m->end.detail, hypervisor.vcpu.exit.qualification);
    else if (gates.log.error.code)
        print_error(report.message, sizeof(report.message), &gates.log.error);
}

static void say_end(const struct mission *mission)
{
    if (mission->flags & MISSION_FRAMED)
        console_message("%s after %lu exits, %lu guest ticks%s%s", report.verdict == VERDICT_DIVERGED ? "diverged" : "ended",
                        report.exits, report.count, report.message[0] ? ": " : "", report.message);
    else
        outcome_say(mission, &report);
}

static void leave(const struct mission *mission)
{
    hypervisor_report(&hypervisor, &report);
    report.tsc_khz = (u32)(carrier.tsc_hz / 1000);
    if (mission->mode == MODE_REPLAY && !hypervisor.gave_up)
        gates_add_verdict(&gates, &report);
    describe_end();
    check(hardware_stop());
    if (mission->flags & MISSION_DISK)
        check(disk_append(CHUNK_REPORT, &report, sizeof(report)));
    say_end(mission);
    image_exit(report.verdict == VERDICT_DIVERGED ? DIVERGED : OK);
}

void hypervisor_main(struct image_context *context)
{
    const struct mission *mission = &context->mission;
    start_root_operation();
    host_exception_hook = dump_on_exception;
    build_memory(mission);
    build_vcpu(mission);
    carrier_world_init(&carrier, context->tsc_hz);
    hypervisor.machine.clock = (enum clock_policy)mission->clock;
    choose_gate(mission);
    machine_init(&hypervisor.machine, mission->epoch);
    hypervisor.sabotage = mission->sabotage;
    hypervisor.counts_latencies = mission->mode != MODE_RECORD;
    hypervisor.progress = show_progress;
    hypervisor.may_give_up = mission->mode == MODE_REPLAY;
    hypervisor.progress_context = &carrier.world;
    hypervisor_run(&hypervisor);
    leave(mission);
}
