/*
 * Interrupts that arrive inside REP strings hit between two iterations: RIP at the
 * instruction, RCX, RSI and RDI as far as it came, and the string is finished after it
 * (SDM vol. 2B REP; 26.1.2).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/sweep.h"

enum { LENGTH = 300 };
static u8 from[LENGTH + 8], to[LENGTH + 8];
static volatile u64 inside, torn;
extern u8 movs_at[], movs_end[], stos_at[], stos_end[], scas_at[], scas_end[], lods_at[],
    lods_end[];
void movs_code(void);
void stos_code(void);
void scas_code(void);
void lods_code(void);
extern u8 *string_from, *string_to;
u8 *string_from = from, *string_to = to;

asm("movs_code: mov string_from, %rsi; mov string_to, %rdi; mov $300, %ecx; cld; sti; nop\n"
    "movs_at: rep movsb\n"
    "movs_end: cli; ret\n"
    "stos_code: mov string_to, %rdi; mov $150, %ecx; mov $0x5a5a, %eax; cld; sti; nop\n"
    "stos_at: rep stosw\n"
    "stos_end: cli; ret\n"
    "scas_code: mov string_to, %rdi; mov $300, %ecx; mov $0x77, %eax; cld; sti; nop\n"
    "scas_at: repne scasb\n"
    "scas_end: cli; ret\n"
    "lods_code: mov string_from, %rsi; add $299, %rsi; mov $300, %ecx; std; sti; nop\n"
    "lods_at: rep lodsb\n"
    "lods_end: cli; cld; ret\n"
    "ins_code: mov string_to, %rdi; mov $300, %ecx; mov $0x1234, %edx; cld; sti; nop\n"
    "ins_at: rep insb\n"
    "ins_end: cli; ret\n");
extern u8 ins_at[], ins_end[];
void ins_code(void);

static void reset(void)
{
    for (u32 i = 0; i < LENGTH; i++) {
        from[i] = (u8)(i * 7 + 1);
        to[i] = 0;
    }
}

static bool copied(void)
{
    for (u32 i = 0; i < LENGTH; i++)
        if (to[i] != from[i])
            return false;
    return to[LENGTH] == 0;
}

/* After each: was it hit inside, and is what RCX says true? */
static void movs_checked(void)
{
    movs_code();
    bool hit = sweep_hits && sweep_frame.rip == (u64)movs_at;
    u64 done = LENGTH - sweep_frame.rcx;
    if (hit)
        inside++;
    if (hit && (sweep_frame.rsi != (u64)from + done || sweep_frame.rdi != (u64)to + done))
        torn++;
    if (!copied())
        torn++;
}

static void stos_checked(void)
{
    stos_code();
    if (sweep_hits && sweep_frame.rip == (u64)stos_at) {
        inside++;
        if (sweep_frame.rdi != (u64)to + 2 * (150 - sweep_frame.rcx))
            torn++;
    }
    for (u32 i = 0; i < LENGTH; i++)
        torn += to[i] != 0x5a;
}

static void scas_checked(void)
{
    scas_code();
    if (sweep_hits && sweep_frame.rip == (u64)scas_at) {
        inside++;
        torn += sweep_frame.rdi != (u64)to + LENGTH - sweep_frame.rcx;
    }
}

static void lods_checked(void)
{
    lods_code();
    if (sweep_hits && sweep_frame.rip == (u64)lods_at) {
        inside++;
        torn += sweep_frame.rsi != (u64)from + sweep_frame.rcx - 1;
        torn += !(sweep_frame.rflags & FLAG_DF);
    }
}

static void ins_checked(void)
{
    ins_code();
    if (sweep_hits && sweep_frame.rip == (u64)ins_at)
        torn += sweep_frame.rdi != (u64)to + LENGTH - sweep_frame.rcx;
    for (u32 i = 0; i < LENGTH; i++)
        torn += to[i] != 0xff;
}

static void sweep(const char *name, void (*code)(void), u8 *at, u8 *end, u32 first, u32 last)
{
    inside = torn = 0;
    sweep_run(&(struct sweep){name, reset, code, (u64)at, (u64)end, NULL, 0, first, last});
    expect_equal(torn, 0, "registers and memory are whole at every hit");
    if (!bare() && code != ins_checked)
        expect(inside > 10, "and many hits are inside the string");
}

int main(void)
{
    sweep_on();
    sweep("movsb", movs_checked, movs_at, movs_end, 0, 450);
    sweep("stosw", stos_checked, stos_at, stos_end, 0, 350);
    sweep("scasb", scas_checked, scas_at, scas_end, 0, 350);
    sweep("lodsb", lods_checked, lods_at, lods_end, 0, 350);
    sweep("insb", ins_checked, ins_at, ins_end, 0, 60);
    return 0;
}
