/*
 * Control registers: what the guest reads through mask and shadow, what a write to
 * an owned bit does, and when it is #GP (SDM 2.5, 5.4.1, 10.8.5).
 */
#include <criterion/criterion.h>

#include "tests/unit/guest_mode.h"
#include "tests/unit/rig_on_fakes.h"

enum { PE = 1, MP = 2, TS = 8, ET = 16, NE = 32, WP = 1 << 16, NW = 1 << 29, CD = 1 << 30 };
#define PG BIT(31)
enum { PAE = 1 << 5, VMXE = 1 << 13, LME = 1 << 8, LMA = 1 << 10 };
enum { TO_CR = 0 << 4, FROM_CR = 1 << 4, CLTS = 2 << 4, LMSW = 3 << 4 };

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
    v->exit.length = 3;
    v->exit.reason = EXIT_CR_ACCESS;
}

TestSuite(handle_cr, .init = set_up);

/* false: #GP(0), and RIP has not moved. */
static bool did(u64 qualification)
{
    v->rip = RIG_CODE;
    v->event.info = 0;
    v->exit.qualification = qualification;
    on_cr_access(v);
    cr_assert_eq(v->address, qualification & 15);
    if (!v->event.info) {
        cr_assert_eq(v->rip, RIG_CODE + 3);
        return true;
    }
    cr_assert_eq(v->event.info, EVENT(EVENT_HARDWARE_EXCEPTION, VECTOR_GP) | EVENT_HAS_ERROR);
    cr_assert_eq(v->rip, RIG_CODE);
    return false;
}

static bool move_to(u32 number, u64 value)
{
    v->gpr[R11] = value;
    return did(number | TO_CR | R11 << 8);
}

/* As MOV from CR0 gives it without an exit (SDM 25.6.6). */
static u64 guest_reads_cr0(void)
{
    u64 mask = vmcs_read(VMCS_CR0_MASK);
    return (vmcs_read(VMCS_GUEST_CR0) & ~mask) | (vmcs_read(VMCS_CR0_SHADOW) & mask);
}

static u64 guest_reads_cr4(void)
{
    u64 mask = vmcs_read(VMCS_CR4_MASK);
    return (vmcs_read(VMCS_GUEST_CR4) & ~mask) | (vmcs_read(VMCS_CR4_SHADOW) & mask);
}

Test(handle_cr, the_guest_sees_its_own_values)
{
    cr_assert_eq(guest_reads_cr0(), PG | NE | PE);
    cr_assert_eq(guest_reads_cr4(), PAE, "and not VMXE");
}

Test(handle_cr, bits_that_the_model_has_are_the_guest_s_own)
{
    cr_assert_eq(vmcs_read(VMCS_CR0_MASK) & CPU_MODEL_CR0_BITS, (u64)NE | NW | CD);
    cr_assert_eq(vmcs_read(VMCS_CR4_MASK) & CPU_MODEL_CR4_BITS, 0);
    cr_assert_eq(~vmcs_read(VMCS_CR0_MASK) & ~(u64)CPU_MODEL_CR0_BITS, 0);
    cr_assert_eq(~vmcs_read(VMCS_CR4_MASK) & ~(u64)CPU_MODEL_CR4_BITS, 0);
}

Test(handle_cr, caching_bits_are_read_back_and_have_no_effect)
{
    cr_assert(move_to(0, PG | PE | CD | NW | WP));
    cr_assert_eq(guest_reads_cr0(), PG | PE | CD | NW | WP | ET);
    cr_assert_eq(vmcs_read(VMCS_GUEST_CR0) & (CD | NW), 0);
    cr_assert(vmcs_read(VMCS_GUEST_CR0) & NE, "VMX needs it, whatever the guest says");
    cr_assert(vmcs_read(VMCS_GUEST_CR0) & WP);
}

Test(handle_cr, changes_flush_translations)
{
    u32 flushes = fake_cpu.tlb_flushes;
    cr_assert(move_to(0, PG | PE | CD));
    cr_assert_gt(fake_cpu.tlb_flushes, flushes);
}

Test(handle_cr, illegal_cr0_values_raise_gp)
{
    static const u64 values[] = {PG, PG | PE | NW, PG | PE | BIT(32), PG | PE | BIT(63)};
    for (u32 i = 0; i < ARRAY_SIZE(values); i++) {
        cr_assert(!move_to(0, values[i]), "%lx", values[i]);
        cr_assert_eq(guest_reads_cr0(), PG | NE | PE);
    }
}

/* SDM 2.5: reserved bits of CR0 below bit 32 are ignored. */
Test(handle_cr, reserved_low_bits_of_cr0_are_ignored)
{
    cr_assert(move_to(0, PG | PE | NE | CD | BIT(6) | BIT(28)));
    cr_assert_eq(guest_reads_cr0(), PG | PE | NE | CD | ET);
}

Test(handle_cr, outside_64_bit_mode_registers_have_32_bits)
{
    guest_enter_mode(&rig, MODE_32);
    cr_assert(move_to(0, 0xffffffff00000000ull | PE | CD));
    cr_assert_eq(guest_reads_cr0(), PE | CD | ET);
}

Test(handle_cr, clts_and_lmsw)
{
    vmcs_write(VMCS_GUEST_CR0, vmcs_read(VMCS_GUEST_CR0) | TS);
    cr_assert(did(CLTS));
    cr_assert_eq(guest_reads_cr0() & TS, 0);
    cr_assert(did(LMSW | (u64)(TS | MP) << 16));
    cr_assert_eq(guest_reads_cr0() & 15, PE | TS | MP, "LMSW cannot clear PE");
    cr_assert(guest_reads_cr0() & PG);
}

Test(handle_cr, every_change_of_owned_cr4_bits_is_one_that_the_model_lacks)
{
    for (u32 bit = 0; bit < 64; bit++)
        if (!(BIT(bit) & CPU_MODEL_CR4_BITS))
            cr_assert(!move_to(4, PAE | BIT(bit)), "%u", bit);
    cr_assert_eq(guest_reads_cr4(), PAE);
}

/* --- modes ------------------------------------------------------------------------------- */

/* From flat 32-bit code to paging with LME: IA-32e mode is on (SDM 10.8.5). */
Test(handle_cr, paging_with_lme_enters_ia32e_mode)
{
    guest_enter_mode(&rig, MODE_32);
    vmcs_write(VMCS_GUEST_CR4, VMXE | PAE);
    vmcs_write(VMCS_GUEST_EFER, LME);
    cr_assert(move_to(0, PG | PE | CD));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME | LMA);
    cr_assert(vmcs_read(VMCS_ENTRY_CONTROLS) & CONTROL_ENTRY_IA32E_GUEST);
    cr_assert_eq(v->entry_controls, vmcs_read(VMCS_ENTRY_CONTROLS));
    cr_assert(move_to(0, PE), "and back, from compatibility mode");
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME);
    cr_assert(!(vmcs_read(VMCS_ENTRY_CONTROLS) & CONTROL_ENTRY_IA32E_GUEST));
}

Test(handle_cr, ia32e_mode_needs_pae)
{
    guest_enter_mode(&rig, MODE_32);
    vmcs_write(VMCS_GUEST_EFER, LME);
    cr_assert(!move_to(0, PG | PE | CD));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME);
}

/* SDM vol. 2, MOV to control registers: #GP. The entry after it would fail. */
Test(handle_cr, sixty_four_bit_code_cannot_turn_paging_off)
{
    cr_assert(!move_to(0, PE | CD));
    cr_assert_eq(vmcs_read(VMCS_GUEST_EFER), LME | LMA);
}

Test(handle_cr, ia32e_mode_is_not_entered_from_a_64_bit_segment)
{
    guest_enter_mode(&rig, MODE_32);
    vmcs_write(VMCS_GUEST_CS_ACCESS, CS_64);
    vmcs_write(VMCS_GUEST_CR4, VMXE | PAE);
    vmcs_write(VMCS_GUEST_EFER, LME);
    cr_assert(!move_to(0, PG | PE | CD));
}

/* --- PAE's four entries ------------------------------------------------------------------ */

enum { PDPTES = 0x9020 };

static const enum vmcs_field pdpte_fields[] = {VMCS_GUEST_PDPTE0, VMCS_GUEST_PDPTE1,
                                               VMCS_GUEST_PDPTE2, VMCS_GUEST_PDPTE3};

static void prepare_pae(void)
{
    guest_enter_mode(&rig, MODE_32);
    vmcs_write(VMCS_GUEST_CR4, VMXE | PAE);
    vmcs_write(VMCS_GUEST_CR3, PDPTES | 0x18);
    for (u32 i = 0; i < 4; i++)
        rig_put(&rig, PDPTES + i * 8,
                i == 2 ? 0xffff0000000001e6ull & ~1ull : 0x10000 * (i + 1) | 1);
}

Test(handle_cr, turning_pae_paging_on_loads_the_entries)
{
    prepare_pae();
    cr_assert(move_to(0, PG | PE | CD));
    for (u32 i = 0; i < 4; i++)
        cr_assert_eq(vmcs_read(pdpte_fields[i]),
                     i == 2 ? 0xffff0000000001e6ull : 0x10000 * (i + 1) | 1);
}

Test(handle_cr, reserved_bits_in_a_present_entry_raise_gp)
{
    static const u64 reserved[] = {BIT(1), BIT(2), BIT(5),  BIT(6),
                                   BIT(7), BIT(8), BIT(36), BIT(63)};
    for (u32 i = 0; i < ARRAY_SIZE(reserved); i++) {
        set_up();
        prepare_pae();
        rig_put(&rig, PDPTES + 3 * 8, 0x40001 | reserved[i]);
        cr_assert(!move_to(0, PG | PE | CD), "%lx", reserved[i]);
        cr_assert_eq(vmcs_read(VMCS_GUEST_PDPTE0), 0, "none is loaded");
        cr_assert_eq(guest_reads_cr0() & PG, 0);
    }
}

Test(handle_cr, entries_outside_ram_raise_gp)
{
    prepare_pae();
    vmcs_write(VMCS_GUEST_CR3, 0xfee00000);
    cr_assert(!move_to(0, PG | PE | CD));
}

/* --- CR3, where a processor insists on its exits ----------------------------------------- */

Test(handle_cr, cr3_moves_both_ways)
{
    u32 flushes = fake_cpu.tlb_flushes;
    cr_assert(move_to(3, 0x7000));
    cr_assert_eq(vmcs_read(VMCS_GUEST_CR3), 0x7000);
    cr_assert_gt(fake_cpu.tlb_flushes, flushes);
    cr_assert(did(3 | FROM_CR | RBX << 8));
    cr_assert_eq(v->gpr[RBX], 0x7000);
}

Test(handle_cr, cr3_beyond_physical_addresses_raises_gp)
{
    u64 before = vmcs_read(VMCS_GUEST_CR3);
    cr_assert(!move_to(3, BIT(CPU_PHYSICAL_BITS)));
    cr_assert(!move_to(3, BIT(63)));
    cr_assert_eq(vmcs_read(VMCS_GUEST_CR3), before);
}

Test(handle_cr, cr3_with_bad_pae_entries_changes_nothing)
{
    prepare_pae();
    cr_assert(move_to(0, PG | PE | CD));
    cr_assert(!move_to(3, 0xfee00000));
    cr_assert_eq(vmcs_read(VMCS_GUEST_CR3), PDPTES | 0x18);
    cr_assert_eq(vmcs_read(VMCS_GUEST_PDPTE0), 0x10001);
    rig_put(&rig, 0xa000, 0x70001);
    cr_assert(move_to(3, 0xa000));
    cr_assert_eq(vmcs_read(VMCS_GUEST_PDPTE0), 0x70001);
}

Test(handle_cr, other_registers_never_exit_and_are_no_success)
{
    v->gpr[RBX] = 77;
    cr_assert(!did(8 | FROM_CR | RBX << 8));
    cr_assert_eq(v->gpr[RBX], 77);
    cr_assert(!move_to(8, 1));
    cr_assert(!move_to(2, 1));
}
