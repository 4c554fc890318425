/*
 * Two tasks compute without any exit of their own and are switched by the timer
 * alone. What each had computed at each switch goes into a hash: it is the same only
 * if every switch is at the same instruction.
 *
 * @row: 11 held
 * @ends: debug-exit 0
 */
#include "tests/guests/lib/apic.h"

enum { TIMER = 0x50, SLICE = 1000 /* 40 us */, SWITCHES = 400 };
static struct frame tasks[2];
static u64 stacks[2][1024] __attribute__((aligned(16)));
static volatile u64 switches, hash = 0xcbf29ce484222325, progress[2];
static struct frame main_frame;
static u32 current;

static void count_up(void)
{
    for (u64 a = 1, b = 1;; progress[0]++) {
        a = a * 6364136223846793005ull + b;
        b ^= a >> 29;
        asm volatile("" : "+r"(a), "+r"(b));
    }
}

static void copy_around(void)
{
    static u64 buffer[64];
    for (u64 i = 0;; i++) {
        buffer[i % 64] += i ^ buffer[(i + 7) % 64];
        progress[1]++;
        asm volatile("" : : : "memory");
    }
}

static void on_timer(struct frame *f)
{
    apic_eoi();
    hash = fold(fold(fold(hash, f->rip), f->rax), progress[current]);
    hash = fold(fold(fold(hash, f->rcx), f->rdx), f->rflags);
    if (++switches >= SWITCHES) {
        apic_timer_off();
        *f = main_frame;
        return;
    }
    tasks[current] = *f;
    current ^= 1;
    *f = tasks[current];
}

/* INT 0x60 saves main()'s place and starts the first task. */
static void on_start(struct frame *f)
{
    main_frame = *f;
    *f = tasks[0];
}

static void task_make(u32 task, void (*code)(void))
{
    tasks[task] = (struct frame){.rip = (u64)code,
                                 .cs = CODE64,
                                 .rflags = 2 | FLAG_IF,
                                 .rsp = (u64)&stacks[task][1023],
                                 .ss = DATA};
}

int main(void)
{
    task_make(0, count_up);
    task_make(1, copy_around);
    handlers[TIMER] = on_timer;
    handlers[0x60] = on_start;
    apic_on();
    apic_timer(TIMER_PERIODIC, TIMER, SLICE);
    asm volatile("int $0x60" : : : "memory");
    say("%lu switches, progress %lu and %lu, hash %lx\n", switches, progress[0], progress[1], hash);
    expect_equal(switches, SWITCHES, "400 switches");
    expect(progress[0] > SWITCHES && progress[1] > SWITCHES, "both tasks went on");
    return 0;
}
