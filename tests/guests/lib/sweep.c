/*
 * Interrupts at every place of a piece of code; see sweep.h.
 */
#include "tests/guests/lib/sweep.h"

enum { PLACES = 64 };
volatile struct frame sweep_frame;
volatile u64 sweep_hits;
static struct hit places[PLACES];
static u32 place_count;
static u64 hash, elsewhere;
static bool by_deadline;

static void on_sweep(struct frame *f)
{
    sweep_frame = *f;
    sweep_hits++;
    apic_eoi();
}

void sweep_on(void)
{
    apic_on();
    handlers[SWEEP_VECTOR] = on_sweep;
    by_deadline = cpuid(1, 0).ecx & BIT(24);
    if (by_deadline)
        apic_write(APIC_LVT_TIMER, TIMER_TSC_DEADLINE | SWEEP_VECTOR);
}

static void arm(u32 after)
{
    sweep_hits = 0;
    if (by_deadline)
        wrmsr(MSR_TSC_DEADLINE, rdtsc() + after);
    else
        apic_timer(TIMER_ONE_SHOT, SWEEP_VECTOR, after + 1);
}

static void count_place(const struct sweep *s)
{
    u64 rip = sweep_frame.rip, rcx = sweep_frame.rcx;
    hash = fold(fold(fold(hash, rip), rcx), sweep_frame.rax);
    if (rip < s->start || rip > s->end) {
        elsewhere++;
        return;
    }
    for (u32 i = 0; i < place_count; i++) {
        if (places[i].rip == rip) {
            places[i].count++;
            places[i].rcx = rcx;
            return;
        }
    }
    if (place_count < PLACES)
        places[place_count++] = (struct hit){rip, rcx, 1};
}

static bool allowed(const struct sweep *s)
{
    for (u32 i = 0; i < s->forbidden_count; i++)
        if (sweep_frame.rip == s->forbidden[i])
            return false;
    return true;
}

static void wait_for_hit(void)
{
    while (!sweep_hits)
        asm volatile("sti; nop; nop; cli" : : : "memory");
}

static void report(const struct sweep *s)
{
    for (u32 i = 0; i < place_count; i++)
        say("%s +%lu rcx %lu: %lu\n", s->name, places[i].rip - s->start, places[i].rcx,
            places[i].count);
    say("%s elsewhere: %lu, hash %lx\n", s->name, elsewhere, hash);
}

void sweep_run(const struct sweep *s)
{
    bool in_order = true, once = true;
    place_count = 0;
    elsewhere = 0;
    hash = 0xcbf29ce484222325;
    for (u32 after = s->first; after < s->last; after++) {
        if (s->prepare)
            s->prepare();
        arm(after);
        s->code();
        wait_for_hit();
        cli();
        once &= sweep_hits == 1;
        in_order &= allowed(s);
        if (!allowed(s))
            say("%s: hit at +%lu\n", s->name, sweep_frame.rip - s->start);
        count_place(s);
    }
    report(s);
    say("%s: ", s->name);
    expect(in_order, "no interrupt hits where none may");
    expect(once, "each is delivered once");
}
