/* Paging and the TLB of the software processor (SDM vol. 3, 4) and its EPT (29.3). */
#include <criterion/criterion.h>

#include "core/cpu_model.h"
#include "tests/software/guest_code.h"
#include "vmx/software/cpu.h"

/* Guests that run for ever fail. */
TestSuite(software_mmu, .timeout = 60);

enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, G = 0x100 };
#define XD BIT(63)
#define DATA_PTE (BARE_PT + 8 * (BARE_DATA / PAGE_SIZE))
#define CODE_PTE (BARE_PT + 8 * (BARE_CODE / PAGE_SIZE))

/* Reads [RSI] into EAX, stops; writes EBX to [RDI], stops; does what R8 points to, by CALL. */
GUEST_CODE(accesses, "2: mov eax, dword ptr [rsi]\n"
                     "hlt\n"
                     "mov dword ptr [rdi], ebx\n"
                     "hlt\n"
                     "call r8\n"
                     "jmp 2b");

static void start(void)
{
    START(BARE_64, accesses);
    bare.h.vcpu.gpr[RSI] = bare.h.vcpu.gpr[RDI] = BARE_DATA;
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
}

static void expect_fault(u64 address, u32 error)
{
    cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_EXCEPTION_NMI, "reason %u", bare.h.vcpu.exit.reason);
    cr_assert_eq(EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)), VECTOR_PF);
    cr_assert_eq(bare.h.vcpu.exit.qualification, address);
    cr_assert_eq(vmcs_read(VMCS_EXIT_EVENT_ERROR), error, "error %#lx",
                 vmcs_read(VMCS_EXIT_EVENT_ERROR));
}

/* --- A and D ------------------------------------------------------------------------------ */

Test(software_mmu, a_read_sets_a_and_a_write_sets_d)
{
    start();
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare_peek(DATA_PTE) & (A | D), A);
    cr_assert_eq(bare_peek(BARE_PD) & A, A);
    cr_assert_eq(bare_peek(BARE_PML4) & A, A);
    cr_assert_eq(run_on(), EXIT_HLT); /* the TLB has the page for reading */
    cr_assert_eq(bare_peek(DATA_PTE) & (A | D), A | D);
}

GUEST_CODE(clear_dirty, "mov dword ptr [rdi], ebx\n"
                        "btr dword ptr [rdx], 6\n"
                        "invlpg [rdi]\n"
                        "mov dword ptr [rdi], ebx\n"
                        "hlt");

Test(software_mmu, d_is_set_again_after_invlpg)
{
    START(BARE_64, clear_dirty);
    bare.h.vcpu.gpr[RDI] = BARE_DATA;
    bare.h.vcpu.gpr[RDX] = DATA_PTE;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare_peek(DATA_PTE) & D, D);
}

GUEST_CODE(clear_dirty_only, "mov dword ptr [rdi], ebx\n"
                             "btr dword ptr [rdx], 6\n"
                             "mov dword ptr [rdi], ebx\n"
                             "hlt");

/* Without a flush the page stays writable to the TLB, also where it has no write tag. */
Test(software_mmu, d_stays_clear_without_a_flush_beside_code_too)
{
    static const u64 places[] = {BARE_DATA, BARE_CODE + 0x800};
    for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
        START(BARE_64, clear_dirty_only);
        bare.h.vcpu.gpr[RDI] = places[i];
        bare.h.vcpu.gpr[RDX] = BARE_PT + 8 * (places[i] / PAGE_SIZE);
        cr_assert_eq(run_to_exit(), EXIT_HLT);
        cr_assert_eq(bare_peek(bare.h.vcpu.gpr[RDX]) & D, 0, "%#lx", places[i]);
    }
}

/* --- flushing -------------------------------------------------------------------------------- */

/* Reads [RSI]; writes RDX into the page-table entry at RBX; flushes; reads again into ECX. */
#define REMAP(name, flush)                                                             \
    GUEST_CODE(name, "mov eax, dword ptr [rsi]\n"                                      \
                     "mov qword ptr [rbx], rdx\n" flush "\nmov ecx, dword ptr [rsi]\n" \
                     "hlt")
REMAP(by_invlpg, "invlpg [rsi]");
REMAP(by_cr3, "mov r9, cr3\nmov cr3, r9");
REMAP(by_pge, "mov r9, cr4\nbtc r9, 7\nmov cr4, r9\nbtc r9, 7\nmov cr4, r9");

static u32 remap(const u8 *code, u64 length, u64 bits)
{
    bare_start(BARE_64);
    memcpy(bare_ram(BARE_CODE), code, length);
    bare_poke(BARE_DATA, 0x1111);
    bare_poke(BARE_DATA + PAGE_SIZE, 0x2222);
    bare_poke(DATA_PTE, BARE_DATA | P | W | U | bits);
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    bare.h.vcpu.gpr[RBX] = DATA_PTE;
    bare.h.vcpu.gpr[RDX] = (BARE_DATA + PAGE_SIZE) | P | W | U | bits;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x1111);
    return (u32)bare.h.vcpu.gpr[RCX];
}

Test(software_mmu, invlpg_flushes_global_pages_too)
{
    cr_assert_eq(remap(by_invlpg, (u64)(by_invlpg_end - by_invlpg), 0), 0x2222);
    cr_assert_eq(remap(by_invlpg, (u64)(by_invlpg_end - by_invlpg), G), 0x2222);
}

Test(software_mmu, a_write_to_cr3_keeps_global_pages)
{
    cr_assert_eq(remap(by_cr3, (u64)(by_cr3_end - by_cr3), 0), 0x2222);
    cr_assert_eq(remap(by_cr3, (u64)(by_cr3_end - by_cr3), G), 0x1111);
}

Test(software_mmu, a_change_of_cr4_pge_flushes_all)
{
    cr_assert_eq(remap(by_pge, (u64)(by_pge_end - by_pge), G), 0x2222);
}

GUEST_CODE(large_remap, "mov eax, dword ptr [rsi]\n"
                        "mov eax, dword ptr [rsi + 0x1000]\n"
                        "mov qword ptr [rbx], rdx\n"
                        "invlpg [rsi]\n"
                        "mov ecx, dword ptr [rsi + 0x1000]\n"
                        "hlt");

Test(software_mmu, invlpg_flushes_all_of_a_large_page)
{
    START(BARE_64, large_remap);
    bare_poke(BARE_DATA + PAGE_SIZE, 0x1234);
    bare.h.vcpu.gpr[RSI] = BARE_LARGE + BARE_DATA;
    bare.h.vcpu.gpr[RBX] = BARE_PD + 16;
    bare.h.vcpu.gpr[RDX] = BARE_ALIASES | P | W | U;
    bare_poke(BARE_ALIASES + 8 * (BARE_DATA / PAGE_SIZE + 1), (BARE_DATA + 0x5000) | P | W | U);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RCX], 0);
}

/* A page of code whose mapping changed without a flush: where entries cut the run makes no
 * difference. */
GUEST_CODE(stale_code, "mov ecx, 200\n"
                       "mov qword ptr [rbx], rdx\n"
                       "2: inc eax\n"
                       "dec ecx\n"
                       "jnz 2b\n"
                       "hlt");

Test(software_mmu, a_stale_translation_of_code_does_not_depend_on_cuts)
{
    u64 accessed[2];
    for (u32 cut = 0; cut < 2; cut++) {
        START(BARE_64, stale_code);
        bare.h.vcpu.gpr[RBX] = CODE_PTE;
        bare.h.vcpu.gpr[RDX] = BARE_CODE | P | W | U; /* without A */
        do
            bare_enter(bare.h.vcpu.count + (cut ? 7 : ENOUGH));
        while (bare.h.vcpu.exit.reason == EXIT_PREEMPTION_TIMER);
        cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_HLT);
        accessed[cut] = bare_peek(CODE_PTE) & A;
    }
    cr_assert_eq(accessed[0], accessed[1]);
}

/* --- rights ------------------------------------------------------------------------------ */

Test(software_mmu, not_present)
{
    start();
    bare_poke(DATA_PTE, 0);
    run_to_exit();
    expect_fault(BARE_DATA, 0);
    bare.h.vcpu.rip += 3; /* HLT, then the write */
    bare.h.vcpu.rip -= 0;
    start();
    bare_poke(DATA_PTE, 0);
    bare.h.vcpu.rip += 3;
    run_to_exit();
    expect_fault(BARE_DATA, W);
}

Test(software_mmu, reserved_bits)
{
    static const u64 bits[] = {BIT(36), BIT(51)};
    for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
        start();
        bare_poke(DATA_PTE, BARE_DATA | P | W | U | bits[i]);
        run_to_exit();
        expect_fault(BARE_DATA, P | 8);
    }
    start(); /* a 2 MiB page that is not aligned */
    bare.h.vcpu.gpr[RSI] = BARE_LARGE;
    bare_poke(BARE_PD + 16, BIT(13) | 0x80 | P | W | U);
    run_to_exit();
    expect_fault(BARE_LARGE, P | 8);
}

Test(software_mmu, write_protection)
{
    start();
    bare_poke(DATA_PTE, BARE_DATA | P | U);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    run_on();
    expect_fault(BARE_DATA, P | W);
    start(); /* CR0.WP off: the supervisor may */
    bare_poke(DATA_PTE, BARE_DATA | P | U);
    vmcs_write(VMCS_GUEST_CR0, vmcs_read(VMCS_GUEST_CR0) & ~CR0_WP);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(run_on(), EXIT_HLT);
}

/* INT1 leaves user code without a handler. */
GUEST_CODE(user_accesses, "mov eax, dword ptr [rsi]\nint1\nmov dword ptr [rdi], ebx\nint1");

static void start_user(void)
{
    START(BARE_64_USER, user_accesses);
    bare.h.vcpu.gpr[RSI] = bare.h.vcpu.gpr[RDI] = BARE_DATA;
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF | 1 << VECTOR_DB);
}

Test(software_mmu, users_reach_user_pages_only)
{
    start_user();
    bare.h.vcpu.gpr[RSI] = BARE_NOT_USER + BARE_DATA;
    run_to_exit();
    expect_fault(BARE_NOT_USER + BARE_DATA, P | U);
    start_user();
    bare_poke(DATA_PTE, BARE_DATA | P | U);
    vmcs_write(VMCS_GUEST_CR0, vmcs_read(VMCS_GUEST_CR0) & ~CR0_WP);
    run_to_exit();
    cr_assert_eq(EVENT_VECTOR(vmcs_read(VMCS_EXIT_EVENT)), VECTOR_DB);
    run_on();
    expect_fault(BARE_DATA, P | W | U);
}

Test(software_mmu, no_execute)
{
    start();
    bare_poke(CODE_PTE, BARE_CODE | P | W | U | XD);
    run_to_exit();
    expect_fault(BARE_CODE, P | 16);
    start(); /* without EFER.NXE the bit is reserved */
    bare_poke(CODE_PTE, BARE_CODE | P | W | U | XD);
    vmcs_write(VMCS_GUEST_EFER, vmcs_read(VMCS_GUEST_EFER) & ~EFER_NXE);
    run_to_exit();
    expect_fault(BARE_CODE, P | 8);
}

Test(software_mmu, smep)
{
    start();
    vmcs_write(VMCS_GUEST_CR4, vmcs_read(VMCS_GUEST_CR4) | CR4_SMEP);
    run_to_exit();
    expect_fault(BARE_CODE, P | 16);
    start();
    bare_poke(CODE_PTE, BARE_CODE | P | W);
    vmcs_write(VMCS_GUEST_CR4, vmcs_read(VMCS_GUEST_CR4) | CR4_SMEP);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
}

GUEST_CODE(with_ac, "stac\nmov eax, dword ptr [rsi]\nclac\nhlt\nmov eax, dword ptr [rsi]\nhlt");

Test(software_mmu, smap_is_lifted_by_ac_and_back_after_it)
{
    START(BARE_64, with_ac);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
    vmcs_write(VMCS_GUEST_CR4, vmcs_read(VMCS_GUEST_CR4) | CR4_SMAP);
    bare.h.vcpu.gpr[RSI] = BARE_DATA;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    run_on();
    expect_fault(BARE_DATA, P);
}

GUEST_CODE(set_pcide, "mov rax, cr4\nbts rax, 17\nmov cr4, rax\nhlt");

Test(software_mmu, pcid_is_not_in_the_cpu_model)
{
    cr_assert_not(CPU_MODEL_CR4_BITS >> 17 & 1);
    START(BARE_64, set_pcide);
    cr_assert_eq(run_to_exit(), EXIT_CR_ACCESS); /* the bit is the hypervisor's */
    cr_assert_eq(bare.h.vcpu.exit.qualification, 4);
}

/* --- both pages of an access ---------------------------------------------------------------- */

GUEST_CODE(crossing_store, "mov qword ptr [rdi], rbx\nhlt");

Test(software_mmu, a_write_over_two_pages_writes_both_or_none)
{
    START(BARE_64, crossing_store);
    vmcs_write(VMCS_EXCEPTION_BITMAP, 1 << VECTOR_PF);
    bare.h.vcpu.gpr[RDI] = BARE_DATA + PAGE_SIZE - 4;
    bare.h.vcpu.gpr[RBX] = ~0ull;
    bare_poke(DATA_PTE + 8, 0);
    run_to_exit();
    expect_fault(BARE_DATA + PAGE_SIZE, W);
    cr_assert_eq(bare_peek(BARE_DATA + PAGE_SIZE - 8), 0);
    bare_poke(DATA_PTE + 8, (BARE_DATA + 5 * PAGE_SIZE) | P | W | U);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare_peek(BARE_DATA + PAGE_SIZE - 8), 0xffffffff00000000);
    cr_assert_eq(bare_peek(BARE_DATA + 5 * PAGE_SIZE), 0xffffffff);
}

/* --- EPT --------------------------------------------------------------------------------- */

static void set_ept(u64 gpa, u64 rights)
{
    u64 page, *entry = ept_leaf(&bare.h.ept, gpa, &page);
    *entry = (*entry & ~7ull) | rights;
    processor_flush_ept(ept_pointer(&bare.h.ept));
}

static void expect_violation(u64 qualification, u64 gpa, u64 linear)
{
    cr_assert_eq(bare.h.vcpu.exit.reason, EXIT_EPT_VIOLATION);
    cr_assert_eq(bare.h.vcpu.exit.qualification, qualification, "%#lx",
                 bare.h.vcpu.exit.qualification);
    cr_assert_eq(vmcs_read(VMCS_GUEST_PHYSICAL), gpa);
    cr_assert_eq(vmcs_read(VMCS_GUEST_LINEAR), linear);
}

/* SDM table 28-7: the access, the rights, linear address valid, and of the final access. */
enum { Q_READ = 1, Q_WRITE = 2, Q_FETCH = 4, Q_RIGHTS = 3, Q_LINEAR = 0x80, Q_FINAL = 0x100 };

Test(software_mmu, ept_violations_say_what_was_wanted_and_what_is_allowed)
{
    start();
    set_ept(BARE_DATA, 0);
    run_to_exit();
    expect_violation(Q_READ | Q_LINEAR | Q_FINAL, BARE_DATA, BARE_DATA);
    cr_assert_eq(bare.h.vcpu.count, 0);
    cr_assert_eq(bare.h.vcpu.rip, BARE_CODE);
    set_ept(BARE_DATA, EPT_READ);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    run_on();
    expect_violation(Q_WRITE | EPT_READ << Q_RIGHTS | Q_LINEAR | Q_FINAL, BARE_DATA, BARE_DATA);
    set_ept(BARE_CODE, EPT_READ | EPT_WRITE);
    run_to_exit();
    expect_violation(Q_FETCH | (EPT_READ | EPT_WRITE) << Q_RIGHTS | Q_LINEAR | Q_FINAL,
                     bare.h.vcpu.rip, bare.h.vcpu.rip);
}

Test(software_mmu, an_ept_violation_in_the_walk)
{
    start();
    set_ept(BARE_PT, EPT_READ);
    run_to_exit();
    /* With A and D flags a walk counts as a write. */
    expect_violation(Q_WRITE | EPT_READ << Q_RIGHTS | Q_LINEAR,
                     BARE_PT + 8 * (BARE_CODE / PAGE_SIZE), BARE_CODE);
}

Test(software_mmu, device_registers_are_not_mapped)
{
    start();
    bare.h.vcpu.gpr[RSI] = BARE_DEVICE + 0x80;
    run_to_exit();
    expect_violation(Q_READ | Q_LINEAR | Q_FINAL, 0xfee00080, BARE_DEVICE + 0x80);
}

Test(software_mmu, a_misconfigured_ept_entry)
{
    static const u64 rights[] = {EPT_WRITE, EPT_WRITE | EPT_EXECUTE};
    for (u32 i = 0; i < ARRAY_SIZE(rights); i++) {
        start();
        set_ept(BARE_DATA, rights[i]);
        cr_assert_eq(run_to_exit(), EXIT_EPT_MISCONFIG);
        cr_assert_eq(vmcs_read(VMCS_GUEST_PHYSICAL), BARE_DATA);
    }
}

Test(software_mmu, a_write_sets_the_dirty_bit_that_hashes_rest_on)
{
    u64 page;
    start();
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_not(*ept_leaf(&bare.h.ept, BARE_DATA, &page) & 1 << 9);
    cr_assert_eq(run_on(), EXIT_HLT);
    cr_assert(*ept_leaf(&bare.h.ept, BARE_DATA, &page) & 1 << 9);
    ept_collect_dirty(&bare.h.ept, &bare.h.machine.memory);
    processor_flush_ept(ept_pointer(&bare.h.ept));
    bare.h.vcpu.rip = BARE_CODE + 3;
    cr_assert_eq(run_to_exit(), EXIT_HLT); /* not by a write tag that outlived the flush */
    cr_assert(*ept_leaf(&bare.h.ept, BARE_DATA, &page) & 1 << 9);
}
