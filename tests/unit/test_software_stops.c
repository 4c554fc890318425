/* The count of the software processor: exact stops anywhere, faults, REP, interrupt shadows. */
#include <criterion/criterion.h>

#include "tests/software/guest_code.h"
#include "vmx/software/cpu.h"

/* Guests that run for ever fail. */
TestSuite(software_stops, .timeout = 60);

/* RAX counts the instructions done in the loop: each adds one, the fused comparison and jump two.
 */
GUEST_CODE(counting, "2: lea rax, [rax + 1]\n"
                     "inc rax\n"
                     "add eax, 1\n"
                     "sub rax, -3\n" /* for itself and the two that follow */
                     "cmp rax, 1000000\n"
                     "jne 2b\n"
                     "hlt");

static u64 counted_at(u64 count)
{
    u64 in_loop = count % 6;
    return count - in_loop + (in_loop < 4 ? in_loop : 6);
}

Test(software_stops, at_every_count)
{
    for (u64 stop = 1; stop <= 200; stop++) {
        START(BARE_64, counting);
        run_to_count(stop);
        cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_PREEMPTION_TIMER);
        cr_assert_eq(bare.h.vcpu.count, stop);
        cr_assert_eq(bare.h.vcpu.gpr[RAX], counted_at(stop), "%lu", stop);
    }
}

Test(software_stops, step_by_step)
{
    START(BARE_64, counting);
    for (u64 stop = 1; stop <= 200; stop++) {
        run_to_count(stop);
        cr_assert_eq(bare.h.vcpu.count, stop);
        cr_assert_eq(bare.h.vcpu.gpr[RAX], counted_at(stop), "%lu", stop);
    }
}

GUEST_CODE(counting_32, ".code32\n"
                        "2: inc eax\n"
                        "inc eax\n"
                        "inc eax\n"
                        "add eax, 2\n"
                        "jmp 2b");

Test(software_stops, at_every_count_outside_64_bit_mode)
{
    static const enum bare_mode modes[] = {BARE_COMPATIBILITY, BARE_PAE, BARE_32_PAGED, BARE_32};
    for (u32 i = 0; i < ARRAY_SIZE(modes); i++)
        for (u64 stop = 1; stop <= 50; stop++) {
            START(modes[i], counting_32);
            run_to_count(stop);
            cr_assert_eq(bare.h.vcpu.count, stop);
            cr_assert_eq(bare.h.vcpu.gpr[RAX], stop + (stop % 5 == 4), "mode %u, %lu", modes[i],
                         stop);
        }
}

GUEST_CODE(fill, "rep stosb\nhlt");

Test(software_stops, rep_between_any_two_iterations)
{
    for (u64 stop = 1; stop <= 40; stop++) {
        START(BARE_64, fill);
        bare.h.vcpu.gpr[RCX] = 40;
        bare.h.vcpu.gpr[RDI] = BARE_DATA + 0xff0; /* over a page's end */
        bare.h.vcpu.gpr[RAX] = 0x77;
        run_to_count(stop);
        cr_assert_eq(bare.h.vcpu.count, stop);
        cr_assert_eq(bare.h.vcpu.gpr[RCX], 40 - stop);
        cr_assert_eq(bare.h.vcpu.gpr[RDI], BARE_DATA + 0xff0 + stop);
        cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + (stop == 40 ? 2 : 0));
        cr_assert_eq(*bare_ram(BARE_DATA + 0xff0 + stop - 1), 0x77);
        cr_assert_eq(*bare_ram(BARE_DATA + 0xff0 + stop), 0);
    }
}

GUEST_CODE(rep_faults, "nop\nrep movsb\nhlt");

Test(software_stops, a_fault_within_rep_counts_the_iterations_done)
{
    START(BARE_64, rep_faults);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
    bare_poke(BARE_PT + 8 * (BARE_DATA / PAGE_SIZE + 1), 0);
    bare.h.vcpu.gpr[RCX] = 100;
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    bare.h.vcpu.gpr[RDI] = BARE_DATA + PAGE_SIZE - 30;
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare.h.vcpu.count, 1 + 30);
    cr_assert_eq(bare.h.vcpu.gpr[RCX], 70);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + 1);
    cr_assert_eq(bare.h.vcpu.exit.qualification, BARE_DATA + PAGE_SIZE);
}

GUEST_CODE(fault_inside, "inc eax\ninc eax\nmov ebx, dword ptr [rsi]\ninc eax\ninc eax\nhlt");

Test(software_stops, a_fault_that_exits_gives_back_what_was_not_done)
{
    START(BARE_64, fault_inside);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
    bare.h.vcpu.gpr[RSI] = 3ull << 30;
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_eq(bare.h.vcpu.count, 2);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 2);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + 4);
}

/* The handlers of bare machines skip three bytes. */
GUEST_CODE(fault_delivered, "inc eax\n.byte 0x8b, 0x5e, 0\ninc eax\nhlt");

Test(software_stops, a_delivered_fault_counts_one)
{
    enum { HANDLER = 3 };
    START(BARE_64, fault_delivered);
    bare.h.vcpu.gpr[RSI] = 3ull << 30;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.count, 1 + 1 + HANDLER + 1);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 2);
}

GUEST_CODE(sti_shadow, "sti\nnop\nnop\nhlt");

Test(software_stops, the_shadow_of_sti_puts_off_stop_and_window)
{
    START(BARE_64, sti_shadow);
    run_to_count(1);
    cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_PREEMPTION_TIMER);
    cr_assert_eq(bare.h.vcpu.count, 2); /* as Bochs has it */
    START(BARE_64, sti_shadow);
    vmcs_write(VMCS_PROCESSOR_CONTROLS, vmcs_read(VMCS_PROCESSOR_CONTROLS) | 1 << 2);
    cr_assert_eq(run_to_exit(), EXIT_INTERRUPT_WINDOW);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE + 2);
}

GUEST_CODE(ss_chain, "mov ss, eax\nmov ss, eax\nmov ss, eax\nmov ss, eax\nmov ss, eax\nhlt");

Test(software_stops, a_chain_of_mov_ss_can_be_stopped)
{
    START(BARE_64, ss_chain);
    bare.h.vcpu.gpr[RAX] = SEL_DATA;
    run_to_count(1);
    cr_assert_eq(bare.h.vcpu.count, 2);
    run_to_count(3);
    cr_assert_eq(bare.h.vcpu.count, 4);
}

GUEST_CODE(spin, "2: jmp 2b");

Test(software_stops, an_endless_loop)
{
    START(BARE_64, spin);
    run_to_count(1000001);
    cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_PREEMPTION_TIMER);
    cr_assert_eq(bare.h.vcpu.count, 1000001);
}

/* RIP runs out of canonical addresses: the cut there enters again, and the fetch faults. */
GUEST_CODE(last_bytes, "nop\nnop");

Test(software_stops, at_the_end_of_the_canonical_addresses)
{
    START(BARE_64, last_bytes);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_GP);
    bare_poke(BARE_PML4 + 255 * 8, BARE_PDPT | 7);
    bare_poke(BARE_PDPT + 511 * 8, BARE_PD | 7);
    bare_poke(BARE_PD + 511 * 8, BARE_PT | 7);
    bare_poke(BARE_PT + 511 * 8, BARE_DATA | 7);
    PUT_CODE(BARE_DATA + PAGE_SIZE - 2, last_bytes);
    bare.h.vcpu.rip = BIT(47) - 2;
    run_to_count(2);
    cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_PREEMPTION_TIMER);
    cr_assert_eq(bare.h.vcpu.rip, BIT(47));
    vmcs_write(VMCS_GUEST_DR7, 0x400); /* makes the entry check everything */
    cr_assert_eq(run_to_exit(), EXIT_EXCEPTION_NMI);
    cr_assert_not(bare.h.vcpu.exit.entry_failed);
    cr_assert_eq(EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)), VECTOR_GP);
}
