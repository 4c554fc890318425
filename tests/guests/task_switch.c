/*
 * Hardware task switches: what is refused before one (a busy, short, absent or local TSS, rights),
 * by CALL, JMP, task gates and IRET with NT; and that one that would go through stops the run, as
 * VT-x has no task switches in a guest (SDM 26.4.2; exit reason 9).
 *
 * @row: 2 refused
 * @ends: task-switch
 * @exits: TASK_SWITCH 1
 */
#include "tests/guests/lib/protected.h"

enum { CODE = 0x30000, SLOT = 0x40, EXPERIMENTS = 32, NT = 1 << 14 };
enum {
    GOOD = 0x38,
    BUSY = 0x40,
    SHORT = 0x48,
    ABSENT = 0x50,
    GATE = 0x5b,
    GATE_BUSY = 0x63,
    GATE_ABSENT = 0x6b,
    GATE_LOCAL = 0x73,
    PUBLIC = 0x7b,
    GATE_PRIVATE = 0x80
};

static struct experiment experiments[EXPERIMENTS];
static struct ending endings[EXPERIMENTS];
static u32 count;

static u64 tss_descriptor(u32 type, u32 dpl, u32 limit)
{
    u64 base = (u64)protected_tss;
    return limit | (base & 0xffffff) << 16 | (u64)(0x80 | type | dpl << 5) << 40 |
           (base >> 24) << 56;
}

static u64 task_gate(u16 selector, u32 dpl, bool present)
{
    return (u64)selector << 16 | (u64)(5 | dpl << 5 | (present ? 0x80u : 0)) << 40;
}

static void make_tables(void)
{
    u64 *g = protected_gdt;
    g[GOOD / 8] = tss_descriptor(9, 0, 103);
    g[BUSY / 8] = tss_descriptor(11, 0, 103);
    g[SHORT / 8] = tss_descriptor(9, 0, 102);
    g[ABSENT / 8] = tss_descriptor(9, 0, 103) & ~BIT(47);
    g[GATE / 8] = task_gate(SHORT, 3, true);
    g[GATE_BUSY / 8] = task_gate(BUSY, 3, true);
    g[GATE_ABSENT / 8] = task_gate(GOOD, 3, false);
    g[GATE_LOCAL / 8] = task_gate(GOOD | 4, 3, true);
    g[PUBLIC / 8] = tss_descriptor(11, 3, 103);
    g[GATE_PRIVATE / 8] = task_gate(GOOD, 0, true);
}

static u32 add(u8 opcode, u16 selector, u16 cs)
{
    u8 code[] = {opcode, 0xef, 0xbe, 0xad, 0xde, (u8)selector, (u8)(selector >> 8)};
    u32 i = count++;
    memcpy(physical(CODE + i * SLOT), code, sizeof(code));
    experiments[i] = (struct experiment){.eip = CODE + i * SLOT,
                                         .cs = cs,
                                         .eflags = 2,
                                         .esp = 0x38100,
                                         .ss = P_USER_DATA,
                                         .es = P_USER_DATA,
                                         .ds = P_USER_DATA,
                                         .fs = P_USER_DATA,
                                         .gs = P_USER_DATA};
    return i;
}

static void refused(u32 i, u32 vector, u32 error, const char *text)
{
    const struct ending *e = &endings[i];
    bool right = e->vector == vector && e->error == error && e->eip == CODE + i * SLOT;
    expect(right, text);
    if (!right)
        say("vector %u error 0x%x eip 0x%x\n", e->vector, e->error, e->eip);
}

enum { CALL = 0x9a, JMP = 0xea, IRET = 0xcf };

/* IRET with NT goes by the link at the start of the TSS. */
static void link_to(u16 selector)
{
    memcpy(protected_tss, &selector, 2);
}

static void check_links(void)
{
    static const struct {
        u16 link, vector, error;
        const char *text;
    } links[] = {{GOOD, TS, GOOD, "IRET to a task that is not busy is #TS"},
                 {BUSY | 4, TS, BUSY | 4, "to a local TSS is #TS"},
                 {0, TS, 0, "to the null selector is #TS"},
                 {P_DATA, TS, P_DATA, "to a data segment is #TS"}};
    for (u32 i = 0; i < ARRAY_SIZE(links); i++) {
        count = 0;
        u32 n = add(IRET, 0, P_CODE32);
        experiments[n].eflags |= NT;
        link_to(links[i].link);
        protected_run(experiments, endings, count);
        refused(n, links[i].vector, links[i].error, links[i].text);
    }
    link_to(0);
}

int main(void)
{
    make_tables();
    u32 busy = add(JMP, BUSY, P_CODE32), short_one = add(CALL, SHORT, P_CODE32),
        absent = add(JMP, ABSENT, P_CODE32);
    u32 user = add(CALL, GOOD | 3, P_USER_CODE), gate_short = add(CALL, GATE, P_USER_CODE);
    u32 gate_busy = add(JMP, GATE_BUSY, P_USER_CODE),
        gate_absent = add(JMP, GATE_ABSENT, P_USER_CODE);
    u32 gate_local = add(CALL, GATE_LOCAL, P_USER_CODE),
        gate_private = add(CALL, GATE_PRIVATE | 3, P_USER_CODE);
    u32 public_busy = add(CALL, PUBLIC, P_USER_CODE);
    protected_run(experiments, endings, count);
    refused(busy, GP, BUSY, "JMP to a busy TSS is #GP");
    refused(short_one, TS, SHORT, "CALL to a short TSS is #TS");
    refused(absent, NP, ABSENT, "JMP to an absent TSS is #NP");
    refused(user, GP, GOOD, "from CPL 3 a TSS of DPL 0 is #GP");
    refused(gate_short, TS, SHORT, "a task gate to a short TSS is #TS");
    refused(gate_busy, GP, BUSY, "to a busy one #GP");
    refused(gate_absent, NP, GATE_ABSENT & ~3, "an absent task gate is #NP");
    refused(gate_local, GP, GOOD | 4, "one to the LDT is #GP");
    refused(gate_private, GP, GATE_PRIVATE, "one of less DPL is #GP");
    refused(public_busy, GP, PUBLIC & ~3, "CALL to a busy TSS is #GP");
    check_links();
    count = 0;
    add(JMP, GOOD, P_CODE32);
    print("about to switch tasks\n");
    protected_run(experiments, endings, count);
    expect(false, "this is never reached");
    return 0;
}
