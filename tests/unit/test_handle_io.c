/*
 * IN, OUT, INS and OUTS: what each size does to RAX, where strings read and write,
 * and that a fault in the middle leaves the registers of the iteration it is at.
 */
#include <criterion/criterion.h>

#include "core/devices/ports.h"
#include "tests/unit/guest_mode.h"
#include "tests/unit/rig_on_fakes.h"

enum { QUALIFICATION_IN = 1 << 3, STRING = 1 << 4, REP = 1 << 5 };
enum { DF = 1 << 10, SCRATCH = 7, EMPTY_PORT = 0x80, LENGTH = 2 };
enum { LINE_CONTROL_8BIT = 3, LOOPBACK = 0x10, FIFO_ON = 1 };
enum { BUFFER = 0x60000 };

static void set_up(void)
{
    rig_on_fakes(CLOCK_COUNT);
    v->exit.reason = EXIT_IO_INSTRUCTION;
    v->exit.length = LENGTH;
}

TestSuite(handle_io, .init = set_up);

static void exit_at(u16 port, u32 size, u32 how)
{
    v->exit.qualification = (u64)port << 16 | (size - 1) | how;
    v->address = v->value = 0;
    on_io(v);
}

static void set_scratch(u8 value)
{
    struct access access = {.size = 1, .write = true, .value = value};
    machine_port(m, PORT_UART + SCRATCH, &access);
}

/* --- IN and OUT ---------------------------------------------------------------------------- */

Test(handle_io, in_merges_by_size)
{
    static const u64 after[] = {
        [1] = 0x11223344556677ff, [2] = 0x112233445566ffff, [4] = 0xffffffff};
    for (u32 size = 1; size <= 4; size *= 2) {
        v->gpr[RAX] = 0x1122334455667788ull;
        v->rip = RIG_CODE;
        exit_at(EMPTY_PORT, size, QUALIFICATION_IN);
        cr_expect_eq(v->gpr[RAX], after[size], "%u: %lx", size, v->gpr[RAX]);
        cr_expect_eq(v->value, BIT(size * 8) - 1);
        cr_expect_eq(v->rip, RIG_CODE + LENGTH);
    }
}

Test(handle_io, in_reads_the_device)
{
    set_scratch(0xa5);
    v->gpr[RAX] = 0x1100;
    exit_at(PORT_UART + SCRATCH, 1, QUALIFICATION_IN);
    cr_assert_eq(v->gpr[RAX], 0x11a5);
    cr_assert_eq(v->value, 0xa5);
}

Test(handle_io, out_writes_its_size_of_rax)
{
    static const u64 shown[] = {[1] = 0x88, [2] = 0x7788, [4] = 0x55667788};
    for (u32 size = 1; size <= 4; size *= 2) {
        v->gpr[RAX] = 0x1122334455667788ull;
        exit_at(PORT_DEBUG_EXIT, size, 0);
        cr_expect_eq(v->value, shown[size]);
        cr_expect_eq(v->gpr[RAX], 0x1122334455667788ull);
    }
    cr_assert_eq(m->end.reason, END_DEBUG_EXIT);
    cr_assert_eq(m->end.detail, 0x88, "the first sticks");
}

Test(handle_io, out_reaches_the_console)
{
    v->gpr[RAX] = 'x';
    exit_at(PORT_UART, 1, 0);
    cr_assert_eq(fake.console_length, 1);
    cr_assert_eq(fake.console[0], 'x');
}

/* --- strings ----------------------------------------------------------------------------- */

static u64 masks[] = {0xffff, 0xffffffff, ~0ull};

/* `address_size`: 0, 1, 2 for 16, 32, 64 bits. */
static void exit_string(u16 port, u32 size, u32 how, u32 address_size, u64 segment_base)
{
    u32 pointer = how & QUALIFICATION_IN ? RDI : RSI;
    fake_cpu_set(VMCS_INSTRUCTION_INFO, address_size << 7);
    fake_cpu_set(VMCS_GUEST_LINEAR, segment_base + (v->gpr[pointer] & masks[address_size]));
    exit_at(port, size, how | STRING);
}

static void fill(u64 at, u32 length)
{
    for (u32 i = 0; i < length; i++)
        rig_ram[at + i] = (u8)(i * 7 + 1);
}

Test(handle_io, outs_writes_memory_of_each_size)
{
    for (u32 size = 1; size <= 4; size *= 2) {
        set_up();
        fill(BUFFER, 16);
        v->gpr[RSI] = BUFFER + 4;
        u64 expected = 0;
        memcpy(&expected, rig_ram + BUFFER + 4, size);
        exit_string(PORT_DEBUG_EXIT, size, 0, 2, 0);
        cr_expect_eq(m->end.detail, expected, "%u", size);
        cr_expect_eq(v->gpr[RSI], BUFFER + 4 + size);
        cr_expect_eq(v->rip, RIG_CODE + LENGTH);
    }
}

Test(handle_io, ins_fills_memory_of_each_size)
{
    for (u32 size = 1; size <= 4; size *= 2) {
        set_up();
        v->gpr[RDI] = BUFFER;
        v->gpr[RCX] = 3;
        exit_string(EMPTY_PORT, size, QUALIFICATION_IN | REP, 2, 0);
        for (u32 i = 0; i < 16; i++)
            cr_expect_eq(rig_ram[BUFFER + i], i < 3 * size ? 0xff : 0, "%u: %u", size, i);
        cr_expect_eq(v->gpr[RDI], BUFFER + 3 * size);
        cr_expect_eq(v->gpr[RCX], 0);
        cr_expect_eq(v->rip, RIG_CODE + LENGTH);
    }
}

Test(handle_io, ins_marks_memory_dirty)
{
    u64 before = memory_hash(&m->memory);
    v->gpr[RDI] = BUFFER;
    exit_string(EMPTY_PORT, 4, QUALIFICATION_IN, 2, 0);
    cr_assert_neq(memory_hash(&m->memory), before);
}

Test(handle_io, rep_outs_sends_all)
{
    memcpy(rig_ram + BUFFER, "hindvisor", 9);
    v->gpr[RSI] = BUFFER;
    v->gpr[RCX] = 9;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(fake.console_length, 9);
    cr_assert_arr_eq(fake.console, "hindvisor", 9);
    cr_assert_eq(v->gpr[RSI], BUFFER + 9);
}

Test(handle_io, df_goes_backwards)
{
    memcpy(rig_ram + BUFFER, "abc", 3);
    v->rflags |= DF;
    v->gpr[RSI] = BUFFER + 2;
    v->gpr[RCX] = 3;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_arr_eq(fake.console, "cba", 3);
    cr_assert_eq(v->gpr[RSI], BUFFER - 1);
}

Test(handle_io, rep_with_zero_does_nothing)
{
    v->gpr[RSI] = 0x123456789a;
    v->gpr[RCX] = 0xffffffff00000000ull;
    exit_string(PORT_UART, 1, REP, 1, 0);
    cr_assert_eq(fake.console_length, 0);
    cr_assert_eq(v->gpr[RSI], 0x123456789a);
    cr_assert_eq(v->gpr[RCX], 0xffffffff00000000ull);
    cr_assert_eq(v->rip, RIG_CODE + LENGTH);
}

/* The bits of RSI, RDI and RCX beyond the address size: 16-bit forms keep them, 32-bit forms clear
 * them. */
Test(handle_io, address_size_cuts_registers)
{
    static const u64 high[] = {0xabcd0000, 0xabcd00000000, 0};
    for (u32 size = 0; size < 3; size++) {
        set_up();
        v->gpr[RSI] = high[size] | 0x6000;
        v->gpr[RCX] = high[size] | 2;
        memcpy(rig_ram + BUFFER + 0x6000, "xy", 2);
        exit_string(PORT_UART, 1, REP, size, BUFFER);
        u64 kept = size == 0 ? high[size] : 0;
        cr_expect_eq(fake.console_length, 2, "%u", size);
        cr_expect_arr_eq(fake.console, "xy", 2);
        cr_expect_eq(v->gpr[RSI], kept | 0x6002, "%u", size);
        cr_expect_eq(v->gpr[RCX], kept);
    }
}

Test(handle_io, a_16_bit_pointer_wraps_within_its_segment)
{
    guest_enter_mode(&rig, MODE_16_REAL);
    rig_ram[BUFFER + 0xffff] = 'p';
    rig_ram[BUFFER] = 'q';
    v->gpr[RSI] = 0xffff;
    v->gpr[RCX] = 2;
    exit_string(PORT_UART, 1, REP, 0, BUFFER);
    cr_assert_arr_eq(fake.console, "pq", 2);
    cr_assert_eq(v->gpr[RSI], 1);
}

Test(handle_io, linear_addresses_wrap_at_4_gib_outside_64_bit_mode)
{
    guest_enter_mode(&rig, MODE_32);
    v->gpr[RSI] = 0x3000;
    fake_cpu_set(VMCS_INSTRUCTION_INFO, 1 << 7);
    fake_cpu_set(VMCS_GUEST_LINEAR, 0x1000); /* base 0xffffe000 */
    rig_ram[0x1000] = 'w';
    exit_at(PORT_UART, 1, STRING);
    cr_assert_eq(fake.console[0], 'w');
    cr_assert_eq(v->gpr[RSI], 0x3001);
}

enum { BATCH = 256 };

Test(handle_io, a_long_string_comes_in_batches)
{
    v->gpr[RSI] = BUFFER;
    v->gpr[RCX] = BATCH + 10;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(fake.console_length, BATCH);
    cr_assert_eq(v->gpr[RCX], 10);
    cr_assert_eq(v->gpr[RSI], BUFFER + BATCH);
    cr_assert_eq(v->rip, RIG_CODE, "the same instruction goes on");
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(v->gpr[RCX], 0);
    cr_assert_eq(v->rip, RIG_CODE + LENGTH);
}

Test(handle_io, a_batch_of_exactly_its_size_is_done)
{
    v->gpr[RSI] = BUFFER;
    v->gpr[RCX] = BATCH;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(v->rip, RIG_CODE + LENGTH);
}

/* What the guest's string showed or was given is in the exit's value. */
Test(handle_io, the_value_covers_every_iteration)
{
    u64 values[3];
    for (u32 i = 0; i < 3; i++) {
        set_up();
        memcpy(rig_ram + BUFFER, i == 0 ? "abcd" : i == 1 ? "abxd" : "abdc", 4);
        v->gpr[RSI] = BUFFER;
        v->gpr[RCX] = 4;
        exit_string(PORT_UART, 1, REP, 2, 0);
        values[i] = v->value;
    }
    cr_assert(values[0] != values[1] && values[0] != values[2] && values[1] != values[2]);
}

/* --- faults ------------------------------------------------------------------------------ */

enum { LAST_PAGE = 0x61000, ERROR_WRITE = 2, ERROR_USER = 4, ERROR_PRESENT = 1 };

Test(handle_io, a_fault_in_the_middle_of_outs)
{
    guest_split_low(&rig);
    guest_set_page(&rig, LAST_PAGE, 0);
    v->gpr[RSI] = LAST_PAGE - 3;
    v->gpr[RCX] = 10;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(fake.console_length, 3);
    cr_assert_eq(v->gpr[RSI], LAST_PAGE);
    cr_assert_eq(v->gpr[RCX], 7);
    cr_assert_eq(v->rip, RIG_CODE);
    cr_assert_eq(raised_exception(v), VECTOR_PF);
    cr_assert_eq(v->event.error, 0);
    cr_assert_eq(fake_cpu.cr2, LAST_PAGE);
}

/* The port must not be read for an iteration that cannot be stored. */
Test(handle_io, a_fault_in_the_middle_of_ins_takes_no_input)
{
    guest_split_low(&rig);
    guest_set_page(&rig, LAST_PAGE, LAST_PAGE | 5); /* read-only */
    vmcs_write(VMCS_GUEST_CR0, vmcs_read(VMCS_GUEST_CR0) | BIT(16));
    for (u32 i = 0; i < 3; i++)
        machine_receive(m, (u8)('a' + i));
    struct access fifo = {.size = 1, .write = true, .value = FIFO_ON};
    machine_port(m, PORT_UART + 2, &fifo);
    for (u32 i = 0; i < 3; i++)
        machine_receive(m, (u8)('a' + i));
    v->gpr[RDI] = LAST_PAGE - 2;
    v->gpr[RCX] = 3;
    exit_string(PORT_UART, 1, QUALIFICATION_IN | REP, 2, 0);
    cr_assert_arr_eq(rig_ram + LAST_PAGE - 2, "ab", 2);
    cr_assert_eq(v->gpr[RDI], LAST_PAGE);
    cr_assert_eq(v->gpr[RCX], 1);
    cr_assert_eq(raised_exception(v), VECTOR_PF);
    cr_assert_eq(v->event.error, ERROR_WRITE | ERROR_PRESENT);
    struct access read = {.size = 1};
    machine_port(m, PORT_UART, &read);
    cr_assert_eq(read.value, 'c', "still there");
}

Test(handle_io, an_element_across_two_pages_faults_at_the_second)
{
    guest_split_low(&rig);
    guest_set_page(&rig, LAST_PAGE, 0);
    v->gpr[RDI] = LAST_PAGE - 2;
    exit_string(EMPTY_PORT, 4, QUALIFICATION_IN, 2, 0);
    cr_assert_eq(raised_exception(v), VECTOR_PF);
    cr_assert_eq(fake_cpu.cr2, LAST_PAGE, "CR2 is where the fault is");
    cr_assert_eq(rig_ram[LAST_PAGE - 1], 0, "nothing of it happened");
    cr_assert_eq(v->gpr[RDI], LAST_PAGE - 2);
}

Test(handle_io, user_code_has_user_rights)
{
    guest_split_low(&rig);
    guest_set_page(&rig, LAST_PAGE, LAST_PAGE | 3);
    guest_segments(CS_64 | DPL_3, SS_32 | DPL_3);
    v->gpr[RSI] = LAST_PAGE;
    exit_string(PORT_UART, 1, 0, 2, 0);
    cr_assert_eq(raised_exception(v), VECTOR_PF);
    cr_assert_eq(v->event.error, ERROR_USER | ERROR_PRESENT);
    cr_assert_eq(fake.console_length, 0);
}

/* INS and OUTS exit before their memory is looked at (SDM 26.1.1), so this is ours to find. */
Test(handle_io, a_non_canonical_address_raises_gp)
{
    v->gpr[RSI] = 0x7fffffffffffull;
    rig_put(&rig, RIG_TABLES + 255 * 8, (RIG_TABLES + PAGE_SIZE) | 7);
    rig_put(&rig, RIG_TABLES + PAGE_SIZE + 511 * 8, 0x87);
    v->gpr[RCX] = 2;
    exit_string(PORT_UART, 1, REP, 2, 0);
    cr_assert_eq(fake.console_length, 1, "the last canonical byte");
    cr_assert_eq(v->gpr[RCX], 1);
    cr_assert_eq(raised_exception(v), VECTOR_GP);
    cr_assert_eq(v->rip, RIG_CODE);
}

Test(handle_io, memory_that_is_no_ram_reads_as_all_ones)
{
    v->gpr[RSI] = VGA_HOLE;
    exit_string(PORT_DEBUG_EXIT, 2, 0, 2, 0);
    cr_assert_eq(m->end.detail, 0xffff);
    cr_assert_eq(v->gpr[RSI], VGA_HOLE + 2);
}

Test(handle_io, storing_where_no_ram_is_goes_nowhere)
{
    v->gpr[RDI] = VGA_HOLE;
    exit_string(EMPTY_PORT, 4, QUALIFICATION_IN, 2, 0);
    cr_assert_eq(v->gpr[RDI], VGA_HOLE + 4);
    cr_assert_eq(rig_ram[VGA_HOLE], 0);
    cr_assert_eq(raised_exception(v), ~0u);
}
