/* Interrupts in service; see service.h. */
#include "analysis/interrupts/service.h"

static u32 class_of(u8 vector)
{
    return vector >> 4;
}

void service_init(struct service *s)
{
    *s = (struct service){.floor = SERVICE_CLASSES};
}

/* Notes for those before the stretch; one that finds nothing left there is not noted. */
static void note_drop(struct service *s, u8 vector, bool first)
{
    if (class_of(vector) >= s->floor)
        return;
    s->floor = class_of(vector);
    s->operations[s->count++] = (struct service_operation){.first = first, .vector = vector};
}

static void drop(struct service *s, u8 vector, bool first, bool again,
                 const struct service_sink *sink)
{
    if (again && s->depth && s->stack[s->depth - 1].vector == vector)
        s->depth--;
    while (s->depth && class_of(s->stack[s->depth - 1].vector) >= class_of(vector))
        sink->unended(sink->owner, s->stack[--s->depth].vector);
    if (!s->depth)
        note_drop(s, vector, first);
}

void service_begin(struct service *s, const struct served *served, bool first, bool again,
                   const struct service_sink *sink)
{
    drop(s, served->vector, first, again, sink);
    s->stack[s->depth++] = *served; /* classes ascend: there is room */
}

bool service_eoi(struct service *s, u64 time, u64 tsc, const struct service_sink *sink)
{
    if (s->depth)
        return sink->ended(sink->owner, &s->stack[--s->depth], time, tsc);
    if (!s->floor) {
        sink->unmatched(sink->owner);
        return true;
    }
    s->floor--; /* what is left is below what was the highest */
    s->operations[s->count++] = (struct service_operation){.eoi = true, .time = time, .tsc = tsc};
    s->eois++;
    return true;
}

bool service_has(const struct service *s, u32 vector)
{
    for (u32 i = 0; i < s->depth; i++) {
        if (s->stack[i].vector == vector)
            return true;
    }
    return false;
}

void service_forget(struct service *s, const struct service_sink *sink)
{
    drop(s, 0, false, false, sink); /* no class is below that of vector 0 */
}

static bool perform(struct service *s, const struct service *next, u32 operations, bool again,
                    const struct service_sink *sink)
{
    for (u32 i = 0; i < operations; i++) {
        const struct service_operation *o = &next->operations[i];
        if (!o->eoi)
            drop(s, o->vector, false, o->first && again, sink);
        else if (!service_eoi(s, o->time, o->tsc, sink))
            return false;
    }
    return true;
}

/* The two know nothing of each other. */
static void give_up(struct service *s, const struct service *next, const struct service_sink *sink)
{
    while (s->depth)
        sink->unended(sink->owner, s->stack[--s->depth].vector);
    for (u32 i = 0; i < next->eois; i++)
        sink->unmatched(sink->owner);
}

bool service_join(struct service *s, const struct service *next, bool follows, bool again,
                  const struct service_sink *sink)
{
    if (!follows)
        give_up(s, next, sink);
    else if (!perform(s, next, next->count, again, sink))
        return false;
    for (u32 i = 0; i < next->depth; i++)
        s->stack[s->depth++] = next->stack[i];
    return true;
}

static bool untold_ended(void *owner, const struct served *served, u64 time, u64 tsc)
{
    (void)owner, (void)served, (void)time, (void)tsc;
    return true;
}

static void untold_unended(void *owner, u8 vector)
{
    (void)owner, (void)vector;
}

static void untold_unmatched(void *owner)
{
    (void)owner;
}

void service_after(const struct service *s, const struct service *next, u32 operations,
                   struct service *then)
{
    static const struct service_sink nobody = {NULL, untold_ended, untold_unended,
                                               untold_unmatched};
    *then = *s;
    perform(then, next, operations, false, &nobody);
}

/* --- as bytes ---------------------------------------------------------------------------- */

void service_save(const struct service *s, struct pack *pack)
{
    pack_number(pack, s->depth);
    for (u32 i = 0; i < s->depth; i++) {
        pack_number(pack, s->stack[i].vector);
        pack_number(pack, s->stack[i].time);
        pack_number(pack, s->stack[i].tsc);
    }
    pack_number(pack, s->count);
    for (u32 i = 0; i < s->count; i++) {
        const struct service_operation *o = &s->operations[i];
        pack_number(pack, (u64)o->vector << 2 | (u64)o->first << 1 | o->eoi);
        pack_number(pack, o->time);
        pack_number(pack, o->tsc);
    }
}

static void load_stack(struct service *s, struct unpack *unpack)
{
    u64 depth = unpack_number(unpack);
    for (u64 i = 0; i < depth && !unpack->wrong; i++) {
        u64 vector = unpack_number(unpack), time = unpack_number(unpack);
        if (vector > UINT8_MAX ||
            (s->depth && class_of((u8)vector) <= class_of(s->stack[s->depth - 1].vector))) {
            unpack_refuse(unpack, "interrupts in service are not by priority");
            return;
        }
        s->stack[s->depth++] =
            (struct served){.vector = (u8)vector, .time = time, .tsc = unpack_number(unpack)};
    }
}

static void load_operation(struct service *s, struct unpack *unpack)
{
    u64 what = unpack_number(unpack), time = unpack_number(unpack), tsc = unpack_number(unpack);
    u8 vector = (u8)(what >> 2);
    bool eoi = what & 1;
    if (what >> 10 || (eoi ? !s->floor : class_of(vector) >= s->floor)) {
        unpack_refuse(unpack, "an end of an interrupt is impossible");
        return;
    }
    s->floor = eoi ? s->floor - 1 : class_of(vector);
    s->eois += eoi;
    s->operations[s->count++] = (struct service_operation){
        .eoi = eoi, .first = what & 2, .vector = vector, .time = time, .tsc = tsc};
}

/* Each operation lowers the floor: there is room. */
void service_load(struct service *s, struct unpack *unpack)
{
    service_init(s);
    load_stack(s, unpack);
    for (u64 left = unpack_number(unpack); left && !unpack->wrong; left--)
        load_operation(s, unpack);
}
