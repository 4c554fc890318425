/*
 * Exceptions and interrupts of a test guest: IDT, TSS, what was delivered, and the
 * way back from CPL 3. An exception without a handler is recorded in `trap`; when
 * neither ATTEMPT nor user_run() expects one, the guest says so and ends.
 */
#include "tests/guests/lib/guest.h"

struct trap trap;
u64 trap_start, trap_resume;
handler handlers[256];
volatile u64 event_count[256];
u64 idt[256][2] __attribute__((aligned(16)));
u8 tss[104 + 8193] __attribute__((aligned(4096)));
u8 ist_stacks[7][8192] __attribute__((aligned(16)));
u64 user_flags = 2;

extern u8 stubs[256][16], stack_top[], user_back[];
extern u64 user_kernel_rsp;
void user_enter(void (*code)(void), u16 selector, u64 flags);
void events_init(void);
void on_event(struct frame *);

enum { GATE_INTERRUPT = 0x8e, USER_CALL = 0x80 };
enum { TSS_RSP0 = 4, TSS_IST1 = 36, TSS_IO_MAP = 102, TSS_BYTES = 104 };

static bool in_user;
static u8 rsp0_stack[16384] __attribute__((aligned(16)));

void trap_arm(void)
{
    trap = (struct trap){.vector = NONE};
}

void gate_stack(u32 vector, u32 ist)
{
    idt[vector][0] = (idt[vector][0] & ~(7ull << 32)) | (u64)ist << 32;
}

void gate_user(u32 vector)
{
    idt[vector][0] |= 3ull << 45;
}

void gate_absent(u32 vector, bool absent)
{
    idt[vector][0] = (idt[vector][0] & ~BIT(47)) | (absent ? 0 : BIT(47));
}

static void gate_set(u32 vector)
{
    u64 at = (u64)stubs[vector];
    idt[vector][0] =
        (at & 0xffff) | (u64)CODE64 << 16 | (u64)GATE_INTERRUPT << 40 | (at >> 16 & 0xffff) << 48;
    idt[vector][1] = at >> 32;
}

static void store64(u8 *at, u64 value)
{
    for (u32 i = 0; i < 8; i++)
        at[i] = (u8)(value >> 8 * i);
}

/* SDM 8.7, "Task management in 64-bit mode". No port is open in the I/O map: all ones. */
static void tss_init(void)
{
    u64 base = (u64)tss, limit = sizeof tss - 1;
    store64(tss + TSS_RSP0, (u64)(rsp0_stack + sizeof rsp0_stack));
    for (u32 i = 0; i < 7; i++)
        store64(tss + TSS_IST1 + 8 * i, (u64)(ist_stacks[i] + sizeof ist_stacks[i]));
    tss[TSS_IO_MAP] = TSS_BYTES;
    for (u32 i = TSS_BYTES; i < sizeof tss; i++)
        tss[i] = 0xff;
    gdt[TSS_SELECTOR / 8] =
        (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
    asm volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}

void events_init(void)
{
    struct table_register idtr = {sizeof idt - 1, (u64)idt};
    for (u32 vector = 0; vector < 256; vector++)
        gate_set(vector);
    gate_user(BP);
    gate_user(OF);
    gate_user(USER_CALL);
    asm volatile("lidt %0" : : "m"(idtr));
    tss_init();
    trap_arm();
    console_on();
}

static void record(const struct frame *f)
{
    u64 dr6 = 0;
    asm volatile("mov %%dr6, %0" : "=r"(dr6));
    trap = (struct trap){.vector = (i64)f->vector,
                         .error = f->error,
                         .rip = f->rip,
                         .cr2 = read_cr2(),
                         .rflags = f->rflags,
                         .cs = f->cs,
                         .rsp = f->rsp,
                         .offset = f->rip - trap_start,
                         .dr6 = dr6};
}

static void back_to_kernel(struct frame *f)
{
    f->rip = (u64)user_back;
    f->cs = CODE64;
    f->ss = DATA;
    f->rsp = user_kernel_rsp;
    f->rflags = 2;
}

static void die(const struct frame *f)
{
    say("unexpected vector %lu, error 0x%lx, at rip 0x%lx cr2 0x%lx cs 0x%lx rsp 0x%lx\n",
        f->vector, f->error, f->rip, read_cr2(), f->cs, f->rsp);
    expect(false, "no unexpected event");
    finish();
}

static void on_exception(struct frame *f)
{
    record(f);
    if (in_user && (f->cs & 3) == 3)
        back_to_kernel(f);
    else if (trap_resume)
        f->rip = trap_resume;
    else
        die(f);
}

void on_event(struct frame *f)
{
    event_count[f->vector]++;
    if (handlers[f->vector])
        handlers[f->vector](f);
    else if (f->vector < 32 || (f->vector == USER_CALL && in_user))
        on_exception(f);
    else
        die(f);
}

int user_run(void (*code)(void), u16 code_selector)
{
    trap_arm();
    trap_start = (u64)code;
    in_user = true;
    user_enter(code, code_selector, user_flags);
    in_user = false;
    user_flags = 2;
    return (int)trap.vector;
}
