/*
 * Interrupts that arrive while another event is delivered: INT n, #UD, #PF and #GP
 * handlers run through interrupt gates, so the interrupt hits before the event or
 * after its handler's IRET, never between event and handler, and none is lost or
 * doubled (SDM 6.9, 6.15; 25.4.2).
 *
 * @row: 11 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 6,13,14
 */
#include "tests/guests/lib/sweep.h"

enum { SOFT = 0x55, GONE = 0x40000000 };
extern u8 events_start[], events_end[];
void events_code(void);
asm("events_code: push %rbx; sti; nop\n"
    "events_start: nop; int $0x55; nop; ud2; nop; mov 0x40000000, %al; nop\n"
    " mov $0xfff, %ecx; rdmsr; nop; int $0x55; xor %eax, %eax; cpuid; nop\n"
    "events_end: cli; pop %rbx; ret\n");

static volatile u64 soft, undefined, page, protection, in_handler, handler_broken, runs;

static void on_soft(struct frame *f)
{
    (void)f;
    soft++;
}

static void on_undefined(struct frame *f)
{
    undefined++;
    f->rip += 2;
}

static void on_page(struct frame *f)
{
    page++;
    if (read_cr2() != GONE || f->error != 0)
        handler_broken++;
    f->rip += 7;
}

static void on_protection(struct frame *f)
{
    protection++;
    f->rip += 2;
}

static void checked(void)
{
    runs++;
    events_code();
    if (sweep_hits && !(sweep_frame.rflags & FLAG_IF))
        in_handler++;
}

int main(void)
{
    paging_own();
    paging_map(GONE, 0, 0);
    handlers[SOFT] = on_soft;
    handlers[UD] = on_undefined;
    handlers[PF] = on_page;
    handlers[GP] = on_protection;
    sweep_on();
    sweep_run(&(struct sweep){"events", NULL, checked, (u64)events_start, (u64)events_end, NULL, 0,
                              0, 700});
    expect_equal(in_handler, 0, "no interrupt hits a handler that runs with IF=0");
    expect_equal(soft, 2 * runs, "every INT n is delivered once");
    expect_equal(undefined, runs, "every #UD is delivered once");
    expect_equal(page, runs, "every #PF is delivered once");
    expect_equal(protection, runs, "every #GP is delivered once");
    expect_equal(handler_broken, 0, "CR2 and error code are whole at every #PF");
    return 0;
}
