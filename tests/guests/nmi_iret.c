/*
 * IRET ends the blocking of NMIs even if it faults: an NMI that waited comes right then,
 * also when the hypervisor intercepts the fault (SDM 6.7.1, 26.3, 28.2.3).
 *
 * @row: 5 held
 * @ends: debug-exit 0
 * @options:
 * @options: --trap 11,13
 */
#include "tests/guests/lib/apic.h"

static volatile u64 nmis, faults, order[4], events;

static void note(u64 what)
{
    if (events < 4)
        order[events] = what;
    events++;
}

/* The first NMI asks for another one and returns through a CS that is absent. */
static void on_nmi(struct frame *f)
{
    note(NMI);
    if (++nmis > 1)
        return;
    apic_self_nmi();
    f->cs = DATA_ABSENT;
}

/* Raised by the IRET: its frame is still on the stack; let it return to good code. */
static void on_fault(struct frame *f)
{
    note(f->vector);
    faults++;
    ((u64 *)f->rsp)[1] = CODE64;
}

int main(void)
{
    handlers[NMI] = on_nmi;
    handlers[GP] = handlers[NP] = on_fault;
    apic_on();
    apic_self_nmi();
    for (u32 i = 0; i < 100; i++)
        asm volatile("nop" : : : "memory");
    expect_equal(faults, 1, "the IRET faulted once");
    expect_equal(nmis, 2, "both NMIs came");
    if (order[1] != NMI)
        say("then %lu and %lu\n", order[1], order[2]);
    expect(events == 3 && order[0] == NMI, "first an NMI");
    expect(order[1] == NMI && order[2] == GP, "the second before the handler of the fault");
    return 0;
}
