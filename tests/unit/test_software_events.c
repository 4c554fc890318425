/* Events on the software processor: delivery through the IDT, injection, IDT vectoring, double and
 * triple faults (SDM vol. 3, 6; 27.6; 28.2.4). */
#include <criterion/criterion.h>

#include "tests/software/guest_code.h"
#include "vmx/software/cpu.h"

/* Guests that run for ever fail. */
TestSuite(software_events, .timeout = 60);

GUEST_CODE(idle, "nop\nnop\nnop\nnop");
GUEST_CODE(stop_here, "hlt");
enum { RF_GUEST = RF_IF | 2 };

/* An idle guest whose vector `vector` goes to a HLT. */
static void start(enum bare_mode mode, u32 vector)
{
    START(mode, idle);
    PUT_CODE(BARE_HANDLERS + 16 * vector, stop_here);
    bare.h.vcpu.rflags = RF_GUEST;
}

static u64 frame(u32 word)
{
    return bare_peek(bare.h.vcpu.gpr[RSP] + 8 * word);
}

Test(software_events, an_external_interrupt_leaves_the_frame_that_the_sdm_says)
{
    start(BARE_64, 0x40);
    bare.h.vcpu.gpr[RSP] = BARE_STACK - 5; /* the frame is aligned */
    bare_inject(EVENT(EVENT_EXTERNAL, 0x40), 0, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.rip, BARE_HANDLERS + 16 * 0x40);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], BARE_STACK - 16 - 40);
    cr_assert_eq(frame(0), BARE_CODE);
    cr_assert_eq(frame(1), SEL_CODE64);
    cr_assert_eq(frame(2), RF_GUEST);
    cr_assert_eq(frame(3), BARE_STACK - 5);
    cr_assert_eq(frame(4), SEL_DATA);
    cr_assert_not(bare.h.vcpu.rflags & RF_IF); /* an interrupt gate */
    cr_assert_not(vmcs_read(VMCS_ENTRY_EVENT) & EVENT_VALID);
}

Test(software_events, a_trap_gate_leaves_if)
{
    start(BARE_64, 0x41);
    bare_inject(EVENT(EVENT_EXTERNAL, 0x41), 0, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert(bare.h.vcpu.rflags & RF_IF);
}

Test(software_events, error_codes_and_ist)
{
    start(BARE_64, VECTOR_DF);
    bare_inject(EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_DF) | EVENT_HAS_ERROR, 0x1234, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(frame(0), 0x1234);
    cr_assert_eq(frame(1), BARE_CODE);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], bare_peek(BARE_TSS + 28 + 8) - 48); /* IST 1 */
}

Test(software_events, from_user_mode_onto_the_stack_of_the_tss)
{
    start(BARE_64_USER, 0x40);
    bare_inject(EVENT(EVENT_EXTERNAL, 0x40), 0, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], bare_peek(BARE_TSS + 4) - 40);
    cr_assert_eq(frame(1), SEL_CODE64_USER);
    cr_assert_eq(frame(4), SEL_DATA_USER);
    cr_assert_eq(vmcs_read(VMCS_GUEST_SS), 0);
    cr_assert_eq(vmcs_read(VMCS_GUEST_CS), SEL_CODE64);
}

Test(software_events, a_software_interrupt_returns_behind_itself)
{
    start(BARE_64, 0x80);
    bare_inject(EVENT(EVENT_SOFTWARE_INTERRUPT, 0x80), 0, 2);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(frame(0), BARE_CODE + 2);
}

Test(software_events, in_32_bit_mode)
{
    start(BARE_32, 0x40);
    bare_inject(EVENT(EVENT_EXTERNAL, 0x40), 0, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], BARE_STACK - 12);
    cr_assert_eq((u32)frame(0), BARE_CODE);
    cr_assert_eq((u32)(frame(0) >> 32), SEL_CODE32);
}

Test(software_events, in_real_mode)
{
    start(BARE_REAL, 0x40);
    bare_inject(EVENT(EVENT_EXTERNAL, 0x40), 0, 0);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], 0x8000 - 6);
    cr_assert_eq(vmcs_read(VMCS_GUEST_CS_BASE), BARE_HANDLERS);
    cr_assert_eq(bare_peek(BARE_STACK - 6) & 0xffffffff, (u64)(BARE_CODE >> 4) << 16);
}

Test(software_events, an_nmi_blocks_nmis_until_iret)
{
    START(BARE_64, idle);
    bare.h.vcpu.rflags = RF_GUEST;
    bare_inject(EVENT(EVENT_NMI, VECTOR_NMI), 0, 0);
    run_to_count(1);
    cr_assert(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
    run_to_count(2); /* the handler has two instructions */
    cr_assert_not(vmcs_read(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_BY_NMI);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + 3);
}

GUEST_CODE(step, "mov eax, 1\nmov eax, 2\nmov eax, 3\nhlt");

Test(software_events, a_trap_after_each_instruction_with_tf)
{
    START(BARE_64, step);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_DB);
    bare.h.vcpu.rflags = RF_TF | 2;
    for (u32 i = 1; i <= 3; i++) {
        cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
        cr_assert_eq(bare.h.vcpu.exit.qualification, 1 << 14);
        cr_assert_eq(bare.h.vcpu.gpr[RAX], i);
        cr_assert_eq(bare.h.vcpu.count, i);
    }
}

GUEST_CODE(shadow_step, "mov ss, ebx\nmov eax, 1\nmov eax, 2\nhlt");

Test(software_events, mov_ss_puts_the_trap_off)
{
    START(BARE_64, shadow_step);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_DB);
    bare.h.vcpu.gpr[RBX] = SEL_DATA;
    bare.h.vcpu.rflags = RF_TF | 2;
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 1);
}

GUEST_CODE(watch_it, "mov dword ptr [rsi], eax\nnop\nhlt");

Test(software_events, breakpoints_on_code_and_data)
{
    START(BARE_64, watch_it);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_DB);
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    software_cpu.dr[0] = BARE_DATA;
    software_cpu.dr[1] = BARE_CODE + 2;
    vmcs_write(VMCS_GUEST_DR7, 0x400 | 3 << 16 | 3 << 18 | 2 | 8); /* 4 bytes of data, code */
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare.h.vcpu.exit.qualification, 1);
    cr_assert_eq(bare.h.vcpu.count, 1);
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare.h.vcpu.exit.qualification, 2);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + 2);
}

/* --- what goes wrong on the way ------------------------------------------------------------ */

static void take_ept(u64 gpa)
{
    u64 page;
    *ept_leaf(&bare.h.ept, gpa, &page) &= ~7ull;
    processor_flush_ept(ept_pointer(&bare.h.ept));
}

Test(software_events, an_ept_violation_during_delivery_tells_the_event)
{
    static const struct event events[] = {
        {EVENT(EVENT_EXTERNAL, 0x40), 0, 0},
        {EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR, 0x77, 0},
        {EVENT(EVENT_SOFTWARE_INTERRUPT, 0x80), 0, 2}};
    static const u64 places[] = {BARE_IDT, BARE_GDT, BARE_STACK - PAGE_SIZE};
    for (u32 i = 0; i < ARRAY_SIZE(events) * ARRAY_SIZE(places); i++) {
        const struct event *event = &events[i % ARRAY_SIZE(events)];
        start(BARE_64, 0x40);
        take_ept(places[i / ARRAY_SIZE(events)]);
        bare_inject(event->info, event->error, event->length);
        cr_assert_eq(run_to_exit(), EXIT_EPT_VIOLATION, "%u", i);
        cr_assert_eq(bare.h.vcpu.exit.vectoring, event->info);
        cr_assert_eq(vmcs_read(VMCS_VECTORING_EVENT), event->info);
        cr_assert_eq((u32)vmcs_read(VMCS_VECTORING_ERROR), event->error);
        if (event->length)
            cr_assert_eq(bare.h.vcpu.exit.length, event->length);
        cr_assert_eq(bare.h.vcpu.rip, BARE_CODE); /* as it was */
        cr_assert_eq(bare.h.vcpu.gpr[RSP], BARE_STACK);
        cr_assert_eq(vmcs_read(VMCS_GUEST_CS), SEL_CODE64);
    }
}

GUEST_CODE(bad_load, "mov eax, dword ptr [rsi]\nhlt");

Test(software_events, an_exception_that_exits_leaves_the_guest_before_it)
{
    START(BARE_64, bad_load);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_GP);
    bare.h.vcpu.gpr[RSI] = BIT(60);
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(vmcs_read(VMCS_EXIT_EVENT),
                 EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, 0);
}

Test(software_events, page_faults_are_chosen_by_mask_and_match)
{
    for (u32 i = 0; i < 4; i++) { /* bit 14 of the bitmap, and whether the error code matches */
        START(BARE_64, bad_load);
        PUT_CODE(BARE_HANDLERS + 16 * VECTOR_PF, stop_here);
        bare.h.vcpu.gpr[RSI] = 3ull << 30; /* error 0 */
        vmcs_write(VMCS_EXCEPTION_BITMAP, i & 1 ? 1 << VECTOR_PF : 0);
        vmcs_write(VMCS_PAGE_FAULT_MASK, 2);
        vmcs_write(VMCS_PAGE_FAULT_MATCH, i & 2 ? 0 : 2);
        bool exits = (i & 1) == (i >> 1);
        cr_assert_eq(run_to_exit(), exits ? EXIT_EXCEPTION_NMI : EXIT_HLT, "%u", i);
    }
}

Test(software_events, a_page_fault_in_the_delivery_of_one_is_a_double_fault)
{
    START(BARE_64, bad_load);
    PUT_CODE(BARE_HANDLERS + 16 * VECTOR_DF, stop_here);
    bare.h.vcpu.gpr[RSI] = 3ull << 30;
    bare.h.vcpu.gpr[RSP] = (3ull << 30) + 0x1000;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.rip, BARE_HANDLERS + 16 * VECTOR_DF);
    cr_assert_eq(processor_read_cr2(), (3ull << 30) + 0x1000 - 8); /* of the second */
    cr_assert_eq(frame(0), 0);
    cr_assert_eq(frame(1), BARE_CODE);
}

Test(software_events, without_an_idt_a_fault_is_the_third)
{
    START(BARE_64, bad_load);
    bare.h.vcpu.gpr[RSI] = 3ull << 30;
    vmcs_write(VMCS_GUEST_IDTR_LIMIT, 0);
    cr_assert_eq(run_to_exit(), EXIT_TRIPLE_FAULT);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, 0);
}

GUEST_CODE(load_bad_tr, "ltr ax\nhlt");

Test(software_events, a_tss_whose_base_is_not_canonical_is_refused)
{
    START(BARE_64, load_bad_tr);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_GP);
    bare_poke(BARE_GDT + SEL_TSS + 8, 0x12345678);
    bare.h.vcpu.gpr[RAX] = SEL_TSS;
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(vmcs_read(VMCS_EXIT_EVENT_ERROR), SEL_TSS);
    cr_assert_eq(bare_peek(BARE_GDT + SEL_TSS) >> 40 & 15, 9); /* not busy */
}

/* An entry with an impossible state fails as the SDM says, and touches nothing. */
Test(software_events, an_impossible_guest_state_is_refused)
{
    START(BARE_64, idle);
    vmcs_write(VMCS_GUEST_TR_ACCESS, 0x10000);
    bare_enter(10);
    cr_assert(bare.h.vcpu.exit.entry_failed);
    cr_assert_eq(bare.h.vcpu.exit.reason, 33);
    cr_assert_eq(bare.h.vcpu.count, 0);
    vmcs_write(VMCS_GUEST_TR_ACCESS, 0x8b);
    vmcs_write(VMCS_EPT_POINTER, 0);
    cr_assert_not(processor_run(&bare.h.vcpu));
    cr_assert_eq(vmcs_read(VMCS_INSTRUCTION_ERROR), 7);
}
