/* Which interrupt an EOI ends: known answers, and parts of a sequence join to the whole. */
#include "analysis/interrupts/service.h"

#include <criterion/criterion.h>
#include <string.h>

struct outcome {
    u32 ended, unended, unmatched;
    u64 waited;    /* sum of the times from injection to EOI */
    u64 by_vector; /* a sum that tells which vectors ended */
};

static bool on_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    struct outcome *o = owner;
    (void)tsc;
    o->ended++;
    o->waited += time - served->time;
    o->by_vector += (u64)served->vector << 16;
    return true;
}

static void on_unended(void *owner, u8 vector)
{
    struct outcome *o = owner;
    o->unended++;
    o->by_vector += vector;
}

static void on_unmatched(void *owner)
{
    ((struct outcome *)owner)->unmatched++;
}

static struct service_sink sink_of(struct outcome *o)
{
    return (struct service_sink){o, on_ended, on_unended, on_unmatched};
}

static void begin(struct service *s, u8 vector, u64 time, bool first, struct outcome *o)
{
    struct service_sink sink = sink_of(o);
    service_begin(s, &(struct served){.vector = vector, .time = time}, first, false, &sink);
}

static void eoi(struct service *s, u64 time, struct outcome *o)
{
    struct service_sink sink = sink_of(o);
    cr_assert(service_eoi(s, time, 0, &sink));
}

Test(service, an_eoi_ends_the_highest_class)
{
    struct service s;
    struct outcome o = {0};
    service_init(&s);
    begin(&s, 0x31, 100, true, &o);
    begin(&s, 0xec, 150, false, &o);
    eoi(&s, 157, &o); /* 0xec: 7 */
    cr_expect(o.ended == 1 && o.waited == 7);
    eoi(&s, 300, &o); /* 0x31: 200 */
    cr_expect(o.ended == 2 && o.waited == 207 && s.depth == 0 && o.unended == 0);
}

Test(service, an_interrupt_of_no_higher_class_shows_the_end_of_another)
{
    struct service s;
    struct outcome o = {0};
    service_init(&s);
    begin(&s, 0xff, 100, true, &o); /* spurious: no EOI comes */
    begin(&s, 0x50, 200, false, &o);
    eoi(&s, 204, &o);
    cr_expect(o.unended == 1 && o.ended == 1 && o.waited == 4);
}

Test(service, ends_without_a_beginning_are_bounded_and_counted)
{
    struct service s;
    struct outcome o = {0};
    service_init(&s);
    for (u32 i = 0; i < 1000; i++)
        eoi(&s, i, &o);
    cr_expect_eq(o.unmatched + s.eois, 1000);
    cr_expect_eq(o.ended, 0);
}

Test(service, a_delivery_tried_again_begins_later)
{
    struct service s;
    struct outcome o = {0};
    struct service_sink sink = sink_of(&o);
    service_init(&s);
    begin(&s, 0x50, 100, true, &o);
    service_begin(&s, &(struct served){.vector = 0x50, .time = 140}, false, true, &sink);
    eoi(&s, 150, &o);
    cr_expect(o.ended == 1 && o.waited == 10 && o.unended == 0);
}

/* --- joining ----------------------------------------------------------------------------- */

enum { STEPS = 400 };

struct step {
    u8 what; /* 0, 1: an interrupt, else an EOI; 15: a gap */
    u8 vector;
};

static void run(struct service *s, const struct step *steps, u32 from, u32 to, struct outcome *o)
{
    struct service_sink sink = sink_of(o);
    bool first = true;
    service_init(s);
    for (u32 i = from; i < to; i++) {
        if (steps[i].what == 15) {
            service_forget(s, &sink);
        } else if (steps[i].what < 8) {
            begin(s, steps[i].vector, i, first, o);
            first = false;
        } else {
            eoi(s, i, o);
        }
    }
}

static bool same(const struct service *a, const struct service *b)
{
    bool equal =
        a->depth == b->depth && a->count == b->count && a->eois == b->eois && a->floor == b->floor;
    for (u32 i = 0; equal && i < a->depth; i++)
        equal = a->stack[i].vector == b->stack[i].vector && a->stack[i].time == b->stack[i].time;
    for (u32 i = 0; equal && i < a->count; i++)
        equal = a->operations[i].eoi == b->operations[i].eoi &&
                a->operations[i].vector == b->operations[i].vector &&
                a->operations[i].time == b->operations[i].time;
    return equal;
}

static u64 next_random(u64 *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

Test(service, parts_join_to_the_whole_wherever_they_are_cut)
{
    u64 random = 7;
    for (u32 round = 0; round < 300; round++) {
        static struct step steps[STEPS];
        u32 eois = 7 + round % 9; /* more interrupts, or more EOIs */
        for (u32 i = 0; i < STEPS; i++)
            steps[i] = (struct step){(u8)(next_random(&random) % (eois + 1)),
                                     (u8)(next_random(&random) % 256)};
        u32 one = (u32)(next_random(&random) % STEPS);
        u32 two = one + (u32)(next_random(&random) % (STEPS - one));
        struct outcome whole = {0}, parts = {0};
        struct service s, a, b, c;
        struct service_sink sink = sink_of(&parts);
        run(&s, steps, 0, STEPS, &whole);
        run(&a, steps, 0, one, &parts);
        run(&b, steps, one, two, &parts);
        run(&c, steps, two, STEPS, &parts);
        cr_assert(service_join(&b, &c, true, false, &sink));
        cr_assert(service_join(&a, &b, true, false, &sink));
        cr_expect(same(&a, &s), "round %u, cuts %u %u", round, one, two);
        cr_expect_eq(memcmp(&whole, &parts, sizeof(whole)), 0, "round %u, cuts %u %u", round, one,
                     two);
    }
}
