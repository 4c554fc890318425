/*
 * EPT violations end to end: real instruction bytes in guest RAM, the local APIC at
 * the other end, in 64-bit, 32-bit and real mode; and what cannot be emulated.
 */
#include <criterion/criterion.h>

#include "core/devices/ports.h"
#include "tests/unit/guest_mode.h"
#include "tests/unit/rig_on_fakes.h"

enum { LINEAR_VALID = 1 << 7, FINAL = 1 << 8, READ = 1, WRITE = 2, FETCH = 4 };
enum { CF = 1, ZF = 1 << 6, DF = 1 << 10 };
#define REGISTER(r) (LAPIC_BASE + (r)*16)

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
    m->lapic.svr |= SVR_ENABLE;
    v->gpr[RBX] = REGISTER(LAPIC_TPR);
}

TestSuite(handle_memory, .init = set_up);

/* Runs the instruction once with the address that a processor would report. */
static void violate(const char *code, u32 length, u64 gpa, u32 access)
{
    memcpy(rig_ram + RIG_CODE, code, length);
    v->rip = RIG_CODE;
    v->exit = (struct exit_info){
        .reason = EXIT_EPT_VIOLATION, .qualification = LINEAR_VALID | FINAL | access, .length = 77};
    v->value = v->address = 0;
    fake_cpu_set(VMCS_GUEST_PHYSICAL, gpa);
    on_ept_violation(v);
}
#define VIOLATE(code, gpa, access) violate(code, sizeof(code) - 1, gpa, access)

static void expect_done(u32 length)
{
    cr_expect_eq(m->end.reason, END_NONE);
    cr_expect_eq(v->event.info, 0);
    cr_expect_eq(v->rip, RIG_CODE + length, "RIP %lx", v->rip);
}

#define TPR REGISTER(LAPIC_TPR)
static void set_tpr(u32 value)
{
    lapic_set_tpr(&m->lapic, (u8)value);
}

static u32 tpr(void)
{
    return lapic_tpr(&m->lapic);
}

/* --- one memory operand ---------------------------------------------------------------------- */

Test(handle_memory, mov_loads)
{
    set_tpr(0x35);
    v->gpr[RCX] = ~0ull;
    VIOLATE("\x8b\x0b", TPR, READ); /* mov ecx, [rbx] */
    expect_done(2);
    cr_assert_eq(v->gpr[RCX], 0x35);
    cr_assert_eq(v->value, 0x35);
    cr_assert_eq(v->address, TPR);
}

Test(handle_memory, mov_stores)
{
    v->gpr[RAX] = 0xffffffff00000042ull;
    VIOLATE("\x89\x03", TPR, WRITE); /* mov [rbx], eax */
    expect_done(2);
    cr_assert_eq(tpr(), 0x42);
    cr_assert_eq(v->value, 0x42);
    VIOLATE("\xc7\x03\x50\x00\x00\x00", TPR, WRITE); /* mov dword [rbx], 0x50 */
    expect_done(6);
    cr_assert_eq(tpr(), 0x50);
}

/* As Linux does it: mov eax, [disp32] and mov [disp32], eax with a fixed address. */
Test(handle_memory, absolute_addresses)
{
    set_tpr(0x20);
    VIOLATE("\x8b\x04\x25\x80\x00\xe0\xfe", TPR, READ); /* mov eax, [0xfee00080], sign-extended */
    expect_done(7);
    cr_assert_eq(v->gpr[RAX], 0x20);
    v->gpr[RAX] = 0x60;
    VIOLATE("\xa3\x80\x00\xe0\xfe\x00\x00\x00\x00", TPR, WRITE); /* movabs */
    expect_done(9);
    cr_assert_eq(tpr(), 0x60);
}

Test(handle_memory, read_modify_write)
{
    set_tpr(0x10);
    VIOLATE("\x83\x0b\x41", TPR, READ | WRITE); /* or dword [rbx], 0x41 */
    expect_done(3);
    cr_assert_eq(tpr(), 0x51);
    v->gpr[RAX] = 0x0f;
    VIOLATE("\xf0\x31\x03", TPR, READ | WRITE); /* lock xor [rbx], eax */
    expect_done(3);
    cr_assert_eq(tpr(), 0x5e);
    VIOLATE("\xff\x03", TPR, READ | WRITE); /* inc */
    cr_assert_eq(tpr(), 0x5f);
    VIOLATE("\xf7\x13", TPR, READ | WRITE); /* not */
    cr_assert_eq(tpr(), 0xa0);
}

Test(handle_memory, compares_set_flags_only)
{
    set_tpr(0x30);
    v->gpr[RAX] = 0x30;
    v->rflags &= ~(u64)ZF;
    VIOLATE("\x39\x03", TPR, READ); /* cmp [rbx], eax */
    expect_done(2);
    cr_assert(v->rflags & ZF);
    VIOLATE("\xf7\x03\x0f\x00\x00\x00", TPR, READ); /* test dword [rbx], 15 */
    cr_assert(v->rflags & ZF);
    VIOLATE("\x0f\xba\x23\x05", TPR, READ); /* bt dword [rbx], 5 */
    cr_assert(v->rflags & CF);
    cr_assert_eq(tpr(), 0x30);
}

Test(handle_memory, exchanges)
{
    set_tpr(0x30);
    v->gpr[RCX] = 0x41;
    VIOLATE("\x87\x0b", TPR, READ | WRITE); /* xchg [rbx], ecx */
    cr_assert_eq(tpr(), 0x41);
    cr_assert_eq(v->gpr[RCX], 0x30);
    v->gpr[RAX] = 0x41;
    VIOLATE("\x0f\xb1\x0b", TPR, READ | WRITE); /* cmpxchg: equal */
    expect_done(3);
    cr_assert_eq(tpr(), 0x30);
    VIOLATE("\x0f\xb1\x0b", TPR, READ | WRITE); /* not equal */
    cr_assert_eq(v->gpr[RAX], 0x30);
    cr_assert_eq(tpr(), 0x30);
    VIOLATE("\x0f\xc1\x0b", TPR, READ | WRITE); /* xadd */
    cr_assert_eq(tpr(), 0x60);
    cr_assert_eq(v->gpr[RCX], 0x30);
}

Test(handle_memory, narrow_and_wide_accesses_meet_nothing)
{
    set_tpr(0x30);
    VIOLATE("\x8a\x0b", TPR, READ); /* mov cl, [rbx] */
    expect_done(2);
    cr_assert_eq(v->gpr[RCX] & 0xff, 0xff);
    VIOLATE("\x0f\xb6\x0b", TPR, READ); /* movzx ecx, byte [rbx] */
    cr_assert_eq(v->gpr[RCX], 0xff);
    VIOLATE("\x48\x8b\x0b", TPR, READ); /* mov rcx, [rbx] */
    cr_assert_eq(v->gpr[RCX], ~0ull);
    VIOLATE("\x48\x89\x0b", TPR, WRITE);
    cr_assert_eq(tpr(), 0x30);
}

Test(handle_memory, an_eoi_reaches_the_apic)
{
    lapic_raise(&m->lapic, 0x55, false);
    lapic_acknowledge(&m->lapic);
    v->gpr[RBX] = REGISTER(LAPIC_EOI);
    v->gpr[RAX] = 0;
    VIOLATE("\x89\x03", REGISTER(LAPIC_EOI), WRITE);
    lapic_raise(&m->lapic, 0x50, false);
    cr_assert_eq(lapic_pending(&m->lapic), 0x50);
}

Test(handle_memory, nobody_answers_elsewhere)
{
    VIOLATE("\x8b\x0b", 0xe0000000, READ);
    expect_done(2);
    cr_assert_eq(v->gpr[RCX], 0xffffffff);
    VIOLATE("\x89\x03", VGA_HOLE, WRITE);
    expect_done(2);
    cr_assert_eq(rig_ram[VGA_HOLE], 0);
}

/* --- strings and the stack: two memory operands ------------------------------------------ */

enum { BUFFER = 0x60000 };

Test(handle_memory, rep_stos_goes_one_step_at_a_time)
{
    v->gpr[RDI] = TPR;
    v->gpr[RCX] = 2;
    v->gpr[RAX] = 0x44;
    VIOLATE("\xf3\xab", TPR, WRITE);
    cr_assert_eq(v->rip, RIG_CODE);
    cr_assert_eq(v->gpr[RCX], 1);
    cr_assert_eq(v->gpr[RDI], TPR + 4);
    cr_assert_eq(tpr(), 0x44);
    VIOLATE("\xf3\xab", TPR + 4, WRITE);
    cr_assert_eq(v->gpr[RCX], 0);
    expect_done(2);
}

Test(handle_memory, movs_from_the_device_to_ram)
{
    set_tpr(0x77);
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = BUFFER;
    VIOLATE("\xa5", TPR, READ);
    expect_done(1);
    cr_assert_eq(rig_ram[BUFFER], 0x77);
    cr_assert_eq(v->gpr[RSI], TPR + 4);
    cr_assert_eq(v->gpr[RDI], BUFFER + 4);
}

Test(handle_memory, movs_from_ram_to_the_device)
{
    rig_ram[BUFFER] = 0x66;
    v->rflags |= DF;
    v->gpr[RSI] = BUFFER;
    v->gpr[RDI] = TPR;
    VIOLATE("\xa5", TPR, WRITE);
    cr_assert_eq(tpr(), 0x66);
    cr_assert_eq(v->gpr[RSI], BUFFER - 4);
}

Test(handle_memory, ram_written_by_a_movs_is_seen_by_the_hash)
{
    u64 before = memory_hash(&m->memory);
    set_tpr(0x77);
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = BUFFER;
    VIOLATE("\xa5", TPR, READ);
    cr_assert_neq(memory_hash(&m->memory), before);
}

Test(handle_memory, push_and_pop)
{
    set_tpr(0x21);
    v->gpr[RSP] = BUFFER;
    VIOLATE("\xff\x33", TPR, READ); /* push qword [rbx]: 8 bytes: nobody answers those */
    expect_done(2);
    cr_assert_eq(v->gpr[RSP], BUFFER - 8);
    cr_assert_eq(*(u64 *)(rig_ram + BUFFER - 8), ~0ull);
    VIOLATE("\x8f\x03", TPR, WRITE); /* pop qword [rbx] */
    expect_done(2);
    cr_assert_eq(v->gpr[RSP], BUFFER);
}

Test(handle_memory, a_movs_whose_other_side_faults_does_nothing)
{
    guest_split_low(&rig);
    guest_set_page(&rig, BUFFER, 0);
    set_tpr(0x77);
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = BUFFER;
    VIOLATE("\xa5", TPR, READ);
    cr_assert_eq(raised_exception(v), VECTOR_PF);
    cr_assert_eq(v->event.error, 2);
    cr_assert_eq(fake_cpu.cr2, BUFFER);
    cr_assert_eq(v->rip, RIG_CODE);
    cr_assert_eq(v->gpr[RSI], TPR);
}

Test(handle_memory, a_movs_to_a_non_canonical_address)
{
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = BIT(47);
    VIOLATE("\xa5", TPR, READ);
    cr_assert_eq(raised_exception(v), VECTOR_GP);
    v->event.info = 0;
    v->gpr[RSP] = BIT(47) + 8;
    VIOLATE("\xff\x33", TPR, READ);
    cr_assert_eq(raised_exception(v), VECTOR_SS);
}

Test(handle_memory, device_to_device)
{
    set_tpr(0x31);
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = REGISTER(LAPIC_SVR);
    VIOLATE("\xa5", TPR, READ);
    expect_done(1);
    cr_assert_eq(m->lapic.svr & 0xff, 0x31);
}

/* --- other modes ------------------------------------------------------------------------- */

Test(handle_memory, thirty_two_bit_code)
{
    guest_enter_mode(&rig, MODE_32_PAGED);
    set_tpr(0x35);
    VIOLATE("\x8b\x0b", TPR, READ);
    expect_done(2);
    cr_assert_eq(v->gpr[RCX], 0x35);
    v->gpr[RSI] = TPR;
    v->gpr[RDI] = BUFFER;
    VIOLATE("\xa5", TPR, READ);
    cr_assert_eq(rig_ram[BUFFER], 0x35);
    VIOLATE("\xa1\x80\x00\xe0\xfe", TPR, READ); /* mov eax, [moffs32] */
    expect_done(5);
    cr_assert_eq(v->gpr[RAX], 0x35);
}

/* Unreal mode: 16-bit code, a segment that reaches the device. */
Test(handle_memory, sixteen_bit_code_with_a_big_segment)
{
    guest_enter_mode(&rig, MODE_16_REAL);
    set_tpr(0x35);
    VIOLATE("\x66\x67\x8b\x0b", TPR, READ); /* mov ecx, [ebx] */
    expect_done(4);
    cr_assert_eq(v->gpr[RCX] & 0xffffffff, 0x35);
}

Test(handle_memory, segment_bases_count_outside_64_bit_mode)
{
    guest_enter_mode(&rig, MODE_32);
    vmcs_write(VMCS_GUEST_ES_BASE, 0x1000);
    vmcs_write(VMCS_GUEST_DS_BASE, 0xfffff000);
    set_tpr(0x12);
    v->gpr[RSI] = TPR + 0x1000; /* wraps to TPR */
    v->gpr[RDI] = BUFFER - 0x1000;
    VIOLATE("\xa5", TPR, READ);
    cr_assert_eq(rig_ram[BUFFER], 0x12);
}

Test(handle_memory, gs_has_a_base_in_64_bit_mode)
{
    vmcs_write(VMCS_GUEST_GS_BASE, BUFFER);
    vmcs_write(VMCS_GUEST_DS_BASE, 0x5555);
    rig_ram[BUFFER + 16] = 0x13;
    v->gpr[RSI] = 16;
    v->gpr[RDI] = TPR;
    VIOLATE("\x65\xa5", TPR, WRITE); /* movs [rdi], gs:[rsi] */
    cr_assert_eq(tpr(), 0x13);
}

Test(handle_memory, code_across_a_page_boundary_and_at_its_end)
{
    set_tpr(0x35);
    memcpy(rig_ram + RIG_CODE + 0xffe, "\x8b\x04\x25\x80\x00\xe0\xfe", 7);
    v->rip = RIG_CODE + 0xffe;
    v->exit = (struct exit_info){.reason = EXIT_EPT_VIOLATION,
                                 .qualification = LINEAR_VALID | FINAL | READ};
    fake_cpu_set(VMCS_GUEST_PHYSICAL, TPR);
    on_ept_violation(v);
    cr_assert_eq(v->gpr[RAX], 0x35);
    cr_assert_eq(v->rip, RIG_CODE + 0xffe + 7);
}

Test(handle_memory, code_in_the_last_bytes_of_ram)
{
    set_tpr(0x35);
    memcpy(rig_ram + RIG_RAM - 2, "\x8b\x0b", 2);
    v->rip = RIG_RAM - 2;
    v->exit = (struct exit_info){.reason = EXIT_EPT_VIOLATION,
                                 .qualification = LINEAR_VALID | FINAL | READ};
    fake_cpu_set(VMCS_GUEST_PHYSICAL, TPR);
    on_ept_violation(v);
    cr_assert_eq(v->gpr[RCX], 0x35);
}

/* --- what is not emulated ---------------------------------------------------------------- */

static void expect_stopped(u64 gpa)
{
    cr_assert_eq(m->end.reason, END_UNEMULATED);
    cr_assert_eq(m->end.detail, gpa);
    cr_assert_eq(v->rip, RIG_CODE);
}

Test(handle_memory, an_instruction_that_the_emulator_does_not_know)
{
    VIOLATE("\x0f\x10\x03", TPR, READ); /* movups xmm0, [rbx] */
    expect_stopped(TPR);
}

Test(handle_memory, bytes_that_are_no_instruction)
{
    VIOLATE("\x06\x06", TPR, READ);
    expect_stopped(TPR);
}

Test(handle_memory, code_that_cannot_be_fetched)
{
    v->rip = 0xe0000000;
    v->exit = (struct exit_info){.reason = EXIT_EPT_VIOLATION,
                                 .qualification = LINEAR_VALID | FINAL | READ};
    on_ept_violation(v);
    cr_assert_eq(m->end.reason, END_UNEMULATED);
}

Test(handle_memory, fetches_tables_and_deliveries_are_not_instructions)
{
    static const struct {
        u32 qualification, vectoring;
    } rows[] = {{LINEAR_VALID | FINAL | FETCH, 0},
                {LINEAR_VALID | READ, 0}, /* a page table of the guest's lies there */
                {READ, 0},                /* MOV to CR3, PDPTEs */
                {LINEAR_VALID | FINAL | WRITE, EVENT(EVENT_EXTERNAL, 0x30)}};
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        set_up();
        memcpy(rig_ram + RIG_CODE, "\x8b\x0b", 2);
        v->rip = RIG_CODE;
        v->exit = (struct exit_info){.reason = EXIT_EPT_VIOLATION,
                                     .qualification = rows[i].qualification,
                                     .vectoring = rows[i].vectoring};
        fake_cpu_set(VMCS_GUEST_PHYSICAL, 0xe0001000);
        on_ept_violation(v);
        expect_stopped(0xe0001000);
    }
}
