/* The block cache of the software processor: code that changes is run as it is now, whoever
 * changed it and by whatever address. */
#include <criterion/criterion.h>

#include "tests/software/guest_code.h"
#include "vmx/software/cpu.h"

/* Guests that run for ever fail. */
TestSuite(software_blocks, .timeout = 20);

/* Runs MOV EAX, imm32 twice; before the second time the dword at [RBX] becomes ECX. */
GUEST_CODE(twice, "mov edx, 2\n"
                  "2: mov eax, 0x11111111\n"
                  "dec edx\n"
                  "jz 3f\n"
                  "mov dword ptr [rbx], ecx\n"
                  "jmp 2b\n"
                  "3: hlt");
enum { TWICE_IMMEDIATE = 6 };

static void check_alias(u64 linear)
{
    START(BARE_64, twice);
    bare.h.vcpu.gpr[RBX] = linear;
    bare.h.vcpu.gpr[RCX] = 0x22222222;
    cr_assert_eq(run_to_exit(), EXIT_HLT, "%#lx", linear);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x22222222, "%#lx", linear);
}

Test(software_blocks, a_write_through_any_alias_changes_the_code)
{
    static const u64 aliases[] = {0,         BARE_LARGE, BARE_NOT_USER,
                                  BARE_HUGE, BARE_HIGH,  BARE_HIGH + BARE_LARGE};
    for (u32 i = 0; i < ARRAY_SIZE(aliases); i++)
        check_alias(aliases[i] + BARE_CODE + TWICE_IMMEDIATE);
    /* Page 211 of the shuffled ones is page 0x20: 5 * 211 + 1 = 0x20 mod 256. */
    check_alias(BARE_ALIAS + 211 * PAGE_SIZE + TWICE_IMMEDIATE);
}

GUEST_CODE(next_one, "lea rbx, [rip + 2f + 1]\n"
                     "mov ecx, 5\n"
                     "mov byte ptr [rbx], cl\n"
                     "2: mov al, 1\n"
                     "hlt");

Test(software_blocks, the_next_instruction_of_the_running_block)
{
    START(BARE_64, next_one);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX] & 0xff, 5);
    cr_assert_eq(bare.h.vcpu.count, 4); /* HLT exits and does not count */
}

/* MOV EAX, imm32 that crosses a page's end, twice, with its last byte changed in between. */
GUEST_CODE(crossing, "mov eax, 0x33333333\nret");
GUEST_CODE(call_twice, "call rsi\n"
                       "mov edi, eax\n"
                       "mov byte ptr [rsi + 4], 0x44\n"
                       "call rsi\n"
                       "hlt");

Test(software_blocks, an_instruction_across_pages)
{
    for (u32 first = 1; first <= 4; first++) {
        START(BARE_64, call_twice);
        bare.h.vcpu.gpr[RSI] = BARE_CODE + 2 * PAGE_SIZE - first;
        PUT_CODE(bare.h.vcpu.gpr[RSI], crossing);
        cr_assert_eq(run_to_exit(), EXIT_HLT);
        cr_assert_eq(bare.h.vcpu.gpr[RDI], 0x33333333);
        cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x44333333, "%u bytes in the first page", first);
    }
}

Test(software_blocks, a_device_writes_into_cached_code)
{
    u32 value = 0x55555555;
    START(BARE_64, twice);
    bare.h.vcpu.gpr[RBX] = BARE_DATA;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert(memory_write(&bare.h.machine.memory, BARE_CODE + TWICE_IMMEDIATE, &value, 4));
    bare.h.vcpu.rip = BARE_CODE;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x55555555);
}

Test(software_blocks, code_at_physical_address_0)
{
    START(BARE_64, twice);
    PUT_CODE(0, twice);
    bare.h.vcpu.rip = 0;
    bare.h.vcpu.gpr[RBX] = TWICE_IMMEDIATE;
    bare.h.vcpu.gpr[RCX] = 0x66666666;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x66666666);
    bare.h.vcpu.rip = 0; /* the block that began here is stale */
    cr_assert_eq(run_to_exit(), EXIT_HLT);
}

/* The first HLT is reached only when REP STOS has been overwritten: it is fetched for each
 * iteration, as it would be if each had been an entry of its own. */
GUEST_CODE(over_itself, "lea rdi, [rip + 2f]\n"
                        "mov ecx, 100\n"
                        "mov al, 0xf4\n"
                        "2: rep stosb\n"
                        "ud2");

Test(software_blocks, rep_stos_over_itself_is_fetched_again)
{
    START(BARE_64, over_itself);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RCX], 99);
    cr_assert_eq(bare.h.vcpu.count, 4);
}

/* Data in a page of code: written often, far from the code, and read back. */
GUEST_CODE(mixed_page, "xor eax, eax\n"
                       "lea rbx, [rip + 0x800]\n"
                       "2: inc dword ptr [rbx]\n"
                       "add rbx, 4\n"
                       "inc eax\n"
                       "cmp eax, 100\n"
                       "jne 2b\n"
                       "hlt");

Test(software_blocks, data_beside_code)
{
    START(BARE_64, mixed_page);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    for (u32 i = 0; i < 100; i++)
        cr_assert_eq((u32)bare_peek(BARE_CODE + 9 + 0x800 + 4 * i), 1, "%u", i);
}

/* The same bytes run as 64-bit and as 32-bit code: 48 is REX.W or DEC EAX. */
GUEST_CODE(ambiguous, "mov eax, 16\n"
                      ".byte 0x48, 0x83, 0xc0, 0x01\n"
                      "hlt");

Test(software_blocks, blocks_of_one_mode_are_not_run_in_another)
{
    START(BARE_64, ambiguous);
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 17);
    vmcs_write(VMCS_GUEST_CS_ACCESS, 0xc09b);
    bare.h.vcpu.rip = BARE_CODE;
    cr_assert_eq(run_to_exit(), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 16);
}

/* Without this the cache of blocks would end the run, not begin anew: more code than it holds. */
GUEST_CODE(make_code, "mov edx, 40\n" /* times */
                      "2: lea rdi, [rsi]\n"
                      "mov ecx, 0x40000 / 4\n"
                      "mov eax, 0x90c0ff90\n" /* NOP, INC EAX, NOP */
                      "rep stosd\n"
                      "mov dword ptr [rdi], 0xc3\n"
                      "xor eax, eax\n"
                      "call rsi\n"
                      "dec edx\n"
                      "jnz 2b\n"
                      "hlt");

Test(software_blocks, more_code_than_the_cache_holds)
{
    START(BARE_64, make_code);
    bare.h.vcpu.gpr[RSI] = 0xc0000;
    bare.h.vcpu.gpr[RSP] = BARE_DATA;
    cr_assert_eq((bare_enter(40000000), bare.h.vcpu.exit.reason),
                 EXIT_EPT_VIOLATION); /* RAM ends */
    bare.h.vcpu.gpr[RSI] = 0x40000;
    bare.h.vcpu.rip = BARE_CODE;
    cr_assert_eq((bare_enter(80000000), bare.h.vcpu.exit.reason), EXIT_HLT);
    cr_assert_eq(bare.h.vcpu.gpr[RAX], 0x10000);
}
