/* Task switches on the software processor: they exit with reason 9, the new TSS and what began them
 * in the qualification (SDM table 28-6), the event that was being delivered (28.2.4). */
#include <criterion/criterion.h>

#include "tests/software/guest_code.h"
#include "vmx/software/cpu.h"

GUEST_CODE(call_task, ".code32\ncall 0x78:0x1234");
GUEST_CODE(jump_to_task, ".code32\njmp 0x78:0x1234");
GUEST_CODE(return_back, ".code32\niretd");
GUEST_CODE(interrupt, ".code32\nint 0x40");
GUEST_CODE(undefined, ".code32\nud2");

enum { NEW_TSS = SEL_GATE, AVAILABLE = 0x89, BUSY = 0x8b };
_Static_assert(NEW_TSS == 0x78, "what the code above names");

static void make_tss(u64 access)
{
    bare_poke(BARE_GDT + NEW_TSS, 103 | (u64)BARE_DATA << 16 | access << 40);
}

static void make_task_gate(u32 vector)
{
    bare_poke(BARE_IDT + 8 * vector, (u64)NEW_TSS << 16 | 0x85ull << 40);
}

/* The exit is that of the instruction or event at BARE_CODE; nothing of the guest has changed. */
static void expect_switch(enum task_source source)
{
    u64 rsp = bare.h.vcpu.gpr[RSP];
    cr_assert_eq(run_to_exit(), EXIT_TASK_SWITCH, "exit %u", bare.h.vcpu.exit.reason);
    cr_assert_eq(bare.h.vcpu.exit.qualification, NEW_TSS | (u64)source << 30);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE);
    cr_assert_eq(bare.h.vcpu.gpr[RSP], rsp);
}

Test(software_tasks, by_call_and_jmp)
{
    START(BARE_32, call_task);
    make_tss(AVAILABLE);
    expect_switch(TASK_BY_CALL);
    cr_assert_eq(bare.h.vcpu.exit.length, 7);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, 0);
    START(BARE_32, jump_to_task);
    make_tss(AVAILABLE);
    expect_switch(TASK_BY_JMP);
    cr_assert_eq(bare.h.vcpu.exit.length, 7);
}

Test(software_tasks, by_iret_of_a_nested_task)
{
    START(BARE_32, return_back);
    make_tss(BUSY);
    bare.h.vcpu.rflags |= RF_NT;
    bare_poke(vmcs_read(VMCS_GUEST_TR_BASE), NEW_TSS);
    expect_switch(TASK_BY_IRET);
    cr_assert_eq(bare.h.vcpu.exit.length, 1);
}

Test(software_tasks, by_int_n_through_a_task_gate)
{
    START(BARE_32, interrupt);
    make_tss(AVAILABLE);
    make_task_gate(0x40);
    expect_switch(TASK_BY_IDT);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, EVENT(EVENT_SOFTWARE_INTERRUPT, 0x40));
    cr_assert_eq(bare.h.vcpu.exit.length, 2);
}

Test(software_tasks, by_an_exception_through_a_task_gate)
{
    START(BARE_32, undefined);
    make_tss(AVAILABLE);
    make_task_gate(VECTOR_UD);
    expect_switch(TASK_BY_IDT);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_UD));
}

Test(software_tasks, by_an_injected_interrupt_through_a_task_gate)
{
    START(BARE_32, undefined);
    make_tss(AVAILABLE);
    make_task_gate(0x41);
    bare.h.vcpu.rflags |= RF_IF;
    bare_inject(EVENT(EVENT_EXTERNAL, 0x41), 0, 0);
    expect_switch(TASK_BY_IDT);
    cr_assert_eq(bare.h.vcpu.exit.vectoring, EVENT(EVENT_EXTERNAL, 0x41));
}

Test(software_tasks, not_in_ia32e_mode)
{
    START(BARE_COMPATIBILITY, jump_to_task);
    bare_poke(BARE_GDT + NEW_TSS, 103 | (u64)BARE_DATA << 16 | (u64)AVAILABLE << 40);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1u << VECTOR_GP);
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(vmcs_read(VMCS_EXIT_EVENT_ERROR), NEW_TSS);
}
