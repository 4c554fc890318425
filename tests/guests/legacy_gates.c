/*
 * Interrupt and trap gates of protected mode: 16-bit ones push words, a trap gate leaves IF, code
 * that conforms stays at its level, rights and presence are checked with the right error codes;
 * from 16- and 32-bit code, CPL 0 and 3, and virtual-8086 mode (SDM vol. 3, 6.12, 6.13, 22.3).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/protected.h"

enum { CODE = 0x30000, SLOT = 0x40, STOP = 0xe00, EXPERIMENTS = 32, VM = 1 << 17, IOPL3 = 3 << 12 };
enum { INTERRUPT16 = 0x86, TRAP16 = 0x87, INTERRUPT32 = 0x8e, TRAP32 = 0x8f, FOR_ALL = 0x60 };
enum { BASED32 = 0x38, BASED16 = 0x40, CONFORMING = 0x48, ABSENT = 0x50, USER16 = 0x5b };

static struct experiment experiments[EXPERIMENTS];
static struct ending endings[EXPERIMENTS];
static u32 count;

static void make_gate(u32 vector, u16 selector, u32 access)
{
    protected_idt[vector] = STOP | (u64)selector << 16 | (u64)access << 40;
}

static void make_tables(void)
{
    u64 *g = protected_gdt;
    g[BASED32 / 8] = 0x00409b000000ffff | (u64)CODE << 16;
    g[BASED16 / 8] = 0x00009b000000ffff | (u64)CODE << 16;
    g[CONFORMING / 8] = 0x00409f000000ffff | (u64)CODE << 16;
    g[ABSENT / 8] = 0x00401b000000ffff | (u64)CODE << 16;
    g[USER16 / 8] = 0x0000fb000000ffff | (u64)CODE << 16;
    make_gate(0x60, BASED32, INTERRUPT16 | FOR_ALL);
    make_gate(0x61, BASED16, TRAP16 | FOR_ALL);
    make_gate(0x62, BASED32, INTERRUPT32 | FOR_ALL);
    make_gate(0x63, BASED16, TRAP32 | FOR_ALL);
    make_gate(0x64, CONFORMING, INTERRUPT32 | FOR_ALL);
    make_gate(0x65, BASED32, INTERRUPT32);                     /* not for CPL 3 */
    make_gate(0x66, BASED32, (INTERRUPT32 & ~0x80) | FOR_ALL); /* absent */
    make_gate(0x67, ABSENT, INTERRUPT32 | FOR_ALL);
    make_gate(0x68, P_DATA, INTERRUPT32 | FOR_ALL);
    make_gate(0x69, 0, INTERRUPT32 | FOR_ALL);
    make_gate(0x6a, P_USER_CODE, INTERRUPT32 | FOR_ALL);
    make_gate(0x6b, BASED32, 0x8c | FOR_ALL); /* a call gate */
}

enum level { KERNEL, USER, CODE_16, V86, LEVELS };
static const char *const levels[] = {"CPL 0", "CPL 3", "16-bit CPL 3", "virtual-8086 mode"};

static u32 add(enum level level, u32 vector)
{
    u32 i = count++;
    u8 *code = physical(CODE + i * SLOT);
    struct experiment *e = &experiments[i];
    code[0] = 0xcd;
    code[1] = (u8)vector;
    *e = (struct experiment){.eip = i * SLOT,
                             .eflags = 0x202,
                             .esp = 0x38100,
                             .ss = P_USER_DATA,
                             .es = P_USER_DATA,
                             .ds = P_USER_DATA,
                             .fs = P_USER_DATA,
                             .gs = P_USER_DATA};
    e->cs = level == KERNEL    ? BASED32
            : level == USER    ? P_USER_CODE
            : level == CODE_16 ? USER16
                               : CODE / 16;
    if (level == USER)
        e->eip += CODE;
    if (level == V86) {
        e->eflags |= VM | IOPL3;
        e->esp = 0x100;
        e->ss = 0x3800;
        e->ds = 0x3900;
        e->es = 0x1111;
        e->fs = 0x3333;
        e->gs = 0x4444;
    }
    return i;
}

static void show(u32 i)
{
    const struct ending *e = &endings[i];
    say("%u: v%u e%x %x:%x f%x sp%x ds%x:", i, e->vector, e->error, e->cs, e->eip, e->eflags,
        e->handler_esp, e->ds);
    for (u32 k = 0; k < 10; k++)
        say(" %x", e->stack[k]);
    say("\n");
}

static void run(u32 first, u32 last, enum level level)
{
    count = 0;
    for (u32 vector = first; vector <= last; vector++)
        add(level, vector);
    protected_run(experiments, endings, count);
    say("%s:\n", levels[level]);
    for (u32 i = 0; i < count; i++)
        show(i);
}

/* The handler is INT 0x41, so what the gate has pushed lies above that one's frame. */
static void check_words(enum level level)
{
    const struct ending *e = &endings[0];
    u32 ip = level == USER ? CODE + 2 : 2;
    expect(e->vector == 0x41 && e->cs == BASED32 && e->eip == STOP + 2, "a 16-bit interrupt gate");
    expect((e->stack[0] & 0xffff) == (ip & 0xffff) && e->stack[0] >> 16 == experiments[0].cs,
           "pushes IP and CS as words");
    expect(!(e->eflags & FLAG_IF) && e->stack[1] & FLAG_IF, "and FLAGS, and clears IF");
    e = &endings[1];
    expect(e->cs == BASED16 && e->eflags & FLAG_IF, "a 16-bit trap gate leaves IF");
    e = &endings[2];
    expect(e->stack[0] == (level == USER ? CODE + 2 * SLOT + 2 : 2 * SLOT + 2) &&
               e->stack[1] == experiments[2].cs && !(e->eflags & FLAG_IF),
           "a 32-bit interrupt gate");
    expect(endings[3].eflags & FLAG_IF, "a 32-bit trap gate leaves IF");
}

static void refused(u32 vector, u32 with, u32 error, const char *text)
{
    const struct ending *e = &endings[vector - 0x60];
    expect(e->vector == with && e->error == error, text);
}

static void check_refusals(enum level level)
{
    u32 entry = 8, in_idt = 2;
    if (level != KERNEL)
        refused(0x65, GP, 0x65 * entry + in_idt, "a gate of DPL 0 is #GP");
    refused(0x66, NP, 0x66 * entry + in_idt, "an absent one is #NP");
    refused(0x67, NP, ABSENT, "absent code is #NP");
    refused(0x68, GP, P_DATA, "a data segment is #GP");
    refused(0x69, GP, 0, "a null selector is #GP(0)");
    refused(0x6b, GP, 0x6b * entry + in_idt, "a call gate is #GP");
    if (level == KERNEL || level == V86)
        refused(0x6a, GP, P_USER_CODE & ~3, "code of CPL 3 is #GP");
    if (level == V86)
        refused(0x64, GP, CONFORMING, "conforming code is #GP");
    else
        expect((endings[4].cs & 3) == (experiments[4].cs & 3),
               "conforming code stays at its level");
}

int main(void)
{
    static const u8 stop[] = {0xcd, 0x41};
    make_tables();
    memcpy(physical(CODE + STOP), stop, sizeof(stop));
    for (enum level level = KERNEL; level < LEVELS; level++) {
        run(0x60, 0x6b, level);
        check_words(level);
        check_refusals(level);
    }
    return 0;
}
