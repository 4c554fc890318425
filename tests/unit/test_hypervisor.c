/*
 * The run loop: where the vCPU stops under each clock policy, how it halts and
 * wakes, when arrivals take effect, and how runs end.
 */
#include <criterion/criterion.h>

#include "core/devices/ports.h"
#include "tests/unit/recorded_run.h"
#include "tests/unit/rig_on_fakes.h"
#include "vmx/sabotage.h"

enum { IF = 1 << 9, TIMER_VECTOR = 0x50 };

static struct hypervisor *h;
static struct run run;
static struct recorded recorded;

static void start(enum clock_policy clock)
{
    rig_on_fakes(clock);
    fake.stop = NEVER;
    h = &rig.h;
    v->rflags |= IF;
    lapic_virtual_wire(&m->lapic);
}

static void set_up(void)
{
    start(CLOCK_COUNT);
}

TestSuite(hypervisor, .init = set_up);

static const struct fake_exit shut_down = {.reason = EXIT_TRIPLE_FAULT};

/* The exits given, then a triple fault. */
static void play(const struct fake_exit *exits, u32 count)
{
    static struct fake_exit script[64];
    memcpy(script, exits, count * sizeof(exits[0]));
    script[count] = shut_down;
    fake_cpu_play(script, count + 1);
    hypervisor_run(h);
}
#define PLAY(...)                                        \
    do {                                                 \
        const struct fake_exit exits_[] = {__VA_ARGS__}; \
        play(exits_, ARRAY_SIZE(exits_));                \
    } while (0)

static const struct fake_entry *entry(u32 number)
{
    cr_assert_lt(number, fake_cpu.entry_count);
    return &fake_cpu.entries[number];
}

/* The APIC timer, once, `ns` from now: its input is 25 MHz, divided by 1: 40 ns. */
static void arm_timer(u32 ns)
{
    struct access divide = {.size = 4, .write = true, .value = 11}, lvt = divide, count = divide;
    lvt.value = TIMER_VECTOR;
    count.value = ns / 40;
    machine_mmio(m, LAPIC_BASE + LAPIC_DIVIDE * 16, &divide);
    machine_mmio(m, LAPIC_BASE + LAPIC_LVT_TIMER * 16, &lvt);
    machine_mmio(m, LAPIC_BASE + LAPIC_INITIAL_COUNT * 16, &count);
}

/* --- stops ------------------------------------------------------------------------------- */

static u64 progress_count;

static u32 count_progress(void *context, u64 exits, u64 guest_ns)
{
    cr_assert_eq(context, &progress_count);
    cr_assert_eq(exits, progress_count);
    cr_assert(m->clock == CLOCK_HOST || guest_ns == (progress_count + 1) * HEARTBEAT);
    progress_count++;
    return END_NONE;
}

Test(hypervisor, a_guest_that_never_exits_is_heard_at_each_heartbeat)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        start(clock);
        progress_count = 0;
        h->progress = count_progress;
        h->progress_context = &progress_count;
        PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 3 * HEARTBEAT + 5});
        cr_assert_eq(progress_count, 3);
        for (u32 i = 0; i < 4; i++)
            cr_assert_eq(entry(i)->stop_at, (u64)(i + 1) * HEARTBEAT);
        cr_assert_eq(v->count, 3 * HEARTBEAT + 5);
        cr_assert_eq(v->exits_by_reason[EXIT_PREEMPTION_TIMER], 3);
    }
}

Test(hypervisor, a_heartbeat_that_falls_on_another_exit_is_not_missed)
{
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = HEARTBEAT - 1},
         {.reason = EXIT_CPUID, .length = 2, .advance = 5},
         {.reason = EXIT_CPUID, .length = 2, .advance = 1});
    cr_assert_eq(entry(0)->stop_at, HEARTBEAT);
    cr_assert_eq(entry(1)->stop_at, HEARTBEAT);
    cr_assert_eq(entry(2)->stop_at, 2 * HEARTBEAT);
}

Test(hypervisor, under_the_count_policy_a_deadline_is_a_count)
{
    m->now = 0;
    arm_timer(4000);
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100},
         {.reason = EXIT_CPUID, .length = 2, .advance = 9000});
    cr_assert_eq(entry(0)->stop_at, 4000);
    cr_assert_eq(entry(1)->stop_at, 4000);
    cr_assert_eq(entry(2)->count, 4000);
    cr_assert_eq(entry(2)->event, EVENT(EVENT_EXTERNAL, TIMER_VECTOR));
    cr_assert_eq(entry(2)->stop_at, HEARTBEAT);
}

Test(hypervisor, time_that_was_skipped_brings_a_deadline_nearer)
{
    arm_timer(4000);
    v->skipped = 1000;
    m->now = 1000;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 9000});
    cr_assert_eq(entry(0)->stop_at, 3000);
}

Test(hypervisor, under_the_host_policy_the_world_places_deadlines)
{
    start(CLOCK_HOST);
    fake.clock = 100;
    arm_timer(4000);
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 9000});
    cr_assert_eq(entry(0)->stop_at, HEARTBEAT);
    cr_assert_eq(entry(1)->event, 0, "its time has not come, whatever the count");
    start(CLOCK_HOST);
    arm_timer(4000);
    fake.stop = 777;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 700},
         {.reason = EXIT_CPUID, .length = 2, .advance = 76});
    cr_assert_eq(entry(0)->stop_at, 777);
}

Test(hypervisor, the_nearest_of_the_stops_counts)
{
    arm_timer(4000);
    fake.stop = 5000;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100});
    cr_assert_eq(entry(0)->stop_at, 4000);
    set_up();
    arm_timer(4000);
    fake.stop = 3000;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100});
    cr_assert_eq(entry(0)->stop_at, 3000);
}

/* --- HLT --------------------------------------------------------------------------------- */

#define HLT                                            \
    {                                                  \
        .reason = EXIT_HLT, .length = 1, .advance = 10 \
    }

Test(hypervisor, an_idle_guest_s_time_is_skipped)
{
    arm_timer(4000);
    PLAY(HLT);
    cr_assert_eq(entry(1)->event, EVENT(EVENT_EXTERNAL, TIMER_VECTOR));
    cr_assert_eq(entry(1)->count, 10, "nothing ran");
    cr_assert_eq(m->now, 4000);
    cr_assert_eq(v->skipped, 3990);
    cr_assert_eq(v->rip, RIG_CODE + 1);
    cr_assert_eq(v->exits_by_reason[EXIT_HLT], 1, "woken at once");
}

Test(hypervisor, time_goes_on_from_where_it_was_skipped_to)
{
    arm_timer(4000);
    PLAY(HLT, {.reason = EXIT_RDTSC, .length = 2, .advance = 25});
    cr_assert_eq(v->gpr[RAX], 4025);
}

Test(hypervisor, hlt_with_an_interrupt_pending_does_not_halt)
{
    lapic_raise(&m->lapic, TIMER_VECTOR, false);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI); /* sti; hlt */
    PLAY(HLT);
    cr_assert_eq(entry(1)->event, EVENT(EVENT_EXTERNAL, TIMER_VECTOR));
    cr_assert_eq(v->skipped, 0);
    cr_assert_eq(fake_cpu.entry_count, 2);
}

Test(hypervisor, a_timer_that_cannot_wake_is_passed_over)
{
    arm_timer(4000);
    lapic_set_tpr(&m->lapic, 0xf0); /* holds the timer's vector back */
    v->timeout = 1000000;
    PLAY(HLT);
    cr_assert_eq(fake_cpu.entry_count, 1);
    cr_assert_eq(lapic_pending(&m->lapic), -1);
    cr_assert(lapic_has_requests(&m->lapic), "it did go off");
    cr_assert_eq(m->now, 1000000);
    cr_assert_eq(m->end.reason, END_GUEST_TIMEOUT);
}

Test(hypervisor, a_halted_vcpu_looks_around_and_that_is_an_exit)
{
    enum { FLAG_HALTED = 1 };
    start(CLOCK_HOST);
    fake.arrivals[0] = (struct arrival){ARRIVAL_TIME, 500}; /* not yet enough */
    fake.arrivals[1] = (struct arrival){ARRIVAL_TIME, 4000};
    fake.arrival_count = 2;
    arm_timer(4000);
    PLAY(HLT);
    cr_assert_eq(v->last[0].flags, 0);
    cr_assert_eq(v->last[1].flags, FLAG_HALTED);
    cr_assert_eq(v->last[1].reason, EXIT_HLT);
    cr_assert_eq(v->last[1].count, 10);
    cr_assert_eq(v->last[1].rip, RIG_CODE + 1);
    cr_assert_eq(entry(1)->event, EVENT(EVENT_EXTERNAL, TIMER_VECTOR));
    cr_assert_eq(m->now, 4000);
}

Test(hypervisor, with_nothing_armed_a_byte_wakes)
{
    struct access ier = {.size = 1, .write = true, .value = 1}, mcr = ier, mask = ier;
    mcr.value = 0xb;
    machine_port(m, PORT_UART + 1, &ier);
    machine_port(m, PORT_UART + 4, &mcr);
    static const u8 icw[] = {0x30, 4, 1};
    mask.value = 0x11;
    machine_port(m, PORT_PIC1, &mask);
    for (u32 i = 0; i < 3; i++) {
        mask.value = icw[i];
        machine_port(m, PORT_PIC1 + 1, &mask);
    }
    mask.value = 0xef;
    machine_port(m, PORT_PIC1 + 1, &mask);
    fake.arrivals[0] = (struct arrival){ARRIVAL_CONSOLE, 'k'};
    fake.arrival_count = 1;
    PLAY(HLT);
    cr_assert_eq(entry(1)->event, EVENT(EVENT_EXTERNAL, 0x34));
    cr_assert_eq(v->skipped, 0, "time stands still while nothing is armed");
}

Test(hypervisor, halting_with_interrupts_off_is_the_end)
{
    v->rflags &= ~(u64)IF;
    arm_timer(4000);
    PLAY(HLT);
    cr_assert_eq(m->end.reason, END_DEAD_HALT);
    cr_assert_eq(m->end.detail, RIG_CODE + 1);
}

Test(hypervisor, an_nmi_wakes_whatever_if_says)
{
    v->rflags &= ~(u64)IF;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_MOV_SS);
    m->lapic.nmi = 1;
    PLAY(HLT);
    cr_assert_eq(entry(1)->event, EVENT(EVENT_NMI, VECTOR_NMI));
}

Test(hypervisor, a_blocked_nmi_does_not_wake)
{
    v->rflags &= ~(u64)IF;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_NMI);
    m->lapic.nmi = 1;
    PLAY(HLT);
    cr_assert_eq(m->end.reason, END_DEAD_HALT);
    cr_assert_eq(fake_cpu.entry_count, 1);
}

/* --- arrivals ---------------------------------------------------------------------------- */

Test(hypervisor, all_that_has_arrived_is_taken_at_the_exit)
{
    struct access mcr = {.size = 1, .write = true, .value = 2}, fifo = mcr;
    machine_port(m, PORT_UART + 4, &mcr);
    fifo.value = 1;
    machine_port(m, PORT_UART + 2, &fifo);
    fake.arrivals[0] = (struct arrival){ARRIVAL_CONSOLE, 'a'};
    fake.arrivals[1] = (struct arrival){ARRIVAL_TIME, 300};
    fake.arrivals[2] = (struct arrival){ARRIVAL_CONSOLE, 'b'};
    fake.arrival_count = 3;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100},
         {.reason = EXIT_RDTSC, .length = 2, .advance = 7});
    cr_assert_eq(m->uart.receive_count, 2);
    cr_assert_eq(v->skipped, 300);
    cr_assert_eq(v->gpr[RAX], 407);
}

Test(hypervisor, time_under_the_host_policy_is_what_arrives)
{
    start(CLOCK_HOST);
    fake.arrivals[0] = (struct arrival){ARRIVAL_TIME, 123456};
    fake.arrival_count = 1;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100});
    cr_assert_eq(m->now, 123456);
    cr_assert_eq(v->skipped, 0);
}

Test(hypervisor, an_end_arrives_and_nothing_after_it)
{
    fake.arrivals[0] = (struct arrival){ARRIVAL_END, END_STOPPED};
    fake.arrivals[1] = (struct arrival){ARRIVAL_TIME, 300};
    fake.arrival_count = 2;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100});
    cr_assert_eq(m->end.reason, END_STOPPED);
    cr_assert_eq(fake.arrivals_taken, 1);
    cr_assert_eq(fake_cpu.entry_count, 1);
    cr_assert_eq(fake.exits_ended, 1, "the exit itself is complete");
    cr_assert_eq(fake.ends, 1);
}

/* --- ends -------------------------------------------------------------------------------- */

Test(hypervisor, the_first_reason_sticks)
{
    machine_stop(m, END_RESET, 5);
    machine_stop(m, END_POWER_OFF, 6);
    cr_assert_eq(m->end.reason, END_RESET);
    cr_assert_eq(m->end.detail, 5);
    set_up();
    fake.arrivals[0] = (struct arrival){ARRIVAL_END, END_STOPPED};
    fake.arrival_count = 1;
    PLAY({.reason = 77, .advance = 1});
    cr_assert_eq(m->end.reason, END_UNKNOWN_EXIT);
}

Test(hypervisor, an_entry_that_fails_as_an_instruction)
{
    fake_cpu_set(VMCS_INSTRUCTION_ERROR, 7);
    PLAY({.launch_failed = true});
    cr_assert_eq(m->end.reason, END_ENTRY_FAILED);
    cr_assert_eq(m->end.detail, 7);
    cr_assert_eq(fake.exits_begun, 0);
    cr_assert_eq(fake.ends, 1);
}

Test(hypervisor, an_entry_that_fails_by_guest_state)
{
    PLAY({.reason = 33, .entry_failed = true});
    cr_assert_eq(m->end.reason, END_ENTRY_FAILED);
    cr_assert_eq(m->end.detail, 33);
    cr_assert_eq(fake.exits_begun, 1);
}

Test(hypervisor, a_difference_stops_the_run)
{
    fake.diverged = true;
    PLAY({.reason = EXIT_CPUID, .length = 2});
    cr_assert_eq(m->end.reason, END_DIVERGED);
    cr_assert_eq(m->end.detail, 0);
    cr_assert_eq(fake.ends, 1);
    cr_assert_eq(v->rip, RIG_CODE, "no handler has run");
}

Test(hypervisor, the_limit_on_guest_time_under_the_count_policy)
{
    v->timeout = 3 * HEARTBEAT + 100;
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 100 * HEARTBEAT});
    cr_assert_eq(m->end.reason, END_GUEST_TIMEOUT);
    cr_assert_leq(v->count, 4 * HEARTBEAT);
    cr_assert_geq(m->now, v->timeout);
}

/* A guest that never reads the time and arms no timer: only the heartbeats can tell. */
Test(hypervisor, the_limit_on_guest_time_under_the_host_policy)
{
    static const struct tiny_insn spin[] = {{TINY_JUMP, 0}};
    static const struct tiny_program spinning = {spin, 1, 0};
    run_prepare(&run, CLOCK_HOST);
    tiny_start(&run.rig.h.vcpu, &spinning);
    run.rig.h.vcpu.timeout = 3000;
    run.world.stop_after = 1000;
    run_record(&run, &recorded, 0);
    cr_assert_eq(run.rig.h.machine.end.reason, END_GUEST_TIMEOUT, "%u",
                 run.rig.h.machine.end.reason);
    run_prepare(&run, CLOCK_HOST);
    tiny_start(&run.rig.h.vcpu, &spinning);
    run.rig.h.vcpu.timeout = 3000;
    run_replay(&run, &recorded);
    cr_assert_eq(run.replayer.difference.kind, DIVERGENCE_NONE, "%u", run.replayer.difference.kind);
}

static const struct tiny_insn wait_for_ever[] = {{TINY_STI, 0}, {TINY_HLT, 0}, {TINY_JUMP, 0}};
static const struct tiny_program waiting = {wait_for_ever, 3, 0};

/* Nothing is armed, so only the limit itself can end it. */
Test(hypervisor, the_limit_on_guest_time_while_halted)
{
    for (u32 clock = CLOCK_COUNT; clock <= CLOCK_HOST; clock++) {
        run_prepare(&run, clock);
        tiny_start(&run.rig.h.vcpu, &waiting);
        run.rig.h.vcpu.timeout = 300000;
        run.world.stop_after = 1000;
        run_record(&run, &recorded, 0);
        cr_assert_eq(run.rig.h.machine.end.reason, END_GUEST_TIMEOUT, "%u",
                     run.rig.h.machine.end.reason);
        run_prepare(&run, clock);
        tiny_start(&run.rig.h.vcpu, &waiting);
        run.rig.h.vcpu.timeout = 300000;
        run_replay(&run, &recorded);
        cr_assert_eq(run.replayer.difference.kind, DIVERGENCE_NONE, "%u",
                     run.replayer.difference.kind);
    }
}

/* The PIT ticks but reaches nobody: time goes on, and the user can still stop it. */
Test(hypervisor, an_idle_guest_can_be_stopped)
{
    static const struct tiny_insn code[] = {
        {TINY_SET, 0x34}, {TINY_OUT, PORT_PIT + 3}, {TINY_SET, 6}, {TINY_OUT, PORT_PIT},
        {TINY_SET, 0},    {TINY_OUT, PORT_PIT},     {TINY_STI, 0}, {TINY_HLT, 0},
        {TINY_JUMP, 6}};
    static const struct tiny_program idle = {code, ARRAY_SIZE(code), 0};
    run_prepare(&run, CLOCK_COUNT);
    tiny_start(&run.rig.h.vcpu, &idle);
    run.world.stop_after = 10;
    run_record(&run, &recorded, 0);
    cr_assert_eq(run.rig.h.machine.end.reason, END_STOPPED);
}

/* --- the TPR ----------------------------------------------------------------------------- */

static void lower_tpr(struct vcpu *vcpu)
{
    vcpu->virtual_apic[0x80] = 0x20;
}

Test(hypervisor, cr8_moves_without_exits_and_lets_interrupts_in)
{
    lapic_set_tpr(&m->lapic, 0xf0);
    lapic_raise(&m->lapic, TIMER_VECTOR, false);
    PLAY({.reason = EXIT_CPUID, .length = 2},
         {.reason = EXIT_TPR_BELOW_THRESHOLD, .advance = 5, .also = lower_tpr});
    cr_assert_eq(entry(0)->tpr, 0xf0);
    cr_assert_eq(entry(1)->threshold, TIMER_VECTOR >> 4);
    cr_assert_eq(lapic_tpr(&m->lapic), 0x20);
    cr_assert_eq(entry(2)->event, EVENT(EVENT_EXTERNAL, TIMER_VECTOR));
}

/* --- what is left behind ----------------------------------------------------------------- */

Test(hypervisor, latencies_are_from_exit_to_entry)
{
    PLAY({.reason = EXIT_CPUID, .length = 2, .advance = 50},
         {.reason = EXIT_CPUID, .length = 2, .advance = 50});
    cr_assert_eq(v->exits_by_reason[EXIT_CPUID], 2);
    cr_assert_eq(v->latency_sum[EXIT_CPUID], 14);
    cr_assert_eq(v->latency_min[EXIT_CPUID], 7);
    cr_assert_eq(v->exits_by_reason[EXIT_TRIPLE_FAULT], 1);
}

Test(hypervisor, the_report_tells_the_end)
{
    static struct report report;
    struct fake_exit exits[20];
    for (u32 i = 0; i < 20; i++)
        exits[i] = (struct fake_exit){.reason = EXIT_CPUID, .length = 2, .advance = i + 1};
    rig_ram[RIG_CODE + 40] = 0xf4;
    fake_cpu.cr2 = 0x1234;
    v->gpr[R15] = 0xf15;
    play(exits, 20);
    hypervisor_report(h, &report);
    cr_assert_eq(report.end_reason, END_TRIPLE_FAULT);
    cr_assert_eq(report.end_detail, RIG_CODE + 40);
    cr_assert_eq(report.exits, 21);
    cr_assert_eq(report.count, 210);
    cr_assert_eq(report.registers.rip, RIG_CODE + 40);
    cr_assert_eq(report.registers.gpr[15], 0xf15);
    cr_assert_eq(report.registers.cr2, 0x1234);
    cr_assert_eq(report.registers.cr3, RIG_TABLES);
    cr_assert_eq(report.mode_bits, 64);
    cr_assert_eq(report.instruction_length, 15);
    cr_assert_eq(report.instruction[0], 0xf4);
    cr_assert_eq(report.last_count, 16);
    cr_assert_eq(report.last[0].count, 1 + 2 + 3 + 4 + 5 + 6, "oldest first");
    cr_assert_eq(report.last[15].reason, EXIT_TRIPLE_FAULT);
    cr_assert_eq(report.actual.reason, EXIT_TRIPLE_FAULT);
    cr_assert_eq(report.exits_by_reason[EXIT_CPUID], 20);
    cr_assert_gt(report.vmcs_count, 90);
    cr_assert_leq(report.vmcs_count, VMCS_DUMP);
}

Test(hypervisor, a_report_before_any_exit)
{
    static struct report report;
    hypervisor_report(h, &report);
    cr_assert_eq(report.last_count, 0);
    cr_assert_eq(report.exits, 0);
}

/* Everything that the guest could notice later is in the hash. */
Test(hypervisor, the_vcpu_s_hash_covers_its_state)
{
    u64 before = vcpu_hash(v);
    for (u32 i = 0; i < GPR_COUNT; i++) {
        v->gpr[i] ^= BIT(i);
        cr_assert_neq(vcpu_hash(v), before, "register %u", i);
        v->gpr[i] ^= BIT(i);
    }
    u64 *others[] = {&v->rip,           &v->rflags,    &v->skipped,   (u64 *)&v->tsc_offset,
                     &v->msrs.value[3], &fake_cpu.cr2, &fake_cpu.dr6, &fake_cpu.live};
    for (u32 i = 0; i < ARRAY_SIZE(others); i++) {
        *others[i] ^= 4;
        cr_assert_neq(vcpu_hash(v), before, "%u", i);
        *others[i] ^= 4;
    }
    cr_assert_eq(vcpu_hash(v), before);
}

Test(hypervisor, the_vcpu_s_hash_covers_the_guest_s_fields)
{
    static const enum vmcs_field fields[] = {VMCS_GUEST_CR0,
                                             VMCS_GUEST_CR3,
                                             VMCS_GUEST_CR4,
                                             VMCS_GUEST_EFER,
                                             VMCS_GUEST_PAT,
                                             VMCS_GUEST_DR7,
                                             VMCS_GUEST_CS,
                                             VMCS_GUEST_SS_BASE,
                                             VMCS_GUEST_GS_BASE,
                                             VMCS_GUEST_TR_LIMIT,
                                             VMCS_GUEST_LDTR_ACCESS,
                                             VMCS_GUEST_GDTR_BASE,
                                             VMCS_GUEST_IDTR_LIMIT,
                                             VMCS_GUEST_INTERRUPTIBILITY,
                                             VMCS_GUEST_PENDING_DEBUG,
                                             VMCS_GUEST_SYSENTER_EIP};
    u64 before = vcpu_hash(v);
    for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
        u64 value = vmcs_read(fields[i]);
        vmcs_write(fields[i], value ^ 1);
        cr_assert_neq(vcpu_hash(v), before, "%x", fields[i]);
        vmcs_write(fields[i], value);
    }
}

/* --- rules broken on purpose ------------------------------------------------------------- */

Test(hypervisor, sabotage_happens_at_its_exit)
{
    enum { AT = 2 << 8 };
    h->sabotage = AT | SABOTAGE_REGISTER;
    u64 before = v->gpr[R15];
    PLAY({.reason = EXIT_CPUID, .length = 2}, {.reason = EXIT_CPUID, .length = 2},
         {.reason = EXIT_CPUID, .length = 2});
    cr_assert_eq(v->gpr[R15], before ^ 1);
    set_up();
    h->sabotage = AT | SABOTAGE_UNKNOWN_EXIT;
    PLAY({.reason = EXIT_CPUID, .length = 2}, {.reason = EXIT_CPUID, .length = 2},
         {.reason = EXIT_CPUID, .length = 2});
    cr_assert_eq(m->end.reason, END_UNKNOWN_EXIT);
    cr_assert_eq(v->exits, 2);
}

Test(hypervisor, a_flipped_register_or_bit_of_ram_is_found_by_a_replay)
{
    for (u32 kind = SABOTAGE_MEMORY; kind <= SABOTAGE_REGISTER; kind++) {
        run_prepare(&run, CLOCK_COUNT);
        run_record(&run, &recorded, 0);
        run_prepare(&run, CLOCK_COUNT);
        run.rig.h.sabotage = 100 << 8 | kind;
        run_replay(&run, &recorded);
        u32 expected = kind == SABOTAGE_MEMORY ? DIVERGENCE_MEMORY_STATE : DIVERGENCE_REGISTERS;
        cr_assert_eq(run.replayer.difference.kind, expected, "%u", run.replayer.difference.kind);
        cr_assert_geq(run.rig.h.vcpu.exits, 100);
    }
}
