/* Every exit reason: the row's handler runs, or the machine stops with the reason. */
#include <criterion/criterion.h>

#include "tests/unit/rig_on_fakes.h"

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
}

TestSuite(exits, .init = set_up);

static bool has_row(u32 reason)
{
    return exit_reason_name(reason)[0] != '?';
}

static void run_one(u32 reason)
{
    struct fake_exit script[] = {{.reason = reason, .advance = 5, .length = 2}};
    struct fake_exit twice[] = {script[0], {.reason = EXIT_TRIPLE_FAULT}};
    fake_cpu_play(twice, 2);
    hypervisor_run(&rig.h);
}

Test(exits, a_reason_without_a_row_stops_the_machine)
{
    for (u32 reason = 0; reason < 128; reason++) {
        if (has_row(reason))
            continue;
        set_up();
        run_one(reason);
        cr_expect_eq(m->end.reason, END_UNKNOWN_EXIT, "%u", reason);
        cr_expect_eq(m->end.detail, reason);
        cr_expect_eq(fake_cpu.entry_count, 1, "the guest is not entered again");
        cr_expect_eq(fake.ends, 1);
    }
}

Test(exits, a_reason_far_beyond_the_table)
{
    run_one(0xffff);
    cr_assert_eq(m->end.reason, END_UNKNOWN_EXIT);
    cr_assert_eq(m->end.detail, 0xffff);
}

Test(exits, rows_whose_coming_is_our_own_bug_stop_too)
{
    static const u32 reasons[] = {EXIT_EXTERNAL_INTERRUPT, EXIT_EPT_MISCONFIG};
    for (u32 i = 0; i < ARRAY_SIZE(reasons); i++) {
        set_up();
        run_one(reasons[i]);
        cr_assert_eq(m->end.reason, END_UNKNOWN_EXIT);
        cr_assert_eq(m->end.detail, reasons[i]);
    }
}

/* Instructions that the CPU model does not have. RIP stays at them: #UD is a fault. */
Test(exits, hidden_instructions_raise_ud)
{
    static const u32 reasons[] = {
        EXIT_VMCALL,   EXIT_VMCLEAR,           EXIT_VMLAUNCH,
        EXIT_VMPTRLD,  EXIT_VMPTRST,           EXIT_VMREAD,
        EXIT_VMRESUME, EXIT_VMWRITE,           EXIT_VMXOFF,
        EXIT_VMXON,    EXIT_MWAIT_INSTRUCTION, EXIT_MONITOR_INSTRUCTION,
        EXIT_INVEPT,   EXIT_INVVPID,           EXIT_XSETBV,
        EXIT_RDRAND,   EXIT_INVPCID,           EXIT_VMFUNC,
        EXIT_RDSEED,
    };
    for (u32 i = 0; i < ARRAY_SIZE(reasons); i++) {
        set_up();
        run_one(reasons[i]);
        cr_expect_eq(fake_cpu_last_entry()->event, EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD), "%u",
                     reasons[i]);
        cr_expect_eq(v->rip, RIG_CODE);
    }
}

Test(exits, rdpmc_raises_gp)
{
    run_one(EXIT_RDPMC);
    cr_assert_eq(fake_cpu_last_entry()->event,
                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR);
    cr_assert_eq(v->rip, RIG_CODE);
}

Test(exits, cache_instructions_are_skipped)
{
    run_one(EXIT_WBINVD);
    cr_assert_eq(v->rip, RIG_CODE + 2);
    cr_assert_eq(fake_cpu_last_entry()->event, 0);
    set_up();
    run_one(EXIT_INVD);
    cr_assert_eq(v->rip, RIG_CODE + 2);
}

static void ask_for_leaf_1(struct vcpu *vcpu)
{
    vcpu->gpr[RAX] = 0xffffffff00000001ull;
    vcpu->gpr[RCX] = 0x1234567800000000ull;
}

Test(exits, cpuid_answers_from_the_model)
{
    struct cpuid model = cpu_model_cpuid(1, 0, 0);
    struct fake_exit script[] = {{.reason = EXIT_CPUID, .length = 2, .also = ask_for_leaf_1},
                                 {.reason = EXIT_TRIPLE_FAULT}};
    FAKE_PLAY(script);
    hypervisor_run(&rig.h);
    cr_assert_eq(v->gpr[RAX], model.eax, "the upper halves are cleared");
    cr_assert_eq(v->gpr[RBX], model.ebx);
    cr_assert_eq(v->gpr[RCX], model.ecx);
    cr_assert_eq(v->gpr[RDX], model.edx);
    cr_assert_eq(v->rip, RIG_CODE + 2);
    cr_assert_eq(v->last[0].address, 1);
}

Test(exits, rdtsc_reads_guest_time_and_the_guest_s_own_offset)
{
    struct fake_exit script[] = {{.reason = EXIT_RDTSC, .advance = 100, .length = 2},
                                 {.reason = EXIT_TRIPLE_FAULT}};
    v->tsc_offset = 0x123400000000;
    v->gpr[RCX] = 77;
    FAKE_PLAY(script);
    hypervisor_run(&rig.h);
    cr_assert_eq(v->gpr[RAX], 100);
    cr_assert_eq(v->gpr[RDX], 0x1234);
    cr_assert_eq(v->gpr[RCX], 77);
    cr_assert_eq(v->last[0].value, 0x123400000064);
}

Test(exits, rdtscp_gives_the_guest_s_aux_value)
{
    struct fake_exit script[] = {{.reason = EXIT_RDTSCP, .length = 3},
                                 {.reason = EXIT_TRIPLE_FAULT}};
    cr_assert(cpu_msr_write(&v->msrs, 0xc0000103, 0x5a));
    v->gpr[RCX] = ~0ull;
    FAKE_PLAY(script);
    hypervisor_run(&rig.h);
    cr_assert_eq(v->gpr[RCX], 0x5a);
    cr_assert_eq(v->rip, RIG_CODE + 3);
}

Test(exits, a_task_switch_is_not_emulated)
{
    run_one(EXIT_TASK_SWITCH);
    cr_assert_eq(m->end.reason, END_TASK_SWITCH);
}

/* --- intercepted exceptions are given back ---------------------------------------------------- */

static void play_exception(u32 info, u32 error, u64 qualification, u32 length, u32 vectoring)
{
    struct fake_exit script[] = {{.reason = EXIT_EXCEPTION_NMI,
                                  .qualification = qualification,
                                  .length = length,
                                  .vectoring = vectoring},
                                 {.reason = EXIT_TRIPLE_FAULT}};
    fake_cpu_set(VMCS_EXIT_EVENT, info);
    fake_cpu_set(VMCS_EXIT_EVENT_ERROR, error);
    FAKE_PLAY(script);
    hypervisor_run(&rig.h);
}

Test(exits, a_page_fault_comes_back_with_its_address)
{
    play_exception(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR, 6, 0xfedcba98, 0,
                   0);
    cr_assert_eq(fake_cpu_last_entry()->event,
                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_PF) | EVENT_HAS_ERROR);
    cr_assert_eq(fake_cpu_last_entry()->error, 6);
    cr_assert_eq(fake_cpu.cr2, 0xfedcba98);
    cr_assert_eq(v->last[0].address, VECTOR_PF);
    cr_assert_eq(v->last[0].value, 6);
}

Test(exits, a_debug_exception_leaves_its_state_as_delivery_would)
{
    enum { BS = 1 << 14, GD = 1 << 13 };
    fake_cpu.dr6 = 0xffff0ff3;
    vmcs_write(VMCS_GUEST_DR7, 0x400 | GD);
    play_exception(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DB), 0, BS | 4, 0, 0);
    cr_assert_eq(fake_cpu_last_entry()->event, EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DB));
    cr_assert_eq(fake_cpu.dr6, 0xffff0ff0u | BS | 4);
    cr_assert_eq(vmcs_read(VMCS_GUEST_DR7), 0x400);
}

Test(exits, software_exceptions_keep_their_length)
{
    static const u32 events[] = {EVENT(EVENT_SOFTWARE_EXCEPTION, VECTOR_BP),
                                 EVENT(EVENT_SOFTWARE_EXCEPTION, VECTOR_OF),
                                 EVENT(EVENT_PRIVILEGED_SOFTWARE, VECTOR_DB)};
    for (u32 i = 0; i < ARRAY_SIZE(events); i++) {
        set_up();
        play_exception(events[i], 0, 0, 2, 0);
        cr_assert_eq(fake_cpu_last_entry()->event, events[i]);
        cr_assert_eq(fake_cpu_last_entry()->length, 2);
        cr_assert_eq(v->rip, RIG_CODE);
    }
}

Test(exits, a_host_nmi_is_not_the_guest_s)
{
    play_exception(EVENT(EVENT_NMI, VECTOR_NMI), 0, 0, 0, 0);
    cr_assert_eq(fake_cpu_last_entry()->event, 0);
}

enum { UNBLOCKED_BY_IRET = 1 << 12 };

Test(exits, an_iret_that_faults_leaves_nmis_unblocked)
{
    u32 fault = EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR;
    play_exception(fault | UNBLOCKED_BY_IRET, 0, 0, 0, 0);
    cr_assert_eq(fake_cpu_last_entry()->event, fault, "the bit is no part of an event");
    cr_assert(!(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI));
}

Test(exits, an_exception_during_delivery_makes_a_double_fault)
{
    fake_cpu_set(VMCS_VECTORING_ERROR, 0x10);
    play_exception(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR, 3, 0, 0,
                   EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_NP) | EVENT_HAS_ERROR);
    cr_assert_eq(fake_cpu_last_entry()->event,
                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF) | EVENT_HAS_ERROR);
    cr_assert_eq(fake_cpu_last_entry()->error, 0);
}

/* --- moving on --------------------------------------------------------------------------- */

Test(exits, skipping_ends_shadows_and_keeps_nmi_blocking)
{
    v->exit.length = 3;
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_STI | BLOCKED_BY_NMI);
    vcpu_skip_instruction(v);
    cr_assert_eq(v->rip, RIG_CODE + 3);
    cr_assert_eq(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY), BLOCKED_BY_NMI);
    vmcs_write(VMCS_GUEST_INTERRUPTIBILITY, BLOCKED_BY_MOV_SS);
    vcpu_skip_instruction(v);
    cr_assert_eq(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

Test(exits, skipping_with_tf_traps)
{
    enum { TF = 1 << 8, BS = 1 << 14 };
    v->exit.length = 2;
    vcpu_skip_instruction(v);
    cr_assert_eq(vmcs_read(VMCS_GUEST_PENDING_DEBUG), 0);
    v->rflags |= TF;
    vcpu_skip_instruction(v);
    cr_assert_eq(vmcs_read(VMCS_GUEST_PENDING_DEBUG), BS);
}

Test(exits, rip_wraps_at_4_gib_outside_64_bit_mode)
{
    v->exit.length = 2;
    v->rip = 0xffffffff;
    vcpu_skip_instruction(v);
    cr_assert_eq(v->rip, 0x100000001ull);
    vmcs_write(VMCS_GUEST_CS_ACCESS, 0xc09b);
    v->rip = 0xffffffff;
    vcpu_skip_instruction(v);
    cr_assert_eq(v->rip, 1);
}
