/*
 * Fuzzes the run loop with exits that a processor could report: any reason, any
 * register and memory contents, any mode. Nothing may crash, hang or leave guest
 * RAM, no VM entry may be one that the SDM forbids (the fake processor looks), and
 * what was recorded must replay.
 */
#include <stdlib.h>
#include <string.h>

#include "core/devices/ports.h"
#include "tests/unit/guest_mode.h"
#include "tests/unit/recorded_run.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { EXITS_MAX = 400, RFLAGS_FREE = 0x247fd5 & ~(1 << 17), RFLAGS_IF = 1 << 9 };

static const u8 *input, *input_end;

static u8 take(void)
{
    return input < input_end ? *input++ : 0;
}

static u64 take_bytes(u32 count)
{
    u64 value = 0;
    while (count--)
        value = value << 8 | take();
    return value;
}

/* Addresses where something begins or ends, and anything. */
static u64 take_address(void)
{
    static const u64 places[] = {0,           RIG_CODE, RIG_STACK,    RIG_TABLES,
                                 RIG_RAM,     VGA_HOLE, VGA_HOLE_END, LAPIC_BASE,
                                 IOAPIC_BASE, BIT(32),  BIT(47),      ~BIT(47) + 1,
                                 ~0ull,       0x80,     BIT(36),      RIG_RAM - 16};
    u8 choice = take();
    if (choice & 0x80)
        return take_bytes(choice & 0x40 ? 8 : 4);
    return places[choice % ARRAY_SIZE(places)] + (u64)(i64)(i8)take() * (choice & 0x40 ? 4 : 16);
}

/* --- the state of the guest ---------------------------------------------------------------- */

static struct rig *the_rig;

static void change_mode(u8 mode)
{
    vmcs_write(VMCS_GUEST_CR0, 0x80000021);
    vmcs_write(VMCS_GUEST_CR4, 0x2020);
    vmcs_write(VMCS_GUEST_EFER, 0x500);
    vmcs_write(VMCS_GUEST_CR3, RIG_TABLES);
    vmcs_write(VMCS_ENTRY_CONTROLS, vmcs_read(VMCS_ENTRY_CONTROLS) | CONTROL_ENTRY_IA32E_GUEST);
    guest_enter_mode(the_rig, (enum guest_mode)(mode % GUEST_MODES));
    if (mode & 0x40)
        vmcs_write(VMCS_GUEST_SS_ACCESS, vmcs_read(VMCS_GUEST_SS_ACCESS) | DPL_3);
}

static void change_memory(void)
{
    u64 at = take_address() % (RIG_RAM - 16);
    u32 length = take() % 16;
    while (length--)
        rig_ram[at++] = take(); /* as the guest's own store would: no dirty bit, and so no hash */
}

static void change_flags(struct vcpu *v)
{
    static const u32 blocked[] = {0,
                                  BLOCKED_BY_STI,
                                  BLOCKED_BY_MOV_SS,
                                  BLOCKED_BY_NMI,
                                  BLOCKED_BY_STI | BLOCKED_BY_NMI,
                                  BLOCKED_BY_MOV_SS | BLOCKED_BY_NMI};
    u32 how = blocked[take() % ARRAY_SIZE(blocked)];
    v->rflags = (take_bytes(3) & RFLAGS_FREE) | 2;
    if (how & BLOCKED_BY_STI)
        v->rflags |= RFLAGS_IF;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, how);
}

static void change_something(struct vcpu *v)
{
    static const enum vmcs_field fields[] = {
        VMCS_GUEST_CS_BASE, VMCS_GUEST_SS_BASE, VMCS_GUEST_DS_BASE, VMCS_GUEST_ES_BASE,
        VMCS_GUEST_FS_BASE, VMCS_GUEST_GS_BASE, VMCS_GUEST_CR3,     VMCS_GUEST_DR7};
    u8 what = take();
    switch (what % 8) {
    case 0:
        change_mode(take());
        break;
    case 1:
        change_flags(v);
        break;
    case 2:
        vmcs_write(fields[take() % ARRAY_SIZE(fields)], take_address());
        break;
    case 3:
        v->rip = take_address();
        break;
    case 4:
        v->virtual_apic[0x80] = take();
        break;
    case 5:
        change_memory();
        break;
    default:
        v->gpr[what >> 4] = take_address();
        break;
    }
}

/* --- exits ------------------------------------------------------------------------------------ */

/* The first two interrupt a delivery, and are no exceptions that exit. */
static u32 take_event(bool exception)
{
    static const u32 events[] = {EVENT(EVENT_EXTERNAL, 0x41),
                                 EVENT(EVENT_SOFTWARE_INTERRUPT, 0x80),
                                 EVENT(EVENT_NMI, 2),
                                 EVENT(EVENT_SOFTWARE_EXCEPTION, 3),
                                 EVENT(EVENT_PRIVILEGED_SOFTWARE, 1),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DB),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DE),
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR,
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR,
                                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF) | EVENT_HAS_ERROR};
    u32 first = exception ? 2 : 0;
    u32 event = events[first + take() % (ARRAY_SIZE(events) - first)];
    /* In real mode no exception has an error code (SDM 28.2.2). */
    return vmcs_read(VMCS_GUEST_CR0) & 1 ? event : event & ~EVENT_HAS_ERROR;
}

static u32 take_reason(void)
{
    static const u8 reasons[] = {
#define X(number, name, handler) number,
        VMX_EXITS(X)
#undef X
    };
    static const u8 busy[] = {EXIT_IO_INSTRUCTION, EXIT_EPT_VIOLATION, EXIT_MSR_WRITE,
                              EXIT_MSR_READ,       EXIT_CR_ACCESS,     EXIT_HLT,
                              EXIT_CPUID,          EXIT_EXCEPTION_NMI};
    u8 choice = take();
    if (choice & 0x80)
        return busy[choice % ARRAY_SIZE(busy)];
    u32 reason = reasons[choice % ARRAY_SIZE(reasons)];
    return reason == EXIT_PREEMPTION_TIMER ? EXIT_CPUID : reason; /* the fake's own */
}

/* A byte, a word or four; any port. */
static u64 take_io(void)
{
    static const u16 ports[] = {PORT_UART,    PORT_PIC1,    PORT_PIC2, PORT_PIT,      PORT_CMOS,
                                PORT_ACPI_PM, PORT_SPEAKER, PORT_ELCR, PORT_KEYBOARD, 0x80};
    static const u8 sizes[] = {0, 1, 3, 0};
    u8 how = take();
    u16 port =
        how & 0x80 ? (u16)take_bytes(2) : (u16)(ports[take() % ARRAY_SIZE(ports)] + (take() & 15));
    return (u64)port << 16 | (how & 0x38) | sizes[how & 3];
}

static u64 take_qualification(u32 reason)
{
    switch (reason) {
    case EXIT_IO_INSTRUCTION:
        return take_io();
    case EXIT_EPT_VIOLATION:
        return 0x180 ^ (take() & 7) ^ (take() % 8 ? 0 : 0x180);
    case EXIT_CR_ACCESS:
        return take_bytes(4) & 0xffff0fff;
    default:
        return take_bytes(2);
    }
}

/* MSRs that exist, more often than others. */
static void choose_msr(struct vcpu *v)
{
    static const u32 msrs[] = {0x10,  0x1b,  0x6e0, 0xc0000080, 0xc0000103, 0x250,
                               0x277, 0x808, 0x80b, 0x830,      0x832,      0x838};
    u8 choice = take();
    if (choice & 0x80)
        v->gpr[RCX] = msrs[choice % ARRAY_SIZE(msrs)];
}

/* An event that was being delivered: no shadow held it back, and IF let it in. */
static u32 take_vectoring(struct vcpu *v)
{
    u32 event = take_event(false);
    u64 blocking = vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI;
    if (EVENT_TYPE(event) == EVENT_EXTERNAL)
        v->rflags |= RFLAGS_IF;
    if (EVENT_TYPE(event) == EVENT_NMI)
        blocking = BLOCKED_BY_NMI;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, blocking);
    return event;
}

/* SDM 28.2.4: what can happen while an event is being delivered. */
static bool interrupts_delivery(u32 reason)
{
    return reason == EXIT_EXCEPTION_NMI || reason == EXIT_EPT_VIOLATION ||
           reason == EXIT_EPT_MISCONFIG || reason == EXIT_TASK_SWITCH ||
           reason == EXIT_TRIPLE_FAULT;
}

static struct fake_exit guest(struct vcpu *v, const struct fake_entry *entry)
{
    (void)entry;
    if (input >= input_end || fake_cpu.entry_count > EXITS_MAX)
        return (struct fake_exit){.reason = EXIT_TRIPLE_FAULT};
    for (u32 changes = take() % 4; changes; changes--)
        change_something(v);
    u32 reason = take_reason();
    if (reason == EXIT_MSR_READ || reason == EXIT_MSR_WRITE)
        choose_msr(v);
    u8 more = take();
    fake_cpu_set(VMCS_GUEST_PHYSICAL, take_address() & (BIT(CPU_PHYSICAL_BITS) - 1));
    fake_cpu_set(VMCS_GUEST_LINEAR, take_address());
    fake_cpu_set(VMCS_INSTRUCTION_INFO, (u64)(more % 3) << 7);
    fake_cpu_set(VMCS_EXIT_EVENT, take_event(true));
    fake_cpu_set(VMCS_EXIT_EVENT_ERROR, more);
    fake_cpu_set(VMCS_VECTORING_ERROR, more);
    struct fake_exit exit = {.reason = reason, .length = 1 + more % 15};
    exit.qualification = take_qualification(reason);
    exit.vectoring = more >= 0xc0 && interrupts_delivery(reason) ? take_vectoring(v) : 0;
    exit.advance = more & 0x40 ? take_bytes(3) : more & 7;
    return exit;
}

/* --- record, then replay ----------------------------------------------------------------- */

static struct run run;
static struct recorded recorded;

static void prepare(const u8 *data, size_t size)
{
    run_prepare(&run, data[0] & 1 ? CLOCK_HOST : CLOCK_COUNT);
    the_rig = &run.rig;
    input = data + 1;
    input_end = data + size;
    fake_cpu.guest = guest;
    run.world.stop_after = 50;
    run.world.look_every = 1;
    run.rig.h.vcpu.timeout = data[0] & 2 ? 20000000 : NEVER;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 2)
        return 0;
    prepare(data, size);
    run_record(&run, &recorded, data[0] >> 2);
    enum end_reason reason = run.rig.h.machine.end.reason;
    if (!reason || reason == END_DIVERGED || run.log.error.code)
        abort();
    static struct report report;
    hypervisor_report(&run.rig.h, &report);
    prepare(data, size);
    run_replay(&run, &recorded);
    if (run.replayer.difference.kind != DIVERGENCE_NONE || run.rig.h.machine.end.reason != reason)
        abort();
    return 0;
}
