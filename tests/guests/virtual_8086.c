/*
 * Virtual-8086 mode: the way in by IRET and out by an interrupt, with segments as in real mode;
 * the instructions that look at IOPL; the extensions of CR4.VME (virtual interrupt flag, INT n by
 * the program's own table) and CR4.PVI in protected mode (SDM vol. 3, chapter 22).
 *
 * @row: 2 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/protected.h"

enum {
    CODE = 0x30000,
    SLOT = 0x40,
    STACK_SEGMENT = 0x3800,
    SP = 0x100,
    OWN = 0xf00,
    EXPERIMENTS = 64
};
enum { VM = 1 << 17, VIF = 1 << 19, VIP = 1 << 20, IOPL3 = 3 << 12, VME = 1, CR4_PVI_BIT = 2 };
enum { FLAGS = 0x00000002 };

static struct experiment experiments[EXPERIMENTS];
static struct ending endings[EXPERIMENTS];
static u32 count;

/* Code of its own slot; returns the number of the experiment. */
static u32 add_with(const char *code, u32 length, u32 eflags, u32 cr4)
{
    u32 i = count++;
    memcpy(physical(CODE + i * SLOT), code, length);
    experiments[i] = (struct experiment){.eip = i * SLOT,
                                         .cs = CODE / 16,
                                         .eflags = FLAGS | VM | eflags,
                                         .esp = SP,
                                         .ss = STACK_SEGMENT,
                                         .es = 0x1111,
                                         .ds = 0x3900,
                                         .fs = 0x3333,
                                         .gs = 0x4444,
                                         .cr4 = cr4,
                                         .eax = 0x12345678};
    return i;
}
#define ADD(code, eflags, cr4) add_with(code, sizeof(code) - 1, eflags, cr4)

static u32 add_protected(const char *code, u32 length, u32 eflags, u32 cr4)
{
    u32 i = add_with(code, length, eflags, cr4);
    struct experiment *e = &experiments[i];
    e->eip += CODE;
    e->cs = P_USER_CODE;
    e->eflags &= ~(u32)VM;
    e->esp = 0x38100;
    e->ss = e->es = e->ds = e->fs = e->gs = P_USER_DATA;
    return i;
}
#define ADD_PROTECTED(code, eflags, cr4) add_protected(code, sizeof(code) - 1, eflags, cr4)

static u16 word_at(u32 address)
{
    return *(volatile u16 *)physical(address);
}

/* It ended with this vector at this offset in its slot, and pushed this error code. */
static void ended(u32 i, u32 vector, u32 offset, u32 error, const char *text)
{
    const struct ending *e = &endings[i];
    bool right = e->vector == vector && e->error == error &&
                 (e->eip & 0xfff) == ((i * SLOT + offset) & 0xfff);
    expect(right, text);
    if (!right)
        say("vector %u error 0x%x eip 0x%x cs 0x%x eflags 0x%x\n", e->vector, e->error, e->eip,
            e->cs, e->eflags);
}

static void show(u32 i) /* for a trace's comparison: all that an experiment left */
{
    const struct ending *e = &endings[i];
    say("%u: v%u e%x %x:%x f%x %x:%x es%x ds%x fs%x gs%x eax%x\n", i, e->vector, e->error, e->cs,
        e->eip, e->eflags, e->stack[1], e->stack[0], e->stack[2], e->stack[3], e->stack[4],
        e->stack[5], e->eax);
}

static u32 hlt, soft3, soft0, bp, push0, push3, pop3, cli0, cli3, sti3, iret3, iret0, far, limit,
    stack, arpl, lar, cr, port, call32, vme_sti, vme_cli, vme_own, vme_gp, vme_tf, vme_vip,
    vme_pending, vme_push32, vme_iret, vme_iopl3, pvi_sti, pvi_cli, pvi_off, pvi_vip;

static void write_experiments(void)
{
    hlt = ADD("\xf4", 0, 0);
    soft3 = ADD("\xcd\x40", IOPL3, 0);
    soft0 = ADD("\xcd\x40", 0, 0);
    bp = ADD("\xcc", 0, 0);
    push0 = ADD("\x9c\xcc", 0, 0);
    push3 = ADD("\x9c\xcc", IOPL3 | FLAG_IF, 0);
    pop3 = ADD("\x68\x02\x00\x9d\xcc", IOPL3 | FLAG_IF, 0); /* push 2; popf */
    cli0 = ADD("\xfa", 0, 0);
    cli3 = ADD("\xfa\xcc", IOPL3 | FLAG_IF, 0);
    sti3 = ADD("\xfb\x90\xcc", IOPL3, 0);
    /* push 0x202; push 0x3000; push ip; iret */
    iret3 = ADD("\x68\x02\x02\x68\x00\x30\xe8\x00\x00\x58\x05\x06\x00\x50\xcf\xcc", IOPL3, 0);
    iret0 = ADD("\xcf", 0, 0);
    far = ADD("\x0e\x68\x00\x0e\xcb", 0, 0);   /* push cs; push 0xe00; retf: an INT3 is there */
    limit = ADD("\x66\x3e\xa1\xfe\xff", 0, 0); /* mov eax, ds:[0xfffe] */
    stack = ADD("\xbc\x01\x00\x50", 0, 0);     /* mov sp, 1; push ax */
    arpl = ADD("\x63\xc0", 0, 0);
    lar = ADD("\x0f\x02\xc0", 0, 0);
    cr = ADD("\x0f\x20\xc0", IOPL3, 0);
    port = ADD("\xe4\x80", IOPL3, 0);
    call32 = ADD("\x66\x9c\xcc", 0, 0); /* pushfd */
    vme_sti = ADD("\xfb\x9c\xcc", 0, VME);
    vme_cli = ADD("\xfa\x9c\xcc", VIF, VME);
    vme_own = ADD("\xcd\x50", VIF, VME);
    vme_gp = ADD("\xcd\x48", VIF, VME);
    vme_tf = ADD("\x68\x02\x01\x9d", 0, VME);
    vme_vip = ADD("\xfb", VIP, VME);
    vme_pending = ADD("\x68\x02\x02\x9d", VIP, VME);
    vme_push32 = ADD("\x66\x9c", 0, VME);
    vme_iret = ADD("\x68\x02\x02\x68\x00\x30\xe8\x00\x00\x58\x05\x06\x00\x50\xcf\xcc", 0, VME);
    vme_iopl3 = ADD("\xcd\x50", IOPL3 | FLAG_IF, VME);
    pvi_sti = ADD_PROTECTED("\xfb\xcc", 0, CR4_PVI_BIT);
    pvi_cli = ADD_PROTECTED("\xfa\xcc", VIF, CR4_PVI_BIT);
    pvi_off = ADD_PROTECTED("\xfb", 0, 0);
    pvi_vip = ADD_PROTECTED("\xfb", VIP, CR4_PVI_BIT);
}

static void check_plain(void)
{
    const struct ending *e = &endings[hlt];
    ended(hlt, GP, 0, 0, "HLT is #GP(0)");
    expect(e->eflags == (FLAGS | VM | FLAG_RF), "its frame has VM");
    expect(e->cs == CODE / 16 && e->stack[0] == SP && e->stack[1] == STACK_SEGMENT,
           "CS, SP and SS of the program");
    expect(e->stack[2] == 0x1111 && e->stack[3] == 0x3900 && e->stack[4] == 0x3333 &&
               e->stack[5] == 0x4444,
           "ES, DS, FS and GS are on the stack");
    expect(!e->ds && !e->es && !e->fs && !e->gs, "and null in the handler");
    ended(soft3, 0x40, 2, 0, "INT n with IOPL 3 goes to the IDT");
    ended(soft0, GP, 0, 0, "INT n below is #GP(0)");
    ended(bp, BP, 1, 0, "INT3 does not look at IOPL");
    ended(push0, GP, 0, 0, "PUSHF below IOPL 3 is #GP(0)");
    ended(push3, BP, 2, 0, "PUSHF with IOPL 3");
    ended(pop3, BP, 5, 0, "POPF with IOPL 3");
    expect((endings[pop3].eflags & (FLAG_IF | IOPL3)) == IOPL3, "it changes IF, not IOPL");
    ended(cli0, GP, 0, 0, "CLI below IOPL 3 is #GP(0)");
    expect(!(endings[cli3].eflags & FLAG_IF) && endings[sti3].eflags & FLAG_IF,
           "CLI and STI with IOPL 3");
    ended(iret3, BP, 16, 0, "IRET with IOPL 3");
    expect(endings[iret3].eflags & FLAG_IF, "it takes IF");
    ended(iret0, GP, 0, 0, "IRET below is #GP(0)");
    expect(endings[far].vector == BP && endings[far].eip == 0xe01, "a far return");
    ended(limit, GP, 0, 0, "64 KiB are the limit: #GP(0)");
    ended(stack, SS, 3, 0, "and #SS(0)");
    ended(arpl, UD, 0, 0, "ARPL is #UD");
    ended(lar, UD, 0, 0, "LAR is #UD");
    ended(cr, GP, 0, 0, "MOV from CR0 is #GP(0)");
    ended(port, GP, 0, 0, "IN asks the I/O bitmap whatever IOPL is");
    ended(call32, GP, 0, 0, "PUSHFD below IOPL 3 is #GP(0)");
}

static void check_vme(void)
{
    ended(vme_sti, BP, 3, 0, "VME: STI");
    expect((endings[vme_sti].eflags & (VIF | FLAG_IF)) == VIF, "sets VIF alone");
    ended(vme_cli, BP, 3, 0, "VME: CLI");
    expect(!(endings[vme_cli].eflags & VIF), "clears VIF");
    expect(endings[vme_own].vector == BP && endings[vme_own].eip == OWN + 1,
           "VME: INT n by the program's own table");
    expect(endings[vme_own].stack[0] == SP - 6 && !(endings[vme_own].eflags & VIF),
           "three words, and VIF is clear");
    ended(vme_gp, GP, 0, 0, "VME: INT n that its bitmap keeps is #GP(0)");
    ended(vme_tf, GP, 3, 0, "VME: POPF with TF is #GP(0)");
    ended(vme_vip, GP, 0, 0, "VME: STI with VIP is #GP(0)");
    ended(vme_pending, GP, 3, 0, "VME: POPF of IF with VIP is #GP(0)");
    ended(vme_push32, GP, 0, 0, "VME: PUSHFD is #GP(0)");
    ended(vme_iret, BP, 16, 0, "VME: IRET");
    expect((endings[vme_iret].eflags & (VIF | FLAG_IF)) == VIF, "takes IF as VIF");
    expect(endings[vme_iopl3].eip == OWN + 1 && !(endings[vme_iopl3].eflags & FLAG_IF),
           "VME with IOPL 3: INT n clears IF");
}

static void check_pvi(void)
{
    ended(pvi_sti, BP, 2, 0, "PVI: STI");
    expect((endings[pvi_sti].eflags & (VIF | FLAG_IF)) == VIF, "sets VIF alone");
    ended(pvi_cli, BP, 2, 0, "PVI: CLI");
    expect(!(endings[pvi_cli].eflags & VIF), "clears VIF");
    ended(pvi_off, GP, 0, 0, "without PVI: STI is #GP(0)");
    ended(pvi_vip, GP, 0, 0, "PVI: STI with VIP is #GP(0)");
}

int main(void)
{
    *(volatile u8 *)physical(CODE + 0xe00) = 0xcc;
    *(volatile u8 *)physical(CODE + OWN) = 0xcc;
    *(volatile u32 *)physical(0x50 * 4) = CODE / 16 << 16 | OWN;
    write_experiments();
    protected_tss[104 + 0x48 / 8] = 1;
    protected_run(experiments, endings, count);
    for (u32 i = 0; i < count; i++)
        show(i);
    say("words pushed: %x %x %x\n", word_at(STACK_SEGMENT * 16 + SP - 2),
        word_at(STACK_SEGMENT * 16 + SP - 4), word_at(STACK_SEGMENT * 16 + SP - 6));
    check_plain();
    check_vme();
    check_pvi();
    return 0;
}
