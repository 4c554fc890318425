/* Requests and injections; see requests.h. */
#include "analysis/interrupts/requests.h"
#include "core/gate.h"

static bool drop(struct request_slot *slot, u32 number, const struct request_sink *sink)
{
    bool pending = slot->pending;
    slot->pending = false;
    return !pending || sink->dropped(sink->owner, number, &slot->request);
}

static bool part(struct request_slot *slot, u32 number, const struct request_sink *sink)
{
    bool pending = slot->pending;
    slot->parted |= !slot->known;
    slot->known = true;
    slot->pending = false;
    return !pending || sink->left_open(sink->owner, number, &slot->request);
}

bool requests_raise(struct requests *r, u32 number, const struct irq_request *request,
                    const struct request_sink *sink)
{
    struct request_slot *slot = &r->slots[number];
    bool good = drop(slot, number, sink);
    slot->known = slot->pending = true;
    slot->request = *request;
    return good;
}

enum answer_result requests_answer(struct requests *r, u32 number, const struct answer *answer,
                                   const struct request_sink *sink)
{
    struct request_slot *slot = &r->slots[number];
    if (slot->pending) {
        slot->pending = false;
        return sink->answered(sink->owner, number, &slot->request, answer) ? ANSWER_MATCHED
                                                                           : ANSWER_FAILED;
    }
    if (slot->known) {
        sink->unasked(sink->owner, number);
        return ANSWER_UNASKED;
    }
    slot->known = slot->orphan = true;
    slot->answer = *answer;
    return ANSWER_ORPHAN;
}

bool requests_forget(struct requests *r, const struct request_sink *sink)
{
    bool good = true;
    for (u32 i = 0; i < REQUEST_SLOTS; i++)
        good = part(&r->slots[i], i, sink) && good;
    return good;
}

/* The first thing that `next` saw comes after all that the slot holds. */
static bool join(struct requests *r, u32 number, const struct request_slot *next,
                 const struct request_sink *sink)
{
    struct request_slot *slot = &r->slots[number];
    bool good;
    if (!next->known)
        return true;
    if (next->orphan)
        good = requests_answer(r, number, &next->answer, sink) != ANSWER_FAILED;
    else if (next->parted)
        good = part(slot, number, sink);
    else
        good = drop(slot, number, sink);
    slot->known = true;
    slot->pending = next->pending;
    if (next->pending)
        slot->request = next->request;
    return good;
}

bool requests_join(struct requests *r, const struct requests *next, bool follows,
                   const struct request_sink *sink)
{
    bool good = follows || requests_forget(r, sink);
    for (u32 i = 0; i < REQUEST_SLOTS; i++)
        good = join(r, i, &next->slots[i], sink) && good;
    return good;
}

/* --- as bytes ---------------------------------------------------------------------------- */

enum { KNOWN = 1, PENDING = 2, ORPHAN = 4, PARTED = 8 };

static void save_slot(const struct request_slot *slot, struct pack *pack)
{
    if (slot->pending) {
        pack_number(pack, slot->request.source);
        pack_number(pack, slot->request.due);
        pack_number(pack, slot->request.raised);
        pack_number(pack, slot->request.exit);
        pack_number(pack, slot->request.tsc);
    }
    if (slot->orphan) {
        pack_number(pack, slot->answer.exit);
        pack_number(pack, slot->answer.time);
        pack_number(pack, slot->answer.tsc);
    }
}

void requests_save(const struct requests *r, struct pack *pack)
{
    for (u32 i = 0; i < REQUEST_SLOTS; i++) {
        const struct request_slot *slot = &r->slots[i];
        pack_number(pack, (slot->known ? KNOWN : 0) | (slot->pending ? PENDING : 0) |
                              (slot->orphan ? ORPHAN : 0) | (slot->parted ? PARTED : 0));
        save_slot(slot, pack);
    }
}

static void load_slot(struct request_slot *slot, struct unpack *unpack)
{
    if (slot->pending) {
        slot->request.source = (u32)unpack_number(unpack);
        slot->request.due = unpack_number(unpack);
        slot->request.raised = unpack_number(unpack);
        slot->request.exit = unpack_number(unpack);
        slot->request.tsc = unpack_number(unpack);
        if (slot->request.source > UINT8_MAX || slot->request.raised < slot->request.due)
            unpack_refuse(unpack, "a request of an interrupt is impossible");
    }
    if (slot->orphan) {
        slot->answer.exit = unpack_number(unpack);
        slot->answer.time = unpack_number(unpack);
        slot->answer.tsc = unpack_number(unpack);
    }
}

void requests_load(struct requests *r, struct unpack *unpack)
{
    for (u32 i = 0; i < REQUEST_SLOTS && !unpack->wrong; i++) {
        struct request_slot *slot = &r->slots[i];
        u64 what = unpack_number(unpack);
        slot->known = what & KNOWN;
        slot->pending = what & PENDING;
        slot->orphan = what & ORPHAN;
        slot->parted = what & PARTED;
        if (what > (KNOWN | PENDING | ORPHAN | PARTED) || (!slot->known && what) ||
            (slot->orphan && slot->parted))
            unpack_refuse(unpack, "a vector's requests are impossible");
        load_slot(slot, unpack);
    }
}
