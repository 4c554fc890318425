/*
 * Call gates: of 16, 32 and 64 bits, to an inner level with a switch of stacks and parameters, to
 * the same level and to conforming code, by CALL and JMP, back by RETF; and each refusal (SDM vol.
 * 3, 5.8.3-5.8.6).
 *
 * @row: 2 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/protected.h"

enum { CODE = 0x30000, SLOT = 0x40, EXPERIMENTS = 32 };
enum {
    GATE = 0x3b,
    GATE16 = 0x43,
    GATE_ABSENT = 0x4b,
    GATE_PRIVATE = 0x50,
    GATE_NULL = 0x5b,
    GATE_DATA = 0x63,
    GATE_CONFORMING = 0x6b,
    GATE_LIMIT = 0x73,
    CONFORMING = 0x78,
    GATE_USER = 0x83,
    GATE_NO_CODE = 0x8b,
    CODE_ABSENT = 0x90
};
enum { INNER = CODE + 0xe00, INNER_RETURNS = CODE + 0xe10, OUTER = CODE + 0xe20 };

static struct experiment experiments[EXPERIMENTS];
static struct ending endings[EXPERIMENTS];
static u32 count;

static u64 gate(u32 type, u32 dpl, bool present, u16 selector, u32 offset, u32 parameters)
{
    return (offset & 0xffff) | (u64)selector << 16 | (u64)parameters << 32 | (u64)type << 40 |
           (u64)dpl << 45 | (present ? BIT(47) : 0) | (u64)(offset >> 16) << 48;
}

static void make_gates(void)
{
    static const u8 stop[] = {0xcd, 0x41}, returns[] = {0xca, 8, 0}, breakpoint[] = {0xcc};
    u64 *g = protected_gdt;
    memcpy(physical(INNER), stop, sizeof(stop));
    memcpy(physical(INNER_RETURNS), returns, sizeof(returns));
    memcpy(physical(OUTER), breakpoint, sizeof(breakpoint));
    g[GATE / 8] = gate(12, 3, true, P_CODE32, INNER, 2);
    g[GATE16 / 8] = gate(4, 3, true, P_FREE + 0x60, INNER - CODE, 3);
    g[GATE_ABSENT / 8] = gate(12, 3, false, P_CODE32, INNER, 0);
    g[GATE_PRIVATE / 8] = gate(12, 2, true, P_CODE32, INNER, 0);
    g[GATE_NULL / 8] = gate(12, 3, true, 2, INNER, 0);
    g[GATE_DATA / 8] = gate(12, 3, true, P_DATA, INNER, 0);
    g[GATE_CONFORMING / 8] = gate(12, 3, true, CONFORMING, INNER, 5);
    g[GATE_LIMIT / 8] = gate(12, 3, true, P_FREE + 0x60, 0x20000, 0);
    g[CONFORMING / 8] = 0x00cf9f000000ffff;
    g[GATE_USER / 8] = gate(12, 3, true, P_USER_CODE, OUTER, 0);
    g[GATE_NO_CODE / 8] = gate(12, 3, true, CODE_ABSENT, INNER, 0);
    g[CODE_ABSENT / 8] = 0x00cf1b000000ffff;
    g[(P_FREE + 0x60) / 8] = 0x00009b000000ffff | (u64)CODE << 16; /* 16-bit code at CODE */
}

/* From CPL 3: pushes 0x11111111 and 0x22222222, then the far transfer. */
static u32 add(u8 opcode, u16 selector)
{
    u8 code[] = {0x68,
                 0x11,
                 0x11,
                 0x11,
                 0x11,
                 0x68,
                 0x22,
                 0x22,
                 0x22,
                 0x22,
                 opcode,
                 0xef,
                 0xbe,
                 0xad,
                 0xde,
                 (u8)selector,
                 (u8)(selector >> 8),
                 0xcc};
    u32 i = count++;
    memcpy(physical(CODE + i * SLOT), code, sizeof(code));
    experiments[i] = (struct experiment){.eip = CODE + i * SLOT,
                                         .cs = P_USER_CODE,
                                         .eflags = 2,
                                         .esp = 0x38100,
                                         .ss = P_USER_DATA,
                                         .es = P_USER_DATA,
                                         .ds = P_USER_DATA,
                                         .fs = P_USER_DATA,
                                         .gs = P_USER_DATA};
    return i;
}

static u32 add_privileged(u8 opcode, u16 selector)
{
    u32 i = add(opcode, selector);
    experiments[i].cs = P_CODE32;
    return i;
}

static void show(u32 i)
{
    const struct ending *e = &endings[i];
    say("%u: v%u e%x %x:%x f%x sp%x:", i, e->vector, e->error, e->cs, e->eip, e->eflags,
        e->handler_esp);
    for (u32 k = 0; k < 8; k++)
        say(" %x", e->stack[k]);
    say("\n");
}

static void refused(u32 i, u32 vector, u32 error, const char *text)
{
    const struct ending *e = &endings[i];
    expect(e->vector == vector && e->error == error && e->eip == CODE + i * SLOT + 10 &&
               e->cs == experiments[i].cs,
           text);
}

enum { CALL = 0x9a, JMP = 0xea };
static u32 inner, inner16, absent, private, null, data, conforming, limit, jump, jump_same, same,
    user, no_code, back;

static void write_experiments(void)
{
    inner = add(CALL, GATE);
    inner16 = add(CALL, GATE16);
    absent = add(CALL, GATE_ABSENT);
    private = add(CALL, GATE_PRIVATE | 3);
    null = add(CALL, GATE_NULL);
    data = add(CALL, GATE_DATA);
    conforming = add(CALL, GATE_CONFORMING);
    limit = add(CALL, GATE_LIMIT);
    jump = add(JMP, GATE);
    jump_same = add_privileged(JMP, GATE & ~3);
    same = add_privileged(CALL, GATE & ~3);
    user = add(CALL, GATE_USER);
    no_code = add(CALL, GATE_NO_CODE);
}

static void check_inner(void)
{
    const struct ending *e = &endings[inner];
    expect(e->vector == 0x41 && e->cs == P_CODE32 && e->eip == INNER + 2,
           "CALL through a 32-bit gate enters CPL 0");
    expect(e->stack[0] == CODE + inner * SLOT + 17 && e->stack[1] == P_USER_CODE,
           "the return address is on the new stack");
    expect(e->stack[2] == 0x22222222 && e->stack[3] == 0x11111111, "then two parameters");
    expect(e->stack[4] == 0x38100 - 8 && e->stack[5] == P_USER_DATA, "then the old stack");
    e = &endings[inner16];
    expect(e->vector == 0x41 && e->cs == P_FREE + 0x60 && e->eip == INNER - CODE + 2,
           "through a 16-bit gate");
    expect(e->stack[0] == ((u32)P_USER_CODE << 16 | ((CODE + inner16 * SLOT + 17) & 0xffff)),
           "words on the new stack");
    expect(e->stack[1] == 0x22222222 && (e->stack[2] & 0xffff) == 0x1111 &&
               e->stack[2] >> 16 == 0x80f8,
           "three word parameters, then SP");
}

static void check_levels(void)
{
    const struct ending *e = &endings[conforming];
    expect(e->vector == 0x41 && (e->cs & ~3u) == CONFORMING && (e->cs & 3) == 3,
           "conforming code runs at the caller's level");
    expect(e->stack[0] == 0x38100 - 16, "on the caller's stack, no parameters copied");
    expect(endings[same].vector == 0x41 && endings[same].stack[0] == CODE + same * SLOT + 17,
           "from CPL 0 to CPL 0");
    expect(endings[jump_same].vector == 0x41 && endings[jump_same].stack[0] == 0x22222222,
           "JMP pushes nothing");
    e = &endings[user];
    expect(e->vector == BP && e->cs == P_USER_CODE && e->eip == OUTER + 1, "from CPL 3 to CPL 3");
}

static void check_refusals(void)
{
    refused(absent, NP, GATE_ABSENT & ~3, "an absent gate is #NP");
    refused(private, GP, GATE_PRIVATE, "a gate of less DPL is #GP");
    refused(null, GP, 0, "a null selector in it is #GP(0)");
    refused(data, GP, P_DATA, "a data segment in it is #GP");
    refused(limit, GP, 0, "an offset beyond the code is #GP(0)");
    refused(jump, GP, P_CODE32, "JMP to an inner level is #GP");
    refused(no_code, NP, CODE_ABSENT, "absent code is #NP");
}

static void run(void)
{
    make_gates();
    protected_run(experiments, endings, count);
    for (u32 i = 0; i < count; i++)
        show(i);
}

/* RETF to the outer level releases the parameters of both stacks. */
static void check_return(void)
{
    count = 0;
    back = add(CALL, GATE);
    make_gates();
    protected_gdt[GATE / 8] = gate(12, 3, true, P_CODE32, INNER_RETURNS, 2);
    protected_run(experiments, endings, count);
    show(back);
    const struct ending *e = &endings[back];
    expect(e->vector == BP && e->cs == P_USER_CODE && e->eip == CODE + back * SLOT + 18,
           "RETF 8 comes back");
    expect(e->stack[0] == 0x38100 && e->stack[1] == P_USER_DATA, "both stacks are clean");
}

/* --- 64-bit mode ------------------------------------------------------------------------- */

u64 long_ss, long_frame[4];
void long_inner(void);
asm(".globl long_inner\n"
    "long_inner: mov %ss, %eax; mov %rax, long_ss\n"
    "mov (%rsp), %rax; mov %rax, long_frame; mov 8(%rsp), %rax; mov %rax, long_frame+8\n"
    "mov 16(%rsp), %rax; mov %rax, long_frame+16; mov 24(%rsp), %rax; mov %rax, long_frame+24\n"
    "lretq\n");
void long_caller(void), long_called(void), long_jumper(void);
asm("long_caller: lcall *long_pointer; .globl long_called; long_called: int $0x80\n"
    "long_jumper: ljmp *long_pointer\n"
    "long_pointer: .long 0xdeadbeef; .word 0x63\n");
static void set_long_gate(u64 target, u16 selector, u64 high_type)
{
    gdt[SPARE / 8] = gate(12, 3, true, selector, (u32)target, 0);
    gdt[SPARE / 8 + 1] = target >> 32 | high_type << 40;
}

static void check_long(void)
{
    paging_own();
    set_long_gate((u64)long_inner, CODE64, 0);
    expect_equal((u64)user_run(long_caller, USER_CODE64), 0x80,
                 "CALL through a 64-bit gate comes back by RETF");
    expect_equal(long_frame[0], (u64)long_called, "RIP is on the new stack");
    expect(long_frame[1] == USER_CODE64 && long_frame[3] == USER_DATA, "CS and SS too");
    expect_equal(long_ss, 0, "SS is null at CPL 0");
    expect_equal((u64)user_run(long_jumper, USER_CODE64), GP, "JMP to an inner level is #GP");
    expect_equal(trap.error, CODE64, "its error code is the code's selector");
    set_long_gate((u64)long_inner, CODE32, 0);
    expect_equal((u64)user_run(long_caller, USER_CODE64), GP, "a gate to 32-bit code is #GP");
    expect_equal(trap.error, CODE32, "its error code");
    set_long_gate((u64)long_inner, CODE64, 1);
    expect_equal((u64)user_run(long_caller, USER_CODE64), GP, "a type in the upper half is #GP");
    expect_equal(trap.error, SPARE, "its error code is the gate's selector");
    set_long_gate(0x8000000000000000, CODE64, 0);
    expect_equal((u64)user_run(long_caller, USER_CODE64), GP,
                 "a target that is not canonical is #GP");
    expect_equal(trap.error, 0, "its error code");
}

int main(void)
{
    write_experiments();
    run();
    check_inner();
    check_levels();
    check_refusals();
    check_return();
    check_long();
    return 0;
}
